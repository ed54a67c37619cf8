import numpy as np
import pytest

from annotation.core.cvat_tracks import interpolate_at_keyframes, pre_annotation_tracks
from datasets.core.formats.cvat_document import Document, Shape, XmlTrack
from datasets.core.formats.cvat_xml import dump, load
from tracking.core.tracks_file import Track, TracksFile

SECONDS = range(2, 14)


def shape(frame, x=0.0, *, outside=False, posture="stand"):
    return Shape(frame, (x, 0.0, x + 10, 20.0), outside, True, {"posture": posture})


def walk(track_id=1, frames=range(450), *, speed=0.5):
    frames = np.array(frames)
    x = frames * speed
    boxes = np.stack([x, x * 0 + 50, x + 40, x * 0 + 150], axis=1)
    return Track(track_id, frames, boxes, np.ones(len(frames)))


def annotated(*tracks, person_ids=None):
    file = TracksFile("a-c0000", 640, 360, 450, list(tracks))
    ids = person_ids or {track.track_id: track.track_id for track in tracks}
    return pre_annotation_tracks(file, ids, seconds=SECONDS, annotation_fps=5)


def seconds_of(track, seconds=range(15)):
    return [
        found.second for found in interpolate_at_keyframes(track, seconds, annotation_fps=5)
    ]


def test_boxes_move_linearly_between_cvat_keyframes():
    track = XmlTrack((shape(0, 0.0), shape(20, 40.0)))
    found = interpolate_at_keyframes(track, [0, 1, 3, 4], annotation_fps=5)
    assert [box.box[0] for box in found] == [0.0, 10.0, 30.0, 40.0]


def test_attributes_hold_until_the_next_cvat_keyframe():
    track = XmlTrack((shape(0), shape(11, posture="walk")))
    found = interpolate_at_keyframes(track, [0, 2, 3], annotation_fps=5)
    assert [box.attributes["posture"] for box in found] == ["stand", "stand", "walk"]


def test_a_track_continues_to_the_last_frame_unless_it_is_ended():
    assert seconds_of(XmlTrack((shape(10),))) == list(range(2, 15))


def test_a_person_outside_is_absent_until_the_next_box():
    track = XmlTrack((shape(5), shape(15, outside=True), shape(25), shape(26, outside=True)))
    assert seconds_of(track) == [1, 2, 5]


def test_an_empty_track_is_seen_nowhere():
    assert interpolate_at_keyframes(XmlTrack(()), SECONDS, annotation_fps=5) == []


@pytest.mark.parametrize("annotation_fps", [1, 5, 30])
def test_the_pre_annotation_is_the_track_at_every_keyframe(annotation_fps):
    track = walk()
    file = TracksFile("a-c0000", 640, 360, 450, [track])
    (xml,) = pre_annotation_tracks(file, {1: 7}, seconds=SECONDS, annotation_fps=annotation_fps)
    found = interpolate_at_keyframes(xml, SECONDS, annotation_fps=annotation_fps)
    assert [box.second for box in found] == list(SECONDS)
    for box in found:
        assert box.box == pytest.approx(tuple(track.boxes[30 * box.second]))
        assert box.attributes == {"person_id": "7"}


def test_a_steady_track_needs_only_its_two_ends():
    (xml,) = annotated(walk(frames=range(60, 301)))
    assert [(one.frame, one.outside) for one in xml.shapes] == [
        (10, False),
        (50, False),
        (51, True),
    ]


def test_tracks_are_sorted_by_person_id_and_unidentified_ones_left_out():
    found = annotated(walk(1), walk(2), walk(3), person_ids={1: 9, 2: 4})
    assert [track.shapes[0].attributes["person_id"] for track in found] == ["4", "9"]


def test_a_track_without_a_keyframe_is_left_out():
    assert annotated(walk(frames=range(61, 89))) == ()


def test_boxes_are_clipped_and_end_when_they_leave_the_frame():
    (xml,) = annotated(walk(speed=2.0))  # leaves at x = 640, frame 320
    ended = [one for one in xml.shapes if one.outside]
    assert [one.frame for one in ended] == [54]
    assert all(one.box[2] <= 640 for one in xml.shapes)


def test_what_is_written_fits_into_the_task():
    tracks = annotated(walk(), walk(2, range(0, 450, 2)))
    document = Document("a", 75, 640, 360, (), tracks)
    assert load(dump(document)).tracks == tracks
