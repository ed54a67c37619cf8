"""Checks of the tracker's boxes in a release: one source in all files, and how good they are.

Nothing here knows how the files were written.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from datasets.core.formats import ava
from qc.core.release.checks.expectations import expect
from qc.core.release.oracle_ap import OracleAP, PrecisionRecallCurve, overlaps
from qc.core.release.reader import ReleaseReader
from qc.core.release.records import ReleasedPerson, ReleasedProposal
from qc.core.release.writer import NEGATIVES, POSITIVE_IOU

Key = tuple[str, int]  # video_id, timestamp
TOLERANCE = 1e-6  # of an oracle mAP, which the manifest rounds


def check_proposals(release: ReleaseReader) -> str:
    def faults() -> Iterator[str]:
        for split in release.splits:
            if not release.is_for_old_numpy(split):
                yield (
                    f"dense_proposals_{split}.pkl cannot be read by numpy before 1.26, which "
                    "MMAction2 uses"
                )
            yield from _different_boxes(release, split)

    count = sum(len(release.proposals(split)) for split in release.splits)
    return expect(
        faults(), f"{count} keyframes have proposals, the same in the pkl and the csv."
    )


def _different_boxes(release: ReleaseReader, split: str) -> Iterator[str]:
    rows: dict[str, list[list[float]]] = defaultdict(list)
    for predicted in release.predicted(split):
        key = ava.keyframe_key(predicted.video_id, predicted.timestamp)
        rows[key].append([*ava.parse_box(predicted.box), predicted.score])
    proposals = release.proposals(split)
    for key in sorted(rows.keys() | proposals.keys()):
        if key not in proposals or key not in rows:
            yield f"{key} is in one file of {split} proposals only"
        elif proposals[key].dtype != np.float64:
            yield f"{key} holds {proposals[key].dtype} in the pkl of {split}"
        elif not np.array_equal(proposals[key], np.array(rows[key])):
            yield f"{key} has other boxes in the pkl of {split} than in the csv"


def check_negatives(release: ReleaseReader) -> str:
    """The boxes to train on are those of the tracker, with the actions of who is in them."""
    persons, proposed = persons_at(release, "train"), proposals_at(release, "train")
    listed: dict[tuple[str, int, str], list[int | None]] = defaultdict(list)
    for row in release.negatives():
        listed[row[:3]].append(row.action_id)

    def faults() -> Iterator[str]:
        known = set()
        for (video, at), boxes in sorted(proposed.items()):
            here = persons[video, at]
            iou = overlaps(boxes, here)
            for box, its in zip(boxes, iou, strict=True):
                best = int(its.argmax()) if len(its) else 0
                is_positive = len(its) > 0 and its[best] >= POSITIVE_IOU
                ids: list[int | None] = [*sorted(here[best].action_ids)] if is_positive else []
                known.add((video, at, box.box))
                if listed.get((video, at, box.box)) != (ids or [None]):
                    yield f"{NEGATIVES} is wrong about the box {box.box} of {video} at {at}"
        for video, at, text in sorted(listed.keys() - known):
            yield f"{NEGATIVES} has the box {text} of {video} at {at}, which is not a proposal"

    return expect(faults(), "The boxes with negatives are the predicted boxes of train.")


def check_oracle_ap(release: ReleaseReader) -> str:
    """The threshold of scores and the best that proposals allow, computed from the files."""
    curve, said = PrecisionRecallCurve(), release.manifest()
    best: dict[str, float | None] = {}
    for split in release.splits:
        persons, proposed = persons_at(release, split), proposals_at(release, split)
        labelled = {label.video_id for label in release.labels(split)}
        oracle_ap = OracleAP()
        for key in _keyframes(release, split):
            if split != "train" or key[0] in labelled:
                curve.add(proposed[key], persons[key], split=split)
                oracle_ap.add(proposed[key], persons[key])
        best[split] = oracle_ap.mean()

    def faults() -> Iterator[str]:
        threshold, claimed = curve.best_threshold(), said.get("score_threshold")
        if claimed != threshold:
            yield f"the best threshold of scores is {threshold}, the manifest says {claimed}"
        claims = said.get("oracle_ap") or {}
        for split, value in best.items():
            if not _is_same(value, claims.get(split)):
                yield (
                    f"proposals of {split} allow a mAP of {value}, the manifest says "
                    f"{claims.get(split)}"
                )

    shown = [f"{value:.3f} on {split}" for split, value in best.items() if value is not None]
    words = " and ".join(shown) or "nothing, because there are no labels"
    return expect(faults(), f"Perfect labels on the proposals would reach a mAP of {words}.")


def _is_same(value: float | None, claim: object) -> bool:
    if value is None or not isinstance(claim, int | float):
        return value is claim
    return abs(value - claim) <= TOLERANCE


def _keyframes(release: ReleaseReader, split: str) -> list[Key]:
    videos = release.videos()
    return sorted(
        key for key in release.keyframes("annotated") if videos[key[0]].split == split
    )


def persons_at(release: ReleaseReader, split: str) -> defaultdict[Key, list[ReleasedPerson]]:
    """Everybody at each keyframe of a split, by id, with and without actions."""
    return release.once(f"persons of {split}", lambda: _read_persons(release, split))


def _read_persons(release: ReleaseReader, split: str) -> defaultdict[Key, list[ReleasedPerson]]:
    ids: dict[tuple[str, int, int, str], list[int]] = defaultdict(list)
    for label in release.labels(split):
        ids[*label[:2], label.person_id, label.box].append(label.action_id)
    videos = release.videos()
    for row in release.unlabelled():
        if row.video_id in videos and videos[row.video_id].split == split:
            ids[*row[:2], row.person_id, row.box] = []
    found: defaultdict[Key, list[ReleasedPerson]] = defaultdict(list)
    for (video, at, person, box), its in sorted(ids.items()):
        found[video, at].append(ReleasedPerson(at, person, box, tuple(its)))
    return found


def proposals_at(
    release: ReleaseReader, split: str
) -> defaultdict[Key, list[ReleasedProposal]]:
    """The proposals at each keyframe of a split, in the order of the file."""
    found: defaultdict[Key, list[ReleasedProposal]] = defaultdict(list)
    for row in release.predicted(split):
        found[row[:2]].append(ReleasedProposal(row.box, row.score))
    return found
