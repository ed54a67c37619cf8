"""Deflate64, method 9 of zips: what Windows packs large files with, and zipfile cannot read."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile, ZipInfo

from inflate64 import Inflater

ZIP_DEFLATED64 = 9
# Bytes taken at once: a block of this format grows up to 3,700 times.
CHUNK = 4096
LOCAL_HEADER = 30
NAME_LENGTH, EXTRA_LENGTH = slice(26, 28), slice(28, 30)  # in the local header


def read_chunks(path: Path, info: ZipInfo) -> Iterator[bytes]:
    """The content of `info`, a member of the zip at `path` that is packed by method 9.

    Raises BadZipFile if it is damaged.
    """
    checksum, inflater = 0, Inflater()
    with path.open("rb") as file:
        for packed in _packed(file, info):
            try:
                chunk = inflater.inflate(packed)
            except ValueError as error:
                raise BadZipFile(f"its deflate64 data is not valid: {error}") from error
            checksum = zlib.crc32(chunk, checksum)
            if chunk:
                yield chunk
    if not inflater.eof:
        raise BadZipFile("its deflate64 data ends too early")
    if checksum != info.CRC:
        raise BadZipFile("Bad CRC-32")


def read_head(archive: ZipFile, path: Path, info: ZipInfo, size: int) -> bytes:
    """The first `size` bytes of a member of a zip, whatever it is packed by."""
    if info.compress_type == ZIP_DEFLATED64:
        return next(read_chunks(path, info), b"")[:size]
    with archive.open(info) as member:
        return member.read(size)


def _packed(file: BinaryIO, info: ZipInfo) -> Iterator[bytes]:
    """The packed bytes of a member: they lie after its local header."""
    file.seek(info.header_offset)
    header = file.read(LOCAL_HEADER)
    if len(header) < LOCAL_HEADER or header[:4] != b"PK\x03\x04":
        raise BadZipFile("its local header is missing")
    names = (NAME_LENGTH, EXTRA_LENGTH)
    file.seek(sum(int.from_bytes(header[place], "little") for place in names), 1)
    left = info.compress_size
    while left > 0 and (packed := file.read(min(CHUNK, left))):
        left -= len(packed)
        yield packed
