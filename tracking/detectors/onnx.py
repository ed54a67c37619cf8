"""ONNX models through ONNX Runtime: an RF-DETR export, or a YOLOX model, told apart by outputs.

RF-DETR: input squashed to the model's square, RGB, ImageNet mean and deviation; outputs `dets`
(normalised centre boxes) and `labels` (logits). YOLOX: picture scaled into the top left corner,
BGR 0 to 255, filled up with 114; one output `[B, N, 5 + classes]` that is decoded here.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import onnxruntime
from django.conf import settings
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    NotImplemented,
    RuntimeException,
)

from tracking.core.boxes import Boxes, Detections, clipped, to_corners, without_overlaps
from tracking.detectors.door import DetectorError, Picture, file_hash

Tensor = NDArray[np.float32]

FAULTS = (
    Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotImplemented,
    RuntimeException,
)  # fmt: skip
PROVIDERS = {"cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
COCO_LOGITS = 91  # RF-DETR trained on COCO counts classes as COCO does: person is 1
RFDETR_BOXES = 300

YOLOX_GREY = 114
YOLOX_STRIDES = (8, 16, 32)
YOLOX_OVERLAP = 0.45


class _Kind(Protocol):
    """How one family of models wants its pictures, and what its outputs mean."""

    def prepared(self, picture: Picture) -> Tensor: ...

    def people(
        self, outputs: list[Tensor], row: int, *, width: int, height: int, threshold: float
    ) -> Detections: ...


class _Rfdetr:
    def __init__(self, height: int, width: int) -> None:
        self._size = (width, height)

    def prepared(self, picture: Picture) -> Tensor:
        small = cv2.resize(
            picture.astype(np.float32) / 255, self._size, interpolation=cv2.INTER_LINEAR
        )
        return ((small - IMAGENET_MEAN) / IMAGENET_DEVIATION).transpose(2, 0, 1)

    def people(
        self, outputs: list[Tensor], row: int, *, width: int, height: int, threshold: float
    ) -> Detections:
        centres, logits = outputs[0][row], outputs[1][row]
        person = 1 if logits.shape[1] == COCO_LOGITS else 0
        every = 1 / (1 + np.exp(-logits.astype(np.float64).clip(-88, 88)))
        # Of all pairs of query and class the best 300 count, whatever class they are.
        best = np.argsort(-every.ravel(), kind="stable")[:RFDETR_BOXES]
        queries, classes = np.divmod(best, logits.shape[1])
        queries = queries[classes == person]
        scores = every[queries, person]
        queries, scores = queries[scores > threshold], scores[scores > threshold]
        boxes = to_corners(centres[queries].astype(np.float64)) * [width, height, width, height]
        return Detections(clipped(boxes, width=width, height=height), scores)


class _Yolox:
    def __init__(self, height: int, width: int) -> None:
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

    def prepared(self, picture: Picture) -> Tensor:
        scale = self._scale(picture.shape[1], picture.shape[0])
        size = int(picture.shape[1] * scale), int(picture.shape[0] * scale)
        small = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
        canvas = np.full((self._height, self._width, 3), YOLOX_GREY, dtype=np.float32)
        canvas[: size[1], : size[0]] = small[:, :, ::-1]
        return canvas.transpose(2, 0, 1)

    def people(
        self, outputs: list[Tensor], row: int, *, width: int, height: int, threshold: float
    ) -> Detections:
        raw = outputs[0][row].astype(np.float64)
        scores = raw[:, 4] * raw[:, 5]
        good = (scores > threshold) & (raw[:, 5:].argmax(axis=1) == 0)
        places = (raw[good, :2] + self._cells[good]) * self._strides[good]
        sides = np.exp(raw[good, 2:4]) * self._strides[good]
        boxes: Boxes = to_corners(np.concatenate([places, sides], axis=1))
        boxes = clipped(boxes / self._scale(width, height), width=width, height=height)
        return without_overlaps(Detections(boxes, scores[good]), iou=YOLOX_OVERLAP)

    def _scale(self, width: int, height: int) -> float:
        return min(self._height / height, self._width / width)


class OnnxDetector:
    """People found by an ONNX model."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        kind: _Kind,
        *,
        threshold: float,
        about: dict[str, str],
    ) -> None:
        self._session, self._kind, self._threshold = session, kind, threshold
        self._input = session.get_inputs()[0]
        self._outputs = _output_names(session)
        fixed = self._input.shape[0]
        self._fixed = fixed if isinstance(fixed, int) else None
        self.batch_size = self._fixed or settings.DETECTOR_BATCH
        self.about = about

    def detect(self, frames: Sequence[Picture]) -> list[Detections]:
        """The people in each of `frames`. Raises DetectorError if the model gives up."""
        found: list[Detections] = []
        for start in range(0, len(frames), self.batch_size):
            found += self._detect_batch(frames[start : start + self.batch_size])
        return found

    def _detect_batch(self, frames: Sequence[Picture]) -> list[Detections]:
        pictures = [self._kind.prepared(frame) for frame in frames]
        if self._fixed:
            pictures += pictures[-1:] * (self._fixed - len(pictures))
        batch = np.ascontiguousarray(np.stack(pictures), dtype=np.float32)
        try:
            outputs = self._session.run(self._outputs, {self._input.name: batch})
        except FAULTS as error:
            raise DetectorError(f"{self.about['weights']} gave up: {error}") from error
        return [
            self._kind.people(
                outputs, row, width=frame.shape[1], height=frame.shape[0],
                threshold=self._threshold,
            )
            for row, frame in enumerate(frames)
        ]  # fmt: skip


