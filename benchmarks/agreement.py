"""Agreement of a large dataset, from answers to every figure, and consensus against the truth.

    ./ava bench agreement                  1000 clips, as the promise says
    AVA_BENCH_CLIPS=100 ./ava bench agreement

The floor it is held against is the same number of labels counted once with numpy. Answers are
made up: 3 of 6 annotators a clip, 8 persons, 15 keyframes, 8 groups; each annotator gets a
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
from typing import Any

import numpy as np

from datasets.core.action_groups import UNKNOWN, ActionGroupSpec
from qc.core.agreement.comparison import compare_clip
from qc.core.agreement.pooling import RESAMPLES, Pool
from qc.core.consensus.clip_consensus import majority_vote
from qc.core.consensus.identity import DrawnBoxes, first_drawn_id
from qc.core.consensus.skill_weighting import MIN_PROBABILITY, posterior_label

CLIPS = int(os.environ.get("AVA_BENCH_CLIPS", "1000"))
PERSONS, KEYFRAMES = 8, 15
CORES = 2
MOST_SECONDS, MOST_BYTES = 60, 1e9
ACCURACY = {
    "ann": 0.97, "bob": 0.95, "cleo": 0.92, "dan": 0.90, "eve": 0.80, "fay": 0.60,
}  # fmt: skip

QUESTIONS = [
    ActionGroupSpec(f"one-{n}", "one", True, tuple(f"action-{n}-{k}" for k in range(7)), 1)
    for n in range(5)
] + [
    ActionGroupSpec(f"many-{n}", "many", False, tuple(f"action-{n}-{k}" for k in range(9)), 3)
    for n in range(5, 8)
]


def main() -> None:
    pool, seconds = Pool(QUESTIONS), []
    with ProcessPoolExecutor(CORES) as workers:
        reports = list(workers.map(reported, range(CLIPS), chunksize=10))
    put = time.process_time()
    for clip, (text, spent) in enumerate(reports):
        pool.add(clip // 10, f"clip-{clip}", json.loads(text))
        seconds.append(spent)
    figures = pool.figures()
    figures["pairs"], figures["people"] = list(pool.pairs()), list(pool.people())
    rates = pool.estimates()
    put = time.process_time() - put
    compared, whole = sum(seconds), sum(seconds) / CORES + put
    labels = CLIPS * PERSONS * KEYFRAMES * len(QUESTIONS) * 3
    floor = count_once(labels)
    peak = 1024 * (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        + CORES * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    )
    print(f"{labels:,} labels of {CLIPS} clips, {RESAMPLES} resamples; seconds of processors")
    print(f"  clips compared        {compared:6.1f} s   shared by {CORES} processes")
    print(f"  put together          {put:6.1f} s   by one")
    print(f"  in all                {whole:6.1f} s   at most {MOST_SECONDS}")
    print(f"  times the floor       {whole / floor:6.0f}     {floor:.2f} s a count")
    print(f"  memory, all processes {peak / 1e6:6.0f} MB  at most {MOST_BYTES / 1e6:.0f}")
    print(f"  one new version          {max(seconds):6.2f} s   its clip's figures; at most 2")
    consensus(rates)
    if CLIPS == 1000 and (whole > MOST_SECONDS or peak > MOST_BYTES):
        sys.exit("slower or larger than promised")


def reported(clip: int) -> tuple[str, float]:
    """What a report of the clip holds, as JSON, and how long it took."""
    drawn, answers, team, _ = answered(clip)
    started = time.process_time()
    figures = compare_clip(drawn, answers, team, QUESTIONS, first_id=first_drawn_id(clip % 10))
    work = {"at": f"2026-01-01T{clip % 24:02}:00:00", "seconds": 600.0,
            "boxes": PERSONS * KEYFRAMES, "tracks": PERSONS, "untouched": 0}  # fmt: skip
    text = json.dumps(figures | {"findings": [], "work": dict.fromkeys(team, work)})
    return text, time.process_time() - started


def answered(
    clip: int,
) -> tuple[DrawnBoxes, list[dict[str, Any]], list[str], dict[tuple[int, int, str], Any]]:
    """Boxes and answers of a clip's annotators, their names, and the truth."""
    random = np.random.default_rng([7, clip])
    team = sorted(random.choice(list(ACCURACY), 3, replace=False).tolist())
    truth = {
        (person, second, question.name): value
        for question in QUESTIONS
        for person in range(PERSONS)
        for second, value in enumerate(_over_time(question, random))
    }
    rows, answers = [], []
    for who, name in enumerate(team):
        for person in range(PERSONS):
            for second in range(KEYFRAMES):
                rows.append((second, who, person, person + 1))
                answers.append(
                    {
                        one.name: _said(truth[person, second, one.name], one,
                                        ACCURACY[name], random)
                        for one in QUESTIONS
                    }
                )  # fmt: skip
    places = np.array(rows, dtype=np.int64)
    left = 150.0 * places[:, 2] + random.normal(0, 3, len(rows))
    boxes = np.stack([left, np.full(len(rows), 50.0), left + 60, np.full(len(rows), 250.0)], 1)
    drawn = DrawnBoxes(places[:, 0] + 2, places[:, 1], places[:, 2], places[:, 3], boxes)
    return drawn, answers, team, truth


