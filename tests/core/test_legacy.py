import json
import pickle

import pytest

from tracking.core.legacy import (
    LegacyBox,
    LegacyFormatError,
    dump_boxes,
    dump_dense,
    load_dense,
)

BOX = LegacyBox("a_frame_0010.jpg", 7, (1.0, 2.5, 30.0, 40.0), 0.75)


def test_proposals_are_read_back_as_plain_lists():
    content = dump_dense({"a": [("a_frame_0010.jpg", [BOX]), ("a_frame_0015.jpg", [])]})
    assert load_dense(content) == pickle.loads(content)
    assert load_dense(content)["a"] == {
        "a_frame_0010.jpg": [[1.0, 2.5, 30.0, 40.0, 0.75, 7]],
        "a_frame_0015.jpg": [],
    }


def test_tracks_name_picture_person_and_box():
    assert json.loads(dump_boxes("a", [BOX])) == [
        {
            "video_id": "a",
            "frame": "a_frame_0010.jpg",
            "track_id": 7,
            "bbox": [1.0, 2.5, 30.0, 40.0],
        }
    ]
    assert json.loads(dump_boxes("a", [])) == []


class Hostile:
    def __reduce__(self):
        return (print, ("called",))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pickle.dumps({"a": Hostile()}), id="calls a function"),
        pytest.param(pickle.dumps([1]), id="no dict"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x03garbage", id="garbage"),
    ],
)
def test_a_hostile_pickle_is_refused_and_calls_nothing(content, capsys):
    with pytest.raises(LegacyFormatError):
        load_dense(content)
    assert "called" not in capsys.readouterr().out
