"""A release folder, read file by file, when a file is first asked for.

All paths in messages are relative to the folder. What cannot be read raises ReleaseReadError
with the file and, where there is one, the row.
"""

import csv
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from datasets.core.formats import ava
from datasets.core.formats.persons_csv import PERSONS, load_classes
from datasets.core.untrusted import UntrustedDataError, read_json
from qc.core.json_shapes import MANIFEST as MANIFEST_SHAPE
from qc.core.json_shapes import misfit
from qc.core.release.packing import FORMAT, MANIFEST, PARTS, FileSum
from qc.core.release.plain_yaml import PlainYamlError, read_plain_yaml
from qc.core.release.records import PERSON
from qc.core.release.writer import DATASET_HEADER, NEGATIVES
from tracking.core.tracks_file import person_in_sentence

Content = TypeVar("Content")


MAX_MANIFEST = 1 << 30  # bytes


class ReleaseReadError(UntrustedDataError):
    """A file of a release is missing or not what it should be."""


class ReleasedVideo(NamedTuple):
    """One exported clip, as the manifest has it."""

    video_id: str
    split: str
    source_video: str
    source_start_sec: float
    n_frames: int
    width: int
    height: int


class FrameSettings(NamedTuple):
    """What the manifest says of `rawframes/`."""

    included: bool
    longest_side: int | None  # pixels; None for the size of the clip
    clip_files: bool  # whether `clips/` is in it


