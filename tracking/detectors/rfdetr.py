"""RF-DETR through its own package: the one place that knows torch.

Importing them takes many seconds and most of a gigabyte, so the functions here do it, in the
process that detects, when its first detector is opened.
"""

import os
import pickle
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _

from tracking.core.boxes import Detections, no_detections
from tracking.detectors.class_names import PERSON, UnknownClassError, class_positions
from tracking.detectors.registry import DetectorError, Frame, file_hash

MODELS = {
    "rfdetr-nano": ("RFDETRNano", "rf-detr-nano.pth"),
    "rfdetr-small": ("RFDETRSmall", "rf-detr-small.pth"),
    "rfdetr-medium": ("RFDETRMedium", "rf-detr-medium.pth"),
    "rfdetr-large": ("RFDETRLarge", "rf-detr-large-2026.pth"),
}
# What a missing download, a missing, a damaged and an unfitting file end in.
LOADING_FAULTS = (
    OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, ImportError,
    struct.error, pickle.UnpicklingError,
)  # fmt: skip


OFFLINE = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "URLError", "gaierror")


class RfdetrDetector:
    """People found by RF-DETR."""

    def __init__(
        self,
        model: Any,
        *,
        threshold: float,
        batch_size: int,
        about: dict[str, str],
        classes: Sequence[str] = (PERSON,),
    ) -> None:
        self.batch_size = batch_size
        self.about = about
        self.model = model
        self._threshold = threshold
        self._positions = _positions_by_name(model, classes)
        self._on_cuda = about["device"].startswith("cuda")
        self._is_prepared = False

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """The people in each of `frames`; a batch the memory cannot hold is halved for good."""
        import torch

        found: list[Detections] = []
        while len(found) < len(frames):
            batch = frames[len(found) : len(found) + self.batch_size]
            try:
                self._prepare()
                found += self._detect_batch(batch)
            except torch.OutOfMemoryError as error:
                if self.batch_size == 1:
                    raise DetectorError(
                        _(
                            "The memory of %(device)s does not hold one image for "
                            "%(model)s: choose a smaller detector, or AVA_DEVICE=cpu."
                        )
                        % {"device": self.about["device"], "model": self.about["name"]}
                    ) from error
                self.batch_size //= 2
                self._is_prepared = not self._on_cuda
        return found

    def _prepare(self) -> None:
        """Make the model fast, once; on CUDA it takes batches of exactly `batch_size` then."""
        if self._is_prepared:
            return
        if self._on_cuda:
            import torch

            torch.cuda.empty_cache()
            # Half precision would round boxes to a pixel: normalised coordinates have 11 bits.
            self.model.inference(compile=True, batch_size=self.batch_size, dtype=torch.float32)
        else:
            self.model.inference(compile=False)
        self._is_prepared = True

    def _detect_batch(self, frames: Sequence[Frame]) -> list[Detections]:
        images = [np.ascontiguousarray(frame) for frame in frames]
        if self._on_cuda:
            images += images[-1:] * (self.batch_size - len(images))
        results = self.model.predict(
            images, threshold=self._threshold, include_source_image=False
        )
        results = results if isinstance(results, list) else [results]
        return [_people(result, self._positions) for result in results[: len(frames)]]


def load(
    name: str, path: Path | None, threshold: float, classes: Sequence[str] = (PERSON,)
) -> RfdetrDetector:
    """RF-DETR `name` with the weights at `path`, or the vendor's if None.

    Raises:
        DetectorError: With the file expected and where to put it, whatever went wrong.
    """
    file = path or Path(settings.WEIGHTS_DIR) / MODELS[name][1]
    try:
        with _quiet_import():
            model, device = _loaded(name, path)
        about = {
            "name": name,
            "rfdetr": version("rfdetr"),
            "torch": version("torch"),
            "weights": file.name,
            "sha256": file_hash(file),
            "device": device,
        }
    except DetectorError:
        raise
    except ModuleNotFoundError as error:
        raise DetectorError(
            _(
                "%(name)s needs the package %(package)s, which is not installed here: "
                "install the project's requirements with a build of torch, or choose the "
                "detector onnx."
            )
            % {"name": name, "package": error.name}
        ) from error
    except LOADING_FAULTS as error:
        if path is None and not file.exists() and _is_offline(error):
            raise DetectorError(
                _(
                    "No network: %(address)s can't be reached (%(error)s). Download "
                    "%(name)s there, name it %(file)s and put it into %(parent)s (setting "
                    "AVA_WEIGHTS_DIR)."
                )
                % {
                    "address": _address(file.name),
                    "error": error,
                    "name": name,
                    "file": file.name,
                    "parent": file.parent,
                }
            ) from error
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DetectorError(
            _(
                "%(name)s cannot be loaded from %(file)s (%(reason)s): put the right file "
                "at %(path)s, or name another in the dataset's weights; a bare name is "
                "looked up in the setting AVA_WEIGHTS_DIR, now %(weights_dir)s."
            )
            % {
                "name": name,
                "file": file.name,
                "reason": reason,
                "path": file,
                "weights_dir": settings.WEIGHTS_DIR,
            }
        ) from error
    try:
        return RfdetrDetector(
            model, threshold=threshold, batch_size=settings.DETECTOR_BATCH, about=about,
            classes=classes,
        )  # fmt: skip
    except UnknownClassError as error:
        raise DetectorError(f"{name}: {error}") from error


