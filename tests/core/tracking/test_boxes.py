import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tracking.core.boxes import (
    Detections,
    area,
    clip_boxes,
    cxcywh_to_xyxy,
    nms,
    no_detections,
    pairwise_iou,
    xyxy_to_cxcywh,
)

corners = arrays(
    np.float64, st.tuples(st.integers(0, 6), st.just(2)), elements=st.floats(0, 99)
)
sides = st.floats(0.5, 50)


def boxes_of(low: np.ndarray, side: float) -> np.ndarray:
    return np.concatenate([low, low + side], axis=1)


def test_half_covered_boxes_share_a_third():
    found = pairwise_iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]]))
    assert found == pytest.approx(1 / 3)


def test_boxes_without_area_overlap_nothing():
    point = np.array([[1.0, 1, 1, 1]])
    assert pairwise_iou(point, point).tolist() == [[0.0]]


def test_no_boxes_are_normal_input():
    none = no_detections().boxes
    assert pairwise_iou(none, np.ones((3, 4))).shape == (0, 3)
    assert area(none).shape == (0,)
    assert cxcywh_to_xyxy(xyxy_to_cxcywh(none)).shape == (0, 4)
    assert clip_boxes(none, width=5, height=5).shape == (0, 4)
    assert len(nms(no_detections(), iou=0.5).boxes) == 0


@given(corners, corners, sides)
def test_iou_is_symmetric_and_between_0_and_1(a, b, side):
    a, b = boxes_of(a, side), boxes_of(b, side)
    iou = pairwise_iou(a, b)
    assert np.array_equal(iou, pairwise_iou(b, a).T)
    assert ((iou >= 0) & (iou <= 1)).all()
    assert np.diag(pairwise_iou(a, a)) == pytest.approx(np.ones(len(a)))


@given(corners, sides)
def test_centre_form_reads_back(low, side):
    boxes = boxes_of(low, side)
    assert cxcywh_to_xyxy(xyxy_to_cxcywh(boxes)) == pytest.approx(boxes)


def test_negative_sides_become_boxes_without_area():
    assert area(cxcywh_to_xyxy(np.array([[5.0, 5, -3, 4]]))).tolist() == [0.0]


def test_a_box_outside_the_image_loses_its_area():
    outside = clip_boxes(np.array([[-9.0, 0, -1, 5], [30, 0, 40, 5]]), width=20, height=10)
    assert area(outside).tolist() == [0.0, 0.0]


def test_clipping_leaves_its_argument_alone():
    boxes = np.array([[-5.0, 0, 5, 5]])
    clip_boxes(boxes, width=20, height=10)
    assert boxes.tolist() == [[-5.0, 0, 5, 5]]


def test_of_overlapping_detections_the_best_stays():
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
    kept = nms(Detections(boxes, np.array([0.5, 0.9, 0.3])), iou=0.45)
    assert kept.scores.tolist() == [0.9, 0.3]


def test_a_detection_suppressed_itself_suppresses_nobody():
    row = np.array([[0.0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    kept = nms(Detections(row, np.array([0.9, 0.8, 0.7])), iou=0.4)
    assert kept.scores.tolist() == [0.9, 0.7]
