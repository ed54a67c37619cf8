"""The self-check that ends every release: its files, read again as their consumers read them.

Nothing here knows how the files were written. Each check reads the folder and gives one
sentence: what holds, or which file and row break it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypedDict

import av
import cv2
import numpy as np

from datasets.core import ava
from qc.core.packing import MANIFEST, ignore, release_paths, sha256_of
from qc.core.release_reader import ReleaseReader, ReleaseReadError

FPS = 30
TIMESTAMPS = range(902, 1799)  # SlowFast and pytorchvideo know no others
WINDOW_BEFORE = 60  # frames that the widest stock sampling wants before a keyframe
WINDOW_AFTER = 45
EXAMPLES = 3


class Check(TypedDict):
    name: str
    passed: bool
    sentence: str


class _FoundError(ValueError):
    """What a check found wrong, as a sentence."""


def check_release(folder: Path, *, progress: Callable[[float], None] = ignore) -> list[Check]:
    """Check a release folder from end to end.

    Args:
        folder: Holds `manifest.json`, `annotations/`, `rawframes/` and the rest.
        progress: Told the share done.

    Returns:
        One result per check, always the same checks in the same order. A file that cannot be
        read fails every check that needs it.
    """
    release = ReleaseReader(folder)
    checks: list[Check] = []
    for name, check in _CHECKS:
        try:
            sentence, passed = check(release), True
        except (_FoundError, ReleaseReadError) as error:
            sentence, passed = str(error), False
        checks.append(Check(name=name, passed=passed, sentence=sentence))
        progress(len(checks) / len(_CHECKS))
    return checks


def _unless(faults: Iterable[str], holds: str) -> str:
    """`holds` if there is no fault; else raises one that names the first few of them."""
    first: list[str] = []
    count = 0
    for fault in faults:
        count += 1
        if count <= EXAMPLES:
            first.append(fault)
    if not count:
        return holds
    more = f"; and {count - EXAMPLES} more" if count > EXAMPLES else ""
    raise _FoundError(f"{'; '.join(first)}{more}.")


class _Place(NamedTuple):
    """A box of some file, and where it stands there."""

    file: str
    row: int
    video_id: str
    timestamp: int
    box: str
    split: str = ""  # of the file; empty if it is for all

    def __str__(self) -> str:
        return f"{self.file} row {self.row} ({self.video_id} at {self.timestamp})"


def _boxes(release: ReleaseReader) -> Iterator[_Place]:
    """Every box of every file of rows."""
    for split in release.splits:
        for row, label in enumerate(release.labels(split), start=1):
            yield _Place(f"ava_{split}.csv", row, *label[:3], split)
        for row, predicted in enumerate(release.predicted(split), start=1):
            file = f"ava_{split}_predicted_boxes.csv"
            yield _Place(file, row, *predicted[:3], split)
    for row, unlabelled in enumerate(release.unlabelled(), start=1):
        yield _Place("unlabelled_boxes.csv", row, *unlabelled[:3])


def _rows(release: ReleaseReader) -> str:
    counts = Counter(place.file for place in _boxes(release))
    for split in release.splits:
        counts["excluded"] += len(release.excluded(split))
        counts["evaluation"] += len(release.evaluation(split))
        counts["frames"] += len(release.frames(split))
    counts["together"] = len(release.together())
    return f"All {counts.total()} rows have the form that consumers read."


def _coordinates(release: ReleaseReader) -> str:
    def faults() -> Iterator[str]:
        for place in _boxes(release):
            x1, y1, x2, y2 = ava.parse_box(place.box)
            if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
                yield f"{place} has the box {place.box}"

    return _unless(faults(), "All boxes lie between 0 and 1 and have an area.")


def _actions(release: ReleaseReader) -> str:
    ids = [action.action_id for action in release.actions()]
    listed = [action[:2] for action in release.actions()]

    def faults() -> Iterator[str]:
        if ids != list(range(1, len(ids) + 1)):
            yield f"the ids of ava_action_list.pbtxt are {ids}, not 1 to {len(ids)}"
        if [action[:2] for action in release.evaluated_actions()] != listed:
            yield "ava_action_list_for_activitynet.pbtxt has other actions than the full list"
        for split in release.splits:
            for row, label in enumerate(release.labels(split), start=1):
                if label.action_id not in ids:
                    yield f"ava_{split}.csv row {row} has the action {label.action_id}"

    return _unless(faults(), f"All labels are among the {len(ids)} actions of the list.")


def _persons(release: ReleaseReader) -> str:
    def faults() -> Iterator[str]:
        rows: set[tuple[object, ...]] = set()
        box_of: dict[tuple[str, int, int], str] = {}
        person_of: dict[tuple[str, int, str], int] = {}
        for file, row, video, at, box, person, action in _everybody(release):
            where = f"{file} row {row} ({video} at {at})"
            if box_of.setdefault((video, at, person), box) != box:
                yield f"{where} gives person {person} a second box"
            if person_of.setdefault((video, at, box), person) != person:
                yield f"{where} gives one box to two persons"
            if (video, at, person, action) in rows:
                yield f"{where} says the same twice"
            rows.add((video, at, person, action))

    return _unless(faults(), "Every person has one id and one box at a keyframe.")


def _everybody(
    release: ReleaseReader,
) -> Iterator[tuple[str, int, str, int, str, int, int | None]]:
    """File, row, video, timestamp, box, person and action of all true persons."""
    for split in release.splits:
        for row, label in enumerate(release.labels(split), start=1):
            yield (f"ava_{split}.csv", row, *label[:3], label.person_id, label.action_id)
    for row, unlabelled in enumerate(release.unlabelled(), start=1):
        yield ("unlabelled_boxes.csv", row, *unlabelled, None)


def _keyframes(release: ReleaseReader) -> str:
    annotated = release.keyframes("annotated")

    def faults() -> Iterator[str]:
        for video, at in sorted(annotated | release.keyframes("excluded")):
            frame = FPS * (at - 900)
            count = release.videos()[video].n_frames
            if at not in TIMESTAMPS or frame < WINDOW_BEFORE or frame + WINDOW_AFTER > count:
                yield f"keyframe {at} of {video} has too few frames around it ({count} in all)"
        for place in _boxes(release):
            if (place.video_id, place.timestamp) not in annotated:
                yield f"{place} is not at an annotated keyframe"
            elif place.split not in ("", release.videos()[place.video_id].split):
                yield f"{place} is in the wrong split"

    return _unless(
        faults(), f"All rows are at the {len(annotated)} annotated keyframes of their split."
    )


def _pictures(release: ReleaseReader) -> str:
    def faults() -> Iterator[str]:
        for video in release.videos().values():
            folder = release.folder / "rawframes" / video.video_id
            found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
            wanted = {ava.frame_file(frame) for frame in range(video.n_frames)}
            for name in sorted(wanted ^ found)[:EXAMPLES]:
                state = "is missing" if name in wanted else "does not belong there"
                yield f"rawframes/{video.video_id}/{name} {state}"
            first = folder / ava.frame_file(0)
            picture = cv2.imread(str(first)) if first.is_file() else None
            size = (video.height, video.width)
            if first.is_file() and (picture is None or picture.shape[:2] != size):
                yield f"{first.name} of {video.video_id} is no picture of {size[1]}x{size[0]}"
        for video_id, at in sorted(release.keyframes("annotated")):
            name = ava.frame_file(FPS * (at - 900))
            path = release.folder / "rawframes" / video_id / name
            if not path.is_file() or not _is_whole_jpeg(path):
                yield f"rawframes/{video_id}/{name}, the keyframe {at}, is missing or broken"

    count = sum(video.n_frames for video in release.videos().values())
    return _unless(faults(), f"All {count} pictures are there, and every keyframe's is whole.")


def _is_whole_jpeg(path: Path) -> bool:
    content = path.read_bytes()
    return content.startswith(b"\xff\xd8") and content.endswith(b"\xff\xd9")


def _films(release: ReleaseReader) -> str:
    def faults() -> Iterator[str]:
        for video in release.videos().values():
            name = f"clips/{video.video_id}.mp4"
            try:
                with av.open(str(release.folder / name)) as film:
                    stream = film.streams.video[0]
                    found = (stream.frames, stream.average_rate, stream.width, stream.height)
            except (OSError, av.FFmpegError, IndexError) as error:
                yield f"{name} cannot be read: {error}"
                continue
            if found != (video.n_frames, FPS, video.width, video.height):
                yield (
                    f"{name} has {found[0]} frames at {found[1]} a second, {found[2]}x"
                    f"{found[3]}, not {video.n_frames} at {FPS}, {video.width}x{video.height}"
                )

    return _unless(faults(), "Every clip has its film, frame for frame.")


def _proposals(release: ReleaseReader) -> str:
    def faults() -> Iterator[str]:
        for split in release.splits:
            rows: dict[str, list[list[float]]] = defaultdict(list)
            for predicted in release.predicted(split):
                key = ava.keyframe_key(predicted.video_id, predicted.timestamp)
                rows[key].append([*ava.parse_box(predicted.box), predicted.score])
            proposals = release.proposals(split)
            for key in sorted(rows.keys() | proposals.keys()):
                if key not in proposals or key not in rows:
                    yield f"{key} is in one file of {split} proposals only"
                elif not np.array_equal(proposals[key], np.array(rows[key])):
                    yield f"{key} has other boxes in the pkl of {split} than in the csv"

    count = sum(len(release.proposals(split)) for split in release.splits)
    return _unless(
        faults(), f"{count} keyframes have proposals, the same in the pkl and the csv."
    )


def _splits(release: ReleaseReader) -> str:
    splits_of: dict[str, set[str]] = defaultdict(set)
    for video in release.videos().values():
        splits_of[video.source_video].add(video.split)
    return _unless(
        (
            f"the source video {source} is in {' and '.join(sorted(splits))}"
            for source, splits in sorted(splits_of.items())
            if len(splits) > 1
        ),
        f"Each of the {len(splits_of)} source videos is in one split.",
    )


def _excluded(release: ReleaseReader) -> str:
    excluded = release.keyframes("excluded")
    listed = {tuple(key) for split in release.splits for key in release.excluded(split)}

    def faults() -> Iterator[str]:
        for video, at in sorted(listed ^ excluded):
            yield f"{video},{at} is excluded in the manifest or in the csv, not in both"
        for file, key in _mentions(release):
            if key in excluded:
                yield f"{file} has {key[0]},{key[1]}, an excluded timestamp"

    return _unless(
        faults(), f"The {len(excluded)} excluded timestamps appear in no other file."
    )


def _mentions(release: ReleaseReader) -> Iterator[tuple[str, tuple[str, int]]]:
    """Every keyframe that a file speaks of, and the file."""
    for place in _boxes(release):
        yield f"{place.file} row {place.row}", (place.video_id, place.timestamp)
    for split in release.splits:
        for number, row in enumerate(release.evaluation(split), start=1):
            yield f"ava_{split}_activitynet.csv row {number}", (row[0], row[1])
        for key in release.proposals(split):
            video, _, at = key.partition(",")
            yield f"dense_proposals_{split}.pkl", (video, int(at))


def _evaluation(release: ReleaseReader) -> str:
    def faults() -> Iterator[str]:
        for split in release.splits:
            rows = release.evaluation(split)
            labels = [row for row in rows if isinstance(row, ava.LabelRow)]
            if labels != release.labels(split):
                yield f"ava_{split}_activitynet.csv has other labels than ava_{split}.csv"
            empty = [(row[0], row[1]) for row in rows if not isinstance(row, ava.LabelRow)]
            labelled = {label[:2] for label in labels}
            wanted = {
                key
                for key in release.keyframes("annotated") - labelled
                if release.videos()[key[0]].split == split
            }
            for video, at in sorted(wanted ^ set(empty)):
                yield f"ava_{split}_activitynet.csv is wrong about {video},{at} being empty"

    return _unless(faults(), "The evaluator's files hold all annotated keyframes, empty too.")


def _frame_lists(release: ReleaseReader) -> str:
    def faults() -> Iterator[str]:
        for split in release.splits:
            listed: dict[str, list[tuple[int, str]]] = defaultdict(list)
            for row in release.frames(split):
                listed[row.video_id].append((row.frame, row.path))
            for video in sorted(listed.keys() ^ _survivors(release, split)):
                state = "listed without a box" if video in listed else "not listed"
                yield f"frame_lists/{split}.csv: {video} is {state}; SlowFast would stop"
            for video, frames in listed.items():
                count = release.videos()[video].n_frames
                wanted = [(i, f"{video}/{ava.frame_file(i)}") for i in range(count)]
                if frames != wanted:
                    yield f"frame_lists/{split}.csv: the frames of {video} are not 1 to {count}"

    return _unless(faults(), "The frame lists hold every frame of the clips with boxes.")


def _survivors(release: ReleaseReader, split: str) -> set[str]:
    """The clips that SlowFast finds boxes of, with the threshold of the configuration."""
    if split == "train":
        return {label.video_id for label in release.labels(split)}
    threshold = release.slowfast_number("DETECTION_SCORE_THRESH")
    return {row.video_id for row in release.predicted(split) if row.score >= threshold}


def _configs(release: ReleaseReader) -> str:
    top = max((action.action_id for action in release.actions()), default=0)

    def faults() -> Iterator[str]:
        if release.slowfast_number("NUM_CLASSES") != top:
            yield f"configs/slowfast_ava.yaml does not have NUM_CLASSES: {top}"
        for name in ("mmaction2_ava.py", "mmaction2_slowfast_r50.py"):
            text = release.text(f"configs/{name}")
            if not re.search(rf"^num_classes = {top + 1}\b", text, re.MULTILINE):
                yield f"configs/{name} does not have num_classes = {top + 1}"

    return _unless(faults(), f"The configurations are for {top} actions.")


def _together(release: ReleaseReader) -> str:
    rows = [(row, split) for split in release.splits for row in release.labels(split)]
    if sorted(release.together()) != sorted(rows):
        raise _FoundError("AVA_dataset.csv has other rows than the files of the splits.")
    return f"AVA_dataset.csv holds all {len(rows)} labels of all splits."


def _sums(release: ReleaseReader) -> str:
    sums = release.sums()

    def faults() -> Iterator[str]:
        found = set(release_paths(release.folder)) - {MANIFEST}
        for path in sorted(found ^ sums.keys()):
            where = "not in the manifest" if path in found else "in the manifest only"
            yield f"{path} is {where}"
        for path in sorted(found & sums.keys()):
            if sha256_of(release.folder / path) != sums[path]:
                yield f"{path} is not the file of the manifest"

    return _unless(faults(), f"All {len(sums)} files have the sha256 of the manifest.")


_CHECKS: tuple[tuple[str, Callable[[ReleaseReader], str]], ...] = (
    ("rows", _rows),
    ("coordinates", _coordinates),
    ("actions", _actions),
    ("persons", _persons),
    ("keyframes", _keyframes),
    ("pictures", _pictures),
    ("films", _films),
    ("proposals", _proposals),
    ("splits", _splits),
    ("excluded timestamps", _excluded),
    ("empty keyframes", _evaluation),
    ("frame lists", _frame_lists),
    ("configurations", _configs),
    ("all splits together", _together),
    ("sums", _sums),
)
