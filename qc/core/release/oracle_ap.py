"""How good proposals are: the score from which to use them, and the best that they allow."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from datasets.core.formats import ava
from qc.core.release.frame_map import SAME_PERSON_IOU, FrameMap, action_boxes
from qc.core.release.records import ReleasedPerson, ReleasedProposal
from tracking.core.boxes import pairwise_iou


def overlaps(
    proposed: Sequence[ReleasedProposal], persons: Sequence[ReleasedPerson]
) -> NDArray[np.float64]:
    """IoU of every proposal with every person, shape `(proposals, persons)`."""
    return pairwise_iou(_corners([p.box for p in proposed]), _corners([p.box for p in persons]))


def _corners(boxes: list[str]) -> NDArray[np.float64]:
    return np.array([box.split(",") for box in boxes], dtype=np.float64).reshape(-1, 4)


class PrecisionRecallCurve:
    """How well proposals of each score find the persons, and the threshold that does best."""

    def __init__(self) -> None:
        self._scores: defaultdict[str, list[float]] = defaultdict(list)
        self._hits: defaultdict[str, list[bool]] = defaultdict(list)
        self._persons: Counter[str] = Counter()

    def add(
        self,
        proposed: Sequence[ReleasedProposal],
        persons: Sequence[ReleasedPerson],
        *,
        split: str,
    ) -> None:
        """Judge the proposals of one keyframe, best score first, against its persons."""
        self._persons[split] += len(persons)
        self._scores[split].extend(float(ava.format_score(p.score)) for p in proposed)
        self._hits[split].extend(_hits(overlaps(proposed, persons)))

    def best_threshold(self) -> float:
        """The score from which on F1 is best, the lowest of equals; 0 without proposals.

        The training split alone decides, so that nothing is tuned on what measures; the other
        splits do if it has no proposals. A split whose proposals are all weaker than that
        lowers it to its best one: SlowFast cannot measure where no box is left.
        """
        deciding = ["train"] if self._scores["train"] else sorted(self._scores)
        scores = np.array([score for split in deciding for score in self._scores[split]])
        if not len(scores):
            return 0.0
        hits = np.array([hit for split in deciding for hit in self._hits[split]])
        order = np.argsort(-scores, kind="stable")
        scores, hits = scores[order], np.cumsum(hits[order])
        taken = np.arange(1, len(scores) + 1)
        persons = sum(self._persons[split] for split in deciding)
        f1 = np.round(2 * hits / (taken + max(persons, 1)), 12)
        is_last_of_its_score = np.append(scores[1:] != scores[:-1], True)
        f1[~is_last_of_its_score] = -1.0
        best = float(scores[len(f1) - 1 - int(np.argmax(f1[::-1]))])
        return min(best, *(max(its) for its in self._scores.values() if its))


def _hits(iou: NDArray[np.float64]) -> list[bool]:
    """Whether each proposal is the first to find a person (IoU at least 0.5)."""
    if not iou.size:
        return [False] * len(iou)
    left = iou.copy()
    hits = []
    for row in range(len(left)):
        person = int(left[row].argmax())
        hits.append(bool(left[row, person] >= SAME_PERSON_IOU))
        if hits[-1]:
            left[:, person] = 0.0
    return hits


class OracleAP:
    """The mAP of a model that names every action rightly, but only in the proposals' boxes."""

    def __init__(self) -> None:
        self._metric = FrameMap()

    def add(
        self, proposed: Sequence[ReleasedProposal], persons: Sequence[ReleasedPerson]
    ) -> None:
        """Give each proposal the actions of the person it overlaps most, from IoU 0.5 on."""
        truth = [
            (ava.parse_box(person.box), a) for person in persons for a in person.action_ids
        ]
        found, scores = [], []
        if persons and proposed:
            iou = overlaps(proposed, persons)
            for row, proposal in enumerate(proposed):
                best = int(iou[row].argmax())
                if iou[row, best] < SAME_PERSON_IOU:
                    continue
                for action in persons[best].action_ids:
                    found.append((ava.parse_box(proposal.box), action))
                    scores.append(float(ava.format_score(proposal.score)))
        self._metric.add(
            action_boxes([box for box, _ in truth], [action for _, action in truth]),
            found=action_boxes([box for box, _ in found], [action for _, action in found]),
            scores=np.array(scores),
        )

    def mean(self) -> float | None:
        """The mAP; None if nobody does anything."""
        return self._metric.result().mean