def load(name: str, path: Path, threshold: float) -> OnnxDetector:
    """The ONNX model at `path`. Raises DetectorError if it is none, or none we understand."""
    options = onnxruntime.SessionOptions()
    # Threads that spin while they wait take time from the video decoder and other workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=_providers())
    except FAULTS as error:
        raise DetectorError(
            f"{path} is not an ONNX model ({' '.join(str(error).split())[:200]}): change the "
            "dataset's weights."
        ) from error
    about = {
        "name": name,
        "onnxruntime": version("onnxruntime"),
        "weights": path.name,
        "sha256": file_hash(path),
        "device": session.get_providers()[0],
    }
    return OnnxDetector(session, _kind_of(session, path), threshold=threshold, about=about)


def _providers() -> list[str]:
    there = onnxruntime.get_available_providers()
    wanted = PROVIDERS.get(settings.DEVICE)
    if wanted and wanted not in there:
        raise DetectorError(
            f"AVA_DEVICE is {settings.DEVICE}, but ONNX Runtime {version('onnxruntime')} "
            f"offers only {there}: install the build that has {wanted}, or set AVA_DEVICE=auto."
        )
    chosen = [wanted] if wanted else []
    if settings.DEVICE == "auto" and PROVIDERS["cuda"] in there:
        chosen = [PROVIDERS["cuda"]]
    return [*chosen, "CPUExecutionProvider"]


def _output_names(session: onnxruntime.InferenceSession) -> list[str]:
    names = [output.name for output in session.get_outputs()]
    return ["dets", "labels"] if {"dets", "labels"} <= set(names) else names


def _kind_of(session: onnxruntime.InferenceSession, path: Path) -> _Kind:
    """Which family the model is of, by the names and shapes of what goes in and comes out."""
    shape = session.get_inputs()[0].shape
    outputs = {output.name: output.shape for output in session.get_outputs()}
    if len(shape) == 4 and isinstance(shape[2], int) and isinstance(shape[3], int):
        if {"dets", "labels"} <= set(outputs):
            return _Rfdetr(shape[2], shape[3])
        yolox = _Yolox(shape[2], shape[3])
        only = next(iter(outputs.values()))
        if len(outputs) == 1 and len(only) == 3 and only[1] in (yolox.cell_count, None):
            return yolox
    raise DetectorError(
        f"{path} is neither an RF-DETR export (outputs dets and labels) nor a YOLOX model with "
        f"a fixed picture size (one output, [batch, cells, 5 + classes]); it takes {shape} and "
        f"gives {outputs}. Export the model again, or change the dataset's weights."
    )
