"""Copies of releases in an S3 bucket.

Files that are already there with the same bytes are not sent, so an interrupted copy continues
and a repeated one sends nothing. `manifest.json` is sent last: where it is, the release is
complete. Nothing is ever deleted there.
"""

import base64
import hashlib
import json
import mimetypes
import re
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast
from zipfile import BadZipFile, ZipFile

from botocore.exceptions import BotoCoreError, ClientError
from django.contrib.auth.models import User
from django.core.files.storage import InvalidStorageError, default_storage, storages
from django.utils.translation import gettext as _

from avaproject.base.storage import local_path
from datasets.accounts.activity import record
from datasets.core.untrusted import read_json
from qc.core.release.packing import MANIFEST, PARTS, ignore, load_index, part_of
from qc.core.release.reader import MAX_MANIFEST
from qc.models import Release, ReleaseSync
from qc.services.release.release_storage import ReleaseFilesError, opener

PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*", re.ASCII)
PARALLEL_UPLOADS = 8
CHUNK = 1 << 20
Progress = Callable[[float], None]
Opener = Callable[[str], BinaryIO]


class SyncError(RuntimeError):
    """A release cannot be copied to the bucket; the message says why and what to do."""


class Bucket(NamedTuple):
    """The bucket for releases."""

    client: Any  # of boto3
    name: str
    location: str  # prefix of every key; empty or ending with a slash


class BucketObject(NamedTuple):
    """An object of the bucket as listed."""

    size: int
    etag: str


class FileUpload(NamedTuple):
    """A file to send."""

    path: str  # in the release
    key: str
    sha256: str  # from the manifest; empty for the manifest itself
    opened: Opener


def bucket() -> Bucket | None:
    """The bucket configured for releases, if any."""
    try:
        storage = cast(Any, storages["releases"])
    except InvalidStorageError:
        return None
    location = storage.location.strip("/")
    client = storage.connection.meta.client
    return Bucket(client, storage.bucket_name, f"{location}/" if location else "")


def bucket_address() -> str:
    """The address of the bucket; empty if none is configured."""
    target = bucket()
    return "" if target is None else f"s3://{target.name}/{target.location}"


def request_sync(
    release: Release, *, prefix: str, parts: Collection[str], user: User | None = None
) -> ReleaseSync:
    """Request a copy of `release` at `prefix`; an existing one is started again.

    Raises:
        SyncError: if it cannot be copied there.
    """
    prefix = prefix.strip().strip("/")
    if bucket() is None:
        raise SyncError(
            _("No bucket is configured: set AVA_RELEASES_S3_BUCKET (docs/production.md).")
        )
    if not PREFIX.fullmatch(prefix):
        raise SyncError(
            _(
                "%(prefix)r is not a valid prefix: use letters, digits, `.`, `_` and `-`, "
                "separated by `/`."
            )
            % {"prefix": prefix}
        )
    if not Release.objects.available().filter(pk=release.pk).exists():
        raise SyncError(_("%(release)s has no files to send.") % {"release": release})
    if release.errata:
        raise SyncError(
            _(
                "%(release)s holds %(errata)s, which was taken out: send the release that "
                "follows it."
            )
            % {"release": release, "errata": release.errata[0]["what"]}
        )
    _require_free_prefix(release, prefix)
    chosen = [part for part in PARTS if part in parts]
    fresh = {"parts": chosen, "requested_by": user}
    sync, is_new = ReleaseSync.objects.get_or_create(
        prefix=prefix, defaults=fresh | {"release": release}
    )
    if not is_new:
        ReleaseSync.objects.filter(pk=sync.pk).start_over(**fresh)
        sync.refresh_from_db()
    record("copy release", release.number, dataset=release.dataset, details=prefix)
    return sync


def _require_free_prefix(release: Release, prefix: str) -> None:
    """Raises SyncError if the prefix overlaps with that of another release."""
    others = ReleaseSync.objects.exclude(release=release).select_related("release__dataset")
    for other in others:
        its, mine = f"{other.prefix}/", f"{prefix}/"
        if its.startswith(mine) or mine.startswith(its):
            raise SyncError(
                _("%(prefix)s belongs to %(release)s: choose another prefix.")
                % {"prefix": other.prefix, "release": other.release}
            )


def sync_release(sync_id: int, *, progress: Progress = ignore) -> ReleaseSync | None:
    """Send the missing files of a release; None if another worker has it or it is done."""
    sync = ReleaseSync.objects.claim(sync_id)
    if sync is None:
        return None

    def on_progress(share: float) -> None:
        sync.report(share)
        progress(share)

    expected = (SyncError, ReleaseFilesError, BotoCoreError, ClientError, OSError, BadZipFile)
    with sync.working(*expected):
        target = bucket()
        if target is None:
            raise SyncError(_("No bucket is configured any more: set AVA_RELEASES_S3_BUCKET."))
        with _files_of(sync.release) as (files, opened):
            wanted = {"annotations", *sync.parts}
            chosen = {path: size for path, size in files.items() if part_of(path) in wanted}
            counts = _send(
                target, f"{target.location}{sync.prefix}/", chosen, opened, on_progress
            )
        sync.finish(counts=counts)
    return sync


