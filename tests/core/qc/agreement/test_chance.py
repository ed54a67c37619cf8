"""Boxes and segments beyond chance, against another library and step by step."""

from itertools import groupby, permutations

import krippendorff
import numpy as np
import pytest

from datasets.core.action_groups import ActionGroupSpec
from qc.core.agreement.box_sets import compared_sets
from qc.core.agreement.chance import (
    ALL_SAME,
    NO_CHANCE,
    Apart,
    alpha_of,
    chance_pairs,
    sigma_of,
)
from qc.core.agreement.clip_agreement import compare_clip
from qc.core.agreement.pooling import Pool
from qc.core.consensus.identity import DrawnBoxes
from tests.core.qc.agreement import oracles

CLIPS, SECONDS = 12, 9
ACTIONS = ("stand", "walk", "sit")
POSTURE = ActionGroupSpec("posture", "one", True, ACTIONS, 1)
NAMES = ("ann", "bob")


def giou_apart(a, b):
    inner = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(
        0, min(a[3], b[3]) - max(a[1], b[1])
    )
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return (1 - (inner / union - (hull - union) / hull)) / 2


def centres_apart(a, b):
    across = (max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1]))
    between = ((a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2)
    return np.linalg.norm(between) / np.linalg.norm(across)


def sets_apart(a, b, apart):
    """The least distance over all ways to pair the boxes."""
    few, many = sorted((a, b), key=len)
    if not many:
        return 0.0
    return min(
        sum(apart(one, other) for one, other in zip(few, kept, strict=True))
        + (len(many) - len(few))
        for kept in permutations(many, len(few))
    ) / len(many)


def runs(labels):
    """Segments `(action, start, end)` of a label a second; None is no answer."""
    found, at = [], 0
    for label, some in groupby(labels):
        size = len(list(some))
        if label is not None:
            found.append((label, at, at + size))
        at += size
    return found


def segments_apart(a, b):
    """1 less the IoU of segments, matched one to one within each action."""
    seen = [one is not None and other is not None for one, other in zip(a, b, strict=True)]
    one, other = (
        runs([label if is_seen else None for label, is_seen in zip(row, seen, strict=True)])
        for row in (a, b)
    )

    def iou(s, t):
        inner = max(0, min(s[2], t[2]) - max(s[1], t[1])) if s[0] == t[0] else 0
        return inner / (s[2] - s[1] + t[2] - t[1] - inner)

    few, many = sorted((one, other), key=len)
    best = max(
        (
            (sum(overlaps := [iou(s, t) for s, t in zip(few, kept, strict=True)]),
             sum(each > 0 for each in overlaps))
            for kept in permutations(many, len(few))
        ),
    )  # fmt: skip
    return 1 - best[0] / (len(one) + len(other) - best[1])


def expected_alpha(answers, apart):
    """Alpha of two answers to each unit, chance being other units, by another library.

    It also counts pairs of answers to one unit as chance; they are taken out again.
    """
    flat = [one for pair in answers for one in pair]
    distances = np.array([[apart(one, other) for other in flat] for one in flat])
    numbers = np.arange(len(flat)).reshape(-1, 2).T
    alpha = krippendorff.alpha(
        numbers, level_of_measurement=lambda a, b, *_, **__: distances[np.intp(a), np.intp(b)]
    )
    within = [distances[2 * unit, 2 * unit + 1] for unit in range(len(answers))]
    observed, n = np.mean(within), len(flat)
    by_library = observed / (1 - alpha) * n * (n - 1)
    by_chance = (by_library - 2 * sum(within)) / (n * (n - 1) - n)
    return 1 - observed / by_chance


@pytest.fixture(scope="module")
def work():
    """Of each clip and annotator, boxes of one keyframe, and a person's labels."""
    random = np.random.default_rng(6)
    boxes, labels = [], []
    for _ in range(CLIPS):
        corner = random.integers(0, 300, (3, 2))
        true = np.hstack([corner, corner + random.integers(40, 90, (3, 2))])
        boxes.append(
            [(true + random.integers(-9, 10, (3, 4)))[: random.integers(1, 4)] for _ in NAMES]
        )
        held = np.repeat(random.integers(0, 3, 3), SECONDS // 3)
        labels.append(
            [
                [
                    int(random.integers(0, 3)) if random.random() < 0.2 else int(one)
                    for one in held
                ]
                for _ in NAMES
            ]
        )
    return boxes, labels


def pooled(clips, *, left_out=None):
    pool = Pool([POSTURE])
    for number, (rows, answers) in enumerate(clips):
        if number != left_out:
            places, sides = np.array([row[:4] for row in rows]), [row[4] for row in rows]
            drawn = DrawnBoxes(*places.T, np.array(sides, dtype=np.float64))
            pool.add(number, f"clip-{number}", compare_clip(drawn, answers, NAMES, [POSTURE]))
    return pool.figures()


def with_boxes(boxes):
    return [
        ([(2, who, n, n + 1, box) for who in (0, 1) for n, box in enumerate(clip[who])],
         [{}] * sum(map(len, clip)))
        for clip in boxes
    ]  # fmt: skip


def with_labels(labels):
    return [
        ([(at, who, 0, 1, (0, 0, 9, 9)) for who in (0, 1) for at in range(SECONDS)],
         [{"posture": ACTIONS[one]} for who in (0, 1) for one in clip[who]])
        for clip in labels
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "apart"), [("giou", giou_apart), ("centre", centres_apart)])
def test_alpha_of_boxes_is_that_of_another_library(work, name, apart):
    boxes, _ = work
    figure = getattr(pooled(with_boxes(boxes)).box_chance, f"alpha_{name}")
    expected = expected_alpha(boxes, lambda a, b: sets_apart(list(a), list(b), apart))
    assert figure.value == pytest.approx(expected, abs=2e-6)
    assert (figure.units, 0.3 < figure.value < 0.95) == (CLIPS, True)


def test_alpha_of_segments_is_that_of_another_library(work):
    _, labels = work
    figure = pooled(with_labels(labels)).groups[0].segment_alpha
    assert figure.value == pytest.approx(expected_alpha(labels, segments_apart), abs=2e-6)
    assert (figure.units, 0.2 < figure.value < 0.95) == (CLIPS, True)


def test_a_second_more_is_a_second_more(work):
    """Agreement within n seconds, label by label."""
    _, labels = work

    def share(pairs, within):
        found = [
            any(other[t] == one[at] for t in range(max(at - within, 0),
                                                   min(at + within + 1, SECONDS)))
            for a, b in pairs for one, other in ((a, b), (b, a)) for at in range(SECONDS)
        ]  # fmt: skip
        return np.mean(found)

    flat = [(clip, one) for clip, both in enumerate(labels) for one in both]
    chance = [
        (a, b) for n, (clip, a) in enumerate(flat) for other, b in flat[:n] if clip != other
    ]
    found = pooled(with_labels(labels)).groups[0].by_seconds
    for within in range(4):
        by_chance = share(chance, within)
        expected = (share(labels, within) - by_chance) / (1 - by_chance)
        assert found[f"within {within} s"].value == pytest.approx(expected, abs=2e-6)


def test_sigma_is_the_share_that_is_closer_than_most_by_chance(work):
    boxes, _ = work

    def apart(a, b):
        return sets_apart(list(a), list(b), giou_apart)

    flat = [(clip, one) for clip, both in enumerate(boxes) for one in both]
    chance = [
        apart(a, b)
        for n, (clip, a) in enumerate(flat) for other, b in flat[:n] if clip != other
    ]  # fmt: skip
    limit = np.quantile(chance, 0.05)
    figure = pooled(with_boxes(boxes)).box_chance.sigma_giou
    assert figure.value == pytest.approx(
        np.mean([apart(*both) < limit for both in boxes]), abs=1e-6
    )


def test_intervals_leave_out_clip_by_clip():
    random = np.random.default_rng(4)
    clusters = np.repeat(np.arange(24), 3)
    seen, both = random.random(72) / 3, np.array(np.triu_indices(24, 1))
    expected = random.random(both.shape[1])

    def alpha(clip=-1):
        kept = clusters != clip
        by_chance = (both != clip).all(axis=0)
        return 1 - seen[kept].mean() / expected[by_chance].mean()

    figure = alpha_of(Apart.of(clusters, seen), Apart.of(both, expected))
    without = [alpha(clip) for clip in range(24)]
    interval = oracles.jackknife_interval(alpha(), without, is_rate=False)
    assert figure.value == pytest.approx(alpha(), abs=1e-6)
    assert figure.interval == pytest.approx(interval, abs=1e-5)


def test_f1_falls_with_the_overlap_that_is_asked_for():
    box, off = (0, 0, 10, 10), (0, 0, 10, 7.2)
    rows = [(2, 0, 0, 1, box), (2, 1, 0, 1, off)]
    found = pooled([(rows, [{}] * 2)] * 2).box_chance.by_iou
    assert [one.value for one in found.values()] == [1.0] * 5 + [0.0] * 5
    assert list(found)[4] == "0.70"


@pytest.mark.parametrize(("count", "limit"), [(0, 0), (1, 0), (40, 780), (700, 4000)])
def test_chance_is_pairs_of_different_clips_and_never_too_many(count, limit):
    numbers = np.arange(count) // 2
    pairs = chance_pairs(numbers, limit=4000)
    assert pairs.shape[1] <= limit
    assert (numbers[pairs[0]] != numbers[pairs[1]]).all()
    assert len({frozenset(one) for one in pairs.T.tolist()}) == pairs.shape[1]
    if count == 700:
        assert pairs.shape[1] > 3600


def test_what_chance_does_not_tell_is_undefined():
    seen, none = Apart.of([1, 2], [0.0, 0.1]), Apart.of([[], []], [])
    assert alpha_of(seen, none).reason == sigma_of([1], [0.0], []).reason == NO_CHANCE
    assert alpha_of(seen, Apart.of([[1], [2]], [0.0])).reason == ALL_SAME
    assert sigma_of([1], [0.0], [0.0, 0.0]).reason == ALL_SAME
    assert alpha_of(Apart.of([], []), seen).reason == "no unit was rated by two or more"


def test_nobody_in_a_keyframe_is_an_answer():
    nobody, box = np.empty((0, 4)), np.array([[0.0, 0, 5, 5]])
    distances, ious = compared_sets([nobody, nobody, box], [nobody, box, box])
    assert distances.tolist() == [[0, 0], [1, 1], [0, 0]]
    assert ious.tolist() == [1.0]
    assert compared_sets([], [])[0].shape == (0, 2)
