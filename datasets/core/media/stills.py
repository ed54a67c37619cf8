"""Videos made from still images, for clips that were imported without their video.

Such a video has exactly the imported images, at their own rate, without interpolation.
"""

from collections.abc import Iterable
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.core.media.encoding_segments import SAME_BYTES
from datasets.core.media.video_reader import MediaError

MAX_PIXELS = 8192 * 4352
CODEC_OPTIONS = {"preset": "veryfast", "crf": "18", "bf": "0", "threads": "1"}
DECODE_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
START_OF_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
MARKERS_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))


def jpeg_size(content: bytes) -> tuple[int, int]:
    """Width and height of a JPEG by its header. Raises MediaError if it has none.

    >>> from datasets.core.media.standard_video import encode_jpeg
    >>> jpeg_size(encode_jpeg(np.zeros((36, 64, 3), np.uint8)))
    (64, 36)
    """
    position = 2 if content[:2] == b"\xff\xd8" else len(content)
    while position + 9 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker in START_OF_FRAME_MARKERS:
            height = int.from_bytes(content[position + 5 : position + 7])
            width = int.from_bytes(content[position + 7 : position + 9])
            if 0 < width * height <= MAX_PIXELS:
                return width, height
            raise MediaError(f"an image of {width}x{height} pixels")
        if marker == 0xFF:  # padding
            position += 1
        elif marker in MARKERS_WITHOUT_LENGTH:
            position += 2
        else:
            position += 2 + int.from_bytes(content[position + 2 : position + 4])
    raise MediaError("not a JPEG image")


def write_still_video(frames: Iterable[bytes], target: Path, *, rate: int) -> None:
    """Encode the JPEGs `frames`, all of one size, as a video of `rate` frames per second.

    Odd sides are padded by one row or column, as H.264 requires; coordinates stay valid.
    Raises MediaError, and leaves no file, if an image cannot be read.
    """
    options = CODEC_OPTIONS | SAME_BYTES | {"g": str(rate)}
    try:
        with av.open(
            str(target), "w", format="mp4", options={"movflags": "faststart"}
        ) as video:
            stream = video.add_stream("libx264", rate=rate, options=options)
            stream.pix_fmt = "yuv420p"
            for number, content in enumerate(frames):
                bgr = _pad_to_even(decode_jpeg(content))
                if number == 0:
                    stream.height, stream.width = bgr.shape[:2]
                elif (stream.height, stream.width) != bgr.shape[:2]:
                    raise MediaError(f"image {number} differs in size from the first")
                video.mux(stream.encode(av.VideoFrame.from_ndarray(bgr, format="bgr24")))
            video.mux(stream.encode())
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def decode_jpeg(content: bytes) -> NDArray[np.uint8]:
    """Decode a JPEG to BGR. Raises MediaError if it cannot be read."""
    jpeg_size(content)
    frame = cv2.imdecode(np.frombuffer(content, np.uint8), DECODE_FLAGS)
    if frame is None:
        raise MediaError("a JPEG image that cannot be read")
    return np.asarray(frame, dtype=np.uint8)


def _pad_to_even(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = bgr.shape[:2]
    if height % 2 == width % 2 == 0:
        return bgr
    return np.pad(bgr, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
