"""Intervals of coefficients against clips left out one by one, unit by unit."""

from collections import Counter
from math import inf

import numpy as np
import pytest

from datasets.core.action_groups import ActionGroupSpec
from qc.core.agreement import cohen_kappa, fleiss_kappa
from qc.core.agreement import kappa_intervals as module
from qc.core.agreement.coefficient_counts import Block
from qc.core.agreement.jackknife import ALL_ALIKE, FEW_CLUSTERS, FEW_SHARED, ON_ONE_CLIP
from qc.core.agreement.kappa_intervals import fleiss_interval, kappa_intervals
from qc.core.agreement.label_agreement import Units, group_figures
from qc.core.agreement.rating_intervals import rating_intervals
from tests.core.qc.agreement import oracles

VALUES = ["stand", "walk", "sit", "run"]
POSTURE = ActionGroupSpec("posture", "one", True, tuple(VALUES))
CATEGORIES = [*VALUES, "unknown"]
SIZE, ACTIONS = 4, 2
MEMBER = np.array([[False, False], [True, False], [False, True], [True, True]])
NAMES = ("ann", "bob", "eve")
PAIRS = [("ann", "bob"), ("ann", "eve"), ("bob", "eve")]


def made(clips=range(12), keyframes=12, seed=3, slips=0.3):
    """Three annotators: one value a clip for most of its keyframes, and some slips."""
    random = np.random.default_rng(seed)
    numbers = np.repeat(np.array(clips, dtype=np.int64) * 3, keyframes)
    truth = np.repeat(random.integers(0, SIZE, len(clips)), keyframes)
    codes = np.array(
        [
            np.where(
                random.random(len(truth)) < slips, random.integers(-2, SIZE, len(truth)), truth
            )
            for _ in range(3)
        ]
    )
    return Block(NAMES, codes, np.arange(len(numbers)) // 3, numbers)


def expected(block, figure, shared=inf):
    """The interval of what `figure` says of the codes without each clip."""
    without = [
        figure(block.codes[:, block.clusters != clip]) for clip in np.unique(block.clusters)
    ]
    found = oracles.jackknife_interval(
        figure(block.codes), without, is_rate=False, shared=shared
    )
    return pytest.approx(found, abs=1e-5)


def shared_clips(*blocks):
    """Clips in which two annotators gave the same answer, other than the commonest of all."""
    found = []
    for block in blocks:
        common = Counter(block.codes[block.codes >= 0].tolist()).most_common(1)[0][0]
        found.append(
            {
                clip
                for codes, clip in zip(block.codes.T, block.clusters, strict=True)
                for code in range(SIZE)
                if code != common and list(codes).count(code) >= 2
            }
        )
    return max(map(len, found))


def as_ratings(codes):
    return [[VALUES[code] if code >= 0 else None for code in row] for row in codes]


def kappa(codes, pair, *, action=None):
    i, j = (NAMES.index(name) for name in pair)
    held = [*range(SIZE)] if action is None else MEMBER[:, action].tolist()
    one, other = ([held[c] if c >= 0 else None for c in codes[row]] for row in (i, j))
    return cohen_kappa(one, other).value


def mean_kappa(codes, *, action=None):
    every = [kappa(codes, pair, action=action) for pair in PAIRS]
    defined = [one for one in every if one is not None]
    return np.mean(defined) if defined else None


@pytest.mark.parametrize("dense", [module.DENSE_CELLS, 0], ids=["dense", "sparse"])
def test_kappa_leaves_out_clip_by_clip(monkeypatch, dense):
    monkeypatch.setattr(module, "DENSE_CELLS", dense)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 5)
    block = made()
    found = kappa_intervals([block], MEMBER, [9] * 3)
    assert found.mean.interval == expected(block, mean_kappa, 9)
    for action in range(ACTIONS):
        of_action = expected(block, lambda codes, k=action: mean_kappa(codes, action=k), 9)
        assert found.actions[action].interval == of_action


def test_alpha_and_ac1_leave_out_clip_by_clip():
    block = made()
    found = rating_intervals([Units([block], VALUES, POSTURE).sums])
    shared = shared_clips(block)
    alpha = expected(block, lambda codes: oracles.alpha(as_ratings(codes)), shared)
    assert found["alpha"].interval == alpha
    ac1 = expected(block, lambda codes: oracles.ac1(as_ratings(codes), CATEGORIES))
    assert found["ac1"].interval == ac1


