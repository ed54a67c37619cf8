"""Re-identification by an ONNX model of one's own, with the input of OSNet.

Input `[B, 3, H, W]` (256 x 128 unless it is fixed), RGB, ImageNet mean and deviation; one
output `[B, D]`, which is scaled to length 1. Such models are made by Torchreid and FastReID.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from django.utils.translation import gettext
from numpy.typing import NDArray

from tracking.core.boxes import Boxes
from tracking.core.features import Looks
from tracking.detectors.onnx_runtimes import ModelError, Runtime, open_model
from tracking.detectors.registry import DetectorError, Frame, file_hash

SIZE = (256, 128)  # height, width
MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
CROPS_AT_ONCE = 32


class ReidentificationModel:
    """Looks by a model; one part for each person."""

    def __init__(self, runtime: Runtime, about: Mapping[str, str]) -> None:
        self.about = about
        self._runtime = runtime
        self._batch, _, height, width = runtime.input_shape
        self._size = (height or SIZE[0], width or SIZE[1])
        (only,) = runtime.outputs.values()
        # Where the file does not say it, a black image tells the length of a vector.
        black = np.zeros((1, 1, 3), np.uint8)
        self._length = only[1] or self._vectors(black, np.array([[0.0, 0, 1, 1]])).shape[1]

    def describe(self, image: Frame, boxes: Boxes) -> Looks:
        """Shape `(N, 1, D)`. Raises DetectorError if the model fails."""
        step = self._batch or CROPS_AT_ONCE
        found = [
            self._vectors(image, boxes[start : start + step])
            for start in range(0, len(boxes), step)
        ]
        vectors = np.concatenate(found) if found else np.zeros((0, self._length), np.float32)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.maximum(length, 1e-9))[:, None].astype(np.float32)

    def _vectors(self, image: Frame, boxes: Boxes) -> NDArray[np.float32]:
        batch = np.zeros((self._batch or len(boxes), 3, *self._size), np.float32)
        for slot, box in zip(batch, boxes, strict=False):
            slot[...] = self._prepared(image, box)
        try:
            (values,) = self._runtime.run(batch.astype(self._runtime.input_type)).values()
        except ModelError as error:
            raise DetectorError(
                gettext("%(model)s failed: %(error)s")
                % {"model": self.about["weights"], "error": error}
            ) from error
        return np.asarray(values[: len(boxes)], dtype=np.float32)

    def _prepared(self, image: Frame, box: NDArray[Any]) -> NDArray[np.float32]:
        height, width = image.shape[:2]
        x1, y1, x2, y2 = np.round(box).astype(int).tolist()
        crop = image[max(0, y1) : min(height, y2), max(0, x1) : min(width, x2)]
        if not crop.size:
            return np.zeros((3, *self._size), np.float32)
        small = cv2.resize(crop, self._size[::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(((small / 255 - MEAN) / DEVIATION).transpose(2, 0, 1), np.float32)


def load(path: Path) -> ReidentificationModel:
    """The model at `path`. Raises DetectorError if it is none, or none we understand."""
    try:
        runtime = open_model(path)
    except ModelError as error:
        reason = " ".join(str(error).split())[:200]
        raise DetectorError(
            gettext("%(path)s is not an ONNX model (%(reason)s).")
            % {"path": path, "reason": reason}
        ) from error
    shape, outputs = runtime.input_shape, list(runtime.outputs.values())
    if len(shape) != 4 or shape[1] != 3 or len(outputs) != 1 or len(outputs[0]) != 2:
        raise DetectorError(
            gettext(
                "%(path)s is no re-identification model with the input of OSNet: it takes "
                "%(shape)s and gives %(outputs)s; expected [batch, 3, 256, 128] and one "
                "output [batch, length]."
            )
            % {"path": path, "shape": shape, "outputs": dict(runtime.outputs)}
        )
    about = {"name": "model", "weights": path.name, "sha256": file_hash(path)}
    return ReidentificationModel(runtime, about | runtime.about)
