from dataclasses import replace

import numpy as np
import pytest

from tracking.core.identities import assign_identities, least_likeness, match_identities
from tracking.core.returning import join_returned
from tracking.core.tracks_file import Track

COLOURS = np.ones((1, 2, 4), np.float32) / 2  # one look, of two parts


def standing(number: int, left: float, frames: range = range(0, 60)) -> Track:
    boxes = np.tile([[left, 50.0, left + 40, 150.0]], (len(frames), 1))
    return Track(number, np.array(frames), boxes, np.full(len(frames), 0.9))


def test_a_person_and_a_vehicle_are_never_one():
    person, vehicle = standing(1, 0), replace(standing(1, 0), label="vehicle")
    assert assign_identities([[person], [person]], [60, 60]) == [{1: 1}, {1: 1}]
    assert assign_identities([[person], [vehicle]], [60, 60]) == [{1: 1}, {1: 2}]
    look = COLOURS
    clips = [[replace(one, features=look)] for one in (person, person, vehicle)]
    ids = [{1: 1}, {1: 2}, {1: 3}]
    assert join_returned(clips, ids, [0, 600, 1200]) == [{1: 1}, {1: 1}, {1: 2}]


def test_nobody_goes_on_over_the_border_of_a_clip_who_looks_different():
    red, blue = np.array([[[[1.0, 0]] * 2], [[[0, 1.0]] * 2]], np.float32)
    before, here = standing(1, 0), standing(1, 0)

    def persons(look, other):
        clips = [[replace(before, features=look)], [replace(here, features=other)]]
        return assign_identities(clips, [60, 60])

    assert persons(red, red) == [{1: 1}, {1: 1}]
    assert persons(red, blue) == [{1: 1}, {1: 2}]
    assert persons(red, None) == persons(None, None) == [{1: 1}, {1: 1}]


def pair(alike):
    """Two looks of a model, so much alike."""
    return np.array([[1.0, 0]]), np.array([[alike, (1 - alike**2) ** 0.5]])


def test_a_video_says_how_alike_somebody_is_who_goes_on_over_a_border():
    going_on = [pair(alike) for alike in (0.95, 0.96, 0.97, 0.98, 0.99, 0.5)]
    limit = least_likeness(going_on, [0.6] * 10)
    assert 0.5 < limit < 0.95
    # A model that finds everything five times as alike: the same two go on or do not.
    squeezed = [pair(0.8 + alike / 5) for alike in (0.95, 0.96, 0.97, 0.98, 0.99, 0.5)]
    assert least_likeness(squeezed, [0.8 + 0.6 / 5] * 10) == pytest.approx(0.8 + limit / 5)


def test_nearly_half_of_those_who_go_on_by_place_alone_may_be_somebody_else():
    alike = (0.33, 0.35, 0.4, 0.5, 0.7, 0.93, 0.96, 0.96, 0.98, 0.98, 0.99)
    assert 0.7 < least_likeness([pair(one) for one in alike], [0.6] * 10) < 0.93


def test_in_a_crowd_that_wears_the_same_all_but_outliers_go_on_over_a_border():
    going_on = [pair(alike) for alike in (0.95, 0.96, 0.97, 0.98, 0.99, 0.5)]
    assert 0.5 < least_likeness(going_on, [0.98] * 10) < 0.95


def test_where_a_video_does_not_tell_a_model_keeps_nobody_from_going_on():
    red, blue = (np.array([[look]], np.float32) for look in ([1.0, 0], [0, 1.0]))
    clips = [[replace(standing(1, 0), features=look)] for look in (red, blue)]
    assert assign_identities(clips, [60, 60]) == [{1: 1}, {1: 1}]
    assert least_likeness([], []) == 0.8


def test_who_returns_is_found_though_the_later_clip_has_two_parts_of_the_person():
    """Parts are never seen at the same time, so they are not two people who look alike."""
    look = COLOURS
    first = [replace(standing(1, 0, range(0, 60)), features=look)]
    later = [
        replace(standing(1, 0, range(0, 60)), features=look),
        replace(standing(2, 200, range(90, 150)), features=look),
    ]
    found = join_returned([first, later], [{1: 1}, {1: 2, 2: 3}], [0, 600])
    assert found == [{1: 1}, {1: 1, 2: 2}]  # ids are unique in a clip


def test_persons_of_two_trackings_are_matched_by_the_boxes_they_share():
    ours = ([standing(1, 300), standing(2, 0)], {1: 1, 2: 2})
    theirs = ([standing(5, 2), standing(6, 301)], {5: 7, 6: 8})
    assert match_identities([ours], [theirs]) == {1: 8, 2: 7}


def test_a_person_is_matched_with_nobody_of_another_class():
    ours = ([standing(1, 300), replace(standing(2, 0), label="vehicle")], {1: 1, 2: 2})
    theirs = ([standing(5, 2), standing(6, 301)], {5: 7, 6: 8})
    assert match_identities([ours], [theirs]) == {1: 8}


def test_a_person_that_one_tracking_splits_in_two_is_the_longer_half():
    ours = ([standing(1, 0)], {1: 1})
    halves = [standing(1, 0, range(0, 45)), standing(2, 0, range(45, 60))]
    assert match_identities([ours], [(halves, {1: 3, 2: 4})]) == {1: 3}


def test_boxes_are_summed_over_the_clips_of_a_video():
    ours = [([standing(1, 0, range(0, 16))], {1: 1}), ([standing(9, 0)], {9: 1})]
    theirs = [([standing(1, 0, range(0, 16))], {1: 4}), ([standing(1, 0)], {1: 5})]
    assert match_identities(ours, theirs) == {1: 5}


def test_a_person_in_one_tracking_alone_or_without_id_has_no_match():
    ours = ([standing(1, 0), standing(2, 500)], {1: 1, 2: 2})
    assert match_identities([ours], [([standing(1, 0)], {})]) == {}
    assert match_identities([ours], [([standing(1, 0)], {1: 6})]) == {1: 6}
    assert match_identities([], []) == {}
