"""Files of detectors in the weights folder: listed, stored and checked."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.utils.translation import gettext as _

from avaproject.base.temporary import partial_path
from datasets.accounts.activity import record
from datasets.models import Dataset
from tracking.detectors.registry import DetectorError, open_detector

DETECTOR_OF = {".onnx": "onnx", ".pth": "rfdetr-file", ".pt": "rfdetr-file"}
THRESHOLD = 0.45  # of a check, which drops no detection that matters


class DetectorFile(NamedTuple):
    """A file or folder in the weights folder; one that is missing has no size."""

    name: str
    size: int | None
    detector: str  # that reads it; empty if unknown
    datasets: list[str]  # that use it


class DetectorFileError(ValueError):
    """The file is not stored; the message says why."""


def detector_files() -> list[DetectorFile]:
    """What is in the weights folder, and what datasets name that is not, by name."""
    folder = Path(settings.WEIGHTS_DIR)
    used: dict[str, list[str]] = {}
    named = Dataset.objects.exclude(weights="").order_by("name").values_list("weights", "name")
    for weights, dataset in named:
        used.setdefault(weights, []).append(dataset)
    there = {one.name: one for one in folder.iterdir()} if folder.is_dir() else {}
    return [
        DetectorFile(name, _size(there.get(name) or folder / name), _detector(folder / name),
                     used.get(name, []))
        for name in sorted({*there, *used})
    ]  # fmt: skip


def _size(path: Path) -> int | None:
    try:
        if path.is_dir():
            return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
        return path.stat().st_size
    except OSError:
        return None


def _detector(path: Path) -> str:
    return "imported" if path.is_dir() else DETECTOR_OF.get(path.suffix.lower(), "")


def check_file(name: str) -> str:
    """What the detector says that reads the file. Raises DetectorError if it can't."""
    path = Path(settings.WEIGHTS_DIR) / name
    detector = _detector(path)
    if not detector:
        raise DetectorError(
            _("%(name)s is neither an ONNX file nor an RF-DETR checkpoint.") % {"name": name}
        )
    about = open_detector(detector, weights=name, threshold=THRESHOLD).about
    said = {"name": name, "detector": detector, "device": about.get("device")}
    if not said["device"]:
        return _("%(name)s works as %(detector)s.") % said
    return _("%(name)s works as %(detector)s on %(device)s.") % said


def store_file(name: str, chunks: Iterable[bytes]) -> str:
    """Store an uploaded file in the weights folder; return its name.

    Raises DetectorFileError if there is one of that name, or it is of another kind.
    """
    if Path(name).name != name or Path(name).suffix.lower() not in DETECTOR_OF:
        raise DetectorFileError(
            _("%(name)s is not a file of a detector: .onnx, .pth or .pt.") % {"name": name}
        )
    folder = Path(settings.WEIGHTS_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    if target.exists():
        raise DetectorFileError(
            _(
                "There is already a file %(name)s, which datasets may use. Give yours "
                "another name."
            )
            % {"name": name}
        )
    with partial_path(target) as part:
        with part.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
    record("upload detector file", name)
    return name