def test_fleiss_leaves_out_the_clips_of_its_units():
    block = made()
    full = (block.codes >= 0).sum(axis=0) == 3
    whole = Block(NAMES, block.codes[:, full], block.persons[full], block.clusters[full])

    def fleiss(codes):
        return fleiss_kappa(
            [[list(one).count(k) for k in range(SIZE)] for one in codes.T]
        ).value

    assert fleiss_interval([block], 3, size=SIZE, shared=9).interval == expected(
        whole, fleiss, 9
    )


def test_a_mean_over_groups_leaves_a_clip_out_of_all_of_them():
    one, other = made(range(12)), made(range(6, 18), seed=4)
    found = rating_intervals([Units([block], VALUES, POSTURE).sums for block in (one, other)])
    without = [
        np.mean(
            [
                oracles.alpha(as_ratings(block.codes[:, block.clusters != 3 * clip]))
                for block in (one, other)
            ]
        )
        for clip in range(18)
    ]
    value = np.mean([oracles.alpha(as_ratings(block.codes)) for block in (one, other)])
    shared = shared_clips(one, other)
    interval = oracles.jackknife_interval(value, without, is_rate=False, shared=shared)
    assert found["alpha"].interval == pytest.approx(interval, abs=1e-5)


def test_a_group_that_is_defined_nowhere_changes_no_mean():
    known = Units([made()], VALUES, POSTURE).sums
    silent = Units([], VALUES, POSTURE).sums
    assert rating_intervals([known, silent]) == rating_intervals([known])
    assert rating_intervals([known, known]) == rating_intervals([known])


def test_parts_of_a_dataset_are_one():
    block = made()
    parts = [
        Block(NAMES, block.codes[:, half], block.persons[half], block.clusters[half])
        for half in (block.clusters < 15, block.clusters >= 15)
    ]
    assert kappa_intervals(parts, MEMBER, [9] * 3) == kappa_intervals([block], MEMBER, [9] * 3)


def test_keyframes_of_one_clip_tell_no_more_than_once():
    """Every keyframe ten times over: the interval stays as wide."""
    block = made(range(40), keyframes=1)
    often = Block(NAMES, *(np.repeat(one, 10, axis=-1) for one in block[1:]))
    assert kappa_intervals([often], MEMBER, [9] * 3) == kappa_intervals(
        [block], MEMBER, [9] * 3
    )


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        pytest.param(made(range(7)), FEW_CLUSTERS, id="seven clips"),
        pytest.param(made(range(0)), FEW_CLUSTERS, id="no unit"),
        pytest.param(made()._replace(annotators=("ann",), codes=made().codes[:1]),
                     FEW_CLUSTERS, id="one annotator"),
        pytest.param(made(slips=0), ALL_ALIKE, id="all agree"),
    ],
)  # fmt: skip
def test_an_interval_that_would_not_hold_is_not_there_but_a_reason(block, reason):
    found = group_figures(Units([block], VALUES, POSTURE))
    for name in ("alpha", "kappa", "ac1", "percent"):
        figure = found.coefficients[name]
        assert figure.interval is None
        assert figure.no_interval == ("" if figure.value is None else reason)


def test_an_action_that_two_share_in_few_clips_has_no_interval():
    block = made(slips=0)
    codes = block.codes.copy()
    codes[codes == 3] = 0
    codes[:, :2] = 3  # both in the first clip
    codes[0, 30:140:12] = 3  # one alone, in many clips
    run = group_figures(Units([block._replace(codes=codes)], VALUES, POSTURE)).actions["run"]
    for name in ("alpha", "kappa"):
        assert run.coefficients[name].value is not None
        assert run.coefficients[name].interval is None
        assert run.coefficients[name].no_interval == FEW_SHARED


def test_a_figure_that_hangs_on_one_clip_has_no_interval():
    codes = np.zeros((2, 36), dtype=np.int64)
    codes[:, 35] = 0, 1  # without the last clip there is one category
    block = Block(("ann", "bob"), codes, np.arange(36), np.arange(36) // 3)
    alpha = group_figures(Units([block], VALUES, POSTURE)).coefficients["alpha"]
    assert alpha.value is not None
    assert alpha.no_interval == ON_ONE_CLIP
