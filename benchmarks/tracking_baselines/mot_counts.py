"""HOTA, IDF1, MOTA and ID switches in memory: what a search needs hundreds of times.

The same figures as TrackEval's (MOT17 rules), without files and some ten times as fast;
`mot_search.py` holds the first result against TrackEval. Formulas: Luiten et al., "HOTA"
(2021); Ristani et al., "Performance Measures" (2016); Bernardin and Stiefelhagen, "CLEAR MOT"
(2008).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.tracking_baselines.trackeval import (
    MIN_IOU,
    Figures,
    corners_of_rows,
    read_rows,
    sequence_length,
)
from tracking.core.boxes import pairwise_iou
from tracking.core.tracks_file import Track

ALPHAS = np.arange(0.05, 0.99, 0.05)  # as TrackEval
EPSILON = np.finfo(float).eps
DISTRACTORS = (2, 7, 8, 12)  # classes of MOT17 whose boxes count for nothing


class Truth(NamedTuple):
    """The true boxes of a sequence, by frame: `(ids, boxes, is_person, is_distractor)`."""

    frames: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
    keyframe_step: int


class SequenceCounts(NamedTuple):
    """What can be summed over sequences; HOTA's parts have one entry for each alpha."""

    truths: int
    boxes: int
    hota_matches: np.ndarray  # (19,)
    association: np.ndarray  # (19,), summed over the matches
    identity_matches: int
    clear_matches: int
    switches: int
    keyframe_hits: int
    keyframe_truths: int


def read_truth(folder: Path) -> Truth:
    """`gt.txt` and `seqinfo.ini` in `folder`."""
    length, fps = sequence_length(folder)
    rows = read_rows(folder / "gt.txt")
    ids = np.unique(rows[:, 1], return_inverse=True)[1]
    boxes = corners_of_rows(rows)
    is_person = (rows[:, 6] != 0) & (rows[:, 7] == 1)
    is_distractor = np.isin(rows[:, 7], DISTRACTORS)
    frames = []
    for frame in range(1, length + 1):
        here = rows[:, 0] == frame
        frames.append((ids[here], boxes[here], is_person[here], is_distractor[here]))
    return Truth(frames, max(1, round(fps)))


def count(truth: Truth, tracks: Sequence[Track]) -> SequenceCounts:
    """Counts of `tracks` against `truth`."""
    found = _by_frame(tracks, len(truth.frames))
    sums = [0, 0]
    seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []  # true ids, our ids, IoU
    for frame, (ids, boxes, is_person, is_distractor) in enumerate(truth.frames):
        ours, shown = found[frame]
        iou = pairwise_iou(boxes, shown)
        if frame % truth.keyframe_step == 0:
            rows, columns = linear_sum_assignment(np.where(iou >= MIN_IOU, iou, 0), True)
            sums[0] += int((is_person[rows] & (iou[rows, columns] >= MIN_IOU)).sum())
            sums[1] += int(is_person.sum())
        if is_distractor.any() and len(shown):
            good = np.where(iou >= 0.5 - EPSILON, iou, 0)
            rows, columns = linear_sum_assignment(good, True)
            taken = columns[(good[rows, columns] > 0) & is_distractor[rows]]
            ours, iou = np.delete(ours, taken), np.delete(iou, taken, axis=1)
        seen.append((ids[is_person], ours, iou[is_person]))
    truths, found_boxes = (sum(len(one[part]) for one in seen) for part in (0, 1))
    shape = (
        1 + max((one[0].max() for one in seen if len(one[0])), default=0),
        1 + max((one[1].max() for one in seen if len(one[1])), default=0),
    )
    return SequenceCounts(
        truths,
        found_boxes,
        *_hota(seen, shape),
        _identity(seen, shape),
        *_clear(seen, shape),
        *sums,
    )


