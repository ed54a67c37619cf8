"""Kinds of corruption of a release, with sums made to fit, and the sentence that names each.

A corruption gets a folder of `street_release` and changes it as a bug or a bad hand would:
everywhere at once, so that the files agree with each other. `CORRUPTIONS` is the list of all
kinds; a kind that ends in "everywhere" has its provenance changed as well.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from qc.core.release.formats import FORMATS
from qc.core.release.packing import write_manifest
from qc.core.release.records import ReleaseClip
from tests.core.qc.release.street_release import ACTIONS, GROUPS, HEIGHT, WIDTH, street
from tests.core.qc.release.tiny_release import keyframes_of, write_rows


class Corruption(NamedTuple):
    """What is done to a folder, the check that notices, and part of its sentence."""

    corrupt: Callable[[Path], None]
    check: str
    sentence: str


CORRUPTIONS: dict[str, Corruption] = {}
Clips = list[ReleaseClip]


def kind(name: str, *, check: str, sentence: str) -> Callable[..., Callable[[Path], None]]:
    """Enter a function in the list of corruptions."""

    def enter(corrupt: Callable[[Path], None]) -> Callable[[Path], None]:
        CORRUPTIONS[name] = Corruption(corrupt, check, sentence)
        return corrupt

    return enter


@cache
def clips_and_footage() -> tuple[Clips, dict[str, Any]]:
    return street()


def fit(folder: Path, facts: dict[str, Any] | None = None, **others: Any) -> None:
    """Let the manifest say what is in the folder now."""
    path = folder / "manifest.json"
    content = {key: value for key, value in json.loads(path.read_text()).items()
               if key != "files"}  # fmt: skip
    path.unlink()
    write_manifest(folder, content | (facts or {}) | others)


def rewrite(folder: Path, clips: Sequence[ReleaseClip], *, deep: bool = False) -> None:
    """Write all rows of changed clips, in all formats, and the manifest to fit.

    Args:
        deep: Whether the provenance is changed as well.
    """
    facts = write_rows(
        folder, clips, formats=sorted(FORMATS), actions=ACTIONS, groups=GROUPS,
        with_provenance=deep,
    )  # fmt: skip
    if not deep:
        fit_provenance(folder)
    fit(folder, facts, keyframes=keyframes_of(clips))


def fit_provenance(folder: Path) -> None:
    """Let `provenance.parquet` have the rows of the csv, with the origins that it had."""
    path = folder / "provenance.parquet"
    table = pq.read_table(path)
    old = table.to_pylist()
    rows = []
    lines = (folder / "AVA_dataset.csv").read_text().splitlines()[1:]
    for number, line in enumerate(lines):
        video, at, *_, action, person, split = line.split(",")
        rows.append(
            old[number % len(old)]
            | {"video_id": video, "timestamp": int(at), "person_id": int(person),
               "action_id": int(action), "split": split}
        )  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def boxes_changed(
    clip: ReleaseClip, change: Callable[[list[float]], Sequence[float]]
) -> ReleaseClip:
    """A clip whose boxes, drawn and tracked, are all changed alike; corners are shares."""

    def text(box: str) -> str:
        return ",".join(f"{side:.4f}" for side in change([float(s) for s in box.split(",")]))

    def pixels(box: Sequence[float]) -> tuple[float, ...]:
        sides = (WIDTH, HEIGHT) * 2
        changed = change([side / by for side, by in zip(box, sides, strict=True)])
        return tuple(side * by for side, by in zip(changed, sides, strict=True))

    persons = [
        one._replace(box=text(one.box), drawn=tuple(map(pixels, one.drawn)))
        for one in clip.persons
    ]
    proposals = {
        at: [one._replace(box=text(one.box)) for one in some]
        for at, some in clip.proposals.items()
    }
    return replace(clip, persons=persons, proposals=proposals)


def mirrored(box: list[float]) -> list[float]:
    return [1 - box[2], box[1], 1 - box[0], box[3]]


def swapped(box: list[float]) -> list[float]:
    return [box[1], box[0], box[3], box[2]]


def all_changed(change: Callable[[ReleaseClip], ReleaseClip]) -> Clips:
    return [change(clip) for clip in clips_and_footage()[0]]
