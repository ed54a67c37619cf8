"""Storage of releases: working folder, final place, downloads and deletion.

Local storage has a release as a folder with an index of its files, from which any range of a
zip is served without packing one. Other storages have two zips: all files, and the annotations
only.
"""

import logging
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from avaproject.base.storage import StorageError, announce, remove, store
from avaproject.base.temporary import partial_path, work_folder
from datasets.accounts.activity import record
from datasets.core.hashing import sha256_of
from qc.core.release.packing import FileSum, dump_index, load_index, part_of, release_entries
from qc.core.release.zip_stream import StoredFile, StoredZip
from qc.models import Release

logger = logging.getLogger(__name__)


class ReleaseFilesError(RuntimeError):
    """The files of a release do not exist, or cannot be deleted."""


class StoredRelease(NamedTuple):
    """Where a finished release is stored, as in its row."""

    archive: str
    folder: str
    archives: dict[str, Any]  # in a storage without paths: part -> {name, bytes, sha256}


def _base(release: Release) -> str:
    return f"{release.dataset.name}/releases"


@contextmanager
def part_folder(release: Release) -> Iterator[Path]:
    """The working folder of a release, next to its final place if files have paths.

    It is removed afterwards unless it was moved.
    """
    try:
        place = Path(default_storage.path(release.stored_folder))
    except NotImplementedError:
        with work_folder() as base:
            (base / "release").mkdir()
            yield base / "release"
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with partial_path(place) as partial:
        (partial / "release").mkdir(parents=True)
        yield partial / "release"


def store_release(release: Release, folder: Path, sums: Mapping[str, FileSum]) -> StoredRelease:
    """Move a finished folder to its final place."""
    kept = release.stored_folder
    index = folder.with_name(f"{folder.name}.index")
    index.write_bytes(dump_index(sums))
    try:
        place = Path(default_storage.path(kept))
    except NotImplementedError:
        return _store_archives(release, folder, sums)
    for name, entry in release_entries(folder).items():
        if entry.stat().st_nlink == 1:
            (folder / name).chmod(0o444)  # a release never changes
    announce(f"{kept}/")
    if place.exists():  # of a worker that stopped before it updated the row
        shutil.rmtree(place)
    store(index, f"{kept}.index")
    folder.rename(place)
    return StoredRelease("", kept, {})


def _store_archives(
    release: Release, folder: Path, sums: Mapping[str, FileSum]
) -> StoredRelease:
    """Pack and store two zips: all files, and the annotations only."""
    base = f"{_base(release)}/{release.dataset.name}-release-{release.number}"
    archives: dict[str, Any] = {}
    for what, suffix in (("all", ""), ("annotations", "-annotations")):
        path = folder.with_name(f"{folder.name}-{what}.zip")
        files = {name: its for name, its in sums.items() if what in ("all", part_of(name))}
        write_zip(folder, files, path, top=release.folder_name)
        details = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        archives[what] = {"name": store(path, f"{base}{suffix}.zip")} | details
    return StoredRelease(archives["all"]["name"], "", archives)


def write_zip(folder: Path, sums: Mapping[str, FileSum], target: Path, *, top: str) -> None:
    """Write a zip of these files of `folder` in a folder `top`, as a download has them."""
    files = (StoredFile(name, its.size, its.crc) for name, its in sums.items())
    layout = StoredZip(files, top=top)
    with target.open("wb") as file:
        file.writelines(
            layout.read(0, layout.size, opened=lambda name: (folder / name).open("rb"))
        )


def opener(folder: Path) -> Callable[[str], BinaryIO]:
    """A function that opens files of a release by path."""
    return lambda name: (folder / name).open("rb")


def zip_of(release: Release, parts: Collection[str]) -> tuple[StoredZip, Path]:
    """The layout of a zip of these parts of a local release, and its folder.

    Raises:
        ReleaseFilesError: if the files do not exist.
    """
    folder = Path(default_storage.path(release.folder))
    index = folder.with_name(f"{folder.name}.index")
    if release.withdrawn_at or not release.folder or not index.is_file():
        raise ReleaseFilesError(
            _("the files of %(release)s are no longer in the storage") % {"release": release}
        )
    with index.open(encoding="utf-8") as lines:
        files = load_index(lines, parts=parts)
    return StoredZip((StoredFile(*file) for file in files), top=release.folder_name), folder


def withdraw_release(release: Release, *, user: User) -> bool:
    """Delete the files of a release; its number, counts and splits stay.

    The row is marked first, so that incomplete files are never served, and names the files
    until they are deleted: after an interruption `remove_withdrawn` deletes the rest.

    Returns:
        Whether it was withdrawn now; False if it already was.

    Raises:
        ReleaseFilesError: if it is not finished.
    """
    mine = Release.objects.available().filter(pk=release.pk)
    with transaction.atomic():
        is_first = mine.update(withdrawn_at=timezone.now(), withdrawn_by=user) > 0
        if is_first:
            record("delete release files", release.number, dataset=release.dataset)
    release.refresh_from_db()
    if release.withdrawn_at is None:
        raise ReleaseFilesError(
            _("%(release)s has no files to delete: it is not finished") % {"release": release}
        )
    _remove_files(release)
    return is_first


def remove_withdrawn(since: datetime | None = None) -> int:
    """Delete the remaining files of withdrawn releases; return the number of releases.

    Files that the storage cannot delete now are left for the next run.

    Args:
        since: Look only at releases that have changed since then.
    """
    count = 0
    withdrawn = Release.objects.changed_since(since).filter(withdrawn_at__isnull=False)
    for release in withdrawn.exclude(folder="", archive=""):
        try:
            _remove_files(release)
        except OSError as error:
            logger.warning("The files of %s could not be deleted yet: %s", release, error)
            if isinstance(error, StorageError):
                break  # the storage is not available for the others either
            continue
        count += 1
    return count


def _remove_files(release: Release) -> None:
    """Delete the files of a withdrawn release, then their names in its row."""
    names = [its["name"] for its in release.counts.get("archives", {}).values()]
    names += [release.archive.name] if release.archive else []
    if release.folder:
        names += [f"{release.folder}/", f"{release.folder}.index"]
    for name in dict.fromkeys(names):
        remove(name)
    Release.objects.filter(pk=release.pk).update(folder="", archive="")
