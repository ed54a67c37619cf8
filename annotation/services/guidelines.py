"""Writes of guidelines: text, definitions, and images, uploaded or picked from clips."""

import io
from hashlib import sha256
from typing import BinaryIO

from django.db import transaction
from django.utils.translation import gettext as _
from PIL import Image, ImageDraw, ImageOps

from annotation.core.guidelines import image_numbers, other_images
from annotation.models import Guideline, GuidelineImage
from avaproject.base.storage import remove, store
from avaproject.base.temporary import work_folder
from datasets.accounts.activity import record
from datasets.clip_frames import FramesError, read_frame
from datasets.core.sizes import size_text
from datasets.models import Action, Clip, Dataset

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAX_BYTES = 20 << 20  # of an uploaded image
MAX_PIXELS = 50_000_000
MAX_SIDE = 1280  # pixels of a stored image
MAX_TEXT = 100_000  # characters
MARGIN = 0.6  # round an outlined person, as a share of the longer side of the box
LEAST_SIDE = 160  # pixels of the frame that are shown round a person at least
QUALITY = 88
Box = tuple[float, float, float, float]


class GuidelineError(ValueError):
    """A guideline or image that can't be stored; the message says why."""


def save_text(dataset: Dataset, text: str, *, action: Action | None = None) -> Guideline:
    """Store the text of `dataset`, or the definition of `action`.

    Raises GuidelineError for a text that is too long or shows an image that is not there.
    """
    if len(text) > MAX_TEXT:
        raise GuidelineError(_("at most %(most)s characters fit") % {"most": MAX_TEXT})
    if strange := other_images(text):
        raise GuidelineError(
            _("%(strange)s is not an image of this dataset: upload it, and write its name")
            % {"strange": strange[0]}
        )
    there = set(GuidelineImage.objects.of(dataset).values_list("pk", flat=True))
    if missing := [number for number in image_numbers(text) if number not in there]:
        raise GuidelineError(_("there is no image-%(missing)s.jpg") % {"missing": missing[0]})
    with transaction.atomic():
        record("change guidelines", action or "", dataset=dataset)
        return Guideline.objects.update_or_create(
            dataset=dataset, action=action, defaults={"text": text}
        )[0]


def add_upload(
    dataset: Dataset, file: BinaryIO, *, caption: str = "", action: Action | None = None,
    kind: str = GuidelineImage.Kind.TEXT,
) -> GuidelineImage:  # fmt: skip
    """Store an uploaded image, turned upright and without its metadata.

    Raises GuidelineError if it is none, or too large.
    """
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise GuidelineError(
            _("the image has more than %(most)s") % {"most": size_text(MAX_BYTES)}
        )
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise GuidelineError(_("the image has more than 50 million pixels"))
            shown = ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, GuidelineError):
            raise
        raise GuidelineError(_("this is not a PNG, JPEG, WebP or GIF image")) from error
    flat = Image.new("RGBA", shown.size, "white")
    flat.alpha_composite(shown)
    return _add(dataset, flat, GuidelineImage(kind=kind, caption=caption), action)


def add_frame(
    clip: Clip, second: int, box: Box | None, *, action: Action | None, kind: str,
    person_id: int | None = None, caption: str = "",
) -> GuidelineImage:  # fmt: skip
    """Store a keyframe of `clip`; with `box` the part round a person, who is outlined.

    Raises GuidelineError if the clip has no such frame.
    """
    dataset = clip.video.dataset
    try:
        content = read_frame(clip, second * dataset.annotation_fps)
    except (FramesError, FileNotFoundError) as error:
        raise GuidelineError(
            _("%(clip)s has no frame of second %(second)s") % {"clip": clip, "second": second}
        ) from error
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
        shown = image.convert("RGB")
    if box is not None:
        shown = _outlined(shown, box, width=clip.video.width or shown.width)
    row = GuidelineImage(
        kind=kind, caption=caption, clip=clip, second=second, person_id=person_id
    )
    return _add(dataset, shown, row, action)


def remove_image(row: GuidelineImage) -> None:
    """Remove an image. Raises GuidelineError while the text shows it."""
    dataset = row.guideline.dataset
    for text in Guideline.objects.filter(dataset=dataset).values_list("text", flat=True):
        if row.pk in image_numbers(text):
            raise GuidelineError(
                _("the text shows %(row)s: take it out there first") % {"row": row}
            )
    name = row.file.name or ""
    with transaction.atomic():
        record("remove guideline image", row, dataset=dataset)
        row.delete()
        if not GuidelineImage.objects.filter(file=name).exists():
            transaction.on_commit(lambda: remove(name))


def as_png(file: BinaryIO) -> bytes:
    """A stored image as PNG, which is what CVAT takes."""
    target = io.BytesIO()
    with Image.open(file, formats=("JPEG",)) as image:
        image.save(target, "PNG", optimize=True)
    return target.getvalue()


def _outlined(frame: Image.Image, box: Box, *, width: int) -> Image.Image:
    """The part of `frame` round `box` (pixels of a video `width` wide), which is outlined."""
    scale = frame.width / width
    x1, y1, x2, y2 = (side * scale for side in box)
    around = max(MARGIN * max(x2 - x1, y2 - y1), (LEAST_SIDE - min(x2 - x1, y2 - y1)) / 2)
    left, top = max(int(x1 - around), 0), max(int(y1 - around), 0)
    right, bottom = min(int(x2 + around), frame.width), min(int(y2 + around), frame.height)
    line = max(round(frame.width / 400), 2)
    shown = frame.copy()
    draw = ImageDraw.Draw(shown)
    draw.rectangle((x1 - line, y1 - line, x2 + line, y2 + line), outline="black", width=line)
    draw.rectangle((x1, y1, x2, y2), outline="white", width=line)
    return shown.crop((left, top, right, bottom))


def _add(
    dataset: Dataset, image: Image.Image, row: GuidelineImage, action: Action | None
) -> GuidelineImage:
    image = image.convert("RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    target = io.BytesIO()
    image.save(target, "JPEG", quality=QUALITY, optimize=True)
    content = target.getvalue()
    name = f"{dataset.name}/guidelines/{sha256(content).hexdigest()[:32]}.jpg"
    with work_folder() as folder:
        path = folder / "image.jpg"
        path.write_bytes(content)
        row.file.name = store(path, name)
    guideline = Guideline.objects.get_or_create(dataset=dataset, action=action)[0]
    row.guideline = guideline
    row.save()
    record("add guideline image", row, dataset=dataset)
    return row
