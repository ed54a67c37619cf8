"""Simulated datasets of `./ava bench intervals`: many of one cell at once, in a few arrays."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LABELS = {"common": (0.4, 0.3, 0.2, 0.1), "rare": (0.92, 0.05, 0.02, 0.01)}
ERROR_RATES = (0.05, 0.10, 0.15, 0.20, 0.10)
CHANGE = 0.15  # of a label, from one keyframe to the next
LARGEST_CLIP, KEYFRAMES = 5, (4, 15)


class Cell(NamedTuple):
    persons: int
    errors: str
    labels: str
    annotators: int


class Worlds(NamedTuple):
    """Answers and boxes of some datasets; codes of both groups `(annotators, units)`.

    Units of one dataset stand together; clips and tracks are numbered through all of them.
    """

    one: Ints
    many: Ints
    tracks: Ints  # (units,)
    clips: Ints  # (units,)
    world: Ints  # of each clip
    boxes: dict[tuple[int, int], Floats]  # of pairs, fields of BoxCounts of each unit

    def single(self) -> Iterator["Worlds"]:
        """Each dataset alone."""
        of_unit = self.world[self.clips]
        for number in np.unique(of_unit):
            here = of_unit == number
            clips = np.unique(self.clips[here], return_inverse=True)[1]
            yield Worlds(
                self.one[:, here],
                self.many[:, here],
                self.tracks[here],
                clips,
                np.zeros(clips.max() + 1, dtype=np.int64),
                {pair: one[:, here] for pair, one in self.boxes.items()},
            )


def worlds(cell: Cell, count: int, random: np.random.Generator) -> Worlds:
    """So many simulated datasets of a cell."""
    sizes = random.integers(1, LARGEST_CLIP + 1, size=(count, cell.persons))
    starts = np.zeros((count, cell.persons), dtype=bool)  # of clips
    ends = np.cumsum(sizes, axis=1)
    rows, columns = np.nonzero(ends < cell.persons)
    starts[rows, ends[rows, columns]] = True
    starts[:, 0] = True
    clip_of = np.cumsum(starts) - 1  # of each person
    world = np.repeat(np.arange(count), starts.sum(axis=1))
    keyframes = random.integers(KEYFRAMES[0], KEYFRAMES[1] + 1, size=count * cell.persons)
    tracks = np.repeat(np.arange(count * cell.persons), keyframes)
    clips = clip_of[tracks]
    alike = {"independent": np.arange(len(tracks)), "by track": tracks, "by clip": clips}[
        cell.errors
    ]
    shares = LABELS[cell.labels]
    one = _answered(shares, tracks, alike, cell.annotators, random)
    chosen = [
        _answered((1 - share, share), tracks, alike, cell.annotators, random)
        for share in shares[1:3]
    ]
    boxes = _drawn(tracks, alike, cell.annotators, random)
    return Worlds(one, chosen[0] + 2 * chosen[1], tracks, clips, world, boxes)


def _answered(
    shares: tuple[float, ...],
    tracks: Ints,
    alike: Ints,
    annotators: int,
    random: np.random.Generator,
) -> Ints:
    """What annotators say of labels that are held; errors are the same for what is `alike`."""
    is_new = np.append(True, tracks[1:] != tracks[:-1]) | (random.random(len(tracks)) < CHANGE)
    held = np.cumsum(is_new) - 1
    true = _drawn_from(shares, held[-1] + 1, random)[held]
    said = []
    for rate in ERROR_RATES[:annotators]:
        wrong = (random.random(alike[-1] + 1) < rate)[alike]
        instead = _drawn_from(shares, alike[-1] + 1, random)[alike]
        said.append(np.where(wrong, instead, true))
    return np.array(said)


def _drawn_from(shares: tuple[float, ...], count: int, random: np.random.Generator) -> Ints:
    return np.searchsorted(np.cumsum(shares)[:-1], random.random(count), side="right")


def _drawn(
    tracks: Ints, alike: Ints, annotators: int, random: np.random.Generator
) -> dict[tuple[int, int], Floats]:
    """Of each pair and unit the fields of BoxCounts: boxes are missed, or drawn carelessly."""
    is_there, care = [], []
    for rate in ERROR_RATES[:annotators]:
        is_there.append((random.random(alike[-1] + 1) >= rate)[alike])
        careless = (random.random(alike[-1] + 1) < rate)[alike]
        exact = 0.9 + 0.05 * random.random(tracks[-1] + 1)[tracks]
        care.append(np.where(careless, 0.6, exact) + 0.05 * random.random(len(tracks)))
    found = {}
    for i, j in combinations(range(annotators), 2):
        both, iou = is_there[i] & is_there[j], care[i] * care[j]
        matched, close = both & (iou >= 0.5), both & (iou >= 0.75)
        found[i, j] = np.array(
            [is_there[i], is_there[j], both, matched, close, iou * matched]
        ).astype(np.float64)
    return found
