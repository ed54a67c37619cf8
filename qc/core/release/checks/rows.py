"""Checks of the rows of a release: their format, and that all files agree.

Nothing here knows how the files were written.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from datasets.core.formats import ava
from qc.core.release.checks.expectations import CheckFailedError, expect
from qc.core.release.frame_map import FrameMap, action_boxes
from qc.core.release.reader import ReleaseReader
from qc.core.release.writer import NEGATIVES

FPS = 30
TIMESTAMPS = range(902, 1799)  # SlowFast and pytorchvideo read no others
WINDOW_BEFORE = 60  # frames that the widest stock sampling wants before a keyframe
WINDOW_AFTER = 45
ROUNDING = 1e-9  # of a sum of some hundred thousand steps


class _BoxRow(NamedTuple):
    """A box of some file, and where it stands there."""

    file: str
    row: int
    video_id: str
    timestamp: int
    box: str
    split: str = ""  # of the file; empty if it is for all
    person: int | None = None  # None for a proposal
    action: int | None = None  # None for a proposal, and for a person who does nothing

    def __str__(self) -> str:
        return f"{self.file} row {self.row} ({self.video_id} at {self.timestamp})"


def _boxes(release: ReleaseReader) -> Iterator[_BoxRow]:
    """Every box of every file of rows."""
    for split in release.splits:
        for row, label in enumerate(release.labels(split), start=1):
            person, action = label.person_id, label.action_id
            yield _BoxRow(f"ava_{split}.csv", row, *label[:3], split, person, action)
        for row, predicted in enumerate(release.predicted(split), start=1):
            file = f"ava_{split}_predicted_boxes.csv"
            yield _BoxRow(file, row, *predicted[:3], split)
    for row, unlabelled in enumerate(release.unlabelled(), start=1):
        yield _BoxRow("unlabelled_boxes.csv", row, *unlabelled[:3], person=unlabelled.person_id)


def check_rows(release: ReleaseReader) -> str:
    counts = Counter(place.file for place in _boxes(release))
    for split in release.splits:
        counts["excluded"] += len(release.excluded(split))
        counts["evaluation"] += len(release.evaluation(split))
        counts["frames"] += sum(release.frames(split).values())
    counts["together"] = len(release.together())
    counts["included"] = len(release.included())
    return f"All {counts.total()} rows can be parsed."


def check_coordinates(release: ReleaseReader) -> str:
    def faults() -> Iterator[str]:
        for place in _boxes(release):
            x1, y1, x2, y2 = ava.parse_box(place.box)
            if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
                yield f"{place} has the box {place.box}"

    return expect(faults(), "All boxes lie between 0 and 1 and have an area.")


def check_order(release: ReleaseReader) -> str:
    """Rows come by video, timestamp, person and action, boxes of the tracker by score."""

    def faults() -> Iterator[str]:
        for file, keys in _ordered(release):
            for row, (before, after) in enumerate(pairwise(keys), start=2):
                if not before < after:
                    yield f"annotations/{file} row {row} is not in its place"

    return expect(faults(), "The rows of every file are sorted and unique.")


def _ordered(release: ReleaseReader) -> Iterator[tuple[str, Iterable[tuple[Any, ...]]]]:
    """Every file of rows, with what its rows are sorted by."""
    for split in release.splits:
        start = f"ava_{split}"
        yield f"{start}.csv", map(_order, release.labels(split))
        yield f"{start}_activitynet.csv", map(_order, release.evaluation(split))
        yield f"{start}_excluded_timestamps.csv", release.excluded(split)
        predicted = release.predicted(split)
        yield (
            f"{start}_predicted_boxes.csv",
            ((*row[:2], -row.score, number) for number, row in enumerate(predicted)),
        )
    negatives = release.negatives()
    yield (
        NEGATIVES.rpartition("/")[2],
        ((*row[:2], -row.score, number) for number, row in enumerate(negatives)),
    )
    yield "unlabelled_boxes.csv", ((*row[:2], row.person_id) for row in release.unlabelled())
    yield "ava_included_timestamps.txt", ((at,) for at in release.included())


def _order(row: ava.LabelRow | ava.Keyframe) -> tuple[Any, ...]:
    """What rows are sorted by; at a keyframe without labels there is nothing else."""
    if isinstance(row, ava.LabelRow):
        return (*row[:2], row.person_id, row.action_id)
    return tuple(row)


def check_included(release: ReleaseReader) -> str:
    wanted = sorted({at for _, at in release.keyframes("annotated")})
    if release.included() != wanted:
        raise CheckFailedError(
            "annotations/ava_included_timestamps.txt has other timestamps than the annotated "
            "keyframes."
        )
    return f"The {len(wanted)} timestamps of annotated keyframes are listed."


def check_persons(release: ReleaseReader) -> str:
    def faults() -> Iterator[str]:
        rows: set[tuple[object, ...]] = set()
        acting: set[tuple[str, int, int]] = set()
        box_of: dict[tuple[str, int, int], str] = {}
        person_of: dict[tuple[str, int, str], int] = {}
        for where in _boxes(release):
            _, _, video, at, box, _, person, action = where
            if person is None:
                continue
            if box_of.setdefault((video, at, person), box) != box:
                yield f"{where} gives {release.name_of(video, person)} a second box"
            if person_of.setdefault((video, at, box), person) != person:
                yield f"{where} gives one box to two persons"
            if (video, at, person, action) in rows:
                yield f"{where} is a duplicate"
            if action is None and (video, at, person) in acting:
                yield f"{where} says that a person does nothing who acts in another file"
            rows.add((video, at, person, action))
            acting.add((video, at, person))

    return expect(faults(), "Every person has one id and one box at a keyframe.")


def check_keyframes(release: ReleaseReader) -> str:
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

    return expect(
        faults(), f"All rows are at the {len(annotated)} annotated keyframes of their split."
    )


def check_splits(release: ReleaseReader) -> str:
    splits_of: dict[str, set[str]] = defaultdict(set)
    for video in release.videos().values():
        splits_of[video.source_video].add(video.split)
    return expect(
        (
            f"the source video {source} is in {' and '.join(sorted(splits))}"
            for source, splits in sorted(splits_of.items())
            if len(splits) > 1
        ),
        f"Each of the {len(splits_of)} source videos is in one split.",
    )


def check_excluded(release: ReleaseReader) -> str:
    excluded = release.keyframes("excluded")
    listed = {tuple(key) for split in release.splits for key in release.excluded(split)}

    def faults() -> Iterator[str]:
        for video, at in sorted(listed ^ excluded):
            yield f"{video},{at} is excluded in the manifest or in the csv, not in both"
        for file, key in _mentions(release):
            if key in excluded:
                yield f"{file} has {key[0]},{key[1]}, an excluded timestamp"

    return expect(faults(), f"The {len(excluded)} excluded timestamps appear in no other file.")


def _mentions(release: ReleaseReader) -> Iterator[tuple[str, tuple[str, int]]]:
    """Every keyframe in a file, and the file."""
    for place in _boxes(release):
        yield f"{place.file} row {place.row}", (place.video_id, place.timestamp)
    for split in release.splits:
        for number, row in enumerate(release.evaluation(split), start=1):
            yield f"ava_{split}_activitynet.csv row {number}", (row[0], row[1])
        for key in release.proposals(split):
            video, _, at = key.partition(",")
            yield f"dense_proposals_{split}.pkl", (video, int(at))


def check_empty_keyframes(release: ReleaseReader) -> str:
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

    return expect(
        faults(), "The evaluator's files have all annotated keyframes, empty ones too."
    )


def check_together(release: ReleaseReader) -> str:
    rows = [(row, split) for split in release.splits for row in release.labels(split)]
    if release.together() != sorted(rows, key=lambda each: _order(each[0])):
        raise CheckFailedError("AVA_dataset.csv has other rows than the files of the splits.")
    return f"AVA_dataset.csv holds all {len(rows)} labels of all splits."


def check_evaluation(release: ReleaseReader) -> str:
    """The labels as detections have an average precision of 1 for every action."""
    shown: set[int] = set()

    def faults() -> Iterator[str]:
        for split in release.splits:
            result = _truth_against_itself(release.labels(split)).result()
            shown.update(result.per_action)
            for action, value in result.per_action.items():
                if value < 1.0 - ROUNDING:
                    yield f"action {action} of {split} gets only {value:.4f} against itself"

    wrong = list(faults())
    return expect(
        wrong, f"The labels as detections get a mAP of 1 over all {len(shown)} actions shown."
    )


def _truth_against_itself(labels: list[ava.LabelRow]) -> FrameMap:
    metric = FrameMap()
    at: dict[tuple[str, int], list[ava.LabelRow]] = defaultdict(list)
    for label in labels:
        at[label.video_id, label.timestamp].append(label)
    for rows in at.values():
        truth = action_boxes(
            [ava.parse_box(row.box) for row in rows], [row.action_id for row in rows]
        )
        metric.add(truth, found=truth, scores=np.ones(len(rows)))
    return metric