def _over_time(question: ActionGroupSpec, random: np.random.Generator) -> Iterator[Any]:
    """A true answer that changes every few keyframes."""
    value: Any = None
    for _ in range(KEYFRAMES):
        if value is None or random.random() < 0.2:
            if question.choice == "one":
                value = question.actions[min(int(random.exponential(2)), 6)]
            else:
                value = [one for one in question.actions if random.random() < 0.1][:3]
        yield value


def _said(value: Any, question: ActionGroupSpec, accuracy: float, random: np.random.Generator) -> Any:
    if random.random() < accuracy:
        return value
    if question.choice == "one":
        others = [one for one in (*question.actions, UNKNOWN) if one != value]
        return others[int(random.integers(len(others)))]
    action = question.actions[int(random.integers(len(question.actions)))]
    return [one for one in question.actions if (one in value) != (one == action)]


def count_once(labels: int) -> float:
    codes = np.random.default_rng(1).integers(0, 8, labels)
    started = time.perf_counter()
    np.bincount(codes, minlength=8)
    return time.perf_counter() - started


def consensus(rates: dict[str, Any]) -> None:
    """Accuracy against the truth, of majority and of skill-weighted votes, on some of the clips."""
    counts = dict.fromkeys(("units", "majority", "open", "likeliest", "sure", "sure right"), 0)
    for clip in range(min(CLIPS, 40)):
        drawn, answers, team, truth = answered(clip)
        said: dict[tuple[int, int], dict[str, Any]] = {}
        for row, one in enumerate(answers):
            unit = (int(drawn.tracks[row]), int(drawn.seconds[row]) - 2)
            said.setdefault(unit, {})[team[drawn.annotators[row]]] = one
        for (person, second), votes in said.items():
            for question in QUESTIONS:
                _count(counts, rates, question, votes, truth[person, second, question.name])
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
    question: ActionGroupSpec,
    answers: dict[str, dict[str, Any]],
    truth: Any,
) -> None:
    votes = {
        who: one[question.name] if question.choice == "one" else frozenset(one[question.name])
        for who, one in answers.items()
    }
    true = truth if question.choice == "one" else frozenset(truth)
    voted = majority_vote(list(votes.values()), question)
    belief = posterior_label(rates[question.name]["estimates"], votes)
    assert belief is not None
    counts["units"] += 1
    counts["majority"] += voted == true
    counts["open"] += voted is None
    counts["likeliest"] += belief.answer == true
    counts["sure"] += belief.probability >= MIN_PROBABILITY
    counts["sure right"] += belief.probability >= MIN_PROBABILITY and belief.answer == true


if __name__ == "__main__":
    main()