def load_untrained(name: str) -> RfdetrDetector:
    """RF-DETR `name` with random weights, as fast as the vendor's and without a download.

    Raises DetectorError if the package or the device is missing.
    """
    try:
        with _quiet_import():
            import rfdetr

            device = chosen_device(settings.DEVICE)
            model = getattr(rfdetr, MODELS[name][0])(pretrain_weights=None, device=device)
    except (*LOADING_FAULTS, ModuleNotFoundError) as error:
        raise DetectorError(
            _("%(name)s can't be measured here: %(error)s") % {"name": name, "error": error}
        ) from error
    about = {"name": name, "device": device, "rfdetr": version("rfdetr")}
    return RfdetrDetector(model, threshold=0.5, batch_size=settings.DETECTOR_BATCH, about=about)


def export(name: str, path: Path | None, out: Path) -> None:
    """Write RF-DETR `name` with the weights at `path`, or the vendor's, as ONNX to `out`.

    It takes batches of any size. Raises DetectorError if it cannot be loaded or written.
    """
    detector = load(name, path, threshold=0.5)
    with _quiet_import(), TemporaryDirectory(dir=_made(out.parent)) as folder:
        try:
            detector.model.export(
                output_dir=folder, output_name="model", batch_size=1, dynamic_batch=True
            )
            (written,) = Path(folder).glob("*.onnx")
        except (*LOADING_FAULTS, ModuleNotFoundError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise DetectorError(
                _("%(name)s cannot be written as ONNX (%(reason)s).")
                % {"name": name, "reason": reason}
            ) from error
        written.replace(out)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _quiet_import() -> Iterator[None]:
    """Without the packages' remarks on each other, which no user can act on."""
    # Threads that spin while they wait for each other made an image ten times slower on a busy
    # machine, and no faster on an idle one. Read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _loaded(name: str, path: Path | None) -> tuple[Any, str]:
    """The model and its device."""
    import rfdetr

    device = chosen_device(settings.DEVICE)
    os.environ["RF_HOME"] = str(settings.WEIGHTS_DIR)  # the package keeps the vendor's there
    if name == "rfdetr-file":
        model = rfdetr.RFDETR.from_checkpoint(str(path), device=device)
    elif path is None:
        model = getattr(rfdetr, MODELS[name][0])(device=device)
    else:
        model = getattr(rfdetr, MODELS[name][0])(pretrain_weights=str(path), device=device)
    return model, device


def _is_offline(error: BaseException | None) -> bool:
    """Whether `error`, or what caused it, says that a server can't be reached."""
    while error is not None:
        if type(error).__name__ in OFFLINE or isinstance(error, ConnectionError | TimeoutError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _address(file: str) -> str:
    """Where the package downloads the vendor's file from."""
    from rfdetr.assets.model_weights import ModelWeights

    return ModelWeights.get_url(file) or "the vendor"


def chosen_device(wanted: str) -> str:
    """The torch device for the setting AVA_DEVICE; `auto` takes the fastest there is.

    Raises:
        DetectorError: The device is not there.
    """
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return next(device for device, is_there in there.items() if is_there)
    if not there[wanted]:
        raise DetectorError(
            _(
                "AVA_DEVICE is %(wanted)s, but torch %(version)s finds no such device "
                "here: install its driver and the fitting build of torch, or set "
                "AVA_DEVICE=auto."
            )
            % {"wanted": wanted, "version": version("torch")}
        )
    return wanted


def _positions_by_name(model: Any, classes: Sequence[str]) -> dict[str, int]:
    """The place in `classes` of each that is wanted, by its name in the model."""
    names = dict(enumerate(map(str, model.class_names)))
    positions = class_positions(classes, names)
    return {names[number]: place for number, place in positions.items()}


def _people(result: Any, positions: Mapping[str, int]) -> Detections:
    """Those of one `supervision.Detections`; class ids differ between checkpoints."""
    if not len(result):
        return no_detections()
    names = result.data["class_name"]
    places = np.array([positions.get(str(name), -1) for name in names], dtype=np.int64)
    some = places >= 0
    return Detections(
        result.xyxy[some].astype(np.float64),
        result.confidence[some].astype(np.float64),
        None,
        places[some],
    )
