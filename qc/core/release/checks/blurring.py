"""Check of blurred faces: where heads are blurred, nothing finer than the blur is seen."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.core.formats import ava
from qc.core.release.blurring import HEADS, heads_of
from qc.core.release.checks.expectations import expect
from qc.core.release.checks.pixels import FPS, frames_of, has_media
from qc.core.release.checks.proposals import persons_at
from qc.core.release.reader import ReleaseReader
from qc.core.release.records import PERSON

KEYFRAMES_SHOWN = 200  # spread over all clips, two of each clip at least
INNER = 0.2  # of a head's sides that is left out on each: drawn and tracked boxes differ
SMALLEST = 12  # pixels of a head's shorter side: below, coding hides what blur would
FINE = 8  # parts of a head's longer side, below which a blurred one has no detail
SHARP = 7.0  # grey levels of detail: 95 % of heads in a street have 9, of blurred ones 5.5


class Head(NamedTuple):
    """The detail in one head, in grey levels."""

    row: str
    detail: float


def check_blurring(release: ReleaseReader) -> str:
    """Heads are blurred in every clip, if the manifest says so."""
    faces = release.manifest().get("faces")
    if not faces:
        return "Faces are not blurred."
    if faces.get("blurred") != HEADS:
        return f"Faces that {faces.get('file')} finds are blurred; without it nobody can check."
    if not has_media(release):
        return "There are neither frames nor clips."
    count = 0
    faults = []
    for name in release.videos():
        heads = list(_heads(release, name))
        count += len(heads)
        sharp = [head for head in heads if head.detail > SHARP]
        if sharp and len(sharp) > len(heads) / 2:
            faults.append(
                f"{name} shows heads that are not blurred: {len(sharp)} of {len(heads)}, such "
                f"as that of {sharp[0].row}"
            )
    return expect(faults, f"{count} heads are blurred at keyframes that were looked at.")


def _heads(release: ReleaseReader, name: str) -> Iterator[Head]:
    """The heads at some keyframes of a clip."""
    video = release.videos()[name]
    persons = persons_at(release, video.split)
    times = sorted(at for clip, at in persons if clip == name)
    least = max(2, KEYFRAMES_SHOWN // max(1, len(release.videos())))
    chosen = times[:: max(1, -(-len(times) // least))]
    frames = frames_of(release, video, {FPS * (at - 900) for at in chosen})
    for at in chosen:
        image = frames.get(FPS * (at - 900))
        if image is None:
            continue
        height, width = image.shape[:2]
        for person in persons[name, at]:
            if release.class_of(name, person.person_id) != PERSON:
                continue
            box = ava.parse_box(person.box) * [width, height, width, height]
            detail = _detail(image, heads_of(box[None])[0])
            if detail is not None:
                yield Head(f"person {person.person_id} at {at}", detail)


def _detail(image: NDArray[np.uint8], head: NDArray[np.float64]) -> float | None:
    """Grey levels of finer detail than the blur has, in a head; None if it is tiny."""
    sides = head[2:] - head[:2]
    if sides.min() < SMALLEST:
        return None
    inner = np.concatenate([head[:2] + INNER * sides, head[2:] - INNER * sides])
    left, top = (max(0, round(side)) for side in inner[:2].tolist())
    right, bottom = (round(side) for side in inner[2:].tolist())
    grey = (
        cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
        if (right > left and bottom > top and image[top:bottom, left:right].size)
        else None
    )
    if grey is None:
        return None
    values = grey.astype(np.float32)
    smooth = cv2.GaussianBlur(values, (0, 0), sigmaX=float(sides.max()) / FINE / 2)
    return float(np.abs(values - smooth).mean())
