import sys

import numpy as np
import pytest

from qc.core.consensus import dawid_skene, majority
from qc.core.consensus.dawid_skene import fit_error_rates, segments

GOOD, FAIR, POOR = 0.95, 0.85, 0.5
CLASSES = 4


def annotated(*accuracies, items=2000, seed=1):
    """The truth, and what annotators of these accuracies say of it."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, CLASSES, items)
    codes = np.empty((len(accuracies), items), dtype=np.int64)
    for row, accuracy in enumerate(accuracies):
        wrong = (truth + random.integers(1, CLASSES, items)) % CLASSES
        codes[row] = np.where(random.random(items) < accuracy, truth, wrong)
    return truth, codes


def names(codes):
    return tuple(f"ann{row}" for row in range(len(codes)))


def decided(rates, codes):
    votes = [dict(zip(names(codes), map(int, column), strict=True)) for column in codes.T]
    return np.array([int(rates.posterior(one).argmax()) for one in votes])


def test_the_rates_are_those_the_annotators_were_made_with():
    _, codes = annotated(GOOD, FAIR, POOR, items=5000)
    rates = fit_error_rates([(names(codes), codes)], size=CLASSES)
    accuracy = [np.diag(rates.confusion[name]).mean() for name in names(codes)]
    assert accuracy == pytest.approx([GOOD, FAIR, POOR], abs=0.03)
    assert rates.prior == pytest.approx(np.full(CLASSES, 1 / CLASSES), abs=0.03)


@pytest.mark.parametrize("accuracies", [(GOOD, FAIR, POOR), (GOOD, FAIR, POOR, POOR, POOR)])
def test_rates_decide_better_than_a_majority_with_poor_annotators(accuracies):
    truth, codes = annotated(*accuracies)
    rates = fit_error_rates([(names(codes), codes)], size=CLASSES)
    half = len(codes) // 2 + 1
    voted = [majority(column.tolist(), min_votes=half) for column in codes.T]
    by_vote = np.mean([vote == true for vote, true in zip(voted, truth, strict=True)])
    assert (decided(rates, codes) == truth).mean() > by_vote + 0.01


def test_the_rates_of_patterns_are_those_of_single_items():
    _, codes = annotated(GOOD, FAIR, POOR)
    rates = fit_error_rates([(names(codes), codes)], size=CLASSES, smoothing=0)
    triples = [
        (item, name, int(codes[row, item]))
        for row, name in enumerate(names(codes))
        for item in range(codes.shape[1])
    ]
    alone = dawid_skene(triples)
    for name in names(codes):
        assert rates.confusion[name] == pytest.approx(alone.confusion[name], abs=1e-5)
    assert decided(rates, codes).tolist() == [alone.labels[item] for item in range(2000)]


def test_blocks_of_different_teams_add_up_and_their_order_does_not_matter():
    _, codes = annotated(GOOD, FAIR, POOR)
    who = names(codes)
    parts = [(who, codes[:, :900]), (who[1:], codes[1:, 900:]), (who, codes[:, :0])]
    one = fit_error_rates(parts, size=CLASSES)
    other = fit_error_rates(parts[::-1], size=CLASSES)
    whole = codes.copy()
    whole[0, 900:] = -1
    for rates in (other, fit_error_rates([(who, whole)], size=CLASSES)):
        for name in who:
            assert rates.confusion[name] == pytest.approx(one.confusion[name], abs=1e-4)


def sticky(*accuracies, persons, frames=13, seed=1):
    """Truth, codes and persons; who errs in a segment errs at each of its keyframes."""
    random = np.random.default_rng(seed)
    truth, columns, whose = [], [], []
    for person in range(persons):
        for frame in range(frames):
            if frame == 0 or random.random() < 2 / frames:
                true = int(random.integers(0, CLASSES))
                said = [
                    true
                    if random.random() < one
                    else int((true + random.integers(1, CLASSES)) % CLASSES)
                    for one in accuracies
                ]
            truth.append(true)
            columns.append(said)
            whose.append(person)
    return np.array(truth), np.array(columns).T, np.array(whose)


def test_errors_that_last_are_weighed_once_a_segment():
    """Frame by frame the rates claim more than they keep; by segment they do not."""
    claims = {"frames": [], "segments": []}
    for seed in range(12):
        truth, codes, persons = sticky(GOOD, 0.6, 0.6, persons=40, seed=seed)
        for way, fitted in (("frames", codes), ("segments", segments(codes, persons))):
            rates = fit_error_rates([(names(codes), fitted)], size=CLASSES)
            posterior = np.array(
                [
                    rates.posterior(dict(zip(names(codes), map(int, column), strict=True)))
                    for column in codes.T
                ]
            )
            right = (posterior.argmax(axis=1) == truth).mean()
            claims[way].append(posterior.max(axis=1).mean() - right)
    assert np.mean(claims["frames"]) > 0.05
    assert abs(np.mean(claims["segments"])) < 0.03


def test_a_fit_says_how_many_rounds_it_took_and_whether_it_ended(monkeypatch):
    _, codes = annotated(GOOD, FAIR, POOR)
    rates = fit_error_rates([(names(codes), codes)], size=CLASSES)
    assert 1 < rates.n_iter < 500
    assert rates.is_converged
    monkeypatch.setattr(sys.modules[fit_error_rates.__module__], "MAX_ITER", 2)
    stopped = fit_error_rates([(names(codes), codes)], size=CLASSES)
    assert (stopped.n_iter, stopped.is_converged) == (2, False)


def test_nothing_answered_tells_nothing():
    rates = fit_error_rates([(("ann", "bob"), np.full((2, 5), -2))], size=2)
    assert rates.posterior({}).tolist() == [0.5, 0.5]
    assert rates.confusion["ann"].tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert fit_error_rates([], size=3).confusion == {}


def test_a_vote_of_somebody_unknown_changes_nothing():
    _, codes = annotated(GOOD, FAIR, POOR)
    rates = fit_error_rates([(names(codes), codes)], size=CLASSES)
    assert (
        rates.posterior({"ann0": 1, "new": 2}).tolist() == rates.posterior({"ann0": 1}).tolist()
    )
