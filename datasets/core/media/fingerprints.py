"""Fingerprints of standard videos: a thumbnail every fifth of a second, and a hash a second.

A thumbnail is the luminance of 8x8 equal parts of a frame, uint8. The perceptual hash of a
thumbnail has a bit for each part that is brighter than the median of all. Re-encoding, other
sizes and frame rates change few bits; `datasets.core.media.repeats` compares fingerprints.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.standard_video import FrameArray, read_frames

SAMPLES_PER_SECOND = 5
STEP = FRAME_RATE // SAMPLES_PER_SECOND
SIDE = 8
CELLS = SIDE * SIDE

Thumbnails = NDArray[np.uint8]  # shape (samples, 64)
Hashes = NDArray[np.uint64]


class ThumbnailSampler:
    """Collects the thumbnails of the frames of a standard video, in their order."""

    def __init__(self) -> None:
        self._found: list[NDArray[np.uint8]] = []

    def add(self, index: int, frame: Any) -> None:
        """Take frame `index`, of any format whose first plane is luminance."""
        if index == len(self._found) * STEP:
            plane = frame.planes[0]
            luminance = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
            self._found.append(thumbnail(luminance[:, : plane.width]))

    def thumbnails(self) -> Thumbnails:
        """Shape `(samples, 64)`."""
        return np.array(self._found, np.uint8).reshape(-1, CELLS)

    def write(self, path: Path | None) -> None:
        """Write the thumbnails to the file `path`, if there is one."""
        if path is not None:
            path.write_bytes(self.thumbnails().tobytes())


def from_bytes(content: bytes) -> Thumbnails:
    """Thumbnails out of the bytes of their array."""
    return np.frombuffer(content, np.uint8).reshape(-1, CELLS)


def thumbnail(luminance: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The mean luminance of 8x8 parts of a frame, shape `(64,)`.

    >>> thumbnail(np.full((90, 160), 7, np.uint8)).tolist() == [7] * 64
    True
    """
    small = cv2.resize(luminance, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8).reshape(CELLS)


def read_thumbnails(path: Path) -> Thumbnails:
    """The thumbnails of a standard video. Raises MediaError if it cannot be read."""
    return thumbnails_of(bgr for _, bgr in read_frames(path, step=STEP, order="bgr", threads=1))


def thumbnails_of(frames: Iterable[FrameArray]) -> Thumbnails:
    """The thumbnails of BGR frames, five a second."""
    grey = (thumbnail(np.asarray(cv2.cvtColor(one, cv2.COLOR_BGR2GRAY))) for one in frames)
    return np.array([*grey], np.uint8).reshape(-1, CELLS)


def hashes(thumbnails: Thumbnails) -> Hashes:
    """The perceptual hash of each thumbnail, shape `(samples,)`."""
    if not len(thumbnails):
        return np.zeros(0, np.uint64)
    middle = np.median(thumbnails, axis=1, keepdims=True)
    bits = np.packbits(thumbnails > middle, axis=1)
    return np.ascontiguousarray(bits).view(np.uint64).reshape(-1)


def hash_a_second(thumbnails: Thumbnails) -> Hashes:
    """The hash of the first frame of each second."""
    return hashes(thumbnails[::SAMPLES_PER_SECOND])
