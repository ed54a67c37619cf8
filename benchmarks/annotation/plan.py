"""Sharing clips out: how evenly, and how fast, against drawing annotators at random.

    ./ava bench plan

1000 clips of 1 to 300 person-seconds, 20 annotators, 30 percent of the clips done by several.
Evenness is the spread of work in heaviest clips, and how often the pairs meet; both with the
same overlap drawn at random as its peer.
"""

import random
import time
from collections.abc import Callable
from itertools import combinations
from typing import TypeVar

from annotation.core.assignment import assign_clips, loads, shared_clip_counts
from annotation.core.assignment_plan import DatasetState, PlanRequest, plan_assignments
from annotation.core.plan_forecast import plan_forecast

CLIPS, ANNOTATORS, OVERLAP = 1000, 20, 0.3
PEOPLE = [f"annotator-{number:02d}" for number in range(ANNOTATORS)]
Teams = dict[str, tuple[str, ...]]
Answer = TypeVar("Answer")


def main() -> None:
    dice = random.Random(1)  # noqa: S311  not for secrets
    weights = {f"clip-{number:04d}": dice.randint(1, 300) for number in range(CLIPS)}
    print(f"{CLIPS} clips, {ANNOTATORS} annotators, {OVERLAP:.0%} done by several")
    for per_clip in (2, 4):
        ours, seconds = timed(
            lambda per_clip=per_clip: assign_clips(
                weights, PEOPLE, overlap=OVERLAP, per_clip=per_clip
            )
        )
        peer, _ = timed(lambda per_clip=per_clip: drawn(weights, per_clip))
        print(f"  {per_clip} on a shared clip, {seconds:.2f} s")
        for name, teams in (("planned", ours), ("at random", peer)):
            spread, least, most = evenness(weights, teams)
            print(
                f"    {name:10} work apart by {spread:5.2f} heaviest clips, "
                f"pairs meet {least} to {most} times"
            )
        assert evenness(weights, ours)[0] < evenness(weights, peer)[0] / 5
    persons = {clip: range(number, number + 8) for number, clip in enumerate(weights)}
    state, request = (
        DatasetState(weights, persons),
        PlanRequest(tuple(PEOPLE), OVERLAP, per_clip=2),
    )
    seen, seconds = timed(
        lambda: plan_forecast(state, plan_assignments(state, request), request)
    )
    print(f"  the whole page's figures in {seconds:.2f} s: {seen.task_count} tasks")


def drawn(weights: dict[str, int], per_clip: int) -> Teams:
    dice = random.Random(2)  # noqa: S311  not for secrets
    shared = set(dice.sample(sorted(weights), round(OVERLAP * len(weights))))
    return {
        clip: tuple(dice.sample(PEOPLE, per_clip if clip in shared else 1)) for clip in weights
    }


def evenness(weights: dict[str, int], teams: Teams) -> tuple[float, int, int]:
    """How far the work is apart, in heaviest clips; least and most meetings of a pair."""
    work = loads(teams, weights)
    met = shared_clip_counts(teams.values())
    counts = [met[pair] for pair in combinations(PEOPLE, 2)]
    spread = max(work.values()) - min(work.get(name, 0.0) for name in PEOPLE)
    return spread / max(weights.values()), min(counts), max(counts)


def timed(work: Callable[[], Answer]) -> tuple[Answer, float]:
    start = time.perf_counter()
    answer = work()
    return answer, time.perf_counter() - start


if __name__ == "__main__":
    main()
