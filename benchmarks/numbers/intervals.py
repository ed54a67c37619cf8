"""How often the 95 % intervals of agreement hold the truth, in simulated datasets.

    ./ava bench intervals                            2000 datasets a cell
    AVA_BENCH_WORLDS=200 ./ava bench intervals       fewer

A cell is a number of persons (in clips of 1 to 5), what errors have in common (nothing, the
track, the clip), how common the labels are, and the number of annotators. The truth is the same
figure of thousands of clips. The benchmark fails if the exact (Clopper-Pearson) 99.9 % interval
of a coverage lies below 93 %, or if a dataset has another interval here than on a page. An
interval that is not shown misses nothing; how many are shown is printed.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # a process a core: threads of BLAS would fight over them

import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.stats import beta

from benchmarks.numbers._interval_figures import Columns, columns_of, page_figures
from benchmarks.numbers._interval_worlds import LABELS, Cell, Worlds, worlds
from qc.core.agreement.figures import DIGITS

WORLDS = int(os.environ.get("AVA_BENCH_WORLDS", "2000"))
SEED = int(os.environ.get("AVA_BENCH_SEED", "20"))
CORES = int(os.environ.get("AVA_BENCH_CORES", "2"))
BATCH = 100
PERSONS = (5, 10, 30, 100)
ERRORS = ("independent", "by track", "by clip")
ANNOTATORS = (2, 3, 5)
LEAST, GOAL, SURE = 0.93, 0.97, 0.999
TRUE_PERSONS = 18_000


class Coverage(NamedTuple):
    """Datasets, intervals shown, those that hold the truth, those that lie below it."""

    worlds: int = 0
    shown: int = 0
    inside: int = 0
    below: int = 0

    def plus(self, more: "Coverage") -> "Coverage":
        return Coverage(*(a + b for a, b in zip(self, more, strict=True)))

    @property
    def highest(self) -> float:
        """The upper end of the exact interval of the coverage."""
        if self.inside == self.shown:
            return 1.0
        missed = self.shown - self.inside
        return float(beta.ppf((1 + SURE) / 2, self.inside + 1, missed))

    def __str__(self) -> str:
        share, below = self.inside / self.shown, self.below / self.shown
        return f"{share:.3f} of {self.shown} ({below:.3f} below the truth)"


Found = dict[str, Coverage]


def main() -> None:
    cells = [Cell(*one) for one in product(PERSONS, ERRORS, LABELS, ANNOTATORS)]
    print(f"{WORLDS} datasets a cell; coverage of 95 % intervals where they are shown")
    failed, over, counted, seconds = [], 0, 0, 0.0
    with ProcessPoolExecutor(CORES) as workers:
        kinds = sorted({one[1:] for one in cells})
        truths = dict(zip(kinds, workers.map(truth, kinds), strict=True))
        jobs = {
            cell: [
                workers.submit(covered, cell, truths[cell[1:]], start)
                for start in range(0, WORLDS, BATCH)
            ]
            for cell in cells
        }
        for cell, parts in jobs.items():
            found: Found = {}
            for part in parts:
                counts, spent = part.result()
                seconds += spent
                for name, one in counts.items():
                    found[name] = found.get(name, Coverage()).plus(one)
            shown = {name: one for name, one in found.items() if one.shown}
            failed += [(cell, name, it) for name, it in shown.items() if it.highest < LEAST]
            over += sum(one.inside / one.shown > GOAL for one in shown.values())
            counted += len(shown)
            print(line(cell, found, shown), flush=True)
    print(f"{counted} figures in cells; {over} cover more than {GOAL:.0%}; "
          f"{seconds:.0f} s of processors")  # fmt: skip
    for cell, name, one in failed:
        print(f"  below {LEAST:.0%}: {', '.join(map(str, cell))}: {name}: {one}")
    if failed:
        sys.exit(f"{len(failed)} intervals hold less than they say")


def line(cell: Cell, found: Found, shown: Found) -> str:
    name = f"{cell.persons:4} persons, {cell.errors:11}, {cell.labels:6}, {cell.annotators}:"
    if not shown:
        return f"{name} no interval is shown"
    share = sum(one.shown for one in shown.values()) / sum(one.worlds for one in found.values())
    mean = sum(one.inside for one in shown.values()) / sum(one.shown for one in shown.values())
    worst = min(shown, key=lambda one: (shown[one].highest, one))
    return f"{name} shown {share:4.0%}, covers {mean:.3f}; lowest {worst}: {shown[worst]}"


def truth(kind: tuple[str, str, int]) -> dict[str, float]:
    """Every figure of thousands of clips."""
    random = np.random.default_rng([SEED, *map(ord, f"{kind}")])
    large = worlds(Cell(TRUE_PERSONS, *kind), 1, random)
    return {
        name: one.value
        for name, one in page_figures(large, with_intervals=False).items()
        if one.value is not None
    }


def covered(cell: Cell, true: dict[str, float], start: int) -> tuple[Found, float]:
    """The coverage of each figure in some datasets, and the seconds that they took."""
    began = time.process_time()
    random = np.random.default_rng([SEED, start, *map(ord, f"{cell}")])
    these = worlds(cell, min(BATCH, WORLDS - start), random)
    columns = columns_of(these)
    check(these, columns)
    found = {}
    for part in columns:
        of_worlds = part.estimates()
        for place, name in enumerate(part.names):
            counts: Counter[str] = Counter(worlds=len(of_worlds))
            for one in of_worlds:
                if (interval := one[place].interval) is not None:
                    low, high = interval
                    counts["shown"] += 1
                    counts["inside"] += low <= true[name] <= high
                    counts["below"] += high < true[name]
            found[name] = Coverage(**counts)
    return found, time.process_time() - began


def check(these: Worlds, columns: list[Columns]) -> None:
    """Stop if the first dataset has another figure here than on a page."""
    shown = page_figures(next(these.single()))
    if len(these.one) < 3:
        del shown["one fleiss"]  # of three or more
    here = {
        name: (value, one)
        for part in columns
        for name, value, one in zip(
            part.names, part.values[0].tolist(), part.estimates()[0], strict=True
        )
    }
    if here.keys() != shown.keys():
        sys.exit(f"figures here or on pages only: {here.keys() ^ shown.keys()}")
    for name, figure in shown.items():
        value, one = here[name]
        same = np.isnan(value) if figure.value is None else _close(figure.value, value)
        if figure.value is not None:
            same &= (figure.interval is None) == (one.interval is None)
            same &= figure.no_interval == one.reason
            if figure.interval and one.interval:
                same &= all(map(_close, figure.interval, one.interval))
        if not same:
            sys.exit(f"{name}: a page says {figure}, this benchmark {value} and {one}")


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= 2 * 10**-DIGITS


if __name__ == "__main__":
    main()
