"""Agreement of a large dataset, from answers to every figure, and consensus against the truth.

    ./ava bench agreement                  1000 clips, as the promise says
    AVA_BENCH_CLIPS=100 ./ava bench agreement

It is compared with the same number of labels counted once with numpy. Answers are
generated: 3 of 6 annotators a clip, 8 persons, 15 keyframes, 8 groups; each annotator gets a
known share wrong.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # a process a core: threads of BLAS would fight over them

import json
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from datasets.core.action_groups import UNKNOWN, ActionGroupSpec
from qc.core.agreement.clip_agreement import compare_clip
from qc.core.agreement.figures import AnnotatorWork, ClipFigures
from qc.core.agreement.pooling import Pool
from qc.core.consensus.clip_consensus import majority_vote
from qc.core.consensus.identity import DrawnBoxes
from qc.core.consensus.skill_weighting import MIN_PROBABILITY, posterior_label

CLIPS = int(os.environ.get("AVA_BENCH_CLIPS", "1000"))
PERSONS, KEYFRAMES = 8, 15
CORES = 2
MAX_SECONDS, MAX_BYTES = 60, 500e6
ACCURACY = {
    "ann": 0.97, "bob": 0.95, "cleo": 0.92, "dan": 0.90, "eve": 0.80, "fay": 0.60,
}  # fmt: skip

GROUPS = [
    ActionGroupSpec(f"one-{n}", "one", True, tuple(f"action-{n}-{k}" for k in range(7)), 1)
    for n in range(5)
] + [
    ActionGroupSpec(f"many-{n}", "many", False, tuple(f"action-{n}-{k}" for k in range(9)), 3)
    for n in range(5, 8)
]


def main() -> None:
    pool, seconds = Pool(GROUPS), []
    with ProcessPoolExecutor(CORES) as workers:
        put = time.process_time()
        for clip, (text, spent) in enumerate(workers.map(reported, range(CLIPS), chunksize=10)):
            figures = ClipFigures.from_json(json.loads(text) | {"groups": []})
            pool.add(clip // 10, f"clip-{clip}", figures)
            seconds.append(spent)
    pool.figures(), list(pool.pairs()), list(pool.by_annotator())
    rates = pool.error_rates()
    put = time.process_time() - put
    compared, whole = sum(seconds), sum(seconds) / CORES + put
    labels = CLIPS * PERSONS * KEYFRAMES * len(GROUPS) * 3
    floor = count_once(labels)
    peak = 1024 * (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        + CORES * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    )
    print(f"{labels:,} labels of {CLIPS} clips; seconds of processors")
    print(f"  clips compared        {compared:6.1f} s   shared by {CORES} processes")
    print(f"  pooled                {put:6.1f} s   by one")
    print(f"  in all                {whole:6.1f} s   at most {MAX_SECONDS}")
    print(f"  times the floor       {whole / floor:6.0f}     {floor:.2f} s a count")
    print(f"  memory, all processes {peak / 1e6:6.0f} MB  at most {MAX_BYTES / 1e6:.0f}")
    print(f"  one new version          {max(seconds):6.2f} s   its clip's figures; at most 2")
    consensus(rates)
    if CLIPS == 1000 and (whole > MAX_SECONDS or peak > MAX_BYTES):
        sys.exit("slower or larger than promised")


def reported(clip: int) -> tuple[str, float]:
    """What a report of the clip holds, as JSON, and how long it took."""
    drawn, answers, team, _ = answered(clip)
    started = time.process_time()
    figures = compare_clip(drawn, answers, team, GROUPS)
    work = AnnotatorWork(
        f"2026-01-01T{clip % 24:02}:00:00", 600.0, PERSONS * KEYFRAMES, PERSONS, unedited=0
    )
    text = json.dumps(replace(figures, work=dict.fromkeys(team, work)).to_json())
    return text, time.process_time() - started


def answered(
    clip: int,
) -> tuple[DrawnBoxes, list[dict[str, Any]], list[str], dict[tuple[int, int, str], Any]]:
    """Boxes and answers of a clip's annotators, their names, and the truth."""
    random = np.random.default_rng([7, clip])
    team = sorted(random.choice(list(ACCURACY), 3, replace=False).tolist())
    truth = {
        (person, second, group.name): value
        for group in GROUPS
        for person in range(PERSONS)
        for second, value in enumerate(_over_time(group, random))
    }
    rows, answers = [], []
    for who, name in enumerate(team):
        for person in range(PERSONS):
            for second in range(KEYFRAMES):
                rows.append((second, who, person, person + 1))
                answers.append(
                    {
                        one.name: _answer(truth[person, second, one.name], one,
                                        ACCURACY[name], random)
                        for one in GROUPS
                    }
                )  # fmt: skip
    places = np.array(rows, dtype=np.int64)
    left = 150.0 * places[:, 2] + random.normal(0, 3, len(rows))
    boxes = np.stack([left, np.full(len(rows), 50.0), left + 60, np.full(len(rows), 250.0)], 1)
    drawn = DrawnBoxes(places[:, 0] + 2, places[:, 1], places[:, 2], places[:, 3], boxes)
    return drawn, answers, team, truth


