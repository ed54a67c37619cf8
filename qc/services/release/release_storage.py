"""Where releases lie: the folder one grows in, its final place, its parts, its end.

Local storage keeps a release as a folder, and beside it an index of its files, from which any
stretch of a zip of it can be read; nothing is packed. Other storages keep two zips: all of it,
and the annotations alone.
"""

import logging
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.utils import timezone

from avaproject.base.storage import StorageError, keep, remove, work_folder
from datasets.core.hashing import sha256_of
from qc.core.release.packing import FileSum, dump_index, load_index, part_of, release_entries
from qc.core.release.zip_stream import StoredFile, StoredZip
from qc.models import Release

logger = logging.getLogger(__name__)


class StoreError(RuntimeError):
    """The files of a release are not there, or may not go."""


class Kept(NamedTuple):
    """Where a finished release lies, as its row says it."""

    archive: str
    folder: str
    archives: dict[str, Any]  # of a storage without paths: what, {name, bytes, sha256}


def _base(release: Release) -> str:
    return f"{release.dataset.name}/releases"


@contextmanager
def part_folder(release: Release) -> Iterator[Path]:
    """The folder that the release grows in, beside its final place where files have paths.

    It is gone afterwards, unless it was moved.
    """
    try:
        base = Path(default_storage.path(_base(release)))
    except NotImplementedError:
        with work_folder() as base:
            (base / "release").mkdir()
            yield base / "release"
        return
    base.mkdir(parents=True, exist_ok=True)
    _remove(base, f"{release.number}.*.part*")  # of a worker that died
    folder = base / f"{release.number}.{release.attempts}.part"
    folder.mkdir()
    try:
        yield folder
    finally:
        _remove(base, f"{folder.name}*")


def _remove(base: Path, pattern: str) -> None:
    for path in base.glob(pattern):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def keep_release(release: Release, folder: Path, sums: Mapping[str, FileSum]) -> Kept:
    """Put a finished folder into its place."""
    kept = f"{_base(release)}/{release.number}"
    index = folder.with_name(f"{folder.name}.index")
    index.write_bytes(dump_index(sums))
    try:
        place = Path(default_storage.path(kept))
    except NotImplementedError:
        return _keep_archives(release, folder, sums)
    for name, entry in release_entries(folder).items():
        if entry.stat().st_nlink == 1:
            (folder / name).chmod(0o444)  # a release never changes
    if place.exists():  # of a worker that died before it could say so
        shutil.rmtree(place)
    keep(index, f"{kept}.index")
    folder.rename(place)
    return Kept("", kept, {})


def _keep_archives(release: Release, folder: Path, sums: Mapping[str, FileSum]) -> Kept:
    """Pack and keep two zips: all, and the annotations alone."""
    base = f"{_base(release)}/{release.dataset.name}-release-{release.number}"
    archives: dict[str, Any] = {}
    for what, suffix in (("all", ""), ("annotations", "-annotations")):
        path = folder.with_name(f"{folder.name}-{what}.zip")
        files = {name: its for name, its in sums.items() if what in ("all", part_of(name))}
        write_zip(folder, files, path)
        said = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        archives[what] = {"name": keep(path, f"{base}{suffix}.zip")} | said
    return Kept(archives["all"]["name"], "", archives)


def write_zip(folder: Path, sums: Mapping[str, FileSum], target: Path) -> None:
    """Write the zip of these files of `folder`: the very bytes that a download gives."""
    layout = StoredZip(StoredFile(name, its.size, its.crc) for name, its in sums.items())
    with target.open("wb") as file:
        file.writelines(
            layout.read(0, layout.size, opened=lambda name: (folder / name).open("rb"))
        )


def opener(folder: Path) -> Callable[[str], BinaryIO]:
    """How files of a release are opened by their paths in it."""
    return lambda name: (folder / name).open("rb")


def zip_of(release: Release, parts: Collection[str]) -> tuple[StoredZip, Path]:
    """The layout of a zip of these parts of a local release, and the folder they lie in.

    Raises:
        StoreError: if the files are not there.
    """
    folder = Path(default_storage.path(release.folder))
    index = folder.with_name(f"{folder.name}.index")
    if release.withdrawn_at or not release.folder or not index.is_file():
        raise StoreError(f"the files of {release} are not in the storage any more")
    with index.open(encoding="utf-8") as lines:
        files = load_index(lines, parts=parts)
    return StoredZip(StoredFile(*file) for file in files), folder


def withdraw_release(release: Release, *, user: User) -> bool:
    """Delete the files of a release; its number, counts and splits stay for ever.

    The row says so first, so that nobody is given files that are half gone, and names the files
    until they are: whoever is killed in between leaves them to `remove_withdrawn`.

    Returns:
        Whether it was done now; False if somebody did it before.

    Raises:
        StoreError: if it is not finished.
    """
    mine = Release.objects.there().filter(pk=release.pk)
    is_first = mine.update(withdrawn_at=timezone.now(), withdrawn_by=user) > 0
    release.refresh_from_db()
    if release.withdrawn_at is None:
        raise StoreError(f"{release} has no files that could be deleted: it is not finished")
    _remove_files(release)
    return is_first


def remove_withdrawn() -> int:
    """Remove the files that withdrawn releases still have; return of how many releases.

    What the storage does not remove now is left for the next time.
    """
    count = 0
    for release in Release.objects.filter(withdrawn_at__isnull=False).exclude(
        folder="", archive=""
    ):
        try:
            _remove_files(release)
        except OSError as error:
            logger.warning("The files of %s are left to be removed: %s", release, error)
            if isinstance(error, StorageError):
                break  # each of the others would wait as long in vain
            continue
        count += 1
    return count


def _remove_files(release: Release) -> None:
    """Remove what a withdrawn release names in the storage, then its naming it."""
    names = [its["name"] for its in release.counts.get("archives", {}).values()]
    names += [release.archive.name] if release.archive else []
    if release.folder:
        names += [f"{release.folder}/", f"{release.folder}.index"]
    for name in dict.fromkeys(names):
        remove(name)
    Release.objects.filter(pk=release.pk).update(folder="", archive="")
