"""A release of the rendered world held against its exact truth."""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.core.clipping import FIRST_TIMESTAMP, FRAME_RATE, export_window
from datasets.models import Clip
from demo.world.scene import TruthBox
from qc.core.matching import match_boxes
from tracking.core.boxes import pairwise_iou

CLEARLY_VISIBLE = 0.5  # share of a figure in sight from which an annotator would box it

TruthAt = Callable[[str, int], list[TruthBox]]  # (original name of the video, standard frame)
Keyframe = tuple[str, int]  # (AVA video_id, timestamp)


@dataclass(frozen=True)
class ReleasedPerson:
    person_id: int
    box: tuple[float, float, float, float]  # normalised
    actions: frozenset[int]


@dataclass(frozen=True)
class Comparison:
    """Shares are 0 to 1 and nan where there was nothing to count.

    Attributes:
        keyframes: Keyframes released.
        persons: True persons clearly visible at those keyframes.
        recall: Share of them that have a box of IoU >= 0.5.
        precision: Share of the released boxes that show a true person.
        mean_iou: Over the boxes that do.
        doubled: True persons with two boxes at one keyframe.
        main_identity: Share of the boxes of a person, from coming into the picture until
            leaving it, that carry their commonest id.
        label_f1: Of (person, action) pairs on matched boxes.
    """

    keyframes: int
    persons: int
    recall: float
    precision: float
    mean_iou: float
    doubled: int
    main_identity: float
    label_f1: float


def released_persons(csv_file: Path) -> dict[Keyframe, list[ReleasedPerson]]:
    """The persons of each keyframe in an `ava_*.csv`, with all their actions."""
    actions: dict[tuple[str, int, int, tuple[float, ...]], set[int]] = defaultdict(set)
    with csv_file.open(newline="") as lines:
        for video_id, timestamp, x1, y1, x2, y2, action, person in csv.reader(lines):
            box = (float(x1), float(y1), float(x2), float(y2))
            actions[video_id, int(timestamp), int(person), box].add(int(action))
    persons: dict[Keyframe, list[ReleasedPerson]] = defaultdict(list)
    for (video_id, timestamp_, person_id, box_), ids in actions.items():
        persons[video_id, timestamp_].append(
            ReleasedPerson(person_id, box_, frozenset(ids))  # type: ignore[arg-type]
        )
    return dict(persons)


def compare(
    released: Mapping[Keyframe, list[ReleasedPerson]],
    clips: Mapping[str, Clip],
    truth_at: TruthAt,
    action_ids: Mapping[str, int],
) -> Comparison:
    """Hold the persons of a release against the truth, keyframe by keyframe."""
    tally = _Tally(action_ids, cache(truth_at))
    for (video_id, stamp), persons in sorted(released.items()):
        clip = clips[video_id]
        tally.add(clip.video.original_name, _standard_frame(clip, stamp), persons)
    return tally.comparison(len(released))


def _standard_frame(clip: Clip, stamp: int) -> int:
    window = export_window(
        clip.start_frame, clip.frame_count, video_frame_count=clip.video.frame_count or 0
    )
    return window.start_frame + FRAME_RATE * (stamp - FIRST_TIMESTAMP)


class _Tally:
    def __init__(self, action_ids: Mapping[str, int], truth_at: TruthAt) -> None:
        self.action_ids = action_ids
        self.truth_at = truth_at
        self.persons = self.found = self.boxes = self.true_boxes = self.doubled = 0
        self.ious: list[float] = []
        self.ids: dict[tuple[str, int, int], Counter[int]] = defaultdict(Counter)
        self.labels: Counter[str] = Counter()

    def add(self, video: str, frame: int, persons: list[ReleasedPerson]) -> None:
        truth = self.truth_at(video, frame)
        ours, theirs = _boxes(one.box for one in persons), _boxes(one.box for one in truth)
        iou = pairwise_iou(ours, theirs)
        pairs = match_boxes(ours, theirs, threshold=0.5).pairs
        matched = {j for _, j in pairs}
        visible = [j for j, one in enumerate(truth) if one.visible >= CLEARLY_VISIBLE]
        self.persons += len(visible)
        self.found += sum(j in matched for j in visible)
        self.boxes += len(persons)
        self.true_boxes += len(pairs)
        for i, j in pairs:
            self.ious.append(float(iou[i, j]))
            visit = (video, truth[j].person_id, self._came_in(video, frame, truth[j].person_id))
            self.ids[visit][persons[i].person_id] += 1
            self._count_labels(persons[i], truth[j])
        unmatched = set(range(len(persons))) - {i for i, _ in pairs}
        self.doubled += sum(any(iou[i, j] >= 0.5 for j in matched) for i in unmatched)

    def _came_in(self, video: str, frame: int, person_id: int) -> int:
        """The frame since which the person is in the picture, hidden or not; by the second."""
        while frame >= FRAME_RATE and any(
            one.person_id == person_id for one in self.truth_at(video, frame - FRAME_RATE)
        ):
            frame -= FRAME_RATE
        return frame

    def _count_labels(self, person: ReleasedPerson, truth: TruthBox) -> None:
        true = {self.action_ids[name] for name in truth.actions}
        self.labels["both"] += len(true & person.actions)
        self.labels["either"] += len(true) + len(person.actions)

    def comparison(self, keyframes: int) -> Comparison:
        under_main = sum(max(ids.values()) for ids in self.ids.values())
        return Comparison(
            keyframes=keyframes,
            persons=self.persons,
            recall=_share(self.found, self.persons),
            precision=_share(self.true_boxes, self.boxes),
            mean_iou=float(np.mean(self.ious)) if self.ious else float("nan"),
            doubled=self.doubled,
            main_identity=_share(under_main, self.true_boxes),
            label_f1=_share(2 * self.labels["both"], self.labels["either"]),
        )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _boxes(boxes: Iterable[tuple[float, ...]]) -> NDArray[np.float64]:
    return np.array(list(boxes), dtype=np.float64).reshape(-1, 4)
