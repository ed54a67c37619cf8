"""A detector that knows what was rendered: for tests that run the pipeline without weights."""

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from tracking.detectors import imported
from tracking.detectors.registry import PrecomputedDetections

FOLDER = "people"  # in the weights folder, of `tests.guide_world.write_true_detections`


def load(
    name: str, path: Path | None, threshold: float, classes: Sequence[str]
) -> PrecomputedDetections:
    return imported.load(name, Path(settings.WEIGHTS_DIR) / FOLDER, threshold, classes)
