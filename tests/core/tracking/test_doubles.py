import numpy as np

from tracking.core.appearance import without_doubles
from tracking.core.tracks_file import Track

RED, BLUE = np.array([[[1.0, 0]] * 2, [[0, 1.0]] * 2], np.float32)  # two parts


def a_track(number, frames, *, left=0.0, score=0.9, look=RED):
    boxes = np.tile([[left, 0.0, left + 40, 100]], (len(frames), 1))
    features = None if look is None else np.repeat(look[None], len(frames), axis=0)
    return Track(number, np.array(frames), boxes, np.full(len(frames), score), features)


def frames_of(tracks):
    return [(one.track_id, int(one.frames[0]), int(one.frames[-1])) for one in tracks]


def test_of_two_tracks_on_one_person_the_one_of_higher_scores_goes_on():
    whole, part = a_track(1, range(60)), a_track(2, range(10, 50), left=8, score=0.5)
    assert frames_of(without_doubles([whole, part], 30)) == [(1, 0, 59)]
    assert frames_of(without_doubles([part, whole], 30)) == [(1, 0, 59)]


def test_what_is_left_before_and_afterwards_stays():
    weak, good = a_track(1, range(90), score=0.5), a_track(2, range(30, 60))
    found = without_doubles([weak, good], 30)
    assert frames_of(found) == [(1, 0, 29), (2, 30, 59), (1, 60, 89)]
    assert [len(one.features) for one in found] == [30, 30, 30]


def test_people_side_by_side_who_pass_or_look_different_stay():
    one = a_track(1, range(60))
    others = [
        a_track(2, range(60), left=25, score=0.5),  # beside
        a_track(2, range(10, 20), score=0.5),  # for a moment
        a_track(2, range(60), score=0.5, look=BLUE),
        a_track(2, range(60), score=0.5, look=None),
        a_track(2, range(60, 90), score=0.5),  # later
    ]
    for other in others:
        assert frames_of(without_doubles([one, other], 30)) == frames_of([one, other])


def test_without_looks_nothing_changes():
    tracks = [a_track(number, range(60), look=None) for number in (1, 2)]
    assert without_doubles(tracks, 30) == tracks
    assert without_doubles([], 30) == []
