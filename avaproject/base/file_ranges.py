"""Stored files that are a part of another one: a header of their own, then a range of bytes.

A clip has the same packets as the video it is cut from. On a local disk only its header is
stored, with the place of the packets in the file of the video; `local_path`, `open_stored` and
`serve_stored` give the whole clip. The other file must stay as long as this one.
"""

import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from django.utils.translation import gettext as _

MAGIC = b"AVA-RANGE-1\n"
MAX_HEADER_BYTES = 16 << 20
CHUNK = 1 << 20


class FileRange(NamedTuple):
    """A file of `header`, then `length` bytes from `start` of the stored file `source`."""

    source: str
    start: int
    length: int
    header: bytes

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self.header) + self.length

    def dump(self) -> bytes:
        """The content of the stored file."""
        facts = {"source": self.source, "start": self.start, "length": self.length}
        return MAGIC + json.dumps(facts).encode() + b"\n" + self.header


def read_file_range(path: Path) -> FileRange | None:
    """The range that the local file `path` stands for; None if it is a file like any other.

    Raises FileNotFoundError if it does not exist, OSError if it is damaged.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return None
        try:
            facts = json.loads(file.readline(4096))
            found = FileRange(
                facts["source"], int(facts["start"]), int(facts["length"]),
                file.read(MAX_HEADER_BYTES),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            raise OSError(
                _("%(path)s is damaged: %(error)s") % {"path": path.name, "error": error}
            ) from error
    return found


class RangeReader(io.RawIOBase):
    """The whole file that a range stands for, seekable."""

    def __init__(self, found: FileRange, source: BinaryIO) -> None:
        self._range, self._source, self._position = found, source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._range.size}
        self._position = max(bases[whence] + offset, 0)
        return self._position

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        header, place = self._range.header, self._position
        if place < len(header):
            content = header[place : place + len(view)]
        else:
            inside = place - len(header)
            self._source.seek(self._range.start + inside)
            left = max(0, self._range.length - inside)
            content = self._source.read(min(len(view), left))
        view[: len(content)] = content
        self._position += len(content)
        return len(content)

    def close(self) -> None:
        self._source.close()
        super().close()


@contextmanager
def open_file_range(found: FileRange, source: Path) -> Iterator[BinaryIO]:
    """Open the whole file that `found` stands for, whose other file is at `source`."""
    with io.BufferedReader(RangeReader(found, source.open("rb")), CHUNK) as file:
        yield file
