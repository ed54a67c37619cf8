import json

import pytest

from datasets.core.formats.ava import TrackedBox
from tracking.core.tracks_json import dump_boxes, load_boxes

BOX = TrackedBox("a_frame_0010.jpg", 7, (1.0, 2.5, 30.0, 40.0), 0.75)


def test_a_row_has_frame_person_and_box():
    assert json.loads(dump_boxes("a", [BOX])) == [
        {
            "video_id": "a",
            "frame": "a_frame_0010.jpg",
            "track_id": 7,
            "bbox": [1.0, 2.5, 30.0, 40.0],
        }
    ]
    assert json.loads(dump_boxes("a", [])) == []


def test_boxes_are_read_back_without_their_scores():
    assert list(load_boxes(dump_boxes("a", [BOX]))) == [("a", BOX._replace(score=0.0))]


@pytest.mark.parametrize(
    "content", [b"{", b"[1]", b'[{"frame": "a", "bbox": [1, 2, 3, "nan"]}]']
)
def test_other_json_is_refused(content):
    with pytest.raises(ValueError):  # noqa: PT011
        list(load_boxes(content))
