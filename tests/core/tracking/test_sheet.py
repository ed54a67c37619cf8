import cv2
import numpy as np
import pytest

from tracking.core.sheet import CAPTION, CELL, GAP, cut_out, looks_of, sheet
from tracking.core.trackfile import Track


def track(frames):
    frames = np.array(frames)
    boxes = np.tile([[10.0, 10, 50, 90]], (len(frames), 1))
    return Track(1, frames, boxes, np.ones(len(frames)))


def test_there_is_one_look_in_every_second_in_which_the_track_has_a_picture():
    assert [look.frame for look in looks_of(track(range(100)), step=6)] == [0, 30, 60, 90]
    assert [look.frame for look in looks_of(track(range(45, 70)), step=30)] == [60]
    assert looks_of(track(range(31, 35)), step=30) == []


def test_a_look_knows_its_place_in_the_track():
    assert [look.place for look in looks_of(track([2, 12, 36]), step=6)] == [1, 2]


def test_a_person_is_cut_out_with_a_margin_and_fills_the_cell():
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[10:90, 10:50] = 255
    part = cut_out(picture, np.array([10.0, 10, 50, 90]))
    assert part.shape[1] == CELL[0] or part.shape[0] == CELL[1]
    assert part.shape[1] <= CELL[0]
    assert part.shape[0] <= CELL[1]
    assert 0.5 < part.mean() / 255 < 0.9


@pytest.mark.parametrize(
    "box", [[-50, -50, 20, 20], [290, 190, 400, 300], [5, 5, 5.2, 5.2], [400, 400, 500, 500]]
)
def test_boxes_over_the_edge_of_the_picture_are_cut_at_it(box):
    part = cut_out(np.zeros((200, 300, 3), np.uint8), np.array(box, dtype=float))
    assert part.size > 0


def test_a_sheet_has_a_cell_for_every_picture():
    parts = [np.full((176, 104, 3), 200, np.uint8), np.full((40, 20, 3), 100, np.uint8)]
    content = sheet(parts, ["0.0 s", "1.0 s"])
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (CELL[1] + CAPTION, 2 * CELL[0] + GAP, 3)
    assert content == sheet(parts, ["0.0 s", "1.0 s"])


def test_a_sheet_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no pictures"):
        sheet([], [])
