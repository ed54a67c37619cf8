"""The files of a bundle from elsewhere, held against its manifest and read with limits.

A zip from outside may be damaged, encrypted, or grow without end: whatever is wrong with it
becomes a BundleError that names the file.
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

MAX_MANIFEST_BYTES = 256 << 20  # bytes; thousands of clips in a crowd take a tenth of it
ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, UnicodeError,
    struct.error,
)  # fmt: skip


class BundleError(ValueError):
    """The files are no bundle, or none that can be taken; the message says why."""


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the bundle in `folder`. Raises BundleError if there is none."""
    path = folder / manifests.FILE
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise BundleError(f"{path} has more than {MAX_MANIFEST_BYTES >> 20} MB")
        return manifests.load(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise BundleError(f"{folder} is no bundle: it has no {manifests.FILE}") from error
    except ManifestError as error:
        raise BundleError(f"{path}: {error}") from error


def verified_file(manifest: Manifest, folder: Path, name: str) -> Path:
    """The file `name` of a bundle. Raises BundleError if it is not what the manifest says."""
    path, said = folder / name, manifest.files.get(name)
    if said is None or not path.is_file():
        raise BundleError(f"{folder} is no whole bundle: {name} is missing")
    if path.stat().st_size != said.size or sha256_of(path) != said.sha256:
        raise BundleError(f"{path} is not the file that the manifest names: copy it again")
    return path


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip at `path`, to read. Raises BundleError if it is none."""
    try:
        archive = zipfile.ZipFile(path)
    except (*ZIP_ERRORS, ValueError) as error:
        raise BundleError(f"{path.name} is damaged ({error}): copy it again") from error
    with archive:
        yield archive


@contextmanager
def open_member(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    """One file of a zip, to be read inside. Raises BundleError if it is missing or damaged."""
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
        if error.errno is not None:  # the disk's; bz2 reports damage as one without a number
            raise
        raise BundleError(f"{shown} in {of} is damaged ({error})") from error


def read_member(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo, *, most: int) -> bytes:
    """One file of a zip. Raises BundleError if it is missing, damaged or over `most` bytes."""
    with open_member(archive, name) as file:
        content = file.read(most + 1)
        if len(content) > most:
            raise BundleError(f"{file.name} has more than {most >> 20} MB")
    return content


def unpacked_size(folder: Path) -> int:
    """Bytes of all that is in the zips of the bundle in `folder`, as they themselves say.

    No more than that is ever read of them. Raises BundleError if one is damaged.
    """
    size = 0
    for path in sorted(folder.glob("*.zip")):
        if path.name in manifests.FILES:
            with open_zip(path) as archive:
                size += sum(info.file_size for info in archive.infolist())
    return size
