"""What computes ONNX models: OpenVINO where it is installed, else ONNX Runtime.

On a CPU OpenVINO takes about two thirds of the time; it is no requirement of the project
(`pip install openvino`). Graphics cards are left to ONNX Runtime. Which of them it was is
recorded with every run.
"""

import ast
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from django.conf import settings
from django.utils.translation import gettext as _
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

from tracking.detectors.registry import DetectorError

Tensor = NDArray[np.float32]
Shape = list[int | None]  # None for a side of any length

FAULTS = (
    Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotImplemented,
    RuntimeException,
)  # fmt: skip
PROVIDERS = {"cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}

TYPES: dict[str, np.dtype[Any]] = {
    "tensor(uint8)": np.dtype(np.uint8), "tensor(float16)": np.dtype(np.float16),
    "tensor(float)": np.dtype(np.float32),
}  # fmt: skip


class ModelError(RuntimeError):
    """A runtime cannot read or compute a model."""


class Runtime(Protocol):
    """A model that is loaded: one input, some outputs."""

    input_shape: Shape
    input_type: np.dtype[Any]
    classes: list[str]  # by number, if the file says them
    outputs: dict[str, Shape]
    about: dict[str, str]  # its version, and the device that computes

    def run(self, batch: NDArray[Any]) -> Mapping[str, Tensor]:
        """The outputs for `batch`, by name. Raises ModelError."""
        ...


def open_model(path: Path) -> Runtime:
    """The model at `path`, loaded. Raises ModelError, or DetectorError without its device."""
    providers = _providers()
    if providers == ["CPUExecutionProvider"] and find_spec("openvino"):
        return OpenVino(path)
    return OnnxRuntime(path, providers)


class OnnxRuntime:
    """A model on ONNX Runtime."""

    def __init__(self, path: Path, providers: list[str]) -> None:
        options = onnxruntime.SessionOptions()
        # Threads that spin while they wait take time from the video decoder and other workers.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=providers
            )
        except FAULTS as error:
            raise ModelError(str(error)) from error
        (only,) = self._session.get_inputs()
        self._input = only.name
        self.input_shape = _shape(only.shape)
        self.input_type = TYPES.get(only.type, TYPES["tensor(float)"])
        self.classes = _class_names(self._session.get_modelmeta().custom_metadata_map)
        self.outputs = {one.name: _shape(one.shape) for one in self._session.get_outputs()}
        self.about = {
            "onnxruntime": version("onnxruntime"),
            "device": self._session.get_providers()[0],
        }

    def run(self, batch: NDArray[Any]) -> Mapping[str, Tensor]:
        try:
            found = self._session.run(list(self.outputs), {self._input: batch})
        except FAULTS as error:
            raise ModelError(str(error)) from error
        return dict(zip(self.outputs, found, strict=True))


class OpenVino:
    """A model on OpenVINO, on the CPU, in single precision as everywhere else."""

    def __init__(self, path: Path) -> None:
        openvino = import_module("openvino")  # not everywhere, so mypy need not know it
        try:
            core = openvino.Core()
            options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
            self._model = core.compile_model(core.read_model(path), "CPU", options)
        except RuntimeError as error:
            raise ModelError(str(error)) from error
        self.input_shape = _partial_shape(self._model.input(0))
        self.input_type = np.dtype(self._model.input(0).get_element_type().to_dtype())
        self.classes: list[str] = []
        self.outputs = {one.get_any_name(): _partial_shape(one) for one in self._model.outputs}
        self.about = {"openvino": version("openvino"), "device": "OpenVINO CPU"}

    def run(self, batch: NDArray[Any]) -> Mapping[str, Tensor]:
        try:
            found = self._model([batch])
        except RuntimeError as error:
            raise ModelError(str(error)) from error
        return {name: found[place] for place, name in enumerate(self.outputs)}


def _class_names(metadata: Mapping[str, str]) -> list[str]:
    """The classes that an export names as `names`, a dictionary by number; empty without.

    >>> _class_names({"names": "{0: 'person', 1: 'car'}"})
    ['person', 'car']
    """
    try:
        names = ast.literal_eval(metadata.get("names", "{}"))
        return [str(names[number]) for number in range(len(names))]
    except (ValueError, SyntaxError, LookupError, TypeError, MemoryError, RecursionError):
        return []


def _shape(sides: list[Any]) -> Shape:
    return [side if isinstance(side, int) else None for side in sides]


def _partial_shape(port: Any) -> Shape:
    sides = port.get_partial_shape()
    return [None if side.is_dynamic else side.get_length() for side in sides]


def _providers() -> list[str]:
    there = onnxruntime.get_available_providers()
    wanted = PROVIDERS.get(settings.DEVICE)
    if wanted and wanted not in there:
        raise DetectorError(
            _(
                "AVA_DEVICE is %(device)s, but ONNX Runtime %(version)s offers only "
                "%(there)s: install the build that has %(wanted)s, or set AVA_DEVICE=auto."
            )
            % {
                "device": settings.DEVICE,
                "version": version("onnxruntime"),
                "there": there,
                "wanted": wanted,
            }
        )
    chosen = [wanted] if wanted else []
    if settings.DEVICE == "auto" and PROVIDERS["cuda"] in there:
        chosen = [PROVIDERS["cuda"]]
    return [*chosen, "CPUExecutionProvider"]
