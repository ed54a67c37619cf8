"""Annotations of another tool as values: videos, people over time, their labels, intervals.

A reader says what is in a file, not what it means here: which clip a video is, which action a
label, and which person a track, is found later. Boxes are `(x1, y1, x2, y2)`, x2 and y2
exclusive, in pixels of `width` and `height`; both are 1 where boxes are shares of the frame,
and 0 where the file does not say.
"""

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import NamedTuple

from datasets.core.untrusted import UntrustedDataError

Box = tuple[float, float, float, float]
MAX_BOXES = 5_000_000
MAX_LABELS = 5000  # different ones
MAX_TEXT = 200  # characters of a label or a name
MAX_NAME = 400  # of an image
MAX_MOMENT = 1e12
MAX_SIDE, MAX_FRAMES, MAX_RATE = 100_000, 1 << 31, 1000.0
MALFORMED = (  # what reading values of other types raises
    KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError
)  # fmt: skip
_IMAGE = re.compile(r"(?P<head>.*?)[._-]?(?P<number>\d+)$", re.DOTALL)
_ANNOTATION_FRAME = re.compile(r"(?P<clip>[a-z0-9-]+-c\d{4})_frame_(?P<number>\d{1,12})$")


class ImportFileError(UntrustedDataError):
    """The file is not of the format, or too large; the message says what it lacks."""


class TimeUnit(StrEnum):
    """What the moments of a video count."""

    FRAME = "frame"  # from 0, at the video's own rate unless `fps` says otherwise
    IMAGE = "image"  # number in the name of an image taken from the video, at whatever rate
    ANNOTATION_FRAME = "annotation frame"  # of one of our clips, as annotators see it
    SECOND = "second"
    TIMESTAMP = "timestamp"  # AVA's: second 900 begins a clip


class ImportedLabel(NamedTuple):
    """A word said of a person: the class of a box, or the value of an attribute."""

    attribute: str  # empty for a class
    value: str

    def __str__(self) -> str:
        return f"{self.attribute}: {self.value}" if self.attribute else self.value


class ImportedBox(NamedTuple):
    at: float  # in the unit of the video
    box: Box
    labels: tuple[ImportedLabel, ...] = ()
    is_outside: bool = False  # not in the frame from here on


@dataclass(frozen=True)
class ImportedTrack:
    """The boxes of one person, ascending by moment.

    Attributes:
        key: The person's name in the file; empty if boxes have none, and belong to anybody.
        is_interpolated: Boxes between two are meant, however far apart these are.
    """

    key: str
    boxes: tuple[ImportedBox, ...]
    is_interpolated: bool = False


class ImportedInterval(NamedTuple):
    """What somebody does from a moment to another; a single moment if both are the same."""

    subject: str  # empty: the whole frame
    start: float
    stop: float
    label: ImportedLabel


@dataclass(frozen=True)
class ImportedVideo:
    """What a file says of one video.

    Attributes:
        name: As the file calls it, or the folder or the beginning of the names of its images.
        frame_count: 0 if the file does not say.
        fps: Frames a second of the moments; 0 if the file does not say.
    """

    name: str
    unit: TimeUnit
    width: int = 0
    height: int = 0
    frame_count: int = 0
    fps: float = 0.0
    tracks: tuple[ImportedTrack, ...] = ()
    intervals: tuple[ImportedInterval, ...] = ()


