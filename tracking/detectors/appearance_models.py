"""Models of looks, which tell people apart: the built-in histogram, or a model of one's own."""

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Protocol

from django.utils.translation import gettext as _

from tracking.core.boxes import Boxes
from tracking.core.features import Looks, describe
from tracking.detectors.registry import DetectorError, Frame, weights_path

HISTOGRAM = "histogram"
MODULE = "tracking.detectors.reidentification"  # imported when a model is first opened


class LookModel(Protocol):
    """Looks of people; `about` is recorded with every run."""

    about: Mapping[str, str]

    def describe(self, image: Frame, boxes: Boxes) -> Looks:
        """The looks of the people in `boxes`, shape `(N, P, D)`."""
        ...


class ColourHistogram:
    """The built-in looks."""

    def __init__(self) -> None:
        self.about: Mapping[str, str] = {"name": HISTOGRAM}

    def describe(self, image: Frame, boxes: Boxes) -> Looks:
        return describe(image, boxes)


def open_appearance(name: str) -> LookModel | None:
    """What tells people apart by `name`, a dataset's `appearance`; None for nothing.

    Raises DetectorError if the model is missing, or is none we understand.
    """
    if not name:
        return None
    if name == HISTOGRAM:
        return ColourHistogram()
    path = weights_path(name)
    if path is None or not path.is_file():
        raise DetectorError(
            _(
                "The re-identification model %(path)s is missing: put the file there, or "
                "change the dataset's appearance to histogram."
            )
            % {"path": path}
        )
    return _opened(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _opened(path: Path, changed: int) -> LookModel:
    model: LookModel = import_module(MODULE).load(path)
    return model
