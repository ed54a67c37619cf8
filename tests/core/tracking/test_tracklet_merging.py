import numpy as np
import pytest

from tracking.core.identities import assign_identities
from tracking.core.tracklet_merging import TrackletMerging, merge_tracklets
from tracking.core.tracks_file import Track

FPS = 30
CLIP = 450


def walker(number: int, frames: range, *, left: float = 0, speed: float = 0) -> Track:
    """40 x 100 pixels, `left` at frame 0, `speed` in pixels a frame."""
    at = np.array(frames)
    x = left + speed * at
    boxes = np.stack([x, np.full(len(at), 50.0), x + 40, np.full(len(at), 150.0)], axis=1)
    return Track(number, at, boxes, np.full(len(at), 0.9))


def test_a_person_keeps_the_id_in_the_next_clip():
    before = [walker(1, range(0, CLIP), left=10), walker(2, range(0, CLIP), left=300)]
    after = [walker(1, range(0, CLIP), left=300), walker(2, range(0, CLIP), left=10)]
    assert assign_identities([before, after], [CLIP, CLIP]) == [{1: 1, 2: 2}, {1: 2, 2: 1}]


def test_a_walker_is_matched_by_extrapolation():
    before = [walker(1, range(400, CLIP), left=-1800, speed=4)]
    goes_on = walker(1, range(20, 100), left=4 * CLIP - 1800, speed=4)
    stands_where_the_other_was = walker(2, range(20, 100), left=0 - 40)
    named = assign_identities([before, [goes_on, stands_where_the_other_was]], [CLIP, CLIP])
    assert named[1][1] == 1
    assert named[1][2] == 2


@pytest.mark.parametrize(
    ("cuts", "same"),
    [
        pytest.param([[], []], True, id="none"),
        pytest.param([[100], [300]], True, id="far from the border"),
        pytest.param([[CLIP - 5], []], False, id="after the one went"),
        pytest.param([[], [10]], False, id="before the other came"),
    ],
)
def test_no_person_continues_over_a_cut(cuts, same):
    before, after = [walker(1, range(0, CLIP - 10))], [walker(1, range(20, CLIP))]
    named = assign_identities([before, after], [CLIP, CLIP], cuts=cuts)
    assert named == [{1: 1}, {1: 1 if same else 2}]


@pytest.mark.parametrize(
    ("last", "first", "same"),
    [
        pytest.param(CLIP - 1, 0, True, id="touching"),
        pytest.param(CLIP - 20, 20, True, id="hidden around the border"),
        pytest.param(CLIP - 60, 60, False, id="away for four seconds"),
    ],
)
def test_how_long_a_person_may_be_absent(last, first, same):
    named = assign_identities(
        [[walker(1, range(0, last + 1))], [walker(1, range(first, CLIP))]], [CLIP, CLIP]
    )
    assert (named[0][1] == named[1][1]) is same


def test_a_person_far_away_or_of_another_size_is_another():
    before = [walker(1, range(0, CLIP))]
    far = [walker(1, range(0, CLIP), left=200)]
    child = walker(1, range(0, CLIP))
    child = Track(1, child.frames, child.boxes * [1, 1, 0.5, 0.5], child.scores)
    assert assign_identities([before, far], [CLIP, CLIP])[1] == {1: 2}
    assert assign_identities([before, [child]], [CLIP, CLIP])[1] == {1: 2}


def test_a_person_keeps_the_id_through_three_clips_and_a_new_one_gets_the_next():
    there = [walker(5, range(0, CLIP))]
    named = assign_identities(
        [there, [*there, walker(9, range(50, 200), left=400)], there], [CLIP] * 3
    )
    assert named == [{5: 1}, {5: 1, 9: 2}, {5: 1}]


def test_clips_with_a_segment_cut_out_between_them_are_not_adjacent():
    before, after = [walker(1, range(0, CLIP))], [walker(1, range(0, CLIP))]
    assert assign_identities([before, after], [CLIP + 10 * FPS, CLIP]) == [{1: 1}, {1: 2}]


def test_a_clip_without_people_ends_an_identity():
    there = [walker(1, range(0, CLIP))]
    assert assign_identities([there, [], there], [CLIP] * 3) == [{1: 1}, {}, {1: 2}]


def test_no_clips_have_no_persons():
    assert assign_identities([], []) == []


def test_an_id_is_never_given_twice_in_a_clip():
    crowd = [walker(n, range(0, CLIP), left=12.0 * n) for n in range(1, 9)]
    for names in assign_identities([crowd, crowd[::-1], crowd[:4]], [CLIP] * 3):
        assert len(set(names.values())) == len(names)


def test_a_broken_track_is_merged_and_others_are_left_alone():
    parts = [
        walker(1, range(0, 40), speed=3),
        walker(2, range(0, 90), left=500),
        walker(3, range(60, 90), speed=3),
    ]
    whole = merge_tracklets(parts, fps=FPS, merging=TrackletMerging())
    assert [track.track_id for track in whole] == [1, 2]
    assert whole[0].frames.tolist() == [*range(40), *range(60, 90)]


def test_tracks_that_overlap_in_time_are_never_merged():
    parts = [walker(1, range(0, 50)), walker(2, range(49, 90))]
    assert len(merge_tracklets(parts, fps=FPS, merging=TrackletMerging())) == 2


def test_ids_given_before_are_kept_and_passed_on():
    there = [walker(1, range(0, CLIP)), walker(2, range(0, CLIP), left=300)]
    assert assign_identities([there, there], [CLIP, CLIP], given=[{1: 7}, {}]) == [
        {1: 7, 2: 8},
        {1: 7, 2: 8},
    ]
    assert assign_identities([there, there], [CLIP, CLIP], given=[{}, {1: 9, 2: 4}])[1] == {
        1: 9,
        2: 4,
    }
