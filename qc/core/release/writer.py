"""The annotation files of a release, written clip by clip.

Timestamps, boxes and rows are those of `datasets.core.formats.ava`. Clips must come sorted by
name, the persons of a clip by timestamp and id: then every file is sorted, and the
same clips give the same bytes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from datasets.core.formats import ava
from datasets.core.formats.persons_csv import PERSONS, dump_classes
from qc.core.release.oracle_ap import OracleAP, PrecisionRecallCurve, overlaps
from qc.core.release.records import (
    EXCLUDED,
    PERSON,
    ReleaseClip,
    ReleasedPerson,
    ReleasedProposal,
)

DATASET_HEADER = "video_id,timestamp,x1,y1,x2,y2,action_id,person_id,split"
POSITIVE_IOU = 0.9  # from here on a proposal trains as what the person in it does
NEGATIVES = "annotations/ava_train_boxes_and_labels_include_negative.csv"
OFFICIAL_NAMES = {
    "ava_train.csv": "ava_train_v2.2.csv",
    "ava_val.csv": "ava_val_v2.2.csv",
    "ava_action_list.pbtxt": "ava_action_list_v2.2.pbtxt",
    "ava_action_list_for_activitynet.pbtxt": "ava_action_list_v2.2_for_activitynet_2019.pbtxt",
    "ava_train_excluded_timestamps.csv": "ava_train_excluded_timestamps_v2.2.csv",
    "ava_val_excluded_timestamps.csv": "ava_val_excluded_timestamps_v2.2.csv",
    "ava_included_timestamps.txt": "ava_included_timestamps_v2.2.txt",
}


@dataclass
class SplitCounts:
    """What one split holds."""

    videos: set[str] = field(default_factory=set)
    clips: int = 0
    frames: int = 0
    keyframes: int = 0  # annotated ones
    excluded: int = 0
    boxes: int = 0
    persons: set[tuple[str, int]] = field(default_factory=set)  # (source video, person id)
    labels: Counter[int] = field(default_factory=Counter)  # action id -> rows

    def add(self, clip: ReleaseClip) -> None:
        self.videos.add(clip.source_video)
        self.clips += 1
        self.frames += clip.window.frame_count
        self.keyframes += len(clip.annotated)
        self.excluded += len(clip.keyframes) - len(clip.annotated)
        self.boxes += len(clip.persons)
        self.persons.update((clip.source_video, person.person_id) for person in clip.persons)
        self.labels.update(a for person in clip.persons for a in person.action_ids)

    def totals(self) -> dict[str, int]:
        """Each count by its name; of videos, persons and labels how many there are."""
        sizes = {"videos": len(self.videos), "persons": len(self.persons)}
        return vars(self) | sizes | {"labels": self.labels.total()}


class _ListedClip(NamedTuple):
    """What the frame lists need to know of a clip that has gone by."""

    name: str
    split: str
    frame_count: int
    has_labels: bool
    best_score: float  # of its proposals; -1 if there is none


class EvaluationSettings(NamedTuple):
    """With what a model can be measured."""

    threshold: float  # operating threshold of the proposals' scores
    has_labels: bool  # whether anybody does anything in val
    has_boxes: bool  # whether the tracker's boxes of val reach the threshold


class AnnotationWriter:
    """Writes `AVA_dataset.csv`, `annotations/` and `frame_lists/` into a folder.

    And `persons.csv`, if not all are persons.

    Use it as a context, `add` every clip, then `finish`.

    Attributes:
        counts: What went into each split so far.
        oracle_aps: Split -> the best that its proposals allow.
    """

    def __init__(self, folder: Path, *, splits: Sequence[str], min_instances: int = 0) -> None:
        self.folder = folder
        self._min_instances = min_instances
        self.splits = tuple(splits)
        self.counts = {split: SplitCounts() for split in self.splits}
        self._files = ExitStack()
        self._open: dict[str, BinaryIO] = {}
        self._proposals: dict[str, dict[str, NDArray[np.float64]]] = {s: {} for s in splits}
        self._listed: list[_ListedClip] = []
        self._timestamps: set[int] = set()
        self._classes: dict[tuple[str, int], str] = {}
        self._curve = PrecisionRecallCurve()
        self.oracle_aps = {split: OracleAP() for split in self.splits}

    def __enter__(self) -> Self:
        (self.folder / "annotations").mkdir(parents=True, exist_ok=True)
        (self.folder / "frame_lists").mkdir(parents=True, exist_ok=True)
        for split in self.splits:
            for kind in ("", "_excluded_timestamps", "_activitynet", "_predicted_boxes"):
                self._write(f"annotations/ava_{split}{kind}.csv", b"")
        self._write("annotations/unlabelled_boxes.csv", b"")
        self._write(NEGATIVES, b"")
        self._write("AVA_dataset.csv", f"{DATASET_HEADER}\n".encode())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()

    def add(self, clip: ReleaseClip) -> None:
        """Write the rows of one clip."""
        excluded = [t for t, status in clip.keyframes.items() if status == EXCLUDED]
        rows = label_rows(clip)
        labels = ava.dump_labels(rows)
        self._write(f"annotations/ava_{clip.split}.csv", labels)
        self._write("AVA_dataset.csv", labels.replace(b"\n", f",{clip.split}\n".encode()))
        self._write(
            f"annotations/ava_{clip.split}_excluded_timestamps.csv",
            ava.dump_keyframes(ava.Keyframe(clip.name, at) for at in excluded),
        )
        self._write(
            f"annotations/ava_{clip.split}_activitynet.csv",
            ava.dump_evaluation(evaluation_rows(clip, rows)),
        )
        self._write(
            "annotations/unlabelled_boxes.csv",
            ava.dump_unlabelled(
                ava.UnlabelledRow(clip.name, person.timestamp, person.box, person.person_id)
                for person in clip.persons
                if not person.action_ids
            ),
        )
        self._timestamps.update(clip.annotated)
        self._classes |= {(clip.source_video, one.person_id): one.label for one in clip.persons}
        best = self._add_proposals(clip, is_labelled=bool(rows))
        self._listed.append(
            _ListedClip(clip.name, clip.split, clip.window.frame_count, bool(rows), best)
        )
        self.counts[clip.split].add(clip)

    def _add_proposals(self, clip: ReleaseClip, *, is_labelled: bool) -> float:
        """Write the proposals of a clip; returns the best score, -1 if there is none."""
        best = -1.0
        if clip.split == "train" and not is_labelled:
            # SlowFast wants the videos of its boxes and of its frame list to be the same, and
            # a video without one label teaches nothing.
            return best
        for at in clip.annotated:
            proposed, persons = clip.proposals.get(at, []), clip.at(at)
            self._curve.add(proposed, persons, split=clip.split)
            self.oracle_aps[clip.split].add(proposed, persons)
            if not proposed:
                continue
            rows = [ava.PredictedRow(clip.name, at, box, score) for box, score, _ in proposed]
            content = ava.dump_predicted(rows)
            self._write(f"annotations/ava_{clip.split}_predicted_boxes.csv", content)
            if clip.split == "train":
                self._write(NEGATIVES, ava.dump_negatives(negative_rows(rows, persons)))
            scores = [float(ava.format_score(score)) for _, score, _ in proposed]
            boxes = np.stack([ava.parse_box(box) for box, _, _ in proposed])
            key = ava.keyframe_key(clip.name, at)
            self._proposals[clip.split][key] = np.column_stack([boxes, scores])
            best = max(best, *scores)
        return best

    def finish(self, actions: Sequence[ava.AvaAction]) -> EvaluationSettings:
        """Write the files that need all clips; returns with what val can be measured."""
        annotations = self.folder / "annotations"
        for split in self.splits:
            content = ava.dump_proposals(self._proposals[split])
            (annotations / f"dense_proposals_{split}.pkl").write_bytes(content)
        for name, content in (
            ("ava_action_list.pbtxt", ava.dump_actions(actions)),
            (
                "ava_action_list_for_activitynet.pbtxt",
                ava.dump_actions(
                    evaluated_actions(
                        actions, self.counts["val"].labels, min_instances=self._min_instances
                    ),
                    for_evaluator=True,
                ),
            ),
            ("label_map.txt", ava.dump_label_map(actions)),
            ("ava_included_timestamps.txt", ava.dump_timestamps(sorted(self._timestamps))),
        ):
            (annotations / name).write_bytes(content)
        if set(self._classes.values()) - {PERSON}:
            (self.folder / PERSONS).write_bytes(dump_classes(self._classes))
        threshold = self._curve.best_threshold()
        for split in self.splits:
            its = [clip for clip in self._listed if clip.split == split]
            if split == "train":
                self._write_frame_list("train", [clip for clip in its if clip.has_labels])
                continue
            known = [clip for clip in its if clip.has_labels or clip.best_score >= 0]
            self._write_frame_list(f"{split}_all", known)
            survivors = [clip for clip in its if clip.best_score >= threshold]
            self._write_frame_list(split, survivors)
        val = [clip for clip in self._listed if clip.split == "val"]
        return EvaluationSettings(
            threshold,
            has_labels=any(clip.has_labels for clip in val),
            has_boxes=any(clip.best_score >= threshold for clip in val),
        )

    def _write_frame_list(self, name: str, clips: Sequence[_ListedClip]) -> None:
        path = f"frame_lists/{name}.csv"
        self._write(path, f"{ava.FRAME_HEADER}\n".encode())
        for number, clip in enumerate(clips):
            self._write(
                path, ava.dump_frames(clip.name, number=number, frame_count=clip.frame_count)
            )

    def _write(self, name: str, content: bytes) -> None:
        if name not in self._open:
            self._open[name] = self._files.enter_context((self.folder / name).open("wb"))
        self._open[name].write(content)


def evaluated_actions(
    actions: Sequence[ava.AvaAction], labels: Mapping[int, int], *, min_instances: int
) -> list[ava.AvaAction]:
    """The actions to measure: those with enough labels in val, or all if none has enough.

    The average precision of a rare action says more of chance than of a model; AVA measures
    those with 25 instances or more.
    """
    found = [one for one in actions if labels.get(one.action_id, 0) >= min_instances]
    return found or list(actions)


def label_rows(clip: ReleaseClip) -> list[ava.LabelRow]:
    """The ground truth of a clip: one row per keyframe, person and action."""
    return [
        ava.LabelRow(clip.name, person.timestamp, person.box, action_id, person.person_id)
        for person in clip.persons
        for action_id in person.action_ids
    ]


def negative_rows(
    rows: Sequence[ava.PredictedRow], persons: Sequence[ReleasedPerson]
) -> list[ava.NegativeRow]:
    """The tracker's boxes at one keyframe, each with the actions of the person in it.

    A box with an IoU of at least 0.9 to a person's comes once for each action of that person,
    every other one once without an action: SlowFast trains such a one as doing nothing.
    """
    found: list[ava.NegativeRow] = []
    iou = overlaps([ReleasedProposal(row.box, row.score) for row in rows], persons)
    for row, its in zip(rows, iou, strict=True):
        best = int(its.argmax()) if len(its) else 0
        ids = persons[best].action_ids if len(its) and its[best] >= POSITIVE_IOU else ()
        found.extend(ava.NegativeRow(*row[:3], action, row.score) for action in ids or (None,))
    return found


def add_official_names(folder: Path) -> None:
    """Give annotation files the names of AVA v2.2 as well, which defaults of consumers want."""
    for name, official in OFFICIAL_NAMES.items():
        content = (folder / "annotations" / name).read_bytes()
        (folder / "annotations" / official).write_bytes(content)


def evaluation_rows(
    clip: ReleaseClip, rows: Sequence[ava.LabelRow]
) -> list[ava.LabelRow | ava.Keyframe]:
    """The same for the ActivityNet evaluator, which also wants to know where nobody acts."""
    labelled = {row.timestamp for row in rows}
    empty = [ava.Keyframe(clip.name, at) for at in clip.annotated if at not in labelled]
    return sorted([*rows, *empty], key=lambda row: row.timestamp)
