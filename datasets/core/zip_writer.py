"""Reproducible zip writer: the same content gives the same bytes.

Every entry has the same date and mode. Images and videos are stored, text is compressed. Files
are copied chunk by chunk.
"""

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, FIXED_DATE)
    entry.external_attr = FILE_MODE
    entry.create_system = 3
    stored = name.endswith(INCOMPRESSIBLE)
    entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    return entry
