"""How often the 95 % intervals of agreement hold the truth, in simulated datasets.

    ./ava bench intervals                            2000 datasets a cell, hours
    AVA_BENCH_WORLDS=200 ./ava bench intervals       fewer

A cell is a number of persons (in clips of 1 to 5), what errors have in common (nothing, the
track, the clip), how common the labels are, and the number of annotators. Figures and intervals
come from the functions that make the pages; the truth is the same figure of thousands of clips.
The benchmark fails if the exact (Clopper-Pearson) 99.9 % interval of a coverage lies below
93 %. An interval that is not shown misses nothing; how many are shown is printed.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # a process a core: threads of BLAS would fight over them

import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from datasets.core.action_groups import ActionGroupSpec
from qc.core.agreement.boxes import box_figures
from qc.core.agreement.coefficients import OF_RATINGS
from qc.core.agreement.figures import Figure
from qc.core.agreement.jackknife import MIN_CLUSTERS
from qc.core.agreement.rating_intervals import rating_intervals
from qc.core.agreement.tables import Block
from qc.core.agreement.units import Units, brief_figures, group_figures, of_pair
from qc.core.matching import BoxCounts

WORLDS = int(os.environ.get("AVA_BENCH_WORLDS", "2000"))
SEED = int(os.environ.get("AVA_BENCH_SEED", "20"))
CORES = int(os.environ.get("AVA_BENCH_CORES", "2"))
BATCH = 50
PERSONS = (5, 10, 30, 100)
ERRORS = ("independent", "by track", "by clip")
LABELS = {"common": (0.4, 0.3, 0.2, 0.1), "rare": (0.92, 0.05, 0.02, 0.01)}
ANNOTATORS = (2, 3, 5)
ERROR_RATES = (0.05, 0.10, 0.15, 0.20, 0.10)
CHANGE = 0.15  # of a label, from one keyframe to the next
LARGEST_CLIP, KEYFRAMES = 5, (4, 15)
CHECKED = 3  # of a batch, of the datasets with too few clips for intervals
LEAST, GOAL, SURE = 0.93, 0.97, 0.999
TRUE_CLIPS = 6000

NAMES = ("ann", "bob", "cleo", "dan", "eve")
ONE = ActionGroupSpec("one", "one", True, ("a", "b", "c", "d"), 1)
MANY = ActionGroupSpec("many", "many", False, ("w", "x"), 2)
SETS = [frozenset[str](), frozenset({"w"}), frozenset({"x"}), frozenset({"w", "x"})]


class Cell(NamedTuple):
    persons: int
    errors: str
    labels: str
    annotators: int


class World(NamedTuple):
    """Answers and boxes of some clips; codes of both groups `(annotators, units)`."""

    one: NDArray[np.int64]
    many: NDArray[np.int64]
    tracks: NDArray[np.int64]
    clips: NDArray[np.int64]
    boxes: dict[tuple[int, int], NDArray[np.float64]]  # of pairs, BoxCounts of each unit


Found = dict[str, list[int]]  # of a figure: worlds, shown, truth inside, truth above


def main() -> None:
    cells = [Cell(*one) for one in product(PERSONS, ERRORS, LABELS, ANNOTATORS)]
    print(f"{WORLDS} worlds a cell; coverage of 95 % intervals where they are shown")
    failed, over, counted = [], 0, 0
    with ProcessPoolExecutor(CORES) as workers:
        kinds = sorted({one[1:] for one in cells})
        truths = dict(zip(kinds, workers.map(truth, kinds), strict=True))
        jobs = {
            cell: [
                workers.submit(
                    covered, cell, truths[cell[1:]], start, min(BATCH, WORLDS - start)
                )
                for start in range(0, WORLDS, BATCH)
            ]
            for cell in cells
        }
        for cell, parts in jobs.items():
            found: Found = defaultdict(lambda: [0, 0, 0, 0])
            for part in parts:
                for name, counts in part.result().items():
                    found[name] = [a + b for a, b in zip(found[name], counts, strict=True)]
            shown = {name: counts for name, counts in found.items() if counts[1]}
            low = {name: one for name, one in shown.items() if highest(one) < LEAST}
            failed += [(cell, name, one) for name, one in low.items()]
            over += sum(one[2] / one[1] > GOAL for one in shown.values())
            counted += len(shown)
            print(line(cell, found, shown), flush=True)
    print(f"{counted} figures in cells; {over} cover more than {GOAL:.0%}")
    for cell, name, counts in failed:
        print(f"  below {LEAST:.0%}: {', '.join(map(str, cell))}: {name}: {describe(counts)}")
    if failed:
        sys.exit(f"{len(failed)} intervals hold less than they say")


def line(cell: Cell, found: Found, shown: Found) -> str:
    name = f"{cell.persons:4} persons, {cell.errors:11}, {cell.labels:6}, {cell.annotators}:"
    if not shown:
        return f"{name} no interval is shown"
    share = sum(one[1] for one in found.values()) / sum(one[0] for one in found.values())
    mean = sum(one[2] for one in shown.values()) / sum(one[1] for one in shown.values())
    worst = min(shown, key=lambda one: (highest(shown[one]), one))
    return f"{name} shown {share:4.0%}, covers {mean:.3f}; lowest {worst}: " + describe(
        shown[worst]
    )


def describe(counts: list[int]) -> str:
    _, shown, inside, above = counts
    return f"{inside / shown:.3f} of {shown} ({above / shown:.3f} above)"


def highest(counts: list[int]) -> float:
    """The upper end of the exact interval of the coverage."""
    _, shown, inside, _ = counts
    if inside == shown:
        return 1.0
    return float(beta.ppf((1 + SURE) / 2, inside + 1, shown - inside))


def truth(kind: tuple[str, str, int]) -> dict[str, float]:
    """Every figure of thousands of clips."""
    random = np.random.default_rng([SEED, *map(ord, f"{kind}")])
    world = next(worlds(Cell(3 * TRUE_CLIPS, *kind), 1, random))
    return {
        name: one.value
        for name, one in figures(world, with_intervals=False).items()
        if one.value is not None
    }


def covered(cell: Cell, true: dict[str, float], start: int, count: int) -> Found:
    """Of each figure: worlds, shown, truth inside, truth above."""
    random = np.random.default_rng([SEED, start, *map(ord, f"{cell}")])
    found: Found = {}
    for place, world in enumerate(worlds(cell, count, random)):
        if place >= CHECKED and len(np.unique(world.clips)) < MIN_CLUSTERS:
            for counts in found.values():  # the first of them have shown that it has none
                counts[0] += 1
            continue
        for name, one in figures(world).items():
            counts = found.setdefault(name, [0, 0, 0, 0])
            counts[0] += 1
            if one.interval is not None:
                low, high = one.interval
                counts[1] += 1
                counts[2] += low <= true[name] <= high
                counts[3] += true[name] > high
    return found


def figures(world: World, *, with_intervals: bool = True) -> dict[str, Figure]:
    """Every figure that a page shows with an interval."""
    names, found = NAMES[: len(world.one)], {}
    block = Block(names, world.one, world.tracks, world.clips)
    one = Units([block], ["a", "b", "c", "d"], ONE)
    many = Units([block._replace(codes=world.many)], SETS, MANY)
    groups = [
        group_figures(one, with_intervals=with_intervals),
        brief_figures(many, with_intervals=with_intervals),
    ]
    for group in groups:
        found |= {f"{group.name} {key}": it for key, it in group.coefficients.items()}
        for action, of_action in group.actions.items():
            found |= {
                f"action {action} {key}": it for key, it in of_action.coefficients.items()
            }
    pair = Units(of_pair([block], *names[:2]), one.values, ONE)
    of_pair_alone = brief_figures(pair, with_intervals=with_intervals).coefficients
    found |= {f"pair {key}": it for key, it in of_pair_alone.items()}
    found |= {f"edited {key}": it for key, it in groups[1].edited.coefficients.items()}
    around: Any = rating_intervals([one.sums, many.sums]) if with_intervals else {}
    for spec in OF_RATINGS:
        of_groups = (group.coefficients[spec.name] for group in groups)
        found[f"mean of groups {spec.name}"] = Figure.mean(
            of_groups, *around.get(spec.name, ())
        )
    boxes = box_figures(counts_of(world), with_intervals=with_intervals)
    return found | {f"boxes {key}": it for key, it in vars(boxes).items()}


def counts_of(world: World) -> Iterator[dict[int, BoxCounts]]:
    numbers, places = np.unique(world.clips, return_inverse=True)
    for columns in world.boxes.values():
        sums = [np.bincount(places, column, minlength=len(numbers)) for column in columns]
        yield {
            int(number): BoxCounts(*map(int, row[:-1]), float(row[-1]))
            for number, row in zip(numbers, np.stack(sums, axis=1), strict=True)
        }


def worlds(cell: Cell, count: int, random: np.random.Generator) -> Iterator[World]:
    """Simulated datasets of a cell."""
    for _ in range(count):
        sizes = random.integers(1, LARGEST_CLIP + 1, size=cell.persons)
        ends = np.cumsum(sizes)
        clip_of = np.searchsorted(ends, np.arange(cell.persons), side="right")
        tracks = np.repeat(
            np.arange(cell.persons),
            random.integers(KEYFRAMES[0], KEYFRAMES[1] + 1, size=cell.persons),
        )
        clips = clip_of[tracks]
        units = len(tracks)
        alike = {"independent": np.arange(units), "by track": tracks, "by clip": clips}
        shares = LABELS[cell.labels]
        one = answered(shares, tracks, alike[cell.errors], cell.annotators, random)
        chosen = [
            answered((1 - share, share), tracks, alike[cell.errors], cell.annotators, random)
            for share in shares[1:3]
        ]
        boxes = drawn(tracks, alike[cell.errors], cell.annotators, random)
        yield World(one, chosen[0] + 2 * chosen[1], tracks, clips, boxes)


def answered(
    shares: tuple[float, ...],
    tracks: NDArray[np.int64],
    alike: NDArray[np.int64],
    annotators: int,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """What annotators say of labels that are held; errors are the same for what is `alike`."""
    is_new = np.append(True, tracks[1:] != tracks[:-1]) | (random.random(len(tracks)) < CHANGE)
    held = np.cumsum(is_new) - 1
    true = random.choice(len(shares), held[-1] + 1, p=shares)[held]
    said = []
    for rate in ERROR_RATES[:annotators]:
        wrong = (random.random(alike[-1] + 1) < rate)[alike]
        instead = random.choice(len(shares), alike[-1] + 1, p=shares)[alike]
        said.append(np.where(wrong, instead, true))
    return np.array(said)


def drawn(
    tracks: NDArray[np.int64],
    alike: NDArray[np.int64],
    annotators: int,
    random: np.random.Generator,
) -> dict[tuple[int, int], NDArray[np.float64]]:
    """Of each pair and unit the fields of BoxCounts: boxes are missed, or drawn carelessly."""
    is_there, care = [], []
    for rate in ERROR_RATES[:annotators]:
        is_there.append((random.random(alike[-1] + 1) >= rate)[alike])
        careless = (random.random(alike[-1] + 1) < rate)[alike]
        exact = 0.9 + 0.05 * random.random(tracks[-1] + 1)[tracks]
        care.append(np.where(careless, 0.6, exact) + 0.05 * random.random(len(tracks)))
    found = {}
    for i in range(annotators):
        for j in range(i + 1, annotators):
            both, iou = is_there[i] & is_there[j], care[i] * care[j]
            matched, close = both & (iou >= 0.5), both & (iou >= 0.75)
            found[i, j] = np.array(
                [is_there[i], is_there[j], both, matched, close, iou * matched]
            ).astype(np.float64)
    return found


if __name__ == "__main__":
    main()