@dataclass(frozen=True)
class ImportedDocument:
    """All that a file says.

    Attributes:
        left_out: Sentences on what was not read, and why.
        is_complete: Whoever has no label of a group was looked at and does none of it.
        is_release: Of ours: a video is a clip with its padding.
        is_of_persons: Every box is a person, whatever its class is called.
    """

    videos: tuple[ImportedVideo, ...]
    left_out: tuple[str, ...] = ()
    is_complete: bool = False
    is_release: bool = False
    is_of_persons: bool = False

    @property
    def box_count(self) -> int:
        return sum(len(track.boxes) for video in self.videos for track in video.tracks)

    def labels(self) -> dict[ImportedLabel, int]:
        """Every label with how often it is said, in order of the text."""
        counts: dict[ImportedLabel, int] = {}
        for video in self.videos:
            for track in video.tracks:
                for box in track.boxes:
                    for label in box.labels:
                        counts[label] = counts.get(label, 0) + 1
            for one in video.intervals:
                counts[one.label] = counts.get(one.label, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: str(item[0])))

    def subjects(self) -> dict[str, int]:
        """The subjects of intervals with how many they have; empty: the whole frame."""
        counts: dict[str, int] = {}
        for video in self.videos:
            for one in video.intervals:
                counts[one.subject] = counts.get(one.subject, 0) + 1
        return dict(sorted(counts.items()))


class FramePlace(NamedTuple):
    """Where an image belongs, by its name."""

    video: str
    number: int | None
    unit: TimeUnit


def place_of_image(name: str) -> FramePlace:
    """The video and frame of an image by its name; the folder is the video if there is one.

    Numbers of frames are as they stand in the name; those of our annotation frames are known.

    >>> place_of_image("frames/street/img_00061.jpg")[:2]
    ('street', 61)
    >>> place_of_image("street_000061.jpg")[:2]
    ('street', 61)
    >>> place_of_image("aisle-c0001_frame_0012.jpg")
    FramePlace(video='aisle-c0001', number=12, unit=<TimeUnit.ANNOTATION_FRAME: \
'annotation frame'>)
    """
    path = PurePosixPath(name[-MAX_NAME:].replace("\\", "/"))
    if match := _ANNOTATION_FRAME.search(path.stem):
        return FramePlace(match["clip"], int(match["number"]), TimeUnit.ANNOTATION_FRAME)
    match = _IMAGE.fullmatch(path.stem)
    if match is None or len(match["number"]) > 12:
        return FramePlace(path.stem, None, TimeUnit.IMAGE)
    folder = path.parent.name
    head = match["head"].rstrip("._-")
    is_plain = head.lower() in ("", "img", "frame", "image") or head == folder
    return FramePlace(folder if is_plain and folder else head, int(match["number"]),
                      TimeUnit.IMAGE)  # fmt: skip


@dataclass
class VideoBuilder:
    """Collects what a file says of one video, in whatever order it comes."""

    name: str
    unit: TimeUnit
    width: int = 0
    height: int = 0
    frame_count: int = 0
    fps: float = 0.0
    boxes: dict[str, list[ImportedBox]] = field(default_factory=dict)
    intervals: list[ImportedInterval] = field(default_factory=list)
    interpolated: set[str] = field(default_factory=set)

    def add(self, key: str, box: ImportedBox) -> None:
        self.boxes.setdefault(key, []).append(box)

    def video(self) -> ImportedVideo:
        """The video; of two boxes of a person at one moment the later counts."""
        tracks = []
        for key, boxes in self.boxes.items():
            if key:
                boxes = list({box.at: box for box in boxes}.values())
            boxes = sorted(boxes, key=lambda box: box.at)
            tracks.append(ImportedTrack(key, tuple(boxes), key in self.interpolated))
        is_sized = 0 < self.width <= MAX_SIDE and 0 < self.height <= MAX_SIDE
        return ImportedVideo(
            self.name, self.unit, self.width if is_sized else 0,
            self.height if is_sized else 0,
            self.frame_count if 0 < self.frame_count <= MAX_FRAMES else 0,
            self.fps if 0 < self.fps <= MAX_RATE else 0.0,
            tuple(tracks), tuple(sorted(self.intervals, key=lambda one: one.start)),
        )  # fmt: skip


