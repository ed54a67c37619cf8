"""Copies of a release with a known fault in the labels of train, to compare a training with.

The other files are those of the release; frames are linked.
"""

import shutil
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import numpy as np

from datasets.core.formats import ava
from qc.core.release.packing import MANIFEST

Rows = list[ava.LabelRow]
Box = tuple[float, float, float, float]


def shuffled(rows: Rows) -> Rows:
    """The actions of people, dealt out to other people at random."""
    people = [list(its) for _, its in groupby(rows, lambda row: row[:3])]
    order = np.random.default_rng(0).permutation(len(people))
    return [
        person[0]._replace(action_id=row.action_id)
        for person, other in zip(people, order, strict=True)
        for row in people[other]
    ]


def _moved(change: Callable[[Box], Box]) -> Callable[[Rows], Rows]:
    def move(rows: Rows) -> Rows:
        sides = (change(tuple(ava.parse_box(row.box).tolist())) for row in rows)
        texts = (",".join(f"{side:.{ava.DECIMALS}f}" for side in box) for box in sides)
        return [row._replace(box=text) for row, text in zip(rows, texts, strict=True)]

    return move


mirrored = _moved(lambda box: (1 - box[2], box[1], 1 - box[0], box[3]))
swapped = _moved(lambda box: (box[1], box[0], box[3], box[2]))


def late(rows: Rows) -> Rows:
    """Everything filed one second late."""
    return [row._replace(timestamp=row.timestamp + 1) for row in rows]


FAULTS: dict[str, Callable[[Rows], Rows]] = {
    "shuffled": shuffled,
    "mirrored": mirrored,
    "swapped": swapped,
    "late": late,
}


def with_fault(release: Path, folder: Path, fault: str) -> Path:
    """A copy of `release` whose train split has the fault; a finished one is kept."""
    if (folder / MANIFEST).exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(release / "annotations", folder / "annotations")
    (folder / "rawframes").symlink_to(release.resolve() / "rawframes")
    labels = folder / "annotations/ava_train.csv"
    rows = ava.load_labels(labels.read_bytes())
    labels.write_bytes(ava.dump_labels(FAULTS[fault](rows)))
    shutil.copyfile(release / MANIFEST, folder / MANIFEST)
    return folder