@contextmanager
def _files_of(release: Release) -> Iterator[tuple[dict[str, int], Opener]]:
    """The sizes of all files of a release by path, and a function that opens them."""
    if release.withdrawn_at or not (release.folder or release.archive):
        raise ReleaseFilesError(
            _("the files of %(release)s are no longer in the storage") % {"release": release}
        )
    if not release.folder:
        with local_path(release.archive.name or "") as path, ZipFile(path) as archive:
            names = archive.namelist()
            top = "" if MANIFEST in names else f"{names[0].partition('/')[0]}/"
            sizes = {
                one.filename.removeprefix(top): one.file_size for one in archive.infolist()
            }
            yield sizes, lambda name: cast(BinaryIO, archive.open(f"{top}{name}"))
        return
    folder = Path(default_storage.path(release.folder))
    with folder.with_name(f"{folder.name}.index").open(encoding="utf-8") as lines:
        found = load_index(lines, parts=PARTS)
    yield {path: size for path, size, _ in found}, opener(folder)


def _send(
    target: Bucket, start: str, files: dict[str, int], opened: Opener, on_progress: Progress
) -> dict[str, int]:
    """Send the files that are missing or different; count what was sent."""
    with opened(MANIFEST) as file:
        manifest = json.load(file)
    there = _listed(target, start)
    _require_same_release(target, start, there, manifest)
    counts = {"files": len(files), "bytes": sum(files.values()), "sent": 0, "sent_bytes": 0}
    done = 0

    def send(path: str) -> bool:
        file = FileUpload(path, f"{start}{path}", manifest["files"].get(path, ""), opened)
        return _send_one(target, file, there.get(path))

    # The manifest states that all other files are there, so it is sent last.
    first = sorted(files.keys() - {MANIFEST}, key=lambda path: (-files[path], path))
    with ThreadPoolExecutor(PARALLEL_UPLOADS) as pool:
        try:
            for paths in (first, [MANIFEST]):
                sending = {pool.submit(send, path): path for path in paths}
                for future in as_completed(sending):
                    size = files[sending[future]]
                    counts["sent"] += future.result()
                    counts["sent_bytes"] += size * future.result()
                    done += size
                    on_progress(done / max(counts["bytes"], 1))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return counts


def _listed(target: Bucket, start: str) -> dict[str, BucketObject]:
    """The objects under a prefix, by the rest of their keys."""
    found: dict[str, BucketObject] = {}
    pages = target.client.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=target.name, Prefix=start):
        for each in page.get("Contents", []):
            path = each["Key"].removeprefix(start)
            found[path] = BucketObject(each["Size"], each["ETag"].strip('"'))
    return found


def _require_same_release(
    target: Bucket, start: str, there: dict[str, BucketObject], manifest: dict[str, Any]
) -> None:
    """Raises SyncError if the prefix holds another release."""
    if MANIFEST not in there:
        return
    answer = target.client.get_object(Bucket=target.name, Key=f"{start}{MANIFEST}")
    try:
        held = read_json(answer["Body"].read(MAX_MANIFEST + 1), max_bytes=MAX_MANIFEST)
        name = f"{held['dataset']} release {held['release']}"
    except (ValueError, KeyError, TypeError):
        name = "something else"
    if name != f"{manifest['dataset']} release {manifest['release']}":
        raise SyncError(
            _("s3://%(target)s/%(start)s already holds %(name)s: choose another prefix.")
            % {"target": target.name, "start": start, "name": name}
        )


def _send_one(target: Bucket, sending: FileUpload, there: BucketObject | None) -> bool:
    """Send a file unless the bucket has it; return whether it was sent."""
    with sending.opened(sending.path) as file:
        digest = hashlib.md5(usedforsecurity=False)  # the checksum that S3 uses
        while chunk := file.read(CHUNK):
            digest.update(chunk)
        is_as_long = there is not None and there.size == file.tell()
        if (
            there
            and is_as_long
            and (there.etag == digest.hexdigest() or _has_our_checksum(target, sending))
        ):
            return False
        file.seek(0)
        target.client.put_object(
            Bucket=target.name,
            Key=sending.key,
            Body=file,
            ContentMD5=base64.b64encode(digest.digest()).decode(),
            ContentType=mimetypes.guess_type(sending.path)[0] or "application/octet-stream",
            Metadata={"sha256": sending.sha256},
        )
    return True


def _has_our_checksum(target: Bucket, sending: FileUpload) -> bool:
    """Whether the metadata of an object has our checksum.

    In buckets with their own encryption keys, the ETag is not the MD5.
    """
    head = target.client.head_object(Bucket=target.name, Key=sending.key)
    checksum = head.get("Metadata", {}).get("sha256", "")
    return bool(checksum) and checksum == sending.sha256