class Builder:
    """Collects videos by name and unit, bounded, and sentences on what was left out."""

    def __init__(self) -> None:
        self._videos: dict[tuple[str, TimeUnit], VideoBuilder] = {}
        self._left_out: dict[str, int] = {}
        self._boxes = 0

    def video(self, name: str, unit: TimeUnit) -> VideoBuilder:
        return self._videos.setdefault((name, unit), VideoBuilder(name, unit))

    def add(self, video: VideoBuilder, key: str, box: ImportedBox) -> None:
        """Add a box. Raises ImportFileError for one too many; an impossible one is noted."""
        if not abs(box.at) < MAX_MOMENT:
            self.leave_out("boxes at impossible times")
            return
        if not is_possible(box.box) and not box.is_outside:
            self.leave_out("boxes without an area, or without finite numbers")
            return
        self._boxes += 1
        if self._boxes > MAX_BOXES:
            raise ImportFileError(f"it has more than {MAX_BOXES} boxes; split it")
        video.add(key, box)

    def leave_out(self, what: str, count: int = 1) -> None:
        """Note that something was not read; the same is counted."""
        self._left_out[what] = self._left_out.get(what, 0) + count

    def document(
        self, *, is_complete: bool = False, is_release: bool = False, of_persons: bool = False
    ) -> ImportedDocument:
        """The document. Raises ImportFileError if nothing was found."""
        videos = tuple(
            video.video() for video in self._videos.values() if video.boxes or video.intervals
        )
        left_out = tuple(f"{what} ({count})" for what, count in self._left_out.items())
        if not videos:
            rest = f"; left out were {', '.join(left_out)}" if left_out else ""
            raise ImportFileError(f"it has neither boxes nor intervals{rest}")
        document = ImportedDocument(videos, left_out, is_complete, is_release, of_persons)
        if len(document.labels()) > MAX_LABELS:
            raise ImportFileError(f"it has more than {MAX_LABELS} different labels")
        return document


def is_possible(box: Iterable[float]) -> bool:
    """Whether a box has finite sides and an area.

    >>> is_possible((0, 0, 5, 5)), is_possible((0, 0, 0, 5))
    (True, False)
    """
    x1, y1, x2, y2 = box
    return all(map(math.isfinite, (x1, y1, x2, y2))) and x2 > x1 and y2 > y1


def text_of(value: object) -> str:
    """A name or label as short text on one line."""
    return " ".join(str(value).split())[:MAX_TEXT]


def attribute_labels(attributes: Mapping[str, object]) -> tuple[ImportedLabel, ...]:
    """The labels that attributes say; a box that is ticked is a label by its name.

    >>> [str(one) for one in attribute_labels({"waves": True, "hat": False, "pose": "sit"})]
    ['waves: yes', 'pose: sit']
    """
    found = []
    for name, value in attributes.items():
        values = value if isinstance(value, list) else [value]
        for one in values:
            if one is False or one in (None, "", "false", "False"):
                continue
            if isinstance(one, dict | list):
                continue
            said = "yes" if one is True or one in ("true", "True") else one
            found.append(ImportedLabel(text_of(name), text_of(said)))
    return tuple(found)


def columns(line: str) -> list[str]:
    """The cells of a row, separated by commas, semicolons or tabs, else by blanks.

    >>> columns("1;2 ; 3"), columns('"aisle",902'), columns("1 2  3")
    (['1', '2', '3'], ['aisle', '902'], ['1', '2', '3'])
    """
    mark = max(",;\t", key=line.count)
    if mark not in line:
        return line.split()
    cells = next(csv.reader([line], delimiter=mark)) if '"' in line else line.split(mark)
    return [cell.strip() for cell in cells]


def number(value: object, what: str) -> float:
    """A finite number. Raises ImportFileError."""
    try:
        found = float(value)  # type: ignore[arg-type]  # whatever it is
    except (TypeError, ValueError) as error:
        raise ImportFileError(f"{what} is no number") from error
    if not math.isfinite(found) or isinstance(value, bool):
        raise ImportFileError(f"{what} is no finite number")
    return found
