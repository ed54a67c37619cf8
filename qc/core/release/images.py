"""The frames of a release: their size, how they are encoded, and reading some of them."""

from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np

from datasets.core.formats.ava import frame_file
from datasets.core.media.standard_video import FrameArray, encode_jpeg, read_frames
from datasets.core.media.video_reader import MediaError

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


def some_frames(
    folder: Path, video_id: str, wanted: Collection[int], *, has_frames: bool, halved: bool
) -> dict[int, FrameArray]:
    """Some frames of a released clip in RGB; those that cannot be read are left out.

    Args:
        has_frames: Whether to read `rawframes/`; otherwise the clip is decoded.
        halved: Whether images are read at half their size, which is faster.
    """
    found: dict[int, FrameArray] = {}
    if not has_frames:
        path = folder / "clips" / f"{video_id}.mp4"
        if not wanted:
            return found
        try:
            for frame, rgb in read_frames(path, only=wanted, threads=1):
                found[frame] = rgb
        except (MediaError, OSError):
            return found
        return found
    how = cv2.IMREAD_REDUCED_COLOR_2 if halved else cv2.IMREAD_COLOR
    for frame in sorted(wanted):
        path = folder / "rawframes" / video_id / frame_file(frame)
        coded = np.frombuffer(path.read_bytes() if path.is_file() else b"", np.uint8)
        image = cv2.imdecode(coded, how) if coded.size else None
        if image is not None:
            found[frame] = np.ascontiguousarray(image[..., ::-1]).astype(np.uint8)
    return found
