"""Which of our clips a video of a file is, and which moment of it a keyframe.

A file may mean a clip, a released clip with its padding, or a whole source video that was cut
into clips here; it is recognised by its name, and by how long it is where it says so.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from datasets.core.formats.external.document import ImportedVideo, TimeUnit
from datasets.core.media.clips_and_keyframes import FIRST_TIMESTAMP, FRAME_RATE, ExportWindow
from datasets.core.naming import safe_name

SAME_SHAPE = 0.03  # difference of width by height that is still the same frame
RATES = (1.0, 2.0, 3.0, 5.0, 6.0, 10.0, 15.0)  # at which images are taken from videos


@dataclass(frozen=True)
class ClipPlace:
    """One of our clips, and where it is in its source video.

    Attributes:
        name: The clip; `video` and `original` are what its video is called here and was before.
        keyframes: Whole clip seconds, ascending.
        raw_size: Width and height of the uploaded file; 0 if unknown.
        raw_fps: 0 if unknown.
        video_frames: Of the standard video, 30 a second.
    """

    name: str
    video: str
    original: str
    start_frame: int
    frame_count: int
    window: ExportWindow
    keyframes: tuple[int, ...]
    width: int
    height: int
    annotation_fps: int
    raw_size: tuple[int, int] = (0, 0)
    raw_fps: float = 0.0
    video_frames: int = 0

    @property
    def annotation_frames(self) -> int:
        return len(range(0, self.frame_count, FRAME_RATE // self.annotation_fps))


class TimeScale(NamedTuple):
    """From clip seconds to moments of a file: `at = offset + second * per_second`."""

    offset: float
    per_second: float

    def at(self, second: float) -> float:
        return self.offset + second * self.per_second


class Placed(NamedTuple):
    """A video of a file at one of our clips."""

    clip: ClipPlace
    scale: TimeScale
    to_x: float  # pixels of the standard video for one of the file
    to_y: float


class PlacedVideo(NamedTuple):
    """All clips that a video of a file shows, and sentences on how that was understood."""

    places: tuple[Placed, ...]
    notes: tuple[str, ...]


class ClipIndex:
    """Clips by the names that files may have for them."""

    def __init__(self, clips: Iterable[ClipPlace]) -> None:
        self._clips: dict[str, list[ClipPlace]] = {}
        self._videos: dict[str, list[ClipPlace]] = {}
        for clip in clips:
            self._clips.setdefault(clip.name, []).append(clip)
            for name in {clip.video, _plain(clip.original), _safe(clip.original)} - {""}:
                self._videos.setdefault(name, []).append(clip)

    def find(self, name: str) -> tuple[list[ClipPlace], bool]:
        """The clips of a name, and whether it is that of a clip itself.

        A name that two videos share finds none of them: the folder of the file may say more.
        """
        for called in _names(name):
            if clips := self._clips.get(called):
                return clips, True
            if clips := self._videos.get(called):
                return (
                    (clips, False) if len({clip.video for clip in clips}) == 1 else ([], False)
                )
        return [], False


def _names(name: str) -> Iterator[str]:
    """What a video may be called here, by what a file calls it."""
    plain = _plain(name)
    yield plain
    yield plain.partition("--")[0]  # a task of CVAT: <clip>--<annotator>
    yield _safe(name)
    for part in reversed(PurePosixPath(name.replace("\\", "/")).parts[:-1]):
        yield _plain(part)


def _plain(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/")).name
    return re.sub(r"\.(mp4|mkv|webm|avi|mov|mpe?g|m4v|wmv|mts|zip)$", "", path, flags=re.I)


def _safe(name: str) -> str:
    return safe_name(f"{_plain(name)}.mp4", taken=()) if _plain(name) else ""


def place_video(
    video: ImportedVideo,
    index: ClipIndex,
    *,
    fps: float = 0.0,
    first_timestamp: int | None = None,
    is_release: bool = False,
    called: str = "",
) -> PlacedVideo:
    """The clips that `video` shows; none if its name is not known here.

    Args:
        fps: Frames a second of the file's numbers, if somebody said so.
        first_timestamp: AVA timestamp of a source video's first second, likewise.
        is_release: Clips have their padding.
        called: The name of the clip or video, if somebody said so.
    """
    clips, is_clip = index.find(called or video.name)
    notes: list[str] = []
    placed = []
    for clip in clips:
        if is_clip:
            scale = _scale_of_clip(video, clip, fps=fps, is_release=is_release, notes=notes)
        else:
            scale = _scale_of_video(video, clip, fps, first_timestamp, notes)
        to_x, to_y = _factors(video, clip, notes)
        placed.append(Placed(clip, scale, to_x, to_y))
    return PlacedVideo(tuple(placed), tuple(dict.fromkeys(notes)))


def _scale_of_clip(
    video: ImportedVideo, clip: ClipPlace, *, fps: float, is_release: bool, notes: list[str]
) -> TimeScale:
    pad = clip.window.pad_seconds
    if video.unit == TimeUnit.TIMESTAMP:
        return TimeScale(FIRST_TIMESTAMP + pad, 1.0)
    if video.unit == TimeUnit.ANNOTATION_FRAME:
        return TimeScale(0.0, clip.annotation_fps)
    is_padded = is_release or (video.frame_count == clip.window.frame_count != clip.frame_count)
    before = pad if is_padded else 0
    if video.unit == TimeUnit.SECOND:
        return TimeScale(before, 1.0)
    if video.unit == TimeUnit.IMAGE:
        return _scale_of_images(
            video, 0.0, clip.frame_count / FRAME_RATE, fps, FRAME_RATE, notes
        )
    rate = fps or video.fps or FRAME_RATE
    if not fps and video.frame_count == clip.annotation_frames != clip.frame_count:
        rate = clip.annotation_fps  # a task made of the annotation frames
    return TimeScale(before * rate, rate)


def _scale_of_video(
    video: ImportedVideo,
    clip: ClipPlace,
    fps: float,
    first_timestamp: int | None,
    notes: list[str],
) -> TimeScale:
    start, length = clip.start_frame / FRAME_RATE, clip.video_frames / FRAME_RATE
    if video.unit == TimeUnit.SECOND:
        return TimeScale(start, 1.0)
    if video.unit == TimeUnit.TIMESTAMP:
        first = first_timestamp
        if first is None:
            first = 0 if _last(video) <= length + 1 else FIRST_TIMESTAMP
            notes.append(f"{video.name}: its first second is read as timestamp {first}.")
        return TimeScale(first + start, 1.0)
    if video.unit == TimeUnit.IMAGE:
        return _scale_of_images(video, start, length, fps, clip.raw_fps, notes)
    rate = fps or video.fps or clip.raw_fps or FRAME_RATE
    if not (fps or video.fps):
        notes.append(f"{video.name}: its frames are read as {rate:g} a second.")
    return TimeScale(start * rate, rate)


def _scale_of_images(
    video: ImportedVideo,
    start: float,
    length: float,
    fps: float,
    raw_fps: float,
    notes: list[str],
) -> TimeScale:
    """Numbers of images begin with 1, unless there is an image 0."""
    rate = fps or likely_rate(_last(video), length, raw_fps)
    first = 0 if _first(video) < 1 else 1
    notes.append(
        f"{video.name}: its images are read as {rate:g} a second, the first one number {first}."
    )
    return TimeScale(first + start * rate, rate)


def likely_rate(last: float, seconds: float, raw_fps: float) -> float:
    """The rate of images of which the last labelled one has the number `last`.

    That is the video's own, unless so few frames are numbered that they were taken at a lower
    rate: the lowest at which all of them fit.

    >>> likely_rate(290, 10, 30.0), likely_rate(9, 10, 30.0), likely_rate(48, 10, 25.0)
    (30.0, 1.0, 5.0)
    """
    own = raw_fps or float(FRAME_RATE)
    if seconds <= 0:
        return own
    return next((rate for rate in (*RATES, own) if last <= (seconds + 1) * rate), own)


def _last(video: ImportedVideo) -> float:
    moments = [track.boxes[-1].at for track in video.tracks if track.boxes]
    return max([*moments, *(one.stop for one in video.intervals)], default=0.0)


def _first(video: ImportedVideo) -> float:
    return min((track.boxes[0].at for track in video.tracks if track.boxes), default=0.0)


def _factors(video: ImportedVideo, clip: ClipPlace, notes: list[str]) -> tuple[float, float]:
    width, height = video.width, video.height
    if not (width and height):
        width, height = _likely_size(clip)
        notes.append(
            f"{video.name}: the file names no size; boxes are read as pixels of "
            f"{width}x{height}."
        )
    elif (width, height) != (1, 1):
        shape, ours = width / height, clip.width / clip.height
        if abs(shape / ours - 1) > SAME_SHAPE:
            notes.append(
                f"{video.name}: its frames have {width}x{height} pixels, of other proportions "
                f"than here ({clip.width}x{clip.height}); is it another video?"
            )
    return clip.width / width, clip.height / height


def _likely_size(clip: ClipPlace) -> tuple[int, int]:
    """The size of the uploaded file, upright as the standard video is."""
    width, height = clip.raw_size
    if not (width and height):
        return clip.width, clip.height
    is_turned = (width > height) != (clip.width > clip.height)
    return (height, width) if is_turned else (width, height)
