"""How often the intervals of agreement beyond chance of boxes and over time hold the truth.

    ./ava bench intervals_beyond_chance                          200 datasets a cell
    AVA_BENCH_WORLDS=50 ./ava bench intervals_beyond_chance      fewer

Whole reports of simulated clips are compared and pooled as on a page. In a cell errors are made
keyframe by keyframe, or through a whole clip; there are 20 or 40 clips. The truth is the mean
figure of large datasets. Fails if the exact 99.9 % interval of a coverage lies below 93 %.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # a process a core

import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import beta

from datasets.core.action_groups import ActionGroupSpec
from qc.core.agreement.clip_agreement import compare_clip
from qc.core.agreement.figures import Figure
from qc.core.agreement.pooling import Pool
from qc.core.consensus.identity import DrawnBoxes

WORLDS = int(os.environ.get("AVA_BENCH_WORLDS", "200"))
SEED = int(os.environ.get("AVA_BENCH_SEED", "30"))
CORES = int(os.environ.get("AVA_BENCH_CORES", "2"))
LEAST, SURE = 0.93, 0.999
TRUE_CLIPS, TRUE_WORLDS = 300, 8
GROUP = ActionGroupSpec("posture", "one", True, ("stand", "walk", "sit", "run"), 1)
TEAM, KEYFRAMES, MOST_PERSONS = ["ann", "bob"], 6, 4
MISSED, CARELESS, WRONG = 0.1, 0.15, 0.2
BODY = np.array([-30.0, -90.0, 30.0, 90.0])  # around its centre
SHARES, CHANGE = (0.4, 0.3, 0.2, 0.1), 0.2


class Cell(NamedTuple):
    clips: int
    errors: str


def main() -> None:
    cells = [Cell(*one) for one in product((20, 40), ("by keyframe", "by clip"))]
    failed = False
    print(f"{WORLDS} datasets a cell; coverage of 95 % intervals where they are shown")
    with ProcessPoolExecutor(CORES) as workers:
        for cell in cells:
            large = [
                (cell._replace(clips=TRUE_CLIPS), [SEED, 1, n]) for n in range(TRUE_WORLDS)
            ]
            true = means(workers.map(figures, *zip(*large, strict=True)))
            seeds = [[SEED, 2, n, *map(ord, f"{cell}")] for n in range(WORLDS)]
            found = list(workers.map(figures, [cell] * WORLDS, seeds, chunksize=5))
            for name in true:
                failed |= printed(cell, name, true[name], [one[name] for one in found])
    sys.exit("Intervals hold less than they say." if failed else 0)


def means(worlds: Iterator[dict[str, Figure]]) -> dict[str, float]:
    values: dict[str, list[float]] = defaultdict(list)
    for world in worlds:
        for name, figure in world.items():
            if figure.value is not None:
                values[name].append(figure.value)
    return {name: float(np.mean(some)) for name, some in values.items()}


def printed(cell: Cell, name: str, true: float, found: list[Figure]) -> bool:
    """Print a line; whether the coverage is surely too low."""
    intervals = [one.interval for one in found if one.interval]
    inside = sum(low <= true <= high for low, high in intervals)
    shown = len(intervals)
    highest = 1.0
    if inside < shown:
        highest = float(beta.ppf((1 + SURE) / 2, inside + 1, shown - inside))
    share = f"covers {inside / shown:.3f}" if shown else "no interval"
    mark = " LOW" if highest < LEAST else ""
    print(
        f"{cell.clips:3} clips, {cell.errors:11} {name:16} true {true:6.3f}, "
        f"shown {shown:4}, {share}{mark}",
        flush=True,
    )
    return highest < LEAST


def figures(cell: Cell, seed: list[int]) -> dict[str, Figure]:
    """The figures beyond chance of one simulated dataset."""
    random = np.random.default_rng(seed)
    pool = Pool([GROUP])
    for clip in range(cell.clips):
        pool.add(
            clip, f"clip-{clip}", compare_clip(*answered(cell.errors, random), TEAM, [GROUP])
        )
    of_all = pool.figures()
    assert of_all.box_chance
    group = of_all.groups[0]
    found = {name: getattr(of_all.box_chance, name) for name in
             ("alpha_giou", "sigma_giou", "alpha_centre", "sigma_centre")}  # fmt: skip
    found |= {f"F1 at {iou}": one for iou, one in of_all.box_chance.by_iou.items()
              if iou in ("0.50", "0.75", "0.90")}  # fmt: skip
    assert group.segment_alpha
    return found | {"segment alpha": group.segment_alpha, **group.by_seconds}


def answered(
    errors: str, random: np.random.Generator
) -> tuple[DrawnBoxes, list[dict[str, Any]]]:
    """Boxes and answers of one clip of walking people, with missed and careless ones."""
    persons = int(random.integers(1, MOST_PERSONS + 1))
    start, step = random.uniform(0, 1000, (persons, 2)), random.normal(0, 25, (persons, 2))
    truth = [list(_labels(random)) for _ in range(persons)]
    rows, boxes, answers = [], [], []
    for who in range(len(TEAM)):
        clip_odds = random.random(3)
        for person in range(persons):
            for second in range(KEYFRAMES):
                odds = clip_odds if errors == "by clip" else random.random(3)
                if odds[0] < MISSED:
                    continue
                centre = start[person] + second * step[person]
                spread = 25.0 if odds[1] < CARELESS else 4.0
                corners = np.tile(centre, 2) + BODY
                rows.append((second + 2, who, person, person + 1))
                boxes.append(corners + random.normal(0, spread, 4))
                label = truth[person][second]
                if odds[2] < WRONG:
                    label = int(random.integers(len(SHARES)))
                answers.append({GROUP.name: GROUP.actions[label]})
    places = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return DrawnBoxes(*places.T, np.array(boxes).reshape(-1, 4)), answers


def _labels(random: np.random.Generator) -> Iterator[int]:
    label = int(random.choice(len(SHARES), p=SHARES))
    for _ in range(KEYFRAMES):
        if random.random() < CHANGE:
            label = int(random.choice(len(SHARES), p=SHARES))
        yield label


if __name__ == "__main__":
    main()
