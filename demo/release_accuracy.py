"""Accuracy of a release of the rendered videos against their ground truth."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.core.media.clips_and_keyframes import FIRST_TIMESTAMP, FRAME_RATE, export_window
from datasets.models import Clip
from demo.world.renderer import GroundTruth, TruthBox
from qc.core.box_matching import match_boxes
from tracking.core.boxes import pairwise_iou

CLEARLY_VISIBLE = 0.5  # visible fraction from which a person counts

Keyframe = tuple[str, int]  # (AVA video_id, timestamp)


@dataclass(frozen=True)
class MeasuredPerson:
    person_id: int
    box: tuple[float, float, float, float]  # normalised
    actions: frozenset[int]


@dataclass(frozen=True)
class ReleaseAccuracy:
    """Rates are 0 to 1, or nan if there is nothing to count.

    Attributes:
        keyframes: Released keyframes.
        persons: True persons clearly visible at those keyframes.
        recall: Fraction of them with a box of IoU >= 0.5.
        precision: Fraction of the released boxes on a true person.
        mean_iou: Mean IoU of those boxes.
        duplicates: True persons with two boxes at one keyframe.
        identity_purity: Fraction of the boxes of a person, from entering the image to leaving
            it, that have its most frequent id; a return under another id costs nothing.
        main_identity: The same over the whole video, returns included.
        label_f1: F1 of (person, action) pairs on matched boxes.
    """

    keyframes: int
    persons: int
    recall: float
    precision: float
    mean_iou: float
    duplicates: int
    identity_purity: float
    main_identity: float
    label_f1: float


def released_persons(csv_file: Path) -> dict[Keyframe, list[MeasuredPerson]]:
    """The persons at each keyframe of an `ava_*.csv`, with their actions."""
    actions: dict[tuple[str, int, int, tuple[float, ...]], set[int]] = defaultdict(set)
    with csv_file.open(newline="") as lines:
        for video_id, timestamp, x1, y1, x2, y2, action, person in csv.reader(lines):
            box = (float(x1), float(y1), float(x2), float(y2))
            actions[video_id, int(timestamp), int(person), box].add(int(action))
    persons: dict[Keyframe, list[MeasuredPerson]] = defaultdict(list)
    for (video_id, timestamp_, person_id, box_), ids in actions.items():
        persons[video_id, timestamp_].append(
            MeasuredPerson(person_id, box_, frozenset(ids))  # type: ignore[arg-type]
        )
    return dict(persons)


def measure(
    released: Mapping[Keyframe, list[MeasuredPerson]],
    clips: Mapping[str, Clip],
    truth_at: GroundTruth,
    action_ids: Mapping[str, int],
) -> ReleaseAccuracy:
    """Compare the persons of a release with the ground truth at every keyframe."""
    counts = _Counts(action_ids, cache(truth_at))
    for (video_id, stamp), persons in sorted(released.items()):
        clip = clips[video_id]
        counts.add(clip.video.original_name, _standard_frame(clip, stamp), persons)
    return counts.result(len(released))


def _standard_frame(clip: Clip, stamp: int) -> int:
    window = export_window(
        clip.start_frame, clip.frame_count, video_frame_count=clip.video.frame_count or 0
    )
    return window.start_frame + FRAME_RATE * (stamp - FIRST_TIMESTAMP)


class _Counts:
    def __init__(self, action_ids: Mapping[str, int], truth_at: GroundTruth) -> None:
        self.action_ids = action_ids
        self.truth_at = truth_at
        self.persons = self.found = self.boxes = self.true_boxes = self.duplicates = 0
        self.ious: list[float] = []
        self.ids: dict[tuple[str, int, int], Counter[int]] = defaultdict(Counter)
        self.labels: Counter[str] = Counter()

    def add(self, video: str, frame: int, persons: list[MeasuredPerson]) -> None:
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
            person = truth[j].person_id
            self.ids[video, person, self._entered_at(video, frame, person)][
                persons[i].person_id
            ] += 1
            self._count_labels(persons[i], truth[j])
        unmatched = set(range(len(persons))) - {i for i, _ in pairs}
        self.duplicates += sum(any(iou[i, j] >= 0.5 for j in matched) for i in unmatched)

    def _entered_at(self, video: str, frame: int, person_id: int) -> int:
        """The frame at which the person entered the image, to the second."""
        while frame >= FRAME_RATE and any(
            one.person_id == person_id for one in self.truth_at(video, frame - FRAME_RATE)
        ):
            frame -= FRAME_RATE
        return frame

    def _count_labels(self, person: MeasuredPerson, truth: TruthBox) -> None:
        true = {self.action_ids[name] for name in truth.actions}
        self.labels["both"] += len(true & person.actions)
        self.labels["either"] += len(true) + len(person.actions)

    def result(self, keyframes: int) -> ReleaseAccuracy:
        whole: dict[tuple[str, int], Counter[int]] = defaultdict(Counter)
        for (video, person, _), ids in self.ids.items():
            whole[video, person] += ids
        return ReleaseAccuracy(
            keyframes=keyframes,
            persons=self.persons,
            recall=_rate(self.found, self.persons),
            precision=_rate(self.true_boxes, self.boxes),
            mean_iou=float(np.mean(self.ious)) if self.ious else float("nan"),
            duplicates=self.duplicates,
            identity_purity=_rate(_under_main(self.ids.values()), self.true_boxes),
            main_identity=_rate(_under_main(whole.values()), self.true_boxes),
            label_f1=_rate(2 * self.labels["both"], self.labels["either"]),
        )


def _under_main(persons: Iterable[Counter[int]]) -> int:
    return sum(max(ids.values()) for ids in persons)


def _rate(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _boxes(boxes: Iterable[tuple[float, ...]]) -> NDArray[np.float64]:
    return np.array(list(boxes), dtype=np.float64).reshape(-1, 4)
