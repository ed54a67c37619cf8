"""Registry of detectors: frames in, people out, whichever model is behind it.

A new detector is one module with a function `load(name, path, threshold)` and one entry in
`DETECTORS`; forms, commands and experiments read the entries. A detector is opened once per
process and kept, since it takes seconds to load and much memory. Its module is imported when
it is first opened.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from datasets.core.hashing import sha256_of
from tracking.core.boxes import Detections

Frame = NDArray[np.uint8]  # RGB, shape (height, width, 3)

OPENED_AT_ONCE = 2


class DetectorEntry(NamedTuple):
    """A detector that datasets can choose."""

    label: str
    module: str
    needs_weights: bool = False  # a file or folder; otherwise the vendor's are the default


RFDETR = "tracking.detectors.rfdetr"
DETECTORS = {
    "rfdetr-nano": DetectorEntry("RF-DETR nano: fastest", RFDETR),
    "rfdetr-small": DetectorEntry("RF-DETR small", RFDETR),
    "rfdetr-medium": DetectorEntry("RF-DETR medium: recommended", RFDETR),
    "rfdetr-large": DetectorEntry("RF-DETR large: most accurate", RFDETR),
    "rfdetr-file": DetectorEntry("Your own RF-DETR checkpoint", RFDETR, needs_weights=True),
    "onnx": DetectorEntry(
        "ONNX file: RF-DETR export or YOLOX", "tracking.detectors.onnx", needs_weights=True
    ),
    "imported": DetectorEntry(
        "Import boxes (MOT text or JSON)", "tracking.detectors.imported", needs_weights=True
    ),
}


class DetectorError(RuntimeError):
    """The detector cannot be opened, or failed; the message says what to do."""


class Detector(Protocol):
    """Finds people in frames."""

    batch_size: int
    about: dict[str, str]  # name, versions, weights, sha256, device

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """The people in each of `frames`, any number of them; boxes in pixels."""
        ...


@runtime_checkable
class PrecomputedDetections(Protocol):
    """Detections made by another program, read from files."""

    about: dict[str, str]

    def of_clip(
        self, clip: str, *, video: str, start_frame: int, frame_count: int
    ) -> list[Detections]:
        """The people in each frame of a clip. Raises DetectorError if it has no file."""
        ...


def open_detector(
    name: str, *, weights: str, threshold: float
) -> Detector | PrecomputedDetections:
    """The detector `name`, one of `DETECTORS`, loaded; the same object when called again.

    Args:
        name: One of `DETECTORS`.
        weights: A file, for `imported` a folder: a path, or a name in AVA_WEIGHTS_DIR. Empty
            for the vendor's weights of RF-DETR.
        threshold: Detections of lower scores are dropped.

    Raises:
        DetectorError: The name is unknown, or the weights are missing or unfit.
    """
    if name not in DETECTORS:
        raise DetectorError(f"There is no detector {name!r}; choose one of {list(DETECTORS)}.")
    path = weights_path(weights)
    if path is None and DETECTORS[name].needs_weights:
        raise DetectorError(
            f"The detector {name} needs a file: name it in the dataset's weights, by its path "
            f"or by its name in {settings.WEIGHTS_DIR} (setting AVA_WEIGHTS_DIR)."
        )
    changed = _modified_at(path)
    if path is not None and not changed:
        raise DetectorError(
            f"The weights {path} are missing: put the file there, or change the dataset's "
            f"weights or the setting AVA_WEIGHTS_DIR (now {settings.WEIGHTS_DIR})."
        )
    return _opened(name, path, changed, threshold, settings.DEVICE, settings.DETECTOR_BATCH)


def weights_path(weights: str) -> Path | None:
    """Where the dataset's `weights` lie: a path as it is, a bare name in AVA_WEIGHTS_DIR."""
    if not weights:
        return None
    return Path(settings.WEIGHTS_DIR) / Path(weights).expanduser()


def _modified_at(path: Path | None) -> int:
    """When the file, or the last in a folder, was written, in ns; 0 if it cannot be read."""
    try:
        inside = path.rglob("*") if path and path.is_dir() else ()
        return max((one.stat().st_mtime_ns for one in (path, *inside) if one), default=0)
    except (OSError, ValueError):
        return 0


def weights_hash(path: Path) -> str:
    """Hexadecimal SHA-256 of a file or folder; empty if it cannot be read."""
    try:
        return folder_hash(path) if path.is_dir() else file_hash(path)
    except (OSError, ValueError):
        return ""


def file_hash(path: Path) -> str:
    """Hexadecimal SHA-256 of a file; computed again only if it has changed."""
    stat = path.stat()
    return _hash_of_version(path, stat.st_size, stat.st_mtime_ns)


def folder_hash(folder: Path) -> str:
    """Hexadecimal SHA-256 over names and hashes of the detection files in a folder.

    Only what has changed is read again. Raises NotADirectoryError.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    files = sorted(file for file in folder.rglob("*") if file.suffix in (".json", ".txt"))
    stats = [file.stat() for file in files]
    return _hash_of_folder(
        folder,
        tuple((f, s.st_size, s.st_mtime_ns) for f, s in zip(files, stats, strict=True)),
    )


@lru_cache(maxsize=8)
def _hash_of_folder(folder: Path, versions: tuple[tuple[Path, int, int], ...]) -> str:
    lines = [
        f"{file.relative_to(folder).as_posix()} {_hash_of_version(file, size, changed)}"
        for file, size, changed in versions
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@lru_cache(maxsize=10_000)
def _hash_of_version(path: Path, size: int, changed: int) -> str:
    return sha256_of(path)


@lru_cache(maxsize=OPENED_AT_ONCE)
def _opened(
    name: str, path: Path | None, changed: int, threshold: float, device: str, batch: int
) -> Detector | PrecomputedDetections:
    # `changed`, `device` and `batch` only make the key; the loader reads the last two itself.
    return import_module(DETECTORS[name].module).load(name, path, threshold)
