"""Reproducible zip writer: the same content gives the same bytes.

Every entry has the same date and mode. Images and videos are stored, text is compressed. Files
are copied chunk by chunk.
"""

import io
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FIXED_DATE = (1980, 1, 1, 0, 0, 0)
FILE_MODE = 0o644 << 16
CHUNK = 1 << 20
INCOMPRESSIBLE = (".jpg", ".mp4", ".zip", ".gz")


class ZipWriter:
    """A zip being written; entries keep the order in which they are added."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def add(self, name: str, content: bytes) -> None:
        """Add `content` as `name`."""
        self._archive.writestr(_entry(name), content)

    def add_file(self, name: str, path: Path) -> None:
        """Add the content of the file at `path` as `name`."""
        entry = _entry(name)
        entry.file_size = path.stat().st_size
        with path.open("rb") as source, self._archive.open(entry, "w") as target:
            shutil.copyfileobj(source, target, CHUNK)


@contextmanager
def new_zip(path: Path) -> Iterator[ZipWriter]:
    """Write a zip at `path`; it is complete when the block ends."""
    with zipfile.ZipFile(path, "w") as archive:
        yield ZipWriter(archive)


def stream_zip(parts: Iterable[Callable[[ZipWriter], None]]) -> Iterator[bytes]:
    """The bytes of a zip while it is written; no more than one part is in memory.

    Args:
        parts: Each adds its entries to the zip.

    >>> content = b"".join(stream_zip([lambda archive: archive.add("a.txt", b"hello")]))
    >>> zipfile.ZipFile(io.BytesIO(content)).read("a.txt")
    b'hello'
    """
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w") as archive:
        for part in parts:
            part(ZipWriter(archive))
            yield outbox.taken()
    yield outbox.taken()


class _Outbox(io.RawIOBase):
    """A file that can only be written to; `taken` empties it."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._chunks.append(bytes(content))
        return len(self._chunks[-1])

    def taken(self) -> bytes:
        chunks, self._chunks = self._chunks, []
        return b"".join(chunks)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, FIXED_DATE)
    entry.external_attr = FILE_MODE
    entry.create_system = 3
    stored = name.endswith(INCOMPRESSIBLE)
    entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    return entry
