"""COCO and COCO-video: images, people in them, their actions where somebody stored them.

Understood are COCO's own, CVAT's (`attributes` with a `track_id`), those with `videos` and
`instance_id` or `track_id` (COCO-VID, TAO, ours), and YouTube-VIS, where an annotation has
`bboxes` of all frames of its video. Actions are attributes, or our `action_ids`.
"""

from typing import Any

from datasets.core.formats.external.document import (
    MALFORMED,
    Builder,
    ImportedBox,
    ImportedDocument,
    ImportedLabel,
    ImportFileError,
    TimeUnit,
    VideoBuilder,
    attribute_labels,
    number,
    place_of_image,
    text_of,
)
from datasets.core.untrusted import UntrustedDataError, read_json, shown

MAX_BYTES = 512 << 20
IDENTITIES = ("instance_id", "track_id", "person_id")
RELEASE = "Frames: rawframes/"  # in the description of our own
IGNORED = ("track_id", "keyframe", "occluded", "rotation", "outside", "is_crowd", "iscrowd")


def is_coco(content: Any) -> bool:
    """Whether a JSON value is of COCO."""
    return (
        isinstance(content, dict)
        and isinstance(content.get("annotations"), list)
        and ("images" in content or "videos" in content)
    )


def read_coco(content: bytes, *, name: str = "") -> ImportedDocument:
    """The annotations of a file in COCO's form. Raises ImportFileError.

    Args:
        name: Of the file: images called by numbers alone are frames of a video called so.
    """
    try:
        raw = read_json(content, max_bytes=MAX_BYTES)
        if not is_coco(raw):
            raise ImportFileError("it is not COCO: it lacks images or annotations")
        return _Reader(raw, name).document()
    except ImportFileError:
        raise
    except UntrustedDataError as error:
        raise ImportFileError(str(error)) from error
    except MALFORMED as error:
        raise ImportFileError(f"it is not COCO: {error!r}") from error


class _Reader:
    def __init__(self, raw: dict[str, Any], name: str) -> None:
        self.raw, self.name = raw, name
        self.builder = Builder()
        self.images = {one["id"]: one for one in raw.get("images") or []}
        self.videos = {one["id"]: one for one in raw.get("videos") or []}
        self.classes = {
            one["id"]: text_of(one.get("name", one["id"]))
            for one in raw.get("categories") or []
        }
        self.actions = {one["id"]: text_of(one["name"]) for one in raw.get("actions") or []}
        info = raw.get("info")
        description = str(info.get("description", "")) if isinstance(info, dict) else ""
        self.is_release = RELEASE in description

    def document(self) -> ImportedDocument:
        for one in self.raw["annotations"]:
            if "bboxes" in one:
                self._add_sequence(one)
            else:
                self._add(one)
        return self.builder.document(is_complete=self.is_release, is_release=self.is_release)

    def _add(self, one: dict[str, Any]) -> None:
        image = self.images.get(one.get("image_id"))
        if image is None:
            self.builder.leave_out("annotations of images that the file does not list")
            return
        if one.get("iscrowd"):
            self.builder.leave_out("crowds, which are no single persons")
            return
        video, at = self._place(image)
        box = _box(one.get("bbox"), one)
        if box is None or at is None:
            what = "annotations without a box" if box is None else "boxes of images without a "
            self.builder.leave_out(what if box is None else f"{what}frame's number")
            return
        self.builder.add(video, self._key(one), ImportedBox(at, box, self._labels(one)))

    def _add_sequence(self, one: dict[str, Any]) -> None:
        """An annotation of YouTube-VIS: a box, or none, for each frame of the video."""
        about = self.videos[one["video_id"]]
        video = self._video(about)
        key, labels = f"{one.get('id', len(video.boxes))}", self._labels(one)
        for frame, sides in enumerate(one["bboxes"]):
            box = _box(sides, one)
            if box is not None:
                self.builder.add(video, key, ImportedBox(frame, box, labels))

    def _place(self, image: dict[str, Any]) -> tuple[VideoBuilder, float | None]:
        place = place_of_image(str(image.get("file_name", "")))
        about = self.videos.get(image.get("video_id"))
        frame = next((image[key] for key in ("frame_id", "frame_index") if key in image), None)
        if about is not None and frame is not None:
            video, at = self._video(about), number(frame, "a frame")
        else:
            video = self.builder.video(place.video or self.name, place.unit)
            at = place.number if place.number is not None else None  # type: ignore[assignment]
        video.width = video.width or int(image.get("width") or 0)
        video.height = video.height or int(image.get("height") or 0)
        return video, at

    def _video(self, about: dict[str, Any]) -> VideoBuilder:
        name = text_of(about.get("name") or about.get("file_name") or about["id"])
        if files := about.get("file_names"):
            name = place_of_image(str(files[0])).video or name
        video = self.builder.video(name, TimeUnit.FRAME)
        video.width = video.width or int(about.get("width") or 0)
        video.height = video.height or int(about.get("height") or 0)
        video.frame_count = video.frame_count or int(about.get("length") or 0)
        video.fps = video.fps or float(about.get("fps") or 0)
        return video

    def _key(self, one: dict[str, Any]) -> str:
        attributes = one.get("attributes")
        inside = attributes if isinstance(attributes, dict) else {}
        for name in IDENTITIES:
            for place in (one, inside):
                if place.get(name) is not None:
                    return text_of(place[name])
        return ""

    def _labels(self, one: dict[str, Any]) -> tuple[ImportedLabel, ...]:
        kind = self.classes.get(one.get("category_id"), text_of(one.get("category_id", "")))
        found = [ImportedLabel("", kind)] if kind else []
        attributes = one.get("attributes")
        if isinstance(attributes, dict):
            said = {k: v for k, v in attributes.items() if k not in IGNORED + IDENTITIES}
            found += attribute_labels(said)
        for action in one.get("action_ids") or ():
            found.append(ImportedLabel("action", self.actions.get(action, text_of(action))))
        return tuple(found)


def _box(sides: Any, one: dict[str, Any]) -> tuple[float, float, float, float] | None:
    """Of `[left, top, width, height]` of annotation `one`; None if there is none."""
    if not isinstance(sides, list) or len(sides) != 4 or any(side is None for side in sides):
        return None
    what = f"a side of the box of annotation {shown(one.get('id'))}"
    left, top, width, height = (number(side, what) for side in sides)
    return left, top, left + width, top + height
