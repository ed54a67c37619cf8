"""Reading the files of a bundle: checked against its manifest, with size limits.

A zip may be damaged, encrypted or a zip bomb: every fault becomes a BundleError that names the
file.
"""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from datasets.core.formats import bundle_manifest as manifests
from datasets.core.formats.bundle_manifest import Manifest, ManifestError
from datasets.core.hashing import sha256_of
from datasets.core.sizes import size_text
from datasets.core.untrusted import UntrustedDataError
from datasets.core.zip_reader import DAMAGE

ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, UnicodeError,
    struct.error,
)  # fmt: skip


class BundleError(UntrustedDataError):
    """The files are no valid bundle; the message says why."""


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the bundle in `folder`. Raises BundleError if there is none."""
    path = folder / manifests.FILE
    try:
        if path.stat().st_size > manifests.MAX_BYTES:
            raise BundleError(f"{path} has more than {size_text(manifests.MAX_BYTES)}")
        return manifests.load(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise BundleError(f"{folder} is no bundle: it has no {manifests.FILE}") from error
    except ManifestError as error:
        raise BundleError(f"{path}: {error}") from error


def verified_file(manifest: Manifest, folder: Path, name: str) -> Path:
    """The file `name` of a bundle. Raises BundleError if it differs from the manifest."""
    path, entry = folder / name, manifest.files.get(name)
    if entry is None or not path.is_file():
        raise BundleError(f"the bundle {folder} is incomplete: {name} is missing")
    if path.stat().st_size != entry.size or sha256_of(path) != entry.sha256:
        raise BundleError(f"{path} does not match the manifest: copy it again")
    return path


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the zip at `path` for reading. Raises BundleError."""
    try:
        archive = zipfile.ZipFile(path)
    except (*ZIP_ERRORS, ValueError) as error:
        raise BundleError(f"{path.name} is damaged ({error}): copy it again") from error
    with archive:
        yield archive


@contextmanager
def open_member(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    """Open one file of a zip. Raises BundleError if it is missing or damaged."""
    shown = name if isinstance(name, str) else name.filename
    of = Path(archive.filename or "the zip").name
    try:
        with archive.open(name) as file:
            yield file
    except KeyError as error:
        raise BundleError(f"{of} has no {shown}") from error
    except ZIP_ERRORS as error:
        raise BundleError(f"{shown} in {of} is damaged ({error})") from error
    except OSError as error:
        if error.errno not in DAMAGE:
            raise
        raise BundleError(f"{shown} in {of} is damaged ({error})") from error


def read_member(
    archive: zipfile.ZipFile, name: str | zipfile.ZipInfo, *, max_bytes: int
) -> bytes:
    """Read one file of a zip. Raises BundleError if missing, damaged or over `max_bytes`."""
    with open_member(archive, name) as file:
        content = file.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise BundleError(f"{file.name} has more than {size_text(max_bytes)}")
    return content


def unpacked_size(folder: Path) -> int:
    """Declared uncompressed bytes of the zips of the bundle in `folder`.

    No more than that is ever read. Raises BundleError if a zip is damaged.
    """
    size = 0
    for path in sorted(folder.glob("*.zip")):
        if path.name in manifests.FILES:
            with open_zip(path) as archive:
                size += sum(info.file_size for info in archive.infolist())
    return size
