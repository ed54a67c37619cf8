"""The annotation files of a release, written while its clips come by, one at a time.

Timestamps, boxes and rows are those of `datasets.core.ava`. Clips must come sorted by name, the
persons of a clip by timestamp and id: then every file is sorted, and the same clips give the
same bytes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from datasets.core import ava
from datasets.core.clipping import ExportWindow
from tracking.core.boxes import pairwise_iou

ANNOTATED = "annotated"
EXCLUDED = "excluded"
DATASET_HEADER = "video_id,timestamp,x1,y1,x2,y2,action_id,person_id,split"
SAME_PERSON_IOU = 0.5


class PersonAt(NamedTuple):
    """A person at an annotated keyframe."""

    timestamp: int
    person_id: int
    box: str
    action_ids: tuple[int, ...]  # ascending; empty if none was given


class ProposedBox(NamedTuple):
    box: str
    score: float


@dataclass(frozen=True)
class ReleaseClip:
    """Everything that the files of a release say of one clip.

    Attributes:
        keyframes: Timestamp -> ANNOTATED or EXCLUDED, ascending.
        persons: Of annotated keyframes only.
        proposals: Of annotated keyframes only; the best score first.
    """

    name: str
    split: str
    source_video: str
    width: int
    height: int
    window: ExportWindow
    keyframes: dict[int, str]
    persons: list[PersonAt]
    proposals: dict[int, list[ProposedBox]]

    def at(self, timestamp: int) -> list[PersonAt]:
        return [person for person in self.persons if person.timestamp == timestamp]


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
        statuses = list(clip.keyframes.values())
        self.videos.add(clip.source_video)
        self.clips += 1
        self.frames += clip.window.frame_count
        self.keyframes += statuses.count(ANNOTATED)
        self.excluded += statuses.count(EXCLUDED)
        self.boxes += len(clip.persons)
        self.persons.update((clip.source_video, person.person_id) for person in clip.persons)
        self.labels.update(a for person in clip.persons for a in person.action_ids)


class _Listed(NamedTuple):
    """What the frame lists need to know of a clip that has gone by."""

    name: str
    split: str
    frame_count: int
    has_labels: bool
    best_score: float  # of its proposals; -1 if there is none


class AnnotationWriter:
    """Writes `AVA_dataset.csv`, `annotations/` and `frame_lists/` into a folder.

    Use it as a context, `add` every clip, then `finish`.

    Attributes:
        counts: What went into each split so far.
    """

    def __init__(self, folder: Path, *, splits: Sequence[str]) -> None:
        self.folder = folder
        self.splits = tuple(splits)
        self.counts = {split: SplitCounts() for split in self.splits}
        self._files = ExitStack()
        self._open: dict[str, BinaryIO] = {}
        self._proposals: dict[str, dict[str, NDArray[np.float64]]] = {s: {} for s in splits}
        self._listed: list[_Listed] = []
        self._timestamps: set[int] = set()
        self._curve = ScoreCurve()

    def __enter__(self) -> Self:
        (self.folder / "annotations").mkdir(parents=True, exist_ok=True)
        (self.folder / "frame_lists").mkdir(parents=True, exist_ok=True)
        for split in self.splits:
            for kind in ("", "_excluded_timestamps", "_activitynet", "_predicted_boxes"):
                self._write(f"annotations/ava_{split}{kind}.csv", b"")
        self._write("annotations/unlabelled_boxes.csv", b"")
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
        annotated = [t for t, status in clip.keyframes.items() if status == ANNOTATED]
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
        self._timestamps.update(annotated)
        best = self._add_proposals(clip, annotated, is_labelled=bool(rows))
        self._listed.append(
            _Listed(clip.name, clip.split, clip.window.frame_count, bool(rows), best)
        )
        self.counts[clip.split].add(clip)

    def _add_proposals(
        self, clip: ReleaseClip, annotated: Iterable[int], *, is_labelled: bool
    ) -> float:
        """Write the proposals of a clip; returns the best score, -1 if there is none."""
        best = -1.0
        if clip.split == "train" and not is_labelled:
            # SlowFast wants the videos of its boxes and of its frame list to be the same, and
            # a video without one label teaches nothing.
            return best
        for at in annotated:
            proposed = clip.proposals.get(at, [])
            self._curve.add(proposed, clip.at(at), is_train=clip.split == "train")
            if not proposed:
                continue
            rows = [ava.PredictedRow(clip.name, at, box, score) for box, score in proposed]
            content = ava.dump_predicted(rows)
            self._write(f"annotations/ava_{clip.split}_predicted_boxes.csv", content)
            scores = [float(ava.format_score(score)) for _, score in proposed]
            boxes = np.stack([ava.parse_box(box) for box, _ in proposed])
            key = ava.keyframe_key(clip.name, at)
            self._proposals[clip.split][key] = np.column_stack([boxes, scores])
            best = max(best, *scores)
        return best

    def finish(self, actions: Sequence[ava.Action]) -> float:
        """Write the files that need all clips; returns the operating threshold of scores."""
        annotations = self.folder / "annotations"
        for split in self.splits:
            content = ava.dump_proposals(self._proposals[split])
            (annotations / f"dense_proposals_{split}.pkl").write_bytes(content)
        for name, content in (
            ("ava_action_list.pbtxt", ava.dump_actions(actions)),
            (
                "ava_action_list_for_activitynet.pbtxt",
                ava.dump_actions(actions, for_evaluator=True),
            ),
            ("label_map.txt", ava.dump_label_map(actions)),
            ("ava_included_timestamps.txt", ava.dump_timestamps(sorted(self._timestamps))),
        ):
            (annotations / name).write_bytes(content)
        threshold = self._curve.best_threshold()
        for split in self.splits:
            self._write_frame_list(split, threshold)
        return threshold

    def _write_frame_list(self, split: str, threshold: float) -> None:
        """List the clips that SlowFast still knows after it has dropped the weak boxes."""
        path = f"frame_lists/{split}.csv"
        self._write(path, f"{ava.FRAME_HEADER}\n".encode())
        survivors = [
            clip
            for clip in self._listed
            if clip.split == split
            and (clip.has_labels if split == "train" else clip.best_score >= threshold)
        ]
        for number, clip in enumerate(survivors):
            self._write(
                path, ava.dump_frames(clip.name, number=number, frame_count=clip.frame_count)
            )

    def _write(self, name: str, content: bytes) -> None:
        if name not in self._open:
            self._open[name] = self._files.enter_context((self.folder / name).open("wb"))
        self._open[name].write(content)


def label_rows(clip: ReleaseClip) -> list[ava.LabelRow]:
    """The ground truth of a clip: one row per keyframe, person and action."""
    return [
        ava.LabelRow(clip.name, person.timestamp, person.box, action_id, person.person_id)
        for person in clip.persons
        for action_id in person.action_ids
    ]


def evaluation_rows(
    clip: ReleaseClip, rows: Iterable[ava.LabelRow]
) -> list[ava.LabelRow | ava.Keyframe]:
    """The same for the ActivityNet evaluator, which also wants to know where nobody acts."""
    by_timestamp: dict[int, list[ava.LabelRow]] = {}
    for row in rows:
        by_timestamp.setdefault(row.timestamp, []).append(row)
    found: list[ava.LabelRow | ava.Keyframe] = []
    for at, status in clip.keyframes.items():
        if status == ANNOTATED:
            found.extend(by_timestamp.get(at, [ava.Keyframe(clip.name, at)]))
    return found


class ScoreCurve:
    """How well proposals of each score find the persons, and the threshold that does best."""

    def __init__(self) -> None:
        self._scores: dict[bool, list[float]] = {True: [], False: []}
        self._hits: dict[bool, list[bool]] = {True: [], False: []}
        self._persons = {True: 0, False: 0}

    def add(
        self, proposed: Sequence[ProposedBox], persons: Sequence[PersonAt], *, is_train: bool
    ) -> None:
        """Judge the proposals of one keyframe, best score first, against its persons."""
        self._persons[is_train] += len(persons)
        self._scores[is_train].extend(float(ava.format_score(p.score)) for p in proposed)
        self._hits[is_train].extend(_hits(proposed, persons))

    def best_threshold(self) -> float:
        """The score from which on F1 is best, the lowest of equals; 0 without proposals.

        The training split alone decides, so that nothing is tuned on what measures; the other
        splits do if it has no proposals.
        """
        is_train = bool(self._scores[True])
        scores = np.array(self._scores[is_train])
        if not len(scores):
            return 0.0
        order = np.argsort(-scores, kind="stable")
        scores, hits = scores[order], np.cumsum(np.array(self._hits[is_train])[order])
        taken = np.arange(1, len(scores) + 1)
        f1 = np.round(2 * hits / (taken + max(self._persons[is_train], 1)), 12)
        is_last_of_its_score = np.append(scores[1:] != scores[:-1], True)
        f1[~is_last_of_its_score] = -1.0
        return float(scores[len(f1) - 1 - int(np.argmax(f1[::-1]))])


def _hits(proposed: Sequence[ProposedBox], persons: Sequence[PersonAt]) -> list[bool]:
    """Whether each proposal is the first to find a person (IoU at least 0.5)."""
    if not proposed or not persons:
        return [False] * len(proposed)
    iou = pairwise_iou(
        np.stack([ava.parse_box(box) for box, _ in proposed]),
        np.stack([ava.parse_box(person.box) for person in persons]),
    )
    hits = []
    for row in range(len(proposed)):
        person = int(iou[row].argmax())
        hits.append(bool(iou[row, person] >= SAME_PERSON_IOU))
        if hits[-1]:
            iou[:, person] = 0.0
    return hits
