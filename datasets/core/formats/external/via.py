"""VIA 3 projects (VGG Image Annotator): boxes, attributes, temporal segments.

`metadata` of a project holds `{vid, z, xy, av}`: `z` the moments in seconds, none of images,
`xy` a shape, `[2, x, y, width, height]` a rectangle in pixels of the file, `av` the values of
attributes by their id, of options the ids, several joined by commas. Sizes of files are not in
it. https://gitlab.com/vgg/via/-/blob/master/via-3.x.y/CodeDoc.md
"""

from typing import Any

from datasets.core.formats.external.document import (
    MALFORMED,
    Box,
    Builder,
    ImportedBox,
    ImportedDocument,
    ImportedInterval,
    ImportedLabel,
    ImportFileError,
    TimeUnit,
    VideoBuilder,
    number,
    place_of_image,
    text_of,
)
from datasets.core.untrusted import UntrustedDataError, read_json

MAX_BYTES = 256 << 20
VIA_2 = "_via_img_metadata"  # a key of its projects
RECTANGLE, CIRCLE, ELLIPSE = 2, 3, 4
POINTS = (5, 6, 7)  # line, polyline, polygon
VIDEO, IMAGE = 4, 2  # kinds of files
TEXT = 1  # kind of attribute


def is_via(content: Any) -> bool:
    """Whether a JSON value is a project of VIA 3, or of VIA 2, which is refused by name."""
    keys = {"metadata", "file", "attribute"}
    return isinstance(content, dict) and (keys <= content.keys() or VIA_2 in content)


def read_via(content: bytes, *, name: str = "") -> ImportedDocument:
    """The annotations of a VIA 3 project. Raises ImportFileError.

    Args:
        name: Of the file: images called by numbers alone are frames of a video called so.
    """
    try:
        raw = read_json(content, max_bytes=MAX_BYTES)
        if isinstance(raw, dict) and VIA_2 in raw:
            raise ImportFileError(
                "it is a project of VIA 2: choose Annotation, Export Annotations (COCO format) "
                "there, and import that file"
            )
        if not is_via(raw):
            raise ImportFileError("it is no project of VIA 3: it lacks metadata or file")
        return _read(raw, name)
    except ImportFileError:
        raise
    except UntrustedDataError as error:
        raise ImportFileError(str(error)) from error
    except MALFORMED as error:
        raise ImportFileError(f"it is no project of VIA 3: {error!r}") from error


def _read(raw: dict[str, Any], name: str) -> ImportedDocument:
    builder = Builder()
    views = {key: view.get("fid_list", []) for key, view in (raw.get("view") or {}).items()}
    for entry in raw["metadata"].values():
        fids = views.get(str(entry.get("vid")), [entry.get("vid")])
        file = raw["file"].get(str(fids[0])) if fids else None
        if file is None:
            builder.leave_out("annotations of files that the project does not list")
            continue
        _add(builder, entry, file, _labels(entry.get("av") or {}, raw["attribute"]), name)
    return builder.document(of_persons=True)


def _labels(values: dict[str, Any], attributes: dict[str, Any]) -> list[ImportedLabel]:
    """The labels that the values of attributes say."""
    found = []
    for key, value in values.items():
        about = attributes.get(key) or {}
        options = about.get("options") or {}
        said = [value] if about.get("type") == TEXT or not options else str(value).split(",")
        for one in said:
            text = text_of(options.get(str(one)) or one)
            if text:
                found.append(ImportedLabel(text_of(about.get("aname", key)), text))
    return found


def _add(
    builder: Builder,
    entry: dict[str, Any],
    file: dict[str, Any],
    labels: list[ImportedLabel],
    name: str,
) -> None:
    moments = [number(one, "a moment") for one in entry.get("z") or []]
    shape = entry.get("xy") or []
    if not shape:
        _add_intervals(builder, moments, file, labels)
        return
    box = _box(shape)
    if box is None:
        builder.leave_out("points, which have no box")
        return
    video, at = _place(builder, moments, file, name)
    if at is None:
        builder.leave_out("boxes of images whose names have no number of a frame")
        return
    key = next((one.value for one in labels if _is_person(one.attribute)), "")
    kept = tuple(one for one in labels if not _is_person(one.attribute))
    builder.add(video, key, ImportedBox(at, box, kept))


def _add_intervals(
    builder: Builder,
    moments: list[float],
    file: dict[str, Any],
    labels: list[ImportedLabel],
) -> None:
    if len(moments) < 2:
        builder.leave_out("annotations without a box and without a stretch of time")
        return
    video = builder.video(text_of(file.get("fname", "")), TimeUnit.SECOND)
    subject = next((one.value for one in labels if _is_person(one.attribute)), "")
    for label in labels:
        if not _is_person(label.attribute):
            start, stop = min(moments), max(moments)
            video.intervals.append(ImportedInterval(subject, start, stop, label))


def _place(
    builder: Builder, moments: list[float], file: dict[str, Any], name: str
) -> tuple[VideoBuilder, float | None]:
    fname = text_of(file.get("fname", ""))
    if moments or int(file.get("type", IMAGE)) == VIDEO:
        at = moments[0] if moments else None
        return builder.video(fname, TimeUnit.SECOND), at
    place = place_of_image(fname)
    return builder.video(place.video or name, place.unit), place.number


def _box(shape: list[Any]) -> Box | None:
    kind, points = int(shape[0]), [number(one, "a shape") for one in shape[1:]]
    if kind == RECTANGLE:
        x, y, width, height = points[:4]
        return x, y, x + width, y + height
    if kind == CIRCLE:
        x, y, radius = points[:3]
        return x - radius, y - radius, x + radius, y + radius
    if kind == ELLIPSE:
        x, y, rx, ry = points[:4]
        return x - rx, y - ry, x + rx, y + ry
    if kind in POINTS and len(points) >= 4:
        return min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2])
    return None


def _is_person(attribute: str) -> bool:
    """Whether an attribute numbers people."""
    words = attribute.lower().replace("_", " ").replace("-", " ")
    return words in ("person", "person id", "id", "track", "track id", "subject", "pid")
