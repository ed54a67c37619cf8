"""Which file of a folder in AVA format is what, by its first rows and its name.

Nothing is known of the names beforehand: AVA's own, those of MMAction2's and SlowFast's guides,
and whatever somebody called theirs. Frames are folders of images, one for each video.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from datasets.core.formats.ava import FRAME_HEADER

MAX_ENTRIES = 300_000  # files and folders looked at, those in folders of frames aside
MAX_DEPTH = 5
SNIFFED = 16 << 10  # bytes of a file by which its kind is recognised
IMAGES = (".jpg", ".jpeg", ".png")
VIDEOS = (".mp4", ".mkv", ".webm", ".avi", ".mov")
MANY_IMAGES = 8  # from here on a folder of images is one of frames
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE]-?\d+)?")
_FRAME = re.compile(r"^(?P<head>.*?)(?P<number>\d+)\.(?:jpe?g|png)$", re.IGNORECASE)


@dataclass
class FrameFolder:
    """The images of one video: how many, and how the first and the last are numbered."""

    path: str
    count: int
    first: int
    last: int
    head: str  # the name before the number
    digits: int


@dataclass
class AvaFolder:
    """The files of a folder by what they hold; paths are relative to it."""

    root: Path
    labels: list[str] = field(default_factory=list)
    evaluation: list[str] = field(default_factory=list)  # labels with empty keyframes
    predicted: list[str] = field(default_factory=list)
    exclusions: list[str] = field(default_factory=list)
    timestamps: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    label_maps: list[str] = field(default_factory=list)
    frame_lists: list[str] = field(default_factory=list)
    pickles: list[str] = field(default_factory=list)
    videos: list[str] = field(default_factory=list)
    frames: dict[str, FrameFolder] = field(default_factory=dict)  # by the folder's name
    others: list[str] = field(default_factory=list)
    is_cut_short: bool = False  # more entries than are looked at


def split_of(name: str) -> str:
    """The split that a file is for, by its name; empty if it does not say.

    >>> split_of("annotations/ava_val_v2.2.csv"), split_of("all.csv")
    ('val', '')
    """
    words = re.split(r"[^a-z]+", name.rpartition("/")[2].lower())
    for split in ("train", "val", "test"):
        if split in words or (split == "val" and "validation" in words):
            return split
    return ""


def discover(root: Path) -> AvaFolder:
    """The files in `root` and its folders. Files that can't be read count as others."""
    found = AvaFolder(root)
    left = MAX_ENTRIES
    for path in _files(root, found, depth=0):
        left -= 1
        if left < 0:
            found.is_cut_short = True
            break
        name = path.relative_to(root).as_posix()
        _list_for(found, path, name).append(name)
    for names in vars(found).values():
        if isinstance(names, list):
            names.sort()
    return found


def _files(folder: Path, found: AvaFolder, *, depth: int) -> Iterator[Path]:
    """Every file but frames, which are counted in `found`."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    images = [entry.name for entry in entries if entry.name.lower().endswith(IMAGES)]
    if len(images) >= MANY_IMAGES:
        _add_frames(folder, images, found)
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower().endswith(IMAGES):
            continue
        if entry.is_dir() and depth < MAX_DEPTH:
            yield from _files(Path(entry.path), found, depth=depth + 1)
        elif entry.is_file():
            yield Path(entry.path)


def _add_frames(folder: Path, images: list[str], found: AvaFolder) -> None:
    matches = [match for name in images if (match := _FRAME.match(name))]
    if not matches:
        return
    numbers = [int(match["number"]) for match in matches]
    found.frames[folder.name] = FrameFolder(
        folder.relative_to(found.root).as_posix(), len(images), min(numbers), max(numbers),
        matches[0]["head"], len(matches[0]["number"]),
    )  # fmt: skip


def _list_for(found: AvaFolder, path: Path, name: str) -> list[str]:
    ending = path.suffix.lower()
    if ending in VIDEOS:
        return found.videos
    if ending in (".pkl", ".pickle"):
        return found.pickles
    if ending == ".pbtxt":
        return found.actions
    if ending in (".csv", ".txt"):
        return _list_for_rows(found, path, name.lower())
    return found.others


def _list_for_rows(found: AvaFolder, path: Path, name: str) -> list[str]:
    lines = first_lines(path)
    if not lines:
        return found.exclusions if "exclu" in name else found.others
    if lines[0].startswith(FRAME_HEADER[:12]) or _is_frame_row(lines[-1]):
        return found.frame_lists
    if re.match(r"(item|label)\s*:?\s*\{", lines[0]):
        return found.actions
    if any(re.fullmatch(r"\s*\d+\s*:\s*\S.*", line) for line in lines[:3]):
        return found.label_maps
    return _list_for_csv(found, [line.split(",") for line in lines[:200]])


def _list_for_csv(found: AvaFolder, rows: list[list[str]]) -> list[str]:
    if all(len(row) == 1 and row[0].isdecimal() for row in rows):
        return found.timestamps
    if all(len(row) == 2 for row in rows):
        return found.exclusions
    boxes = [row for row in rows if len(row) >= 6 and all(map(_is_number, row[2:6]))]
    # More columns: our AVA_dataset.csv with the split; no action: persons who do nothing.
    if not boxes or len(boxes[0]) > 8:
        return found.others
    if any(len(row) == 2 for row in rows):
        return found.evaluation
    if any(_is_predicted(row) for row in boxes):
        return found.predicted
    return found.labels if any(row[6:7] not in ([], [""]) for row in boxes) else found.others


def first_lines(path: Path) -> list[str]:
    """The first whole lines of a text file that are not empty; none if it is not one."""
    try:
        with path.open("rb") as file:
            head = file.read(SNIFFED)
    except OSError:
        return []
    if b"\0" in head:
        return []
    lines = head.decode("utf-8-sig", "replace").splitlines()
    if len(head) == SNIFFED:
        lines = lines[:-1]
    return [line.strip() for line in lines if line.strip()]


def _is_frame_row(line: str) -> bool:
    words = line.split()
    return len(words) >= 4 and words[3].lower().endswith(IMAGES)


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text.strip()) is not None


def _is_predicted(row: list[str]) -> bool:
    """Whether a row ends in a score where labels have a person."""
    return len(row) == 8 and "." in row[7] and _is_number(row[7]) and float(row[7]) <= 1
