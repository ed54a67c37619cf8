import cv2
import numpy as np
import pytest

from tracking.core.image_grid import (
    CAPTION,
    CELL,
    GAP,
    crop_person,
    draw_sheet,
    sampled_frames,
)
from tracking.core.tracks_file import Track


def track(frames):
    frames = np.array(frames)
    boxes = np.tile([[10.0, 10, 50, 90]], (len(frames), 1))
    return Track(1, frames, boxes, np.ones(len(frames)))


def test_there_is_one_frame_in_every_second_in_which_the_track_has_an_image():
    assert [one.frame for one in sampled_frames(track(range(100)), step=6)] == [0, 30, 60, 90]
    assert [one.frame for one in sampled_frames(track(range(45, 70)), step=30)] == [60]
    assert sampled_frames(track(range(31, 35)), step=30) == []


def test_a_sampled_frame_knows_its_row_in_the_track():
    assert [one.row for one in sampled_frames(track([2, 12, 36]), step=6)] == [1, 2]


def test_a_person_is_cropped_with_a_margin_and_fills_the_cell():
    image = np.zeros((200, 300, 3), np.uint8)
    image[10:90, 10:50] = 255
    part = crop_person(image, np.array([10.0, 10, 50, 90]))
    assert part.shape[1] == CELL[0] or part.shape[0] == CELL[1]
    assert part.shape[1] <= CELL[0]
    assert part.shape[0] <= CELL[1]
    assert 0.5 < part.mean() / 255 < 0.9


@pytest.mark.parametrize(
    "box", [[-50, -50, 20, 20], [290, 190, 400, 300], [5, 5, 5.2, 5.2], [400, 400, 500, 500]]
)
def test_boxes_over_the_edge_of_the_image_are_clipped(box):
    part = crop_person(np.zeros((200, 300, 3), np.uint8), np.array(box, dtype=float))
    assert part.size > 0


def test_a_sheet_has_a_cell_for_every_image():
    parts = [np.full((176, 104, 3), 200, np.uint8), np.full((40, 20, 3), 100, np.uint8)]
    content = draw_sheet(parts, ["0.0 s", "1.0 s"])
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (CELL[1] + CAPTION, 2 * CELL[0] + GAP, 3)
    assert content == draw_sheet(parts, ["0.0 s", "1.0 s"])


def test_an_empty_sheet_is_refused():
    with pytest.raises(ValueError, match="without images"):
        draw_sheet([], [])
