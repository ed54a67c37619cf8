"""Intervals of means over groups against persons drawn again one by one."""

import numpy as np
import pytest

from datasets.core.action_groups import ActionGroupSpec
from qc.core.agreement.resampling import draws, intervals, mean_intervals
from qc.core.agreement.tables import Block
from qc.core.agreement.units import Units
from tests.core.qc.agreement import oracles

RESAMPLES = 60
VALUES = ["stand", "walk", "sit"]
POSTURE = ActionGroupSpec("posture", "one", True, ("stand", "walk", "sit"))
CATEGORIES = [*VALUES, "unknown"]


def group(persons, *, seed, keyframes=5):
    """Two annotators, of whom the second errs, on some persons; a few answers are missing."""
    random = np.random.default_rng(seed)
    numbers = np.repeat(persons, keyframes)
    first = np.repeat(random.integers(0, 3, len(persons)), keyframes)
    second = np.where(
        random.random(len(first)) < 0.3, random.integers(-2, 3, len(first)), first
    )
    return Units([Block(("ann", "bob"), np.array([first, second]), numbers)], VALUES, POSTURE)


def drawn_again(groups, figure):
    """95 % of the means over `groups` of what `figure` says of persons drawn again."""
    persons = np.unique(np.concatenate([one.blocks[0].persons for one in groups]))
    found = []
    for chunk in draws(len(persons), seed=5, resamples=RESAMPLES):
        for times in chunk.astype(int):
            values = []
            for one in groups:
                block = one.blocks[0]
                often = times[np.searchsorted(persons, block.persons)]
                codes = np.repeat(block.codes, often, axis=1)
                said = [[VALUES[code] if code >= 0 else None for code in row] for row in codes]
                values.append(figure(said))
            defined = [value for value in values if value is not None]
            if defined:
                found.append(np.mean(defined))
    return pytest.approx(np.percentile(found, (2.5, 97.5)), abs=1e-6)


def test_a_resample_draws_the_same_persons_in_all_groups():
    groups = [group(np.arange(12), seed=1), group(np.arange(6, 18) * 2, seed=2)]
    found = mean_intervals([one.sums for one in groups], seed=5, resamples=RESAMPLES)
    assert found["percent"] == drawn_again(groups, oracles.percent)
    assert found["alpha"] == drawn_again(groups, oracles.alpha)
    assert found["ac1"] == drawn_again(groups, lambda said: oracles.ac1(said, CATEGORIES))


def test_the_mean_over_a_group_and_itself_has_its_interval():
    source = group(np.arange(9), seed=3).sums
    its_own = intervals(source, seed=5, resamples=RESAMPLES)
    assert mean_intervals([source, source], seed=5, resamples=RESAMPLES) == its_own
    assert its_own["alpha"][0] < its_own["alpha"][1]


def test_groups_of_different_persons_are_surer_together_than_each_alone():
    groups = [group(np.arange(10) + 10 * n, seed=n, keyframes=8).sums for n in range(6)]
    low, high = mean_intervals(groups, seed=5, resamples=500)["percent"]
    for one in groups:
        its_own = intervals(one, seed=5, resamples=500)["percent"]
        assert high - low < its_own[1] - its_own[0]


def test_a_group_that_is_defined_nowhere_changes_nothing():
    known = group(np.arange(9), seed=3).sums
    silent = Units([], VALUES, POSTURE).sums
    alike = Units(
        [Block(("ann", "bob"), np.zeros((2, 9), int), np.arange(9))], VALUES, POSTURE
    ).sums
    its_own = intervals(known, seed=5, resamples=RESAMPLES)
    assert mean_intervals([known, silent], seed=5, resamples=RESAMPLES) == its_own
    assert (
        mean_intervals([alike, known], seed=5, resamples=RESAMPLES)["alpha"] == its_own["alpha"]
    )


@pytest.mark.parametrize(
    "sources",
    [
        pytest.param([], id="no group"),
        pytest.param([Units([], VALUES, POSTURE).sums], id="nothing rated"),
        pytest.param([group(np.arange(1), seed=1).sums] * 2, id="the same person"),
    ],
)
def test_fewer_than_two_persons_have_no_interval(sources):
    found = mean_intervals(sources, seed=5, resamples=RESAMPLES)
    assert found == dict.fromkeys(("alpha", "ac1", "percent"))