def _over_time(group: ActionGroupSpec, random: np.random.Generator) -> Iterator[Any]:
    """A true answer that changes every few keyframes."""
    value: Any = None
    for _ in range(KEYFRAMES):
        if value is None or random.random() < 0.2:
            if group.choice == "one":
                value = group.actions[min(int(random.exponential(2)), 6)]
            else:
                value = [one for one in group.actions if random.random() < 0.1][:3]
        yield value


def _answer(
    value: Any, group: ActionGroupSpec, accuracy: float, random: np.random.Generator
) -> Any:
    if random.random() < accuracy:
        return value
    if group.choice == "one":
        others = [one for one in (*group.actions, UNKNOWN) if one != value]
        return others[int(random.integers(len(others)))]
    action = group.actions[int(random.integers(len(group.actions)))]
    return [one for one in group.actions if (one in value) != (one == action)]


def count_once(labels: int) -> float:
    codes = np.random.default_rng(1).integers(0, 8, labels)
    started = time.perf_counter()
    np.bincount(codes, minlength=8)
    return time.perf_counter() - started


def consensus(rates: dict[str, Any]) -> None:
    """Accuracy of majority and skill-weighted votes against the truth, on some clips."""
    counts = dict.fromkeys(("units", "majority", "open", "likeliest", "sure", "sure right"), 0)
    for clip in range(min(CLIPS, 40)):
        drawn, answers, team, truth = answered(clip)
        votes_of: dict[tuple[int, int], dict[str, Any]] = {}
        for row, one in enumerate(answers):
            unit = (int(drawn.tracks[row]), int(drawn.seconds[row]) - 2)
            votes_of.setdefault(unit, {})[team[drawn.annotators[row]]] = one
        for (person, second), votes in votes_of.items():
            for group in GROUPS:
                _count(counts, rates, group, votes, truth[person, second, group.name])
    units = counts["units"]
    print(f"Consensus of three of {', '.join(f'{a} {b:.2f}' for a, b in ACCURACY.items())}:")
    share = {name: count / units for name, count in counts.items()}
    where_decided = share["sure right"] / share["sure"]
    print(
        f"  majority                    right {share['majority']:.4f}  open {share['open']:.4f}"
    )
    print(f"  Dawid-Skene, the likeliest  right {share['likeliest']:.4f}  open 0.0000")
    print(f"  Dawid-Skene, from {MIN_PROBABILITY} on    right {share['sure right']:.4f}  "
          f"open {1 - share['sure']:.4f}  right where decided {where_decided:.4f}")  # fmt: skip


def _count(
    counts: dict[str, int],
    rates: dict[str, Any],
    group: ActionGroupSpec,
    answers: dict[str, dict[str, Any]],
    truth: Any,
) -> None:
    votes = {
        who: one[group.name] if group.choice == "one" else frozenset(one[group.name])
        for who, one in answers.items()
    }
    true = truth if group.choice == "one" else frozenset(truth)
    voted = majority_vote(list(votes.values()), group)
    likeliest = posterior_label(rates[group.name].fits, votes)
    assert likeliest is not None
    counts["units"] += 1
    counts["majority"] += voted == true
    counts["open"] += voted is None
    counts["likeliest"] += likeliest.answer == true
    counts["sure"] += likeliest.probability >= MIN_PROBABILITY
    counts["sure right"] += (
        likeliest.probability >= MIN_PROBABILITY and likeliest.answer == true
    )


if __name__ == "__main__":
    main()
