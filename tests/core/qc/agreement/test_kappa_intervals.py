"""Intervals of kappa against persons drawn again one by one."""

import numpy as np
import pytest

from qc.core.agreement import cohen_kappa, fleiss_kappa
from qc.core.agreement import kappa_intervals as module
from qc.core.agreement.kappa_intervals import fleiss_interval, kappa_intervals
from qc.core.agreement.resampling import draws
from qc.core.agreement.tables import Block

SIZE, ACTIONS, RESAMPLES = 4, 2, 60
MEMBER = np.array([[False, False], [True, False], [False, True], [True, True]])
PAIRS = [("ann", "bob"), ("ann", "eve"), ("bob", "eve")]


def made(persons=12, keyframes=6, seed=3):
    """Three annotators: one value a person for most of its keyframes, and some slips."""
    random = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(persons) * 3, keyframes)
    truth = np.repeat(random.integers(0, SIZE, persons), keyframes)
    codes = np.array(
        [
            np.where(
                random.random(len(truth)) < 0.3, random.integers(-2, SIZE, len(truth)), truth
            )
            for _ in range(3)
        ]
    )
    return Block(("ann", "bob", "eve"), codes, numbers)


def drawn_again(block, figure):
    """95 % of what `figure` says of the units of persons drawn again, unit by unit."""
    numbers = np.unique(block.persons[(block.codes >= 0).any(axis=0)])
    found = []
    for chunk in draws(len(numbers), seed=5, resamples=RESAMPLES):
        for times in chunk.astype(int):
            units = np.concatenate(
                [
                    np.flatnonzero(block.persons == number)
                    for number, count in zip(numbers, times, strict=True)
                    for _ in range(count)
                ]
            )
            value = figure(block.codes[:, units])
            if value is not None:
                found.append(value)
    return pytest.approx(np.percentile(found, (2.5, 97.5)), abs=1e-6)


def kappa(codes, pair, *, action=None):
    i, j = (("ann", "bob", "eve").index(name) for name in pair)
    held = [*range(SIZE)] if action is None else MEMBER[:, action].tolist()
    one, other = ([held[c] if c >= 0 else None for c in codes[row]] for row in (i, j))
    return cohen_kappa(one, other).value


def mean_kappa(codes, *, action=None):
    every = [kappa(codes, pair, action=action) for pair in PAIRS]
    defined = [one for one in every if one is not None]
    return np.mean(defined) if defined else None


@pytest.mark.parametrize("dense", [module.DENSE_CELLS, 0], ids=["dense", "sparse"])
def test_the_intervals_are_those_of_persons_drawn_again(monkeypatch, dense):
    monkeypatch.setattr(module, "DENSE_CELLS", dense)
    block = made()
    found = kappa_intervals([block], MEMBER, seed=5, resamples=RESAMPLES)
    for pair in PAIRS:
        assert found.pairs[pair] == drawn_again(block, lambda codes, p=pair: kappa(codes, p))
    assert found.mean == drawn_again(block, mean_kappa)
    for action in range(ACTIONS):
        expected = drawn_again(block, lambda codes, k=action: mean_kappa(codes, action=k))
        assert found.actions[action] == expected


def test_fleiss_interval_draws_the_persons_of_its_units():
    block = made()
    full = (block.codes >= 0).sum(axis=0) == 3
    whole = Block(block.annotators, block.codes[:, full], block.persons[full])

    def fleiss(codes):
        return fleiss_kappa(
            [[list(one).count(k) for k in range(SIZE)] for one in codes.T]
        ).value

    found = fleiss_interval([block], 3, size=SIZE, seed=5, resamples=RESAMPLES)
    assert found == drawn_again(whole, fleiss)


def test_parts_of_a_dataset_are_drawn_as_one():
    block = made()
    parts = [
        Block(block.annotators, block.codes[:, half], block.persons[half])
        for half in (block.persons < 15, block.persons >= 15)
    ]
    whole = kappa_intervals([block], MEMBER, seed=5, resamples=RESAMPLES)
    assert kappa_intervals(parts, MEMBER, seed=5, resamples=RESAMPLES) == whole


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(made(persons=1), id="one person"),
        pytest.param(Block(("ann",), np.array([[0, 1]]), np.array([0, 1])), id="one annotator"),
        pytest.param(
            Block(("ann", "bob"), np.array([[0, -1], [-1, 0]]), np.array([0, 1])),
            id="nothing answered by both",
        ),
        pytest.param(
            Block(("ann", "bob"), np.empty((2, 0), int), np.empty(0, int)), id="no units"
        ),
        pytest.param(
            Block(("ann", "bob"), np.zeros((2, 4), int), np.arange(4)), id="one category"
        ),
    ],
)
def test_where_there_is_too_little_to_draw_from_there_is_no_interval(block):
    found = kappa_intervals([block], MEMBER, seed=5, resamples=RESAMPLES)
    assert found.mean is None
    assert set(found.pairs.values()) <= {None}
    assert found.actions == [None, None]
    if len(block.persons) != 6:
        assert fleiss_interval([block], 3, size=SIZE, seed=5, resamples=RESAMPLES) is None


def test_keyframes_of_one_person_count_as_one_that_resembles_itself():
    """Every keyframe ten times over tells no more: the interval stays as wide."""
    block = made(keyframes=1, persons=40)
    often = Block(block.annotators, np.repeat(block.codes, 10, 1), np.repeat(block.persons, 10))
    once = kappa_intervals([block], MEMBER, seed=5, resamples=RESAMPLES)
    assert kappa_intervals([often], MEMBER, seed=5, resamples=RESAMPLES) == once
