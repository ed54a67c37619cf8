from dataclasses import replace

import numpy as np
import pytest

from tracking.core.appearance import (
    ClipLimits,
    clear_views,
    clip_limits,
    concatenated,
    describe_clearly,
    events,
    split_by_look,
    without_doubles,
)
from tracking.core.boxes import Detections
from tracking.core.features import describe, likeness, mean_look
from tracking.core.returning import join_returning, returning
from tracking.core.sort import TrackerParameters, track
from tracking.core.tracks_file import Track, TracksFile, dump, load

RED, BLUE = np.array([[[1.0, 0]] * 2, [[0, 1.0]] * 2], np.float32)  # two parts
NOTHING = np.zeros((2, 2), np.float32)


def a_track(features, *, frames=None, number=1):
    frames = np.arange(len(features)) if frames is None else np.array(frames)
    boxes = np.tile([[0.0, 0, 40, 100]], (len(frames), 1))
    return Track(number, frames, boxes, np.full(len(frames), 0.9), np.array(features))


def person(top, bottom, *, size=(100, 40)):
    image = np.zeros((*size, 3), np.uint8)
    image[: size[0] // 2], image[size[0] // 2 :] = top, bottom
    return describe(image, np.array([[0.0, 0, size[1], size[0]]]))[0]


def test_clothes_of_other_colours_are_nothing_alike():
    red, blue = person((200, 30, 30), (60, 60, 60)), person((30, 30, 200), (60, 60, 60))
    assert likeness(red, red) == pytest.approx(1)
    assert likeness(red, blue) == pytest.approx(0.5)  # the same trousers


def test_the_same_person_further_away_looks_the_same():
    near, far = (
        person((200, 30, 30), (40, 90, 40)),
        person((200, 30, 30), (40, 90, 40), size=(50, 20)),
    )
    assert likeness(near, far) == pytest.approx(1)


def test_of_somebody_half_hidden_only_what_is_seen_is_compared():
    whole = person((200, 30, 30), (30, 30, 200))
    image = np.zeros((50, 40, 3), np.uint8)
    image[:] = (200, 30, 30)
    half = describe(image, np.array([[0.0, 0, 40, 50]]))[0]
    assert (half[3] == 0).all()
    assert likeness(whole, half) > 0.6


def test_boxes_outside_of_the_image_have_no_look():
    image = np.full((20, 20, 3), 200, np.uint8)
    assert not describe(image, np.array([[30.0, 30, 40, 60], [-9, -9, -2, -1]])).any()
    assert describe(image, np.empty((0, 4))).shape == (0, 4, 40)


def test_whoever_stands_in_front_is_seen_clearly():
    image = np.full((100, 100, 3), 200, np.uint8)
    boxes = np.array([[0.0, 0, 30, 60], [5, 10, 35, 80], [60, 0, 90, 60], [60, 0, 90, 61]])
    found = describe_clearly(image, Detections(boxes, np.array([0.9, 0.9, 0.9, 0.1])), describe)
    assert clear_views(boxes).tolist() == [False, True, False, True]
    # The last box is too uncertain to be looked at, or to cover anybody.
    assert found.features.any(axis=(1, 2)).tolist() == [False, True, True, False]


def test_a_track_that_goes_on_as_somebody_else_is_split_where_it_was_found_again():
    swapped = a_track([RED] * 20 + [BLUE] * 20, frames=[*range(20), *range(35, 55)])
    assert events(swapped, 30) == [(19, 20)]
    parts = split_by_look([swapped], ClipLimits(0.5), 30)
    assert [(part.frames[0], part.frames[-1]) for part in parts] == [(0, 19), (35, 54)]


def test_a_track_that_changes_while_it_is_covered_is_split_in_the_middle():
    crossing = a_track([RED] * 20 + [NOTHING] * 10 + [BLUE] * 20)
    parts = split_by_look([crossing], ClipLimits(0.5), 30)
    assert [len(part.frames) for part in parts] == [25, 25]


def test_the_same_person_after_an_occlusion_stays_one_track():
    same = a_track([RED] * 20 + [NOTHING] * 10 + [RED] * 20)
    assert len(split_by_look([same], ClipLimits(0.5), 30)) == 1


def test_a_track_seen_too_rarely_to_compare_stays_one_track():
    rare = a_track([RED] * 2 + [NOTHING] * 10 + [BLUE] * 20)
    assert len(split_by_look([rare], ClipLimits(0.5), 30)) == 1


def test_a_clip_in_which_people_change_much_has_a_lower_limit():
    steady = clip_limits([a_track([RED] * 900)], 30)
    assert steady.same == pytest.approx(1)
    restless_looks = [RED, mean_look(np.stack([RED, BLUE]))]
    restless = clip_limits([a_track([restless_looks[at // 30 % 2] for at in range(900)])], 30)
    assert restless.same == pytest.approx(0.71, abs=0.01)


def crowd(alike=0.6):
    """Five people at once, each pair as much alike."""
    features = np.zeros((5, 2, 6), np.float32)
    features[:, :, 0] = alike**0.5
    features[range(5), :, range(1, 6)] = (1 - alike) ** 0.5
    return [a_track([one] * 60, number=number) for number, one in enumerate(features, start=1)]


def test_different_people_of_a_clip_say_whom_a_change_makes_somebody_else():
    limits = clip_limits(crowd(), 30)
    assert (limits.same, limits.change) == pytest.approx((0.6, 0.6))
    assert clip_limits(crowd()[:4], 30) == ClipLimits(0.55, 0.0)
    look = crowd()[0].features[:1]
    steady = clip_limits([*crowd(), a_track(np.repeat(look, 900, axis=0))], 30)
    assert steady.same == pytest.approx(0.6, abs=1e-3)


def of_model(tracks, squeeze=1.0):
    """The same looks by a model of one part, which finds different people more alike."""
    result = []
    for one in tracks:
        own = squeeze**0.5 * one.features[:, :1]
        alike = np.full((len(own), 1, 1), (1 - squeeze) ** 0.5)
        result.append(replace(one, features=np.concatenate([own, alike], axis=2)))
    return result


def test_how_alike_a_model_finds_people_changes_nothing_where_a_clip_tells():
    team = [a_track(np.repeat(one.features[:1], 300, axis=0), number=one.track_id)
            for one in crowd()]  # fmt: skip
    everyone = [replace(one, boxes=one.boxes + 200 * one.track_id) for one in team]
    everyone[4] = replace(everyone[4], boxes=everyone[3].boxes + 4)  # abreast with the fourth
    a, b = (one.features[0] for one in everyone[:2])
    swapped = a_track([a] * 60 + [b] * 60, frames=[*range(60), *range(80, 140)], number=6)
    double = replace(everyone[2], track_id=7, scores=everyone[2].scores - 0.5)
    for squeeze in (1.0, 0.3, 0.05):
        shown = of_model([*everyone, swapped, double], squeeze)
        kept = without_doubles(shown, 30)
        assert sorted(one.track_id for one in kept) == [1, 2, 3, 4, 5, 6]
        parts = split_by_look(kept, clip_limits(kept, 30), 30)
        assert sorted(one.track_id for one in parts) == [1, 2, 3, 4, 5, 6, 6]


def test_where_a_clip_does_not_tell_looks_of_a_model_decide_nothing():
    few = of_model([a_track([RED] * 60), a_track([RED] * 60, number=2)])
    assert without_doubles(few, 30) == few
    changed = of_model([a_track([RED] * 20 + [BLUE] * 20, frames=[*range(20), *range(35, 55)])])
    assert len(split_by_look(changed, clip_limits(changed, 30), 30)) == 1
    times = [[(0.0, 1.0)], [(5.0, 6.0)]]
    assert returning([one.features[0] for one in few], times) == [0, 1]


def test_who_changes_more_than_different_people_in_plain_view_is_split_there():
    swapped = a_track([RED] * 40 + [BLUE] * 40)
    parts = split_by_look([swapped], ClipLimits(0.5, 0.5), 30)
    assert [len(part.frames) for part in parts] == [40, 40]
    assert len(split_by_look([swapped], ClipLimits(0.5, 0.0), 30)) == 1
    turned = a_track([RED] * 40 + [mean_look(np.stack([RED, BLUE]))] * 40)
    assert len(split_by_look([turned], ClipLimits(0.5, 0.5), 30)) == 1


def test_a_short_track_has_no_change():
    assert len(split_by_look([a_track([RED] * 4)], ClipLimits(0.5, 0.5), 30)) == 1
    glimpse = a_track([RED] * 20 + [BLUE] * 2 + [RED] * 20)
    assert len(split_by_look([glimpse], ClipLimits(0.5, 0.5), 30)) == 1


def test_whoever_returns_is_one_person():
    times = [[(float(at), at + 1.0)] for at in (0, 5, 10)]
    assert returning([RED, RED, RED], times) == [0, 0, 0]
    assert returning([RED, None, RED], times) == [0, 1, 0]
    assert returning([RED, BLUE, RED], times) == [0, 1, 0]
    assert returning([RED, RED, RED], times, [{0}, {1}, {0}]) == [0, 0, 2]
    assert returning([], []) == []


def test_of_too_many_people_those_seen_longest_are_compared(monkeypatch):
    monkeypatch.setattr("tracking.core.returning.MOST_COMPARED", 2)
    times = [[(0.0, 1.0)], [(5.0, 9.0)], [(20.0, 29.0)]]
    assert returning([RED, RED, RED], times) == [0, 1, 1]


def test_who_returns_is_the_most_alike_of_those_who_were_there():
    mixed = mean_look(np.stack([RED, RED, RED, BLUE]))
    times = [[(0.0, 1.0)], [(0.0, 1.0)], [(5.0, 6.0)]]
    assert returning([RED, mixed, RED], times) == [0, 1, 0]
    assert returning([RED, mixed, mixed], times) == [0, 1, 1]


def test_looks_of_one_person_are_pooled_and_longer_ones_count_more():
    """Who is too little like the last one is like her and another one together."""
    half, near = mean_look(np.stack([RED, BLUE])), mean_look(np.stack([RED] * 7 + [BLUE] * 3))
    times = [[(float(at), at + 1.0)] for at in (0, 5, 10)]
    assert float(likeness(near, half)) > float(likeness(RED, near)) > 0.85
    assert returning([RED, 90 * near, 30 * half], times) == [0, 0, 0]
    assert returning([RED, 30 * near, 90 * half], times) == [0, 1, 1]


def test_where_all_wear_the_same_whoever_returns_must_be_more_alike_than_they():
    team = [one.features[0] for one in crowd(0.97)]
    times = [[(0.0, 9.0)] for _ in team]
    again = [[(20.0, 29.0)]]
    assert returning([*team, team[0]], times + again) == [0, 1, 2, 3, 4, 0]
    stranger = crowd(0.97)[4].features[0]
    assert returning([*team[:4], stranger], times[:4] + again) == [0, 1, 2, 3, 4]


def test_a_track_may_begin_a_little_before_the_one_that_it_continues_has_ended():
    old = a_track([RED] * 60, frames=range(0, 60))
    new = a_track([RED] * 60, frames=range(50, 110), number=2)
    late = a_track([RED] * 60, frames=range(30, 90), number=3)
    joined = join_returning([old, new], 30)
    assert [one.frames.tolist() for one in joined] == [list(range(110))]
    assert len(join_returning([old, late], 30)) == 2


def test_where_parts_overlap_the_later_one_counts():
    old, new = a_track([RED] * 4), a_track([BLUE] * 2, frames=[3, 5])
    whole = concatenated([new, old])
    assert whole.frames.tolist() == [0, 1, 2, 3, 5]
    assert (whole.features[3:] == BLUE).all()
    assert (whole.features[:3] == RED).all()


def test_two_people_who_cross_keep_their_looks_and_so_their_tracks():
    """Each box goes on where the other one came from: positions alone would swap them."""
    frames = []
    for at in range(90):
        left, right = 100.0 + 3 * at, 370.0 - 3 * at
        if at > 45:  # they turned back while they covered each other
            left, right = right, left
        boxes = np.array([[left, 100, left + 40, 220], [right, 102, right + 40, 222]])
        features = np.stack([RED, BLUE])
        if abs(left - right) < 60:
            features = np.zeros_like(features)
        frames.append(Detections(boxes, np.array([0.9, 0.9]), features))
    parameters = TrackerParameters.for_threshold(0.45)

    def lefts_at_end(found):
        tracks = track(found, fps=30, parameters=parameters)
        return {one.boxes[0, 0] < 200: one.boxes[-1, 0] < 200 for one in tracks}

    assert lefts_at_end(frames) == {True: True, False: False}
    assert lefts_at_end([one._replace(features=None) for one in frames]) != {
        True: True,
        False: False,
    }


def test_the_look_of_a_track_is_in_its_file():
    whole = a_track([RED])
    file = TracksFile("a-c0000", 64, 36, 450, [whole])
    assert load(dump(file)).tracks[0].features.tolist() == [[[1.0, 0.0], [1.0, 0.0]]]
