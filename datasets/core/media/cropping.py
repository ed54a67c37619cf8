"""Cropping that a container asks for: the `clap` box of MP4, PixelCrop of Matroska.

The demuxers of libavformat know both, but PyAV does not hand them on. Pixels are those of the
coded frame, before rotation and pixel aspect.
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAX_INDEX_BYTES = 64 << 20  # of `moov`, or of `Tracks`
# Boxes between the file and its sample descriptions (ISO/IEC 14496-12).
PARENTS = (b"mdia", b"minf", b"stbl")
SAMPLE_DESCRIPTION_HEADER, VISUAL_SAMPLE_HEADER = 8, 78
# Elements of Matroska (RFC 9559).
SEGMENT, TRACKS, TRACK_ENTRY, TRACK_TYPE, VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0x83, 0xE0
CLUSTER = 0x1F43B675
CROP_BOTTOM, CROP_TOP, CROP_LEFT, CROP_RIGHT = 0x54AA, 0x54BB, 0x54CC, 0x54DD
VIDEO_TRACK = 1


class Crop(NamedTuple):
    """Part of a frame that is shown: its size, and where it begins."""

    width: int
    height: int
    left: int
    top: int

    def __str__(self) -> str:
        return ":".join(map(str, self))


def container_crop(path: Path, kind: str, *, track: int, size: tuple[int, int]) -> Crop | None:
    """The part of its frames that a file says to show; None if it says nothing, or all.

    Args:
        kind: Name of the demuxer: `mov`, `matroska`, or another one, which cannot crop.
        track: Which of the video tracks, from 0.
        size: Width and height of the coded frames.
    """
    readers = {"mov": _mp4_crops, "matroska": _matroska_crops}
    if kind not in readers:
        return None
    try:
        with path.open("rb") as file:
            crops = readers[kind](file, size)
    except (struct.error, IndexError, ValueError, ZeroDivisionError):
        return None  # the demuxer has read what there is to read
    crop = crops[track] if track < len(crops) else None
    if crop is None or (crop.width, crop.height) == size or not _is_inside(crop, size):
        return None
    return crop


def _is_inside(crop: Crop, size: tuple[int, int]) -> bool:
    right, bottom = crop.left + crop.width, crop.top + crop.height
    return (
        crop.width > 0
        and crop.height > 0
        and 0 <= crop.left < right <= size[0]
        and 0 <= crop.top < bottom <= size[1]
    )


def _mp4_crops(file: BinaryIO, size: tuple[int, int]) -> list[Crop | None]:
    """For each video track of an MP4 file, in order."""
    found: list[Crop | None] = []
    for kind, content in _top_boxes(file):
        if kind == b"moov":
            tracks = [track for name, track in _boxes(content) if name == b"trak"]
            found = [_clap(track, size) for track in tracks if _is_video(track)]
    return found


def _top_boxes(file: BinaryIO) -> Iterator[tuple[bytes, memoryview]]:
    """The boxes of a file; only the content of `moov` is read."""
    end = file.seek(0, 2)
    place = 0
    while place + 8 <= end:
        file.seek(place)
        size, kind = struct.unpack(">L4s", file.read(8))
        header = 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            header = 16
        size = size or end - place
        if size < header:
            return
        is_index = kind == b"moov" and size <= MAX_INDEX_BYTES
        yield kind, memoryview(file.read(size - header) if is_index else b"")
        place += size


def _boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    place = 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">L4s", content, place)
        if size < 8 or place + size > len(content):
            return
        yield kind, content[place + 8 : place + size]
        place += size


def _child(content: memoryview, *path: bytes) -> memoryview:
    """The content of a box in boxes; empty if there is none."""
    for wanted in path:
        content = next(
            (inner for kind, inner in _boxes(content) if kind == wanted), content[:0]
        )
    return content


def _is_video(track: memoryview) -> bool:
    return bytes(_child(track, b"mdia", b"hdlr")[8:12]) == b"vide"


def _clap(track: memoryview, size: tuple[int, int]) -> Crop | None:
    described = _child(track, *PARENTS, b"stsd")[SAMPLE_DESCRIPTION_HEADER:]
    for kind, sample in _boxes(described):
        # Some writers put the box behind the description instead of into it.
        inside = _child(sample[VISUAL_SAMPLE_HEADER:], b"clap")
        aperture = sample if kind == b"clap" else inside
        if aperture:
            values = struct.unpack_from(">LLLLlLlL", aperture)
            pairs = zip(values[::2], values[1::2], strict=True)
            width, height, across, down = (Fraction(a, b) for a, b in pairs)
            left = (size[0] - width) / 2 + across
            top = (size[1] - height) / 2 + down
            return Crop(int(width), int(height), int(left), int(top))
    return None


def _matroska_crops(file: BinaryIO, size: tuple[int, int]) -> list[Crop | None]:
    """For each video track of a Matroska file, in order."""
    end = file.seek(0, 2)
    file.seek(0)
    while file.tell() < end:
        element, length = _element(file)
        if element == SEGMENT:
            continue  # its children follow
        if element == CLUSTER or length is None:
            return []
        if element == TRACKS and length <= MAX_INDEX_BYTES:
            tracks = _elements(file.read(length))
            return [
                crop
                for number, entry in tracks
                if number == TRACK_ENTRY
                for crop in _pixel_crop(entry, size)
            ]
        file.seek(length, 1)
    return []


def _pixel_crop(entry: bytes, size: tuple[int, int]) -> list[Crop | None]:
    """One value for a video track, none for another."""
    values = dict(_elements(entry))
    if int.from_bytes(values.get(TRACK_TYPE, b"")) != VIDEO_TRACK:
        return []
    video = dict(_elements(values.get(VIDEO, b"")))
    left, right, top, bottom = (
        int.from_bytes(video.get(side, b""))
        for side in (CROP_LEFT, CROP_RIGHT, CROP_TOP, CROP_BOTTOM)
    )
    return [Crop(size[0] - left - right, size[1] - top - bottom, left, top)]


def _element(file: BinaryIO) -> tuple[int, int | None]:
    """Number and length of the next element; the length is None if it is not stated."""
    number = _variable(file, keep_marker=True)
    length = _variable(file, keep_marker=False)
    return number, length if length >= 0 else None


def _variable(file: BinaryIO, *, keep_marker: bool) -> int:
    """A number of variable length (RFC 8794); -1 for an unknown length."""
    first = file.read(1)[0]
    size = 9 - first.bit_length()
    value = int.from_bytes(bytes([first]) + file.read(size - 1))
    if keep_marker:
        return value
    value &= (1 << 7 * size) - 1
    return -1 if value == (1 << 7 * size) - 1 else value


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements in an element that has been read."""
    file = BytesIO(content)
    while file.tell() < len(content):
        number, length = _element(file)
        yield number, file.read(length or 0)
