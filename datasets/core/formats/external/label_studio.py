"""Label Studio exports (JSON and JSON_MIN): boxes in videos and images, ranges, choices.

Boxes are in percent of the frame, turned about their upper left corner; polygons and ellipses
become the box around them. `sequence` of a video rectangle holds its keyframes, between which
it is interpolated while `enabled`; frames count from 1, and `framesCount` by `duration` gives
the rate. Regions with one id are one person. Of several annotations of a task the newest that
was not cancelled is read. https://labelstud.io/guide/export
"""

import math
from collections.abc import Iterator
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
MEDIA = ("video", "image", "video_url", "image_url", "url")
WORDS = (
    "labels", "rectanglelabels", "videorectangle", "polygonlabels", "ellipselabels",
    "timelinelabels", "choices", "taxonomy",
)  # fmt: skip
PERCENT = 100
SHAPES = (
    {"sequence"}, {"x", "y", "width", "height"}, {"x", "y", "radiusX", "radiusY"}, {"points"},
)  # fmt: skip
TURNED = "boxes that are turned, in frames whose size the file does not name"


def is_label_studio(content: Any) -> bool:
    """Whether a JSON value is an export of Label Studio, or a single task of one."""
    content = [content] if isinstance(content, dict) else content
    if not isinstance(content, list) or not content or not isinstance(content[0], dict):
        return False
    first = content[0].keys()
    has_results = bool({"annotations", "completions"} & first)
    return ("data" in first and has_results) or bool({"annotation_id", "annotator"} & first)


def read_label_studio(content: bytes, *, name: str = "") -> ImportedDocument:
    """The annotations of an export. Raises ImportFileError.

    Args:
        name: Of the file: images called by numbers alone are frames of a video called so.
    """
    try:
        raw = read_json(content, max_bytes=MAX_BYTES)
        if not is_label_studio(raw):
            raise ImportFileError("it is no export of Label Studio: it has no list of tasks")
        builder = Builder()
        for task in [raw] if isinstance(raw, dict) else raw:
            _read_task(builder, task, name)
        return builder.document()
    except ImportFileError:
        raise
    except UntrustedDataError as error:
        raise ImportFileError(str(error)) from error
    except MALFORMED as error:
        raise ImportFileError(f"it is no export of Label Studio: {error!r}") from error


def _read_task(builder: Builder, task: dict[str, Any], name: str) -> None:
    media = _media(task.get("data", task))
    labels: dict[str, list[ImportedLabel]] = {}
    regions = list(_regions(builder, task))
    for key, region in regions:
        if key and region.get("_kind") in ("choices", "taxonomy"):
            labels.setdefault(key, []).extend(_labels(region))
    boxed = {key for key, region in regions if _is_box(region)}
    for place, (key, region) in enumerate(regions):
        if region.get("_kind") in ("choices", "taxonomy") and key in boxed:
            continue
        said = tuple([*_labels(region), *labels.get(key, [])])
        _read_region(builder, media, key or f"region {place}", region, said, name)


def _media(data: dict[str, Any]) -> str:
    """The name of the video or image of a task, as it was uploaded."""
    for name in (*MEDIA, *data):
        value = data.get(name)
        if isinstance(value, str) and ("/" in value or "." in value):
            name = value.split("?d=")[-1].split("?")[0].rstrip("/").rpartition("/")[2]
            head, _, rest = name.partition("-")
            # An upload is stored as <8 hexadecimal digits>-<name>.
            is_mark = len(head) == 8 and all(c in "0123456789abcdef" for c in head)
            return rest if is_mark and rest else name
    return ""