class ReleaseReader:
    """The content of a release folder.

    Attributes:
        compared: Clips whose frames were compared with their clips when they were made.
        known: Sums of files that were computed when these were made.
        is_complete: Whether all parts must be there; a download may leave some out.
    """

    def __init__(
        self,
        folder: Path,
        *,
        compared: Collection[str] = (),
        known: Mapping[str, FileSum] | None = None,
        is_complete: bool = True,
    ) -> None:
        self.folder = folder
        self.is_complete = is_complete
        self.compared = frozenset(compared)
        self.known = known or {}
        self._known: dict[str, Any] = {}

    @property
    def splits(self) -> tuple[str, ...]:
        """`train` and `val`, and `test` if a clip is in it."""
        has_test = any(video.split == "test" for video in self.videos().values())
        return ("train", "val", "test") if has_test else ("train", "val")

    def text(self, name: str) -> str:
        try:
            return self._bytes(name).decode("ascii")
        except UnicodeDecodeError as error:
            raise ReleaseReadError(f"{name} is not plain ASCII.") from error

    def words(self, name: str) -> str:
        """The text of a file in UTF-8."""
        try:
            return self._bytes(name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ReleaseReadError(f"{name} is not UTF-8.") from error

    def yaml(self, name: str) -> dict[str, Any]:
        """The mapping that a file of plain YAML holds; empty if it holds nothing."""

        def read() -> dict[str, Any]:
            try:
                return read_plain_yaml(self.words(name))
            except PlainYamlError as error:
                raise ReleaseReadError(f"{name}: {error}.") from error

        return self.once(name, read)

    def json(self, name: str) -> dict[str, Any]:
        """The object that a JSON file holds. Raises ReleaseReadError if it holds another."""

        def read() -> dict[str, Any]:
            content = self.words(name)
            if content.startswith("\ufeff"):
                raise ReleaseReadError(f"{name} begins with a byte order mark.")
            try:
                found = read_json(content, max_bytes=MAX_MANIFEST)
            except UntrustedDataError as error:
                raise ReleaseReadError(f"{name} cannot be read: {error}.") from error
            if not isinstance(found, dict):
                raise ReleaseReadError(f"{name} is not an object of JSON.")
            return found

        return self.once(name, read)

    def shaped(self, name: str, shape: Any) -> dict[str, Any]:
        """The same, of a shape. Raises ReleaseReadError if it is of another."""
        content = self.json(name)
        if fault := misfit(content, shape):
            raise ReleaseReadError(f"{name} cannot be understood: {fault}.")
        return content

    def manifest(self) -> dict[str, Any]:
        return self.once("the manifest", self._read_manifest)

    def videos(self) -> dict[str, ReleasedVideo]:
        return self.once("videos", self._read_videos)

    def images(self) -> FrameSettings:
        said = self.manifest().get("frames", {})
        return FrameSettings(
            bool(said.get("included", True)),
            said.get("longest_side"),
            bool(said.get("clips", True)),
        )

    def statuses(self) -> dict[tuple[str, int], list[str]]:
        """What the manifest says of each keyframe, by video and timestamp."""

        def read() -> dict[tuple[str, int], list[str]]:
            found: dict[tuple[str, int], list[str]] = {}
            for video, at, status in self._listed(
                "keyframes", "video_id", "timestamp", "status"
            ):
                if video not in self.videos():
                    raise ReleaseReadError(
                        f"{MANIFEST} has a keyframe {at} of {video!r}, which is none of its "
                        "videos."
                    )
                found.setdefault((video, at), []).append(status)
            return found

        return self.once("statuses", read)

    def keyframes(self, status: str) -> set[tuple[str, int]]:
        """Video and timestamp of all keyframes of that status."""

        def read() -> set[tuple[str, int]]:
            return {key for key, statuses in self.statuses().items() if status in statuses}

        return self.once(f"keyframes {status}", read)

    def sums(self) -> dict[str, str]:
        sums = self.manifest().get("files")
        if not isinstance(sums, dict):
            raise ReleaseReadError(f"{MANIFEST} has no `files`.")
        return sums

    def labels(self, split: str) -> list[ava.LabelRow]:
        return self._load(f"annotations/ava_{split}.csv", ava.load_labels)

    def predicted(self, split: str) -> list[ava.PredictedRow]:
        return self._load(f"annotations/ava_{split}_predicted_boxes.csv", ava.load_predicted)

    def negatives(self) -> list[ava.NegativeRow]:
        return self._read(NEGATIVES, ava.load_negatives)

    def excluded(self, split: str) -> list[ava.Keyframe]:
        name = f"annotations/ava_{split}_excluded_timestamps.csv"
        return self._load(name, ava.load_keyframes)

    def evaluation(self, split: str) -> list[ava.LabelRow | ava.Keyframe]:
        return self._read(f"annotations/ava_{split}_activitynet.csv", ava.load_evaluation)

    def included(self) -> list[int]:
        return self._load("annotations/ava_included_timestamps.txt", ava.load_timestamps)

    def frames(self, name: str) -> dict[str, int]:
        """The videos of a frame list in their order, and how many frames each has."""
        return self._load(f"frame_lists/{name}.csv", ava.load_frames)

    def proposals(self, split: str) -> dict[str, NDArray[np.float64]]:
        return self._load(_proposals(split), ava.load_proposals)

    def is_for_old_numpy(self, split: str) -> bool:
        """Whether the environments of MMAction2 can read the proposals of a split."""
        return ava.is_for_old_numpy(self._bytes(_proposals(split)))

    def unlabelled(self) -> list[ava.UnlabelledRow]:
        return self._load("annotations/unlabelled_boxes.csv", ava.load_unlabelled)

    def classes(self) -> dict[tuple[str, int], str]:
        """What each is, by source video and number; empty if all are persons."""

        def read() -> dict[tuple[str, int], str]:
            if not (self.folder / PERSONS).exists():
                return {}
            try:
                return load_classes(self.words(PERSONS))
            except (ValueError, csv.Error) as error:
                raise ReleaseReadError(f"{PERSONS}: {error}.") from error

        return self.once(PERSONS, read)

    def class_of(self, video_id: str, person_id: int) -> str:
        """What somebody in a clip is; a person, unless `persons.csv` says otherwise."""
        video = self.videos().get(video_id)
        source = video.source_video if video else ""
        return self.classes().get((source, person_id), PERSON)

    def name_of(self, video_id: str, person_id: int) -> str:
        """How sentences call somebody in a clip: `person 3`, or `P4 vehicle`."""
        return person_in_sentence(person_id, self.class_of(video_id, person_id))

    def actions(self) -> list[ava.AvaAction]:
        return self._load("annotations/ava_action_list.pbtxt", ava.load_actions)

    def evaluated_actions(self) -> list[ava.AvaAction]:
        name = "annotations/ava_action_list_for_activitynet.pbtxt"
        return self._load(name, ava.load_actions)

    def label_map(self) -> list[tuple[int, str]]:
        return self._load("annotations/label_map.txt", ava.load_label_map)

    def manifest_actions(self) -> list[ava.AvaAction]:
        """Every action as the manifest has it; its name may be of any script."""
        return [ava.AvaAction(*row) for row in self._listed("actions", "id", "name", "type")]

    def together(self) -> list[tuple[ava.LabelRow, str]]:
        """The rows of `AVA_dataset.csv`, each with its split."""
        return self._read("AVA_dataset.csv", _load_together)

    def lacks(self, part: str) -> bool:
        """Whether a download left out the frames, clips or formats that the manifest lists."""
        return (
            not self.is_complete
            and not (self.folder / PARTS[part]).is_dir()
            and any(path.startswith(PARTS[part]) for path in self.sums())
        )

    def left_out(self) -> list[str]:
        """The folders that a download left out."""
        return [PARTS[part] for part in PARTS if self.lacks(part)]

    def once(self, name: str, read: Callable[[], Content]) -> Content:
        """What `read` gives, read when it is first asked for by that name."""
        if name not in self._known:
            self._known[name] = read()
        return self._known[name]

    def _bytes(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise ReleaseReadError(f"{name} cannot be read: {error.strerror}.") from error

    def _load(self, name: str, load: Callable[[bytes], Content]) -> Content:
        return self.once(name, lambda: self._read(name, load))

    def _read(self, name: str, load: Callable[[bytes], Content]) -> Content:
        """The content of a file, read anew: what repeats other files need not be kept."""
        try:
            return load(self._bytes(name))
        except ava.AvaFormatError as error:
            raise ReleaseReadError(f"{name}: {error}.") from error

    def _read_manifest(self) -> dict[str, Any]:
        if self.json(MANIFEST).get("format") != FORMAT:
            raise ReleaseReadError(f"{MANIFEST} is not of the format {FORMAT}.")
        return self.shaped(MANIFEST, MANIFEST_SHAPE)

    def _read_videos(self) -> dict[str, ReleasedVideo]:
        videos = [ReleasedVideo(*row) for row in self._listed("videos", *ReleasedVideo._fields)]
        for video in videos:
            if not ava.VIDEO_ID.fullmatch(str(video.video_id)):
                raise ReleaseReadError(f"{MANIFEST} has the video {video.video_id!r}.")
            start, sides = video.source_start_sec, (video.n_frames, video.width, video.height)
            if not 0 <= start < math.inf:
                raise ReleaseReadError(f"{MANIFEST} starts {video.video_id} at {start!r}.")
            if not all(type(side) is int and side > 0 for side in sides):
                raise ReleaseReadError(
                    f"{MANIFEST} gives {video.video_id} {sides} frames, width and height."
                )
        if len({video.video_id.lower() for video in videos}) < len(videos):
            raise ReleaseReadError(f"{MANIFEST} has a video twice.")
        return {video.video_id: video for video in videos}

    def _listed(self, key: str, *fields: str) -> list[tuple[Any, ...]]:
        try:
            return [tuple(entry[field] for field in fields) for entry in self.manifest()[key]]
        except (KeyError, TypeError) as error:
            raise ReleaseReadError(f"{MANIFEST} has no proper `{key}`: {error}.") from error


def _proposals(split: str) -> str:
    return f"annotations/dense_proposals_{split}.pkl"


def _load_together(content: bytes) -> list[tuple[ava.LabelRow, str]]:
    header, _, rest = content.partition(b"\n")
    if header.decode("ascii", "replace") != DATASET_HEADER:
        raise ava.AvaFormatError(f"row 1 is not {DATASET_HEADER!r}")
    if not content.endswith(b"\n"):
        raise ava.AvaFormatError("the last row has no newline")
    cut = (line.rpartition(b",")[::2] for line in BytesIO(rest))
    splits: list[str] = []

    def labels() -> Iterator[bytes]:
        for row, split in cut:
            splits.append(intern(split.decode("ascii", "replace").rstrip("\n")))
            yield row + b"\n"

    rows = ava.load_labels(b"".join(labels()))
    return list(zip(rows, splits, strict=True))
