"""How fast detectors are on this machine: measured once, for the page of a new dataset."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.conf import settings

from avaproject.base.temporary import partial_path
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from tracking.detectors.registry import Detector, Frame
from tracking.detectors.rfdetr import load_untrained

QUALITIES = {"rfdetr-nano": "Fast", "rfdetr-medium": "Balanced", "rfdetr-large": "Best"}
HEIGHT, WIDTH = 720, 1280
ROUNDS = 3  # batches; the first prepares the model and does not count
FILE = "detector-speeds.json"


class DetectorSpeed(NamedTuple):
    """How long a detector takes here."""

    quality: str  # the word of the page of a new dataset
    seconds_per_frame: float

    @property
    def hours(self) -> float:
        """Hours for an hour of standard video, if every frame is detected."""
        return self.seconds_per_frame * FRAME_RATE


def speed_rows() -> list[DetectorSpeed]:
    """The detectors measured, fastest first; empty before the measurement."""
    found = detector_speeds()
    return [DetectorSpeed(word, found[name]) for name, word in QUALITIES.items()
            if name in found]  # fmt: skip


def detector_speeds() -> dict[str, float]:
    """Seconds a frame by detector, as measured for the setting AVA_DEVICE; empty if not yet."""
    try:
        content = json.loads(_file().read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict) or content.get("device") != settings.DEVICE:
        return {}
    return {name: float(seconds) for name, seconds in content.get("seconds", {}).items()}


def measure_detectors(
    load: Callable[[str], Detector] = load_untrained,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Measure all speed classes, store what was found, and return it: seconds a frame.

    A class is stored as soon as it is known, so a kill loses one at most. Raises DetectorError.
    """
    found: dict[str, float] = {}
    for name in QUALITIES:
        found[name] = _seconds_per_frame(load(name), clock)
        _store(found)
    return found


def _seconds_per_frame(detector: Detector, clock: Callable[[], float]) -> float:
    frames = rendered_frames(detector.batch_size)
    times = []
    for _ in range(ROUNDS):
        start = clock()
        detector.detect(frames)
        times.append(clock() - start)
    return min(times[1:]) / len(frames)


def rendered_frames(count: int) -> Sequence[Frame]:
    """Frames of 1280 by 720 pixels: a graded background, and figures that walk."""
    grade = np.linspace(60, 180, HEIGHT, dtype=np.uint8)[:, None, None]
    frames = []
    for number in range(count):
        frame = np.broadcast_to(grade, (HEIGHT, WIDTH, 3)).copy()
        for figure in range(4):
            left = (150 + 280 * figure + 8 * number) % (WIDTH - 60)
            frame[260:600, left : left + 60] = (200 - 40 * figure, 60, 40 * figure)
        frames.append(frame)
    return frames


def _store(seconds: dict[str, float]) -> None:
    with partial_path(_file()) as part:
        part.write_text(json.dumps({"device": settings.DEVICE, "seconds": seconds}))
        part.rename(_file())


def _file() -> Path:
    return Path(settings.DATA_DIR) / FILE
