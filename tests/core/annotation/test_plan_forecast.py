import numpy as np
import pytest

from annotation.core.plan_forecast import hours, kappa_margin, pair_overlaps, shared_persons
from qc.core.agreement import cohen_kappa

TEAMS = {"a": ("ann", "bob"), "b": ("ann", "bob", "cem"), "c": ("dan",)}
PERSONS = {"a": {1, 2}, "b": {2, 3}, "c": {4}}


def test_every_pair_is_listed_with_the_persons_both_annotate():
    found = {
        pair[:2]: pair[2:4] for pair in pair_overlaps(TEAMS, PERSONS, ["ann", "bob", "dan"])
    }
    assert found == {("ann", "bob"): (2, 3), ("ann", "dan"): (0, 0), ("bob", "dan"): (0, 0)}


def test_a_pair_without_shared_clips_has_no_margin():
    never = pair_overlaps({}, {}, ["ann", "bob"])
    assert [pair.margin for pair in never] == [None]
    assert pair_overlaps(TEAMS, PERSONS, []) == []


def test_a_person_in_two_shared_clips_counts_once():
    assert shared_persons(TEAMS, PERSONS) == 3
    assert shared_persons({}, {}) == 0


def test_four_times_the_persons_halve_the_margin():
    assert kappa_margin(400) == pytest.approx(kappa_margin(100) / 2)


@pytest.mark.parametrize("persons", [0, 1])
def test_there_is_no_margin_without_two_persons(persons):
    assert kappa_margin(persons) is None


def test_no_margin_is_wider_than_kappa_itself():
    assert kappa_margin(2, kappa=0.0) == 1.0


def test_hours_are_person_seconds_at_a_pace():
    assert hours(0) == 0
    assert hours(3600, pace=1) == 1.0


def test_the_margin_is_the_scatter_of_simulated_annotators():
    """Two annotators answer for 200 persons, the same at all 15 keyframes of a person."""
    rng = np.random.default_rng(7)
    kappa, persons, found = 0.7, 200, []
    for _ in range(300):
        truth = rng.integers(2, size=persons)
        guessed = rng.random(persons) > kappa
        other = np.where(guessed, rng.integers(2, size=persons), truth)
        first, second = (np.repeat(one, 15).tolist() for one in (truth, other))
        found.append(cohen_kappa(first, second).value)
    assert kappa_margin(persons, kappa=kappa) == pytest.approx(1.96 * np.std(found), rel=0.15)
