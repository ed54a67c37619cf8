"""ONNX models with non-maximum suppression inside, told apart by their outputs.

- `detection_boxes, detection_scores, detection_classes[, num_detections]` (TensorFlow): boxes
  `y1, x1, y2, x2`, normalised; person is class 1.
- `num_dets, det_boxes, det_scores, det_classes` (TensorRT's EfficientNMS): boxes
  `x1, y1, x2, y2` in pixels of the input; person is class 0.
- `dets` `[B, N, 5]` with `labels` `[B, N]` (MMDeploy), and one output `[B, N, 6]` (YOLOv10, and
  YOLO exports with `nms`): `x1, y1, x2, y2, score[, class]` in pixels of the input.

An input of bytes gets RGB from 0 to 255, one of floats RGB from 0 to 1. Sides that the model
leaves open are those of the image. Where boxes are pixels, the image lies in the top left
corner, in its own proportions, filled up with grey; where they are normalised, it is squashed.
"""

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tracking.core.boxes import Detections, clip_boxes
from tracking.detectors.class_names import COCO_BY_NUMBER, COCO_IDS, positions_of
from tracking.detectors.onnx_runtimes import Shape, Tensor
from tracking.detectors.registry import Frame

GREY = 114


class OutputNames(NamedTuple):
    """The outputs of a family of models; empty where it has none."""

    boxes: str
    scores: str
    classes: str
    number: str  # of boxes
    is_normalised: bool
    known: Mapping[int, str]  # classes, unless the model names its own


NAMED = (
    OutputNames(
        "detection_boxes",
        "detection_scores",
        "detection_classes",
        "num_detections",
        True,
        COCO_IDS,
    ),
    OutputNames("det_boxes", "det_scores", "det_classes", "num_dets", False, COCO_BY_NUMBER),
    OutputNames("dets", "", "labels", "", False, COCO_BY_NUMBER),
)


class ModelWithNms:
    """The conventions of a model whose outputs are people already.

    Args:
        shape: Of the input: `[B, 3, H, W]` or `[B, H, W, 3]`.
        is_bytes: Whether the input is uint8.
        names: Of the outputs.
        positions: Of each class of the model that is wanted, its place among the wanted.
    """

    def __init__(
        self, shape: Shape, *, is_bytes: bool, names: OutputNames, positions: Mapping[int, int]
    ) -> None:
        self._is_last = shape[3] == 3  # whether channels come last
        self._height, self._width = shape[1:3] if self._is_last else shape[2:4]
        self._is_bytes, self._names = is_bytes, names
        self._positions = positions
        self.has_fixed_size = bool(self._height and self._width)

    def shape_of(self, image: Frame) -> tuple[int, int, int]:
        """The shape of a prepared image."""
        height, width = self._size(image.shape[1], image.shape[0])
        return (height, width, 3) if self._is_last else (3, height, width)

    def prepare(self, image: Frame, slot: NDArray[np.generic]) -> None:
        """Write `image` as the model takes it into `slot`."""
        height, width = self._size(image.shape[1], image.shape[0])
        if self._names.is_normalised:
            small = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        else:
            scale = self._scale(image.shape[1], image.shape[0])
            size = tuple(max(int(side * scale), 1) for side in (image.shape[1], image.shape[0]))
            small = np.full((height, width, 3), GREY, np.uint8)
            small[: size[1], : size[0]] = cv2.resize(image, size)
        values = small if self._is_bytes else small.astype(np.float32) / 255
        slot[...] = values if self._is_last else values.transpose(2, 0, 1)

    def people(
        self,
        outputs: Mapping[str, Tensor],
        row: int,
        *,
        width: int,
        height: int,
        threshold: float,
    ) -> Detections:
        """The people in image `row` of a batch; boxes in pixels of the image."""
        boxes, scores, classes = self._columns(outputs, row)
        places = positions_of(classes.round().astype(np.int64), self._positions)
        good = (scores > threshold) & (places >= 0)
        boxes, scores, places = boxes[good], scores[good], places[good]
        if self._names.is_normalised:
            boxes = boxes[:, [1, 0, 3, 2]] * [width, height, width, height]
        else:
            boxes = boxes / self._scale(width, height)
        boxes = clip_boxes(boxes, width=width, height=height)
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        return Detections(boxes[has_area], scores[has_area], None, places[has_area])

    def _columns(
        self, outputs: Mapping[str, Tensor], row: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        names = self._names
        if not names.boxes:
            (table,) = (every[row].astype(np.float64) for every in outputs.values())
            return table[:, :4], table[:, 4], table[:, 5]
        boxes, classes = (
            outputs[name][row].astype(np.float64) for name in (names.boxes, names.classes)
        )
        scores = outputs[names.scores][row].astype(np.float64) if names.scores else boxes[:, 4]
        many = len(scores)
        if names.number in outputs:
            many = int(np.ravel(outputs[names.number][row])[0])
        return boxes[:many, :4], scores[:many], classes[:many]

    def _size(self, width: int, height: int) -> tuple[int, int]:
        return self._height or height, self._width or width

    def _scale(self, width: int, height: int) -> float:
        tall, wide = self._size(width, height)
        return min(tall / height, wide / width)


def outputs_with_nms(outputs: Mapping[str, Shape]) -> OutputNames | None:
    """Which of the known outputs these are; None for others."""
    for names in NAMED:
        wanted = {one for one in (names.boxes, names.scores, names.classes) if one}
        if wanted <= set(outputs):
            last = outputs[names.boxes][-1:]
            if names.scores or (last == [5] and len(outputs[names.classes]) == 2):
                return names
    if len(outputs) == 1:
        (only,) = outputs.values()
        if len(only) == 3 and only[2] == 6:
            return OutputNames("", "", "", "", False, COCO_BY_NUMBER)
    return None
