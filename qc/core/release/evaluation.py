"""Evaluation of a model on a release: the frame mAP of its results file.

The file is that of the ActivityNet evaluator: `video_id,timestamp,x1,y1,x2,y2,action_id,score`,
boxes as fractions of the frame.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from datasets.core.formats import ava
from datasets.core.untrusted import UntrustedDataError, shown
from qc.core.release.frame_map import ActionBoxes, FrameMap, action_boxes
from qc.core.release.reader import ReleaseReader

COLUMNS = 8
Key = tuple[str, int]  # video id, timestamp


class ResultsError(UntrustedDataError):
    """The results cannot be evaluated; the message names the row or the split."""


class Evaluation(NamedTuple):
    """How good the results of a model are, 0 to 1."""

    mean_ap: float
    per_action: dict[int, float]  # of the actions that the split shows
    ignored: int  # rows at keyframes that the split does not evaluate


class _Result(NamedTuple):
    key: Key
    box: tuple[float, float, float, float]
    action: int
    score: float


def evaluate(release: ReleaseReader, results: Iterable[str], *, split: str) -> Evaluation:
    """The frame mAP at an IoU of 0.5 of results on the annotated keyframes of a split.

    Keyframes without results count as found by nobody. Rows at other keyframes, such as
    excluded ones, are ignored.

    Args:
        results: Lines of the file.

    Raises:
        ResultsError: if a row is no result, if the split shows no action, or if no row is at
            one of its keyframes.
        ReleaseReadError: if the release cannot be read.
    """
    truth = _truth(release, split)
    found: dict[Key, list[_Result]] = defaultdict(list)
    ignored = 0
    for result in _read(results):
        if result.key in truth:
            found[result.key].append(result)
        else:
            ignored += 1
    metric = FrameMap()
    for key, people in truth.items():
        metric.add(
            action_boxes([ava.parse_box(box) for box, _ in people], [a for _, a in people]),
            found=_boxes(found[key]),
            scores=np.array([one.score for one in found[key]], dtype=np.float64),
        )
    per_action, mean = metric.result()
    if mean is None:
        raise ResultsError(f"Nobody in {split} does anything: there is nothing to measure.")
    if not any(found.values()):
        raise ResultsError(
            f"None of the {ignored} rows is at a keyframe of {split}: "
            "are these results of this release and split?"
        )
    return Evaluation(mean, per_action, ignored)


def _truth(release: ReleaseReader, split: str) -> dict[Key, list[tuple[str, int]]]:
    """Box and action of everyone at the annotated keyframes, which may have nobody."""
    if split not in release.splits:
        raise ResultsError(
            f"The release has no split {split}; it has {', '.join(release.splits)}."
        )
    truth: dict[Key, list[tuple[str, int]]] = defaultdict(list)
    for row in release.evaluation(split):
        there = truth[row.video_id, row.timestamp]
        if isinstance(row, ava.LabelRow):
            there.append((row.box, row.action_id))
    return truth


def _boxes(results: list[_Result]) -> ActionBoxes:
    return action_boxes([np.array(one.box) for one in results], [one.action for one in results])


def _read(lines: Iterable[str]) -> Iterator[_Result]:
    for number, row in enumerate(csv.reader(lines), start=1):
        if not row:
            continue
        try:
            video, at, *sides, action, score = row
            box = tuple(float(side) for side in sides)
            result = _Result((video, int(at)), box, int(action), float(score))  # type: ignore[arg-type]
            is_good = len(row) == COLUMNS and all(map(math.isfinite, (*box, result.score)))
        except ValueError:
            is_good = False
        if not is_good:
            raise ResultsError(
                f"Row {number} is not video_id,timestamp,x1,y1,x2,y2,action_id,score: "
                f"{shown(','.join(row))}."
            )
        yield result
