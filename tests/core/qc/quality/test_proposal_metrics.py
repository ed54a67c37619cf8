import numpy as np
import pytest

from qc.core.quality.proposal_metrics import (
    ProposalMetrics,
    f1_difference,
    keyframe_metrics,
    sum_metrics,
)

NOBODY = np.empty((0, 4))
PERSON = np.array([[10.0, 10, 30, 60]])
ELSEWHERE = np.array([[200.0, 10, 220, 60]])


def test_a_box_that_was_left_alone_is_found_and_untouched():
    metrics = keyframe_metrics(PERSON, PERSON, height=100)
    assert (metrics.recall, metrics.precision, metrics.f1, metrics.mean_iou) == (
        1.0,
        1.0,
        1.0,
        1.0,
    )
    assert (metrics.to_draw, metrics.to_remove, metrics.to_edit) == (0, 0, 0)


def test_a_box_that_was_moved_was_found_and_had_to_be_mended():
    metrics = keyframe_metrics(np.add(PERSON, [0, 0, 0, 10]), PERSON, height=100)
    assert (metrics.found, metrics.to_edit) == (1, 1)
    assert metrics.mean_iou == pytest.approx(5 / 6)


def test_somebody_nobody_proposed_and_a_proposal_that_is_nobody():
    metrics = keyframe_metrics(ELSEWHERE, PERSON, height=100)
    assert (metrics.recall, metrics.precision, metrics.mean_iou) == (0.0, 0.0, None)
    assert (metrics.to_draw, metrics.to_remove) == (1, 1)


def test_two_proposals_on_one_person_find_one():
    metrics = keyframe_metrics(np.concatenate([PERSON, PERSON]), PERSON, height=100)
    assert (metrics.found, metrics.to_remove) == (1, 1)


def test_nothing_against_nothing_is_not_defined():
    metrics = keyframe_metrics(NOBODY, NOBODY, height=100)
    assert (metrics.keyframes, metrics.recall, metrics.precision, metrics.f1) == (
        1,
        None,
        None,
        None,
    )
    assert sum_metrics([]) == ProposalMetrics()


def test_persons_are_grouped_by_their_height_in_the_frame():
    persons = np.array([[0.0, 0, 5, 10], [10, 0, 20, 30], [30, 0, 50, 90]])
    sizes = keyframe_metrics(persons[1:], persons, height=100).by_size
    assert [(size.persons, size.found) for size in sizes] == [(1, 0), (1, 1), (1, 1)]


def test_counts_of_keyframes_are_added_up():
    both = sum_metrics(
        [
            keyframe_metrics(PERSON, PERSON, height=100),
            keyframe_metrics(ELSEWHERE, PERSON, height=100),
        ]
    )
    assert (both.keyframes, both.persons, both.found, both.recall) == (2, 2, 1, 0.5)


def test_a_configuration_that_is_always_better_is_certainly_better():
    good = [keyframe_metrics(PERSON, PERSON, height=100)] * 10
    poor = [keyframe_metrics(NOBODY, PERSON, height=100)] * 10
    difference = f1_difference(good, poor)
    assert difference.value == 1.0
    assert difference.is_certain
    assert f1_difference(poor, good).interval[1] < 0


def test_one_clip_out_of_many_may_be_chance():
    same = keyframe_metrics(PERSON, PERSON, height=100)
    ours = [same] * 9 + [keyframe_metrics(ELSEWHERE, PERSON, height=100)]
    theirs = [keyframe_metrics(ELSEWHERE, PERSON, height=100)] + [same] * 9
    difference = f1_difference(ours, theirs)
    assert difference.value == 0.0
    assert difference.interval
    assert not difference.is_certain


def test_few_clips_tell_nothing_and_no_box_even_less():
    metrics = keyframe_metrics(PERSON, PERSON, height=100)
    assert f1_difference([metrics] * 7, [metrics] * 7).no_interval == (
        "fewer than 8 clips to compare"
    )
    assert f1_difference([ProposalMetrics()], [ProposalMetrics()]) is None
