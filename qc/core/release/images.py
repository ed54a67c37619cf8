"""The frames of a release: how large they are, and how they are encoded."""

import cv2
import numpy as np

from datasets.core.media.standard_video import FrameArray, encode_jpeg

QUALITY = 90


def frame_size(width: int, height: int, *, longest_side: int | None) -> tuple[int, int]:
    """Width and height of frames of at most `longest_side` pixels, never enlarged.

    >>> frame_size(1280, 720, longest_side=640), frame_size(640, 360, longest_side=None)
    ((640, 360), (640, 360))
    """
    scale = min(1.0, (longest_side or max(width, height)) / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def encode_frame(rgb: FrameArray, *, longest_side: int | None) -> bytes:
    """A frame of the standard video as the JPEG that a release holds of it."""
    height, width = rgb.shape[:2]
    size = frame_size(width, height, longest_side=longest_side)
    if size != (width, height):
        smaller: FrameArray = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(
            np.uint8
        )
        return encode_jpeg(smaller, quality=QUALITY)
    return encode_jpeg(rgb, quality=QUALITY)
