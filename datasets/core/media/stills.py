"""Films of pictures alone: what players show of a clip that came without its film.

Such a film has as many pictures a second as came, one by one as they are; nothing is invented
between them.
"""

from collections.abc import Iterable
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.core.media.video_reader import MediaError

MOST_PIXELS = 8192 * 4352
CODEC_OPTIONS = {"preset": "veryfast", "crf": "18", "bf": "0", "threads": "1"}
AS_IT_IS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))


def jpeg_size(content: bytes) -> tuple[int, int]:
    """Width and height of a JPEG by its header. Raises MediaError if it has none.

    >>> from datasets.core.media.standard_video import encode_jpeg
    >>> jpeg_size(encode_jpeg(np.zeros((36, 64, 3), np.uint8)))
    (64, 36)
    """
    place = 2 if content[:2] == b"\xff\xd8" else len(content)
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker in START_OF_FRAME:
            height = int.from_bytes(content[place + 5 : place + 7])
            width = int.from_bytes(content[place + 7 : place + 9])
            if 0 < width * height <= MOST_PIXELS:
                return width, height
            raise MediaError(f"a picture of {width}x{height} pixels")
        if marker == 0xFF:  # padding
            place += 1
        elif marker in WITHOUT_LENGTH:
            place += 2
        else:
            place += 2 + int.from_bytes(content[place + 2 : place + 4])
    raise MediaError("no JPEG picture")


def write_slides(pictures: Iterable[bytes], target: Path, *, rate: int) -> None:
    """Write the JPEGs `pictures`, all of one size, as a film of `rate` pictures a second.

    Sides of an odd length get one more row or column, as H.264 wants it; the places in the
    picture stay. Raises MediaError, and leaves no file, if one of them cannot be read.
    """
    options = CODEC_OPTIONS | {"g": str(rate)}
    try:
        with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as film:
            stream = film.add_stream("libx264", rate=rate, options=options)
            stream.pix_fmt = "yuv420p"
            for number, content in enumerate(pictures):
                bgr = _evened(read_jpeg(content))
                if number == 0:
                    stream.height, stream.width = bgr.shape[:2]
                elif (stream.height, stream.width) != bgr.shape[:2]:
                    raise MediaError(f"picture {number} has another size than the first")
                film.mux(stream.encode(av.VideoFrame.from_ndarray(bgr, format="bgr24")))
            film.mux(stream.encode())
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def read_jpeg(content: bytes) -> NDArray[np.uint8]:
    """The picture in a JPEG, in the order BGR. Raises MediaError if it cannot be read."""
    jpeg_size(content)
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), AS_IT_IS)
    if picture is None:
        raise MediaError("a JPEG picture that cannot be read")
    return np.asarray(picture, dtype=np.uint8)


def _evened(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = bgr.shape[:2]
    if height % 2 == width % 2 == 0:
        return bgr
    return np.pad(bgr, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