def _regions(builder: Builder, task: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every region with its id, `_kind` among its values."""
    done = [
        one for one in task.get("annotations") or task.get("completions") or []
        if not one.get("was_cancelled")
    ]  # fmt: skip
    if "data" in task:
        if len(done) > 1:
            builder.leave_out("annotations of tasks that have a newer one", len(done) - 1)
        newest: dict[str, Any] = max(
            done, key=lambda one: str(one.get("updated_at", "")), default={}
        )
        for one in newest.get("result") or []:
            value = one.get("value") or {}
            size = {"_width": one.get("original_width"), "_height": one.get("original_height")}
            rest = {"_kind": one.get("type", ""), "_name": one.get("from_name", "")}
            yield str(one.get("id", "")), {**value, **size, **rest}
        return
    for name, values in task.items():  # JSON_MIN
        for one in values if isinstance(values, list) else []:
            if isinstance(one, dict):
                yield str(one.get("id", "")), {**one, "_name": name}
        if isinstance(values, dict) and "choices" in values:
            yield "", {**values, "_kind": "choices", "_name": name}


def _labels(region: dict[str, Any]) -> list[ImportedLabel]:
    """What a region says: of boxes a class, of everything else an attribute."""
    found = []
    is_box = _is_box(region)
    for word in WORDS:
        values = region.get(word)
        for one in values if isinstance(values, list) else []:
            text = " / ".join(map(str, one)) if isinstance(one, list) else one
            name = "" if is_box and word != "choices" else text_of(region.get("_name", ""))
            found.append(ImportedLabel(name, text_of(text)))
    return found


def _read_region(
    builder: Builder,
    media: str,
    key: str,
    region: dict[str, Any],
    labels: tuple[ImportedLabel, ...],
    name: str,
) -> None:
    if isinstance(region.get("sequence"), list):
        _read_sequence(builder, media, key, region, labels)
    elif _is_box(region):
        place, box = place_of_image(media), _box(region)
        if place.number is None or box is None:
            builder.leave_out(
                TURNED
                if box is None
                else "boxes of images whose names have no number of a frame"
            )
            return
        video = builder.video(place.video or name, place.unit)
        video.width = video.height = 1
        builder.add(video, "", ImportedBox(place.number, box, labels))
    elif isinstance(region.get("ranges"), list):
        video = builder.video(media, TimeUnit.FRAME)
        _set_rate(video, region)
        for one in region["ranges"]:
            first, last = number(one["start"], "a range"), number(one["end"], "a range")
            video.intervals += [
                ImportedInterval("", first - 1, last - 1, label) for label in labels
            ]
    elif "start" in region and "end" in region:
        video = builder.video(media, TimeUnit.SECOND)
        start, stop = number(region["start"], "a start"), number(region["end"], "an end")
        video.intervals += [ImportedInterval("", start, stop, label) for label in labels]
    else:
        builder.leave_out(f"regions of the kind {text_of(region.get('_kind', '?'))}")


def _read_sequence(
    builder: Builder,
    media: str,
    key: str,
    region: dict[str, Any],
    labels: tuple[ImportedLabel, ...],
) -> None:
    video = builder.video(media, TimeUnit.FRAME)
    video.width = video.height = 1
    _set_rate(video, region)
    video.interpolated.add(key)
    sizes = {name: region.get(name) for name in ("_width", "_height")}
    for one in region["sequence"]:
        at = number(one["frame"], "a frame") - 1
        sides = _box(one | sizes)
        if sides is None:
            builder.leave_out(TURNED)
            continue
        box = ImportedBox(at, sides, labels)
        builder.add(video, key, box)
        if one.get("enabled") is False:  # shown here for the last time
            builder.add(video, key, box._replace(at=at + 0.5, is_outside=True))


def _set_rate(video: VideoBuilder, region: dict[str, Any]) -> None:
    count, duration = region.get("framesCount"), region.get("duration")
    video.frame_count = video.frame_count or int(count or 0)
    if count and duration:
        video.fps = round(float(count) / float(duration), 3)
        return
    for one in region.get("sequence") or []:
        if one.get("time"):  # of older versions, which name no duration
            video.fps = round(float(one["frame"]) / float(one["time"]), 3)


def _is_box(region: dict[str, Any]) -> bool:
    """Whether a region has a box, or a shape that a box is around."""
    return any(sides <= region.keys() for sides in SHAPES)


def _box(region: dict[str, Any]) -> Box | None:
    """The box around a shape in shares of the frame; None if it is turned and has no size."""
    width, height = (number(region.get(one) or 1, "a size") for one in ("_width", "_height"))
    degrees = number(region.get("rotation") or 0, "a rotation")
    if degrees % 360 and not (region.get("_width") and region.get("_height")):
        return None
    if "points" in region:
        points = [[number(one, "a point") for one in point] for point in region["points"]]
    else:
        points = _corners(region)
    first_x, first_y = (region["x"], region["y"]) if "x" in region else (0, 0)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    found = []
    for x, y in points:
        right, down = (x - first_x) * width, (y - first_y) * height
        found.append(
            (first_x + (right * cos - down * sin) / width,
             first_y + (right * sin + down * cos) / height)
        )  # fmt: skip
    xs, ys = zip(*found, strict=True)
    return min(xs) / PERCENT, min(ys) / PERCENT, max(xs) / PERCENT, max(ys) / PERCENT


def _corners(region: dict[str, Any]) -> list[list[float]]:
    """Of a rectangle; of an ellipse those of the rectangle around it, turned with it."""
    if "radiusX" in region:
        x, y, rx, ry = (number(region[k], k) for k in ("x", "y", "radiusX", "radiusY"))
        return [[x - rx, y - ry], [x + rx, y - ry], [x + rx, y + ry], [x - rx, y + ry]]
    x, y, width, height = (number(region[k], k) for k in ("x", "y", "width", "height"))
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
