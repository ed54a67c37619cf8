"""Recordings: which videos belong together, and must not be shared out over splits.

Videos form a recording group if one continues another (chapters of a camera), if they show the
same footage, or if a user says that they have the same camera, place or subject.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import NamedTuple

# Footage that two videos of a group share: a shared title is no reason to keep them together.
MIN_SHARED_SECONDS = 10.0
MIN_SHARED_SHARE = 0.5
MAX_PAUSE_SECONDS = 3.0  # between two chapters
# Of the last frame of one and the first of the next; less where the name counts chapters.
MIN_FRAME_LIKENESS, MIN_CHAPTER_LIKENESS = 0.95, 0.8
# Names by which cameras number the files of a recording.
GOPRO = re.compile(r"^g[hx](?P<chapter>\d{2})(?P<file>\d{4})$")
GOPRO_FIRST = re.compile(r"^gopr(?P<file>\d{4})$")
GOPRO_LATER = re.compile(r"^gp(?P<chapter>\d{2})(?P<file>\d{4})$")
DJI = re.compile(r"^dji_(?:\d{14}_)?(?P<number>\d{4})(?:_(?P<lens>[a-z]))?$")
COUNTED = "gopro"  # its numbers are of chapters, those of others are of all files
DASH_CAM = re.compile(
    r"^(?P<before>\D{0,12})(?P<time>\d{4}[-_]?\d{2}[-_]?\d{2}[-_T]?\d{2}[-_]?\d{2}[-_]?\d{2})"
    r"(?:[-_.]?\d{1,6})?[-_]?(?P<after>[a-z]{0,3})$",
    re.IGNORECASE,
)


class Source(NamedTuple):
    """A video as far as chapters tell.

    Attributes:
        name: The name of the file that was uploaded.
        begins: When it was recorded, as the file says; None if it does not.
    """

    name: str
    seconds: float
    begins: datetime | None = None


class Chapter(NamedTuple):
    """The place of a file in a recording, by its name."""

    recording: str
    number: int


def chapter(name: str) -> Chapter | None:
    """What the name of a file says about its place in a recording; None if nothing.

    >>> chapter("GX020001.MP4"), chapter("walk.mp4")
    (Chapter(recording='gopro 0001', number=2), None)
    """
    stem = PurePosixPath(name).stem.lower()
    if found := GOPRO.match(stem):
        return Chapter(f"gopro {found['file']}", int(found["chapter"]))
    if found := GOPRO_FIRST.match(stem):
        return Chapter(f"gopro old {found['file']}", 0)
    if found := GOPRO_LATER.match(stem):
        return Chapter(f"gopro old {found['file']}", int(found["chapter"]))
    if found := DJI.match(stem):
        return Chapter(f"dji {found['lens'] or ''}".strip(), int(found["number"]))
    return None


def time_in_name(name: str) -> tuple[str, datetime] | None:
    """Camera and start time in the name of a dash cam's file; None if it has none.

    >>> time_in_name("20240131_080000_NF.mp4")
    ('/nf', datetime.datetime(2024, 1, 31, 8, 0))
    """
    found = DASH_CAM.match(PurePosixPath(name).stem)
    if found is None:
        return None
    digits = re.sub(r"\D", "", found["time"])
    try:
        begins = datetime.strptime(digits, "%Y%m%d%H%M%S")  # noqa: DTZ007  a camera's clock
    except ValueError:
        return None
    return f"{found['before']}/{found['after']}".lower(), begins


def continues(one: Source, other: Source, *, likeness: float) -> bool:
    """Whether `other` is the next chapter of `one`.

    Its name must say so, and either the start times or the frames: the cards of two cameras
    have files of the same names.

    Args:
        likeness: Of the last frame of `one` and the first of `other`, -1 to 1.
    """
    first, second = chapter(one.name), chapter(other.name)
    if first and second and first == second._replace(number=second.number - 1):
        is_counted = first.recording.startswith(COUNTED)
        needed = MIN_CHAPTER_LIKENESS if is_counted else MIN_FRAME_LIKENESS
        if likeness >= needed or _follows(one, other):
            return True
    named, named_next = time_in_name(one.name), time_in_name(other.name)
    if not named or not named_next or named[0] != named_next[0]:
        return False
    return _is_next(named[1], one.seconds, named_next[1])


def _follows(one: Source, other: Source) -> bool:
    if one.begins is None or other.begins is None:
        return False
    return _is_next(one.begins, one.seconds, other.begins)


def _is_next(begins: datetime, seconds: float, next_begins: datetime) -> bool:
    pause = next_begins - (begins + timedelta(seconds=seconds))
    return abs(pause.total_seconds()) <= MAX_PAUSE_SECONDS


def is_shared(seconds: float, one_seconds: float, other_seconds: float) -> bool:
    """Whether footage of `seconds` in both videos keeps them in one group.

    >>> is_shared(6, 60, 60), is_shared(6, 9, 60)
    (False, True)
    """
    shorter = min(one_seconds, other_seconds)
    return seconds >= min(MIN_SHARED_SECONDS, MIN_SHARED_SHARE * shorter)


def recording_groups(
    labels: Mapping[str, str], links: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """The group of each video: the first name, in alphabetical order, of its videos.

    Args:
        labels: Video -> what a user says about it; empty if nothing.
        links: Pairs of videos that belong together; names not in `labels` are ignored.

    >>> recording_groups({"a": "", "b": "yard", "c": "yard", "d": ""}, [("d", "c")])
    {'a': 'a', 'b': 'b', 'c': 'b', 'd': 'b'}
    """
    root = {name: name for name in labels}

    def find(name: str) -> str:
        while root[name] != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    first_of: dict[str, str] = {}
    same_label = [(first_of.setdefault(text, name), name) for name, text in labels.items()]
    for one, other in (*(pair for pair in same_label if labels[pair[0]]), *links):
        if one in root and other in root:
            low, high = sorted((find(one), find(other)))
            root[high] = low
    return {name: find(name) for name in labels}
