"""How many frames a second the tracker takes, against plain SORT on filterpy, one thread.

The same crowd for both, in turn and in the same process: 300 frames, people who walk at a
steady pace, each seen nine times out of ten, noise of 2 % of the height. The best of the rounds
counts, for other programs only ever make one slower.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks._sort import PlainSort
from tracking.core.boxes import Detections
from tracking.core.sort import TrackerParameters, follow, followed

FRAMES = 300
FPS = 30.0
WANTED = {10: (4.0, 3.0), 50: (10.0, 8.0), 200: (12.0, 6.0)}  # people: core, all stages


def crowd(people: int) -> list[Detections]:
    """`FRAMES` pictures of 1920x1080 pixels."""
    random = np.random.default_rng(people)
    heights = random.uniform(60, 200, people)
    places = random.uniform([0, 0], [1920, 1080], (people, 2))
    speeds = random.normal(0, 1.5, (people, 2))
    frames = []
    for _ in range(FRAMES):
        places = places + speeds
        seen = random.random(people) < 0.9
        tall = heights[seen, None]
        middle = places[seen] + random.normal(0, 0.02, (seen.sum(), 2)) * tall
        half = np.concatenate([tall * 0.2, tall * 0.5], axis=1)
        boxes = np.concatenate([middle - half, middle + half], axis=1)
        frames.append(Detections(boxes, random.uniform(0.6, 0.95, len(boxes))))
    return frames


def plain(frames: list[Detections]) -> None:
    sort = PlainSort(max_age=24)
    for found in frames:
        sort.update(found.boxes)


def core(frames: list[Detections]) -> None:
    followed(frames, fps=FPS, parameters=TrackerParameters())


def every_stage(frames: list[Detections]) -> None:
    follow(frames, fps=FPS)


def seconds(run: Callable[[list[Detections]], None], frames: list[Detections]) -> float:
    began = time.process_time()
    run(frames)
    return time.process_time() - began


def main() -> None:
    print(f"{'people':>6}{'plain SORT':>14}{'core':>18}{'all stages':>18}   frames a second")
    is_slow = False
    for people, wanted in WANTED.items():
        frames = crowd(people)
        rounds = 2 if people == 200 else 3
        runs = (plain, core, every_stage)
        best = [float("inf")] * 3
        for _ in range(rounds):
            best = [min(a, seconds(run, frames)) for a, run in zip(best, runs, strict=True)]
        ratios = best[0] / best[1], best[0] / best[2]
        is_slow |= any(ratio < least for ratio, least in zip(ratios, wanted, strict=True))
        texts = [f"{FRAMES / b:9.0f} {r:5.1f}x" for b, r in zip(best[1:], ratios, strict=True)]
        print(f"{people:6}{FRAMES / best[0]:14.0f}" + "".join(f"{text:>18}" for text in texts))
    print(f"wanted: {', '.join(f'{n}: {a:g}x and {b:g}x' for n, (a, b) in WANTED.items())}")
    sys.exit(1 if is_slow else 0)


if __name__ == "__main__":
    main()
