import numpy as np

from tracking.core.corrected_tracks import Correction, apply_corrections, split_frame
from tracking.core.tracks_file import Track


def a_track(number, frames, *, left=0.0, score=0.9):
    boxes = np.tile([left, 0.0, left + 10, 20], (len(frames), 1))
    return Track(number, np.array(frames), boxes, np.full(len(frames), score))


def shown(tracks, ids):
    return {ids[track.track_id]: track.frames.tolist() for track in tracks}


def test_without_corrections_nothing_changes():
    tracks = [a_track(3, range(4)), a_track(7, range(2, 6))]
    found, persons = apply_corrections(tracks, {3: 1, 7: 2}, [], clip=0)
    assert persons == {3: 1, 7: 2}
    for one, other in zip(found, tracks, strict=True):
        assert one.track_id == other.track_id
        assert np.array_equal(one.frames, other.frames)
        assert np.array_equal(one.boxes, other.boxes)


def test_a_merged_person_has_one_track_with_all_boxes():
    tracks = [a_track(1, [0, 1]), a_track(2, [4, 5])]
    found = apply_corrections(tracks, {1: 8, 2: 9}, [Correction("merge", 9, 8)], clip=3)
    assert shown(*found) == {8: [0, 1, 4, 5]}


def test_where_two_merged_tracks_overlap_the_better_box_counts():
    tracks = [a_track(1, [0, 1]), a_track(2, [1, 2], left=50, score=0.95)]
    (track,), _ = apply_corrections(tracks, {1: 1, 2: 2}, [Correction("merge", 2, 1)], clip=0)
    assert track.frames.tolist() == [0, 1, 2]
    assert track.boxes[:, 0].tolist() == [0, 50, 50]


def test_a_split_changes_the_clip_from_its_frame_on_and_all_later_clips():
    split = Correction("split", 1, 5, clip=1, frame=2)
    at = [
        shown(*apply_corrections([a_track(1, range(4))], {1: 1}, [split], clip=clip))
        for clip in (0, 1, 2)
    ]
    assert at == [{1: [0, 1, 2, 3]}, {1: [0, 1], 5: [2, 3]}, {5: [0, 1, 2, 3]}]


def test_parts_of_two_persons_that_swapped_are_put_together():
    tracks = [a_track(1, range(4)), a_track(2, range(4), left=50)]
    corrections = [
        Correction("split", 1, 3, frame=2), Correction("split", 2, 4, frame=2),
        Correction("merge", 4, 1), Correction("merge", 3, 2),
    ]  # fmt: skip
    found, ids = apply_corrections(tracks, {1: 1, 2: 2}, corrections, clip=0)
    lefts = {ids[track.track_id]: track.boxes[:, 0].tolist() for track in found}
    assert lefts == {1: [0, 0, 50, 50], 2: [50, 50, 0, 0]}
    assert len({track.track_id for track in found}) == 2


def test_who_is_no_person_has_no_track():
    tracks = [a_track(1, range(4)), a_track(2, range(4))]
    found = apply_corrections(tracks, {1: 1, 2: 2}, [Correction("drop", 1)], clip=0)
    assert shown(*found) == {2: [0, 1, 2, 3]}


def test_a_split_lies_where_somebody_was_found_again():
    frames = np.array([0, 1, 2, 12, 13, 14, 15])
    assert split_frame(frames, np.ones(7), 14) == 12
    filled = np.arange(16)
    scores = np.where((filled > 2) & (filled < 12), np.nan, 0.9)
    assert split_frame(filled, scores, 14) == 12


def test_a_split_of_somebody_always_seen_lies_where_it_was_asked_for():
    assert split_frame(np.arange(40), np.ones(40), 33) == 33
