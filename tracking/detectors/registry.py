"""Registry of detectors: frames in, people out, whichever model is behind it.

A new detector is one module with a function `load(name, path, threshold)` and one entry in
`DETECTORS`; forms, commands and experiments read the entries. A detector is opened once per
process and kept, since it takes seconds to load and much memory. Its module is imported when
it is first opened.
"""

import hashlib
import time
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from datasets.core.hashing import sha256_of
from tracking.core.boxes import Detections
from tracking.detectors.class_names import PERSON
from tracking.detectors.file_tracks import FileTracks

Frame = NDArray[np.uint8]  # RGB, shape (height, width, 3)

OPENED_AT_ONCE = 2
REMEMBERED_SECONDS = 60.0  # a load that failed; the next clips fail at once meanwhile


class DetectorEntry(NamedTuple):
    """A detector that datasets can choose."""

    label: str
    module: str
    needs_weights: bool = False  # a file or folder; otherwise the vendor's are the default
    has_ids: bool = False  # its boxes may have ids, which a dataset can keep


RFDETR = "tracking.detectors.rfdetr"
DETECTORS = {
    "rfdetr-nano": DetectorEntry("RF-DETR nano: fastest", RFDETR),
    "rfdetr-small": DetectorEntry("RF-DETR small", RFDETR),
    "rfdetr-medium": DetectorEntry("RF-DETR medium: recommended", RFDETR),
    "rfdetr-large": DetectorEntry("RF-DETR large: most accurate", RFDETR),
    "rfdetr-file": DetectorEntry("Your own RF-DETR checkpoint", RFDETR, needs_weights=True),
    "onnx": DetectorEntry(
        "ONNX file: RF-DETR, YOLOX, or with NMS inside",
        "tracking.detectors.onnx",
        needs_weights=True,
    ),
    "imported": DetectorEntry(
        "Import boxes (MOT or COCO)",
        "tracking.detectors.imported",
        needs_weights=True,
        has_ids=True,
    ),
}


class DetectorError(RuntimeError):
    """The detector cannot be opened, or failed; the message says what to do."""


class _Failure(NamedTuple):
    at: float  # of the clock `time.monotonic`
    message: str


_failed: dict[tuple[object, ...], _Failure] = {}  # by what `_opened` is called with


class Detector(Protocol):
    """Finds people in frames."""

    batch_size: int
    about: dict[str, str]  # name, versions, weights, sha256, device

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """The people in each of `frames`, any number of them; boxes in pixels."""
        ...


class ClipFrames(NamedTuple):
    """A clip whose detections are wanted, and its place in its video.

    Attributes:
        video: The video's name; `file_name` is that of the uploaded file.
        video_frames: Frames of the standard video; 0 while it is being made.
        size: Width and height in pixels.
    """

    clip: str
    video: str
    file_name: str
    start_frame: int
    frame_count: int
    video_frames: int
    size: tuple[int, int]


@runtime_checkable
class PrecomputedDetections(Protocol):
    """Detections made by another program, read from files."""

    about: dict[str, str]

    def of_clip(self, clip: ClipFrames) -> list[Detections]:
        """The people in each frame of a clip. Raises DetectorError if it has no file."""
        ...


@runtime_checkable
class PrecomputedTracks(PrecomputedDetections, Protocol):
    """Precomputed detections whose files may say which of them are one person."""

    def tracks_of_clip(self, clip: ClipFrames) -> FileTracks:
        """The tracks of a clip. Raises DetectorError if it has no file, or the ids are bad."""
        ...


def open_detector(
    name: str, *, weights: str, threshold: float, classes: Sequence[str] = (PERSON,)
) -> Detector | PrecomputedDetections:
    """The detector `name`, one of `DETECTORS`, loaded; the same object when called again.

    Args:
        name: One of `DETECTORS`.
        weights: A file, for `imported` a folder: a path, or a name in AVA_WEIGHTS_DIR. Empty
            for the vendor's weights of RF-DETR.
        threshold: Detections of lower scores are dropped.
        classes: What it is to find: its own names, or those of groups (`class_names.py`).

    Raises:
        DetectorError: The name is unknown, or the weights are missing or unfit, or know no
            such class. The same error follows at once for a minute, unless the file or the
            settings change.
    """
    if name not in DETECTORS:
        raise DetectorError(
            _("There is no detector %(name)r; choose one of %(detectors)s.")
            % {"name": name, "detectors": list(DETECTORS)}
        )
    path = weights_path(weights)
    if path is None and DETECTORS[name].needs_weights:
        raise DetectorError(
            _(
                "The detector %(name)s needs a file: name it in the dataset's weights, by "
                "its path or by its name in %(weights_dir)s (setting AVA_WEIGHTS_DIR)."
            )
            % {"name": name, "weights_dir": settings.WEIGHTS_DIR}
        )
    changed = _modified_at(path)
    if path is not None and not changed:
        raise DetectorError(
            _(
                "The weights %(path)s are missing: put the file there, or change the "
                "dataset's weights or the setting AVA_WEIGHTS_DIR (now %(weights_dir)s)."
            )
            % {"path": path, "weights_dir": settings.WEIGHTS_DIR}
        )
    device, batch = settings.DEVICE, settings.DETECTOR_BATCH
    key = (name, path, changed, threshold, device, batch, tuple(classes))
    if (failed := _failed.get(key)) and time.monotonic() - failed.at < REMEMBERED_SECONDS:
        raise DetectorError(failed.message)
    try:
        return _opened(*key)
    except DetectorError as error:
        _failed.clear()  # of other files or settings, which nobody asks for any more
        _failed[key] = _Failure(time.monotonic(), str(error))
        raise


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
        raise NotADirectoryError(_("%(folder)s is not a folder") % {"folder": folder})
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
    name: str, path: Path | None, changed: int, threshold: float, device: str, batch: int,
    classes: tuple[str, ...],
) -> Detector | PrecomputedDetections:  # fmt: skip
    # `changed`, `device` and `batch` only make the key; the loader reads the last two itself.
    return import_module(DETECTORS[name].module).load(name, path, threshold, classes)