def figures(counts: Iterable[SequenceCounts]) -> Figures:
    """The figures over all boxes of some sequences; at least one."""
    truths, boxes, matches, association, identity, clear, switches, hits, shown = (
        sum(part) for part in zip(*counts, strict=True)
    )
    detection = matches / np.maximum(truths + boxes - matches, 1)
    hota = np.sqrt(detection * association / np.maximum(matches, 1))
    missed, false = truths - clear, boxes - clear
    return Figures(
        100 * float(hota.mean()),
        200 * identity / max(truths + boxes, 1),
        100 * (truths - missed - false - switches) / max(truths, 1),
        int(switches),
        100 * hits / max(shown, 1),
    )


Seen = Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]


def _by_frame(tracks: Sequence[Track], length: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Our ids, from 0, and boxes of each frame, rounded as result files are."""
    if not tracks:
        return [(np.empty(0, int), np.empty((0, 4)))] * length
    frames = np.concatenate([one.frames for one in tracks])
    ids = np.repeat(np.arange(len(tracks)), [len(one.frames) for one in tracks])
    boxes = np.concatenate([one.boxes for one in tracks])
    sizes = np.round(boxes[:, 2:] - boxes[:, :2], 2)
    corners = np.round(boxes[:, :2], 2)
    boxes = np.concatenate([corners, corners + sizes], axis=1)
    order = np.argsort(frames, kind="stable")
    order = order[(boxes[order, 2:] > boxes[order, :2]).all(axis=1) & (frames[order] < length)]
    parts = np.split(order, np.searchsorted(frames[order], np.arange(1, length)))
    return [(ids[part], boxes[part]) for part in parts]


def _hota(seen: Seen, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """True positives, and their summed association, for each alpha."""
    together = np.zeros(shape)
    truths, boxes = np.zeros(shape[0]), np.zeros(shape[1])
    for ids, ours, iou in seen:
        truths[ids] += 1
        boxes[ours] += 1
        if iou.size:
            total = iou.sum(axis=0)[None, :] + iou.sum(axis=1)[:, None] - iou
            together[ids[:, None], ours] += np.where(
                total > EPSILON, iou / np.maximum(total, EPSILON), 0
            )
    alignment = together / np.maximum(truths[:, None] + boxes - together, EPSILON)
    pairs, overlaps = [np.empty(0, int)], [np.empty(0)]
    for ids, ours, iou in seen:
        if iou.size:
            gain = alignment[ids[:, None], ours] * iou
            rows, columns = linear_sum_assignment(gain, True)
            pairs.append(ids[rows] * shape[1] + ours[columns])
            overlaps.append(iou[rows, columns])
    pair, overlap = np.concatenate(pairs), np.concatenate(overlaps)
    matches, association = np.zeros(len(ALPHAS)), np.zeros(len(ALPHAS))
    either = truths[:, None] + boxes
    for place, alpha in enumerate(ALPHAS):
        counts = np.bincount(pair[overlap >= alpha - EPSILON], minlength=shape[0] * shape[1])
        counts = counts.reshape(shape)
        matches[place] = counts.sum()
        association[place] = (counts * counts / np.maximum(1, either - counts)).sum()
    return matches, association


def _identity(seen: Seen, shape: tuple[int, int]) -> int:
    together = np.zeros(shape)
    for ids, ours, iou in seen:
        rows, columns = (iou >= 0.5).nonzero()
        np.add.at(together, (ids[rows], ours[columns]), 1)
    rows, columns = linear_sum_assignment(together, True)
    return int(together[rows, columns].sum())


def _clear(seen: Seen, shape: tuple[int, int]) -> tuple[int, int]:
    """True positives and identity switches; who was matched just before is kept."""
    last, just = np.full(shape[0], -1), np.full(shape[0], -1)
    matches = switches = 0
    for ids, ours, iou in seen:
        if not iou.size:
            continue  # as TrackEval: the frame before stays the one just before
        gain = 1000.0 * (ours == just[ids][:, None]) + iou
        gain[iou < 0.5 - EPSILON] = 0
        rows, columns = linear_sum_assignment(gain, True)
        good = gain[rows, columns] > EPSILON
        people, tracks = ids[rows[good]], ours[columns[good]]
        switches += int(((last[people] >= 0) & (last[people] != tracks)).sum())
        last[people] = tracks
        just[:] = -1
        just[people] = tracks
        matches += len(people)
    return matches, switches
