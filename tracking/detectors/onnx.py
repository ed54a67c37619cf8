"""ONNX models: an RF-DETR export, or a YOLOX model, told apart by their outputs.

RF-DETR: input squashed to the model's square, RGB, ImageNet mean and deviation; outputs `dets`
(normalised centre boxes) and `labels` (logits). YOLOX: image scaled into the top left corner,
BGR 0 to 255, filled up with 114; one output `[B, N, 5 + classes]` that is decoded here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from django.conf import settings

from tracking.core.boxes import Boxes, Detections, clip_boxes, cxcywh_to_xyxy, nms
from tracking.detectors.onnx_runtimes import ModelError, Runtime, Shape, Tensor, open_model
from tracking.detectors.registry import DetectorError, Frame, file_hash

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
COCO_LOGITS = 91  # RF-DETR trained on COCO counts classes as COCO does: person is 1
RFDETR_BOXES = 300

YOLOX_GREY = 114
YOLOX_STRIDES = (8, 16, 32)
YOLOX_OVERLAP = 0.45


class _Kind(Protocol):
    """The input and output conventions of one family of models."""

    shape: tuple[int, int, int]  # of a prepared image

    def prepare(self, image: Frame, slot: Tensor) -> None: ...

    def people(
        self,
        outputs: Mapping[str, Tensor],
        row: int,
        *,
        width: int,
        height: int,
        threshold: float,
    ) -> Detections: ...


class _Rfdetr:
    def __init__(self, height: int, width: int) -> None:
        self.shape = (3, height, width)

    def prepare(self, image: Frame, slot: Tensor) -> None:
        small = cv2.resize(
            image.astype(np.float32), self.shape[:0:-1], interpolation=cv2.INTER_LINEAR
        )
        for channel, plane in enumerate(cv2.split(small)):
            mean, deviation = IMAGENET_MEAN[channel], IMAGENET_DEVIATION[channel]
            np.multiply(plane, 1 / (255 * deviation), out=slot[channel])
            slot[channel] -= mean / deviation

    def people(
        self,
        outputs: Mapping[str, Tensor],
        row: int,
        *,
        width: int,
        height: int,
        threshold: float,
    ) -> Detections:
        centres, logits = outputs["dets"][row], outputs["labels"][row]
        person = 1 if logits.shape[1] == COCO_LOGITS else 0
        every = 1 / (1 + np.exp(-logits.astype(np.float64).clip(-88, 88)))
        # Of all pairs of query and class the best 300 count, whatever class they are.
        best = np.argsort(-every.ravel(), kind="stable")[:RFDETR_BOXES]
        queries, classes = np.divmod(best, logits.shape[1])
        queries = queries[classes == person]
        scores = every[queries, person]
        queries, scores = queries[scores > threshold], scores[scores > threshold]
        boxes = cxcywh_to_xyxy(centres[queries].astype(np.float64)) * [
            width,
            height,
            width,
            height,
        ]
        return Detections(clip_boxes(boxes, width=width, height=height), scores)


class _Yolox:
    def __init__(self, height: int, width: int) -> None:
        self.shape = (3, height, width)
        self._height, self._width = height, width
        cells, strides = [], []
        for stride in YOLOX_STRIDES:
            y, x = np.mgrid[0 : height // stride, 0 : width // stride]
            cells.append(np.stack([x, y], axis=-1).reshape(-1, 2))
            strides.append(np.full((cells[-1].shape[0], 1), stride))
        self._cells = np.concatenate(cells).astype(np.float64)
        self._strides = np.concatenate(strides).astype(np.float64)

    @property
    def cell_count(self) -> int:
        return len(self._cells)

    def prepare(self, image: Frame, slot: Tensor) -> None:
        scale = self._scale(image.shape[1], image.shape[0])
        # A image that is nothing but a line is still one pixel high.
        size = tuple(max(int(side * scale), 1) for side in (image.shape[1], image.shape[0]))
        small = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        slot.fill(YOLOX_GREY)
        slot[:, : size[1], : size[0]] = small[:, :, ::-1].transpose(2, 0, 1)

    def people(
        self,
        outputs: Mapping[str, Tensor],
        row: int,
        *,
        width: int,
        height: int,
        threshold: float,
    ) -> Detections:
        (raw,) = (every[row] for every in outputs.values())
        raw = raw.astype(np.float64)
        scores = raw[:, 4] * raw[:, 5]
        good = (scores > threshold) & (raw[:, 5:].argmax(axis=1) == 0)
        places = (raw[good, :2] + self._cells[good]) * self._strides[good]
        sides = np.exp(raw[good, 2:4]) * self._strides[good]
        boxes: Boxes = cxcywh_to_xyxy(np.concatenate([places, sides], axis=1))
        boxes = clip_boxes(boxes / self._scale(width, height), width=width, height=height)
        return nms(Detections(boxes, scores[good]), iou=YOLOX_OVERLAP)

    def _scale(self, width: int, height: int) -> float:
        return min(self._height / height, self._width / width)


class OnnxDetector:
    """People found by an ONNX model."""

    def __init__(
        self, runtime: Runtime, kind: _Kind, *, threshold: float, about: dict[str, str]
    ) -> None:
        self._runtime, self._kind, self._threshold = runtime, kind, threshold
        self._fixed = runtime.input_shape[0]
        self.batch_size = self._fixed or settings.DETECTOR_BATCH
        self.about = about

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """The people in each of `frames`. Raises DetectorError if the model fails."""
        found: list[Detections] = []
        for start in range(0, len(frames), self.batch_size):
            found += self._detect_batch(frames[start : start + self.batch_size])
        return found

    def _detect_batch(self, frames: Sequence[Frame]) -> list[Detections]:
        batch = np.zeros((self._fixed or len(frames), *self._kind.shape), dtype=np.float32)
        for frame, slot in zip(frames, batch, strict=False):  # a fixed batch may have more slot
            self._kind.prepare(frame, slot)
        try:
            outputs = self._runtime.run(batch)
        except ModelError as error:
            raise DetectorError(f"{self.about['weights']} failed: {error}") from error
        return [
            self._kind.people(
                outputs, row, width=frame.shape[1], height=frame.shape[0],
                threshold=self._threshold,
            )
            for row, frame in enumerate(frames)
        ]  # fmt: skip


def load(name: str, path: Path, threshold: float) -> OnnxDetector:
    """The ONNX model at `path`. Raises DetectorError if it is none, or none we understand."""
    try:
        runtime = open_model(path)
    except ModelError as error:
        raise DetectorError(
            f"{path} is not an ONNX model ({' '.join(str(error).split())[:200]}): change the "
            "dataset's weights."
        ) from error
    about = {"name": name, "weights": path.name, "sha256": file_hash(path)} | runtime.about
    kind = _kind_of(runtime.input_shape, runtime.outputs, path)
    return OnnxDetector(runtime, kind, threshold=threshold, about=about)


def _kind_of(shape: Shape, outputs: Mapping[str, Shape], path: Path) -> _Kind:
    """Which family the model is of, by the names and shapes of what goes in and comes out."""
    if len(shape) == 4 and shape[1] == 3 and shape[2] and shape[3]:
        if {"dets", "labels"} <= set(outputs):
            return _Rfdetr(shape[2], shape[3])
        yolox = _Yolox(shape[2], shape[3])
        only = next(iter(outputs.values()))
        if len(outputs) == 1 and len(only) == 3 and only[1] in (yolox.cell_count, None):
            return yolox
    raise DetectorError(
        f"{path} is neither an RF-DETR export (outputs dets and labels) nor a YOLOX model with "
        f"a fixed image size (one output, [batch, cells, 5 + classes]); it takes {shape} and "
        f"gives {dict(outputs)}. Export the model again, or change the dataset's weights."
    )
