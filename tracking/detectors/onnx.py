"""ONNX models: an RF-DETR export, a YOLOX model, or one with NMS inside, by their outputs.

RF-DETR: input squashed to the model's square, RGB, ImageNet mean and deviation; outputs `dets`
(normalised centre boxes) and `labels` (logits). YOLOX: image scaled into the top left corner,
BGR 0 to 255, filled up with 114; one output `[B, N, 5 + classes]` that is decoded here. Those
with non-maximum suppression inside are in `onnx_with_nms.py`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from tracking.core.boxes import Boxes, Detections, clip_boxes, cxcywh_to_xyxy, nms
from tracking.detectors.class_names import (
    COCO_BY_NUMBER,
    COCO_COUNT,
    COCO_IDS,
    PERSON,
    UnknownClassError,
    class_positions,
    positions_of,
)
from tracking.detectors.onnx_runtimes import ModelError, Runtime, Shape, Tensor, open_model
from tracking.detectors.onnx_with_nms import ModelWithNms, outputs_with_nms
from tracking.detectors.registry import DetectorError, Frame, file_hash

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
COCO_LOGITS = 91  # RF-DETR trained on COCO counts classes as COCO does: person is 1
RFDETR_BOXES = 300

FACE = "face"

YOLOX_GREY = 114
YOLOX_STRIDES = (8, 16, 32)
YOLOX_OVERLAP = 0.45


class _Kind(Protocol):
    """The input and output conventions of one family of models."""

    has_fixed_size: bool  # else images of other sizes need batches of their own

    def shape_of(self, image: Frame) -> tuple[int, int, int]: ...

    def prepare(self, image: Frame, slot: NDArray[Any]) -> None: ...

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
    has_fixed_size = True

    def __init__(self, height: int, width: int, positions: Mapping[int, int]) -> None:
        self._shape, self._positions = (3, height, width), positions

    def shape_of(self, image: Frame) -> tuple[int, int, int]:
        return self._shape

    def prepare(self, image: Frame, slot: Tensor) -> None:
        small = cv2.resize(
            image.astype(np.float32), self._shape[:0:-1], interpolation=cv2.INTER_LINEAR
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
        every = 1 / (1 + np.exp(-logits.astype(np.float64).clip(-88, 88)))
        # Of all pairs of query and class the best 300 count, whatever class they are.
        best = np.argsort(-every.ravel(), kind="stable")[:RFDETR_BOXES]
        queries, classes = np.divmod(best, logits.shape[1])
        scores, places = every[queries, classes], positions_of(classes, self._positions)
        good = (places >= 0) & (scores > threshold)
        queries, scores = queries[good], scores[good]
        boxes = cxcywh_to_xyxy(centres[queries].astype(np.float64)) * [
            width,
            height,
            width,
            height,
        ]
        boxes = clip_boxes(boxes, width=width, height=height)
        return Detections(boxes, scores, None, places[good])


class _Yolox:
    has_fixed_size = True

    def __init__(self, height: int, width: int, positions: Mapping[int, int]) -> None:
        self._height, self._width, self._positions = height, width, positions
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

    def shape_of(self, image: Frame) -> tuple[int, int, int]:
        return 3, self._height, self._width

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
        best = raw[:, 5:].argmax(axis=1)
        scores = raw[:, 4] * raw[np.arange(len(raw)), 5 + best]
        wanted = positions_of(best, self._positions)
        good = (scores > threshold) & (wanted >= 0)
        places = (raw[good, :2] + self._cells[good]) * self._strides[good]
        sides = np.exp(raw[good, 2:4]) * self._strides[good]
        boxes: Boxes = cxcywh_to_xyxy(np.concatenate([places, sides], axis=1))
        boxes = clip_boxes(boxes / self._scale(width, height), width=width, height=height)
        found = Detections(boxes, scores[good], None, wanted[good])
        return nms(found, iou=YOLOX_OVERLAP)

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
        while len(found) < len(frames):
            batch = frames[len(found) : len(found) + self.batch_size]
            if not self._kind.has_fixed_size:
                same = [one for one in batch if one.shape == batch[0].shape]
                batch = batch[: len(same)] if len(same) == len(batch) else batch[:1]
            found += self._detect_batch(batch)
        return found

    def _detect_batch(self, frames: Sequence[Frame]) -> list[Detections]:
        shape = (self._fixed or len(frames), *self._kind.shape_of(frames[0]))
        batch = np.zeros(shape, dtype=self._runtime.input_type)
        for frame, slot in zip(
            frames, batch, strict=False
        ):  # a fixed batch may have more slots
            self._kind.prepare(frame, slot)
        try:
            outputs = self._runtime.run(batch)
        except ModelError as error:
            raise DetectorError(
                _("%(model)s failed: %(error)s")
                % {"model": self.about["weights"], "error": error}
            ) from error
        return [
            self._kind.people(
                outputs, row, width=frame.shape[1], height=frame.shape[0],
                threshold=self._threshold,
            )
            for row, frame in enumerate(frames)
        ]  # fmt: skip


def load(name: str, path: Path, threshold: float, classes: Sequence[str]) -> OnnxDetector:
    """The ONNX model at `path`.

    Raises DetectorError if it is none, none we understand, or does not know a class.
    """
    try:
        runtime = open_model(path)
    except ModelError as error:
        raise DetectorError(
            _("%(path)s is not an ONNX model (%(error)s): change the dataset's weights.")
            % {"path": path, "error": " ".join(str(error).split())[:200]}
        ) from error
    about = {"name": name, "weights": path.name, "sha256": file_hash(path)} | runtime.about
    try:
        kind = _kind_of(runtime, path, classes)
    except UnknownClassError as error:
        raise DetectorError(f"{path}: {error}") from error
    return OnnxDetector(runtime, kind, threshold=threshold, about=about)


def _has_yolox_cells(shape: Shape, outputs: Mapping[str, Shape]) -> bool:
    only = next(iter(outputs.values()))
    if shape[1] != 3 or not shape[2] or not shape[3] or len(only) != 3:
        return False
    return only[1] == _Yolox(shape[2], shape[3], {}).cell_count


def _positions(known: Mapping[int, str], classes: Sequence[str]) -> dict[int, int]:
    """Where each of the classes that a model knows is in `classes`, of those that are."""
    if list(classes) == [PERSON] and PERSON not in known.values():
        # A face detector blurs faces of a release; one of a single class needs no name for it.
        face = [number for number, name in known.items() if name == FACE]
        return {face[0] if face else min(known): 0}
    return class_positions(classes, known)


def _own_classes(runtime: Runtime, count: int | None) -> dict[int, str]:
    """The names in a file of `count` classes; person is the first unless it says otherwise."""
    is_named = len(runtime.classes) == count and PERSON in runtime.classes
    return dict(enumerate(runtime.classes)) if is_named else {0: PERSON}


def _kind_of(runtime: Runtime, path: Path, classes: Sequence[str]) -> _Kind:
    """Which family the model is of, by the names and shapes of what goes in and comes out."""
    shape, outputs = runtime.input_shape, runtime.outputs
    is_bytes = runtime.input_type == np.uint8
    names = outputs_with_nms(outputs) if len(shape) == 4 and 3 in (shape[1], shape[3]) else None
    if names and not _has_yolox_cells(
        shape, outputs
    ):  # of one class they have six columns, too
        known = dict(enumerate(runtime.classes)) or names.known
        positions = _positions(known, classes)
        return ModelWithNms(shape, is_bytes=is_bytes, names=names, positions=positions)
    if len(shape) == 4 and shape[1] == 3 and shape[2] and shape[3] and not is_bytes:
        if {"dets", "labels"} <= set(outputs):
            many = outputs["labels"][-1]
            known = COCO_IDS if many == COCO_LOGITS else _own_classes(runtime, many)
            return _Rfdetr(shape[2], shape[3], _positions(known, classes))
        only = next(iter(outputs.values()))
        many = only[-1] - 5 if only[-1] else None  # columns before them: box and objectness
        known = COCO_BY_NUMBER if many == COCO_COUNT else _own_classes(runtime, many)
        yolox = _Yolox(shape[2], shape[3], _positions(known, classes))
        if len(outputs) == 1 and len(only) == 3 and only[1] in (yolox.cell_count, None):
            return yolox
    raise DetectorError(
        _(
            "%(path)s is neither an RF-DETR export (outputs dets and labels) nor a YOLOX "
            "model with a fixed image size (one output, [batch, cells, 5 + classes]), nor "
            "one with NMS inside (docs/tracking.md); it takes %(shape)s of %(input_type)s "
            "and gives %(outputs)s. Export the model again, or change the dataset's weights."
        )
        % {
            "path": path,
            "shape": shape,
            "input_type": runtime.input_type,
            "outputs": dict(outputs),
        }
    )
