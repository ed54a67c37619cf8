from dataclasses import replace

import numpy as np

from tracking.core.doubts import DOUBTFUL, doubts_of
from tracking.core.tracks_file import Track

FRAMES = np.arange(90)


def standing(number, *, left=0.0, hidden=()):
    boxes = np.tile([left, 0.0, left + 40, 100], (len(FRAMES), 1))
    scores = np.full(len(FRAMES), 0.9)
    scores[list(hidden)] = np.nan
    return Track(number, FRAMES, boxes, scores)


def doubts(*tracks):
    return doubts_of([(tracks, {track.track_id: track.track_id for track in tracks})])


def test_whoever_is_seen_all_the_time_is_in_no_doubt():
    assert doubts(standing(1))[1] == (0.0, "")


def test_being_hidden_by_somebody_is_a_doubt_and_twice_a_greater_one():
    other = standing(2, left=20)
    once = doubts(standing(1, hidden=range(30, 42)), other)[1]
    twice = doubts(standing(1, hidden=[*range(30, 42), *range(60, 72)]), other)[1]
    assert 0 < once.value < DOUBTFUL <= twice.value
    assert once.reason == "hidden by somebody at 1.0 s"


def test_not_being_detected_where_nobody_is_near_is_no_doubt():
    assert doubts(standing(1, hidden=range(30, 42)), standing(2, left=500))[1].value == 0


def test_a_second_box_on_a_person_is_doubtful_and_says_whose():
    found = doubts(standing(1), standing(2, left=3))
    assert found[1].value == 0
    assert (found[2].value, found[2].reason) == (0.7, "its boxes lie on those of P1")


def test_who_is_in_a_vehicle_is_no_second_box_of_it():
    def as_class(track, label):
        return replace(track, label=label)

    vehicle, other = as_class(standing(1), "vehicle"), as_class(standing(3), "vehicle")
    assert doubts(vehicle, standing(2, left=3))[2].value == 0
    assert doubts(vehicle, other)[3].reason == "its boxes lie on those of P1 vehicle"


def test_the_same_person_in_several_clips_counts_once():
    part = Track(1, FRAMES[:20], standing(1).boxes[:20], np.ones(20))
    clips = [([part], {1: 6}), ([part], {1: 6})]
    assert doubts_of(clips)[6].value == 0  # 1.3 s together
