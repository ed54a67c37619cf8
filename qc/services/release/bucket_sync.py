"""A release in a bucket: its files under a prefix, each sent once.

What the bucket already holds in the same bytes stays, so a sync that was cut off goes on where
it was, and one that is done again sends nothing. `manifest.json` goes last: where it is, the
release is whole. Nothing is ever deleted there.
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

from avaproject.base.storage import local_path
from avaproject.base.work import Stage
from qc.core.release.packing import MANIFEST, PARTS, ignore, load_index, part_of
from qc.models import Release, ReleaseSync
from qc.services.release.release_storage import StoreError, opener

PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*", re.ASCII)
SIDE_BY_SIDE = 8
CHUNK = 1 << 20
Progress = Callable[[float], None]
Opener = Callable[[str], BinaryIO]


class SyncError(RuntimeError):
    """A release cannot go to the bucket; the text says why and what to do."""


class Bucket(NamedTuple):
    """Where releases are synced to."""

    client: Any  # of boto3
    name: str
    location: str  # what every key begins with; empty or with a slash at its end


class There(NamedTuple):
    """An object of the bucket, as a listing has it."""

    size: int
    etag: str


class Sending(NamedTuple):
    """A file on its way."""

    path: str  # in the release
    key: str
    sha256: str  # as the manifest says; empty for the manifest itself
    opened: Opener


def bucket() -> Bucket | None:
    """The bucket that is configured for releases, if there is one."""
    try:
        storage = cast(Any, storages["releases"])
    except InvalidStorageError:
        return None
    location = storage.location.strip("/")
    client = storage.connection.meta.client
    return Bucket(client, storage.bucket_name, f"{location}/" if location else "")


def bucket_address() -> str:
    """What the address of everything synced begins with; empty if no bucket is configured."""
    target = bucket()
    return "" if target is None else f"s3://{target.name}/{target.location}"


def order_sync(
    release: Release, *, prefix: str, parts: Collection[str], user: User | None = None
) -> ReleaseSync:
    """The work order to put `release` under `prefix`; the one there is, sent on its way again.

    Raises:
        SyncError: if it cannot go there.
    """
    prefix = prefix.strip().strip("/")
    if bucket() is None:
        raise SyncError(
            "No bucket is configured: set AVA_RELEASES_S3_BUCKET (docs/production.md)."
        )
    if not PREFIX.fullmatch(prefix):
        raise SyncError(
            f"{prefix!r} cannot be a prefix: use letters, digits, `.`, `_`, `-`, `/` between."
        )
    if not Release.objects.there().filter(pk=release.pk).exists():
        raise SyncError(f"{release} has no files that could be sent.")
    _refuse_another(release, prefix)
    chosen = [part for part in PARTS if part in parts]
    fresh = {"parts": chosen, "ordered_by": user}
    order, is_new = ReleaseSync.objects.get_or_create(
        prefix=prefix, defaults=fresh | {"release": release}
    )
    if not is_new:
        rows = ReleaseSync.objects.filter(pk=order.pk).exclude(stage=Stage.RUNNING)
        rows.update(
            **fresh, stage=Stage.WAITING, attempts=0, lease_until=None, handed_out_at=None,
            error="", progress=0.0,
        )  # fmt: skip
        order.refresh_from_db()
    return order


def _refuse_another(release: Release, prefix: str) -> None:
    """Raises SyncError if the prefix is, holds or lies in that of another release."""
    others = ReleaseSync.objects.exclude(release=release).select_related("release__dataset")
    for other in others:
        its, mine = f"{other.prefix}/", f"{prefix}/"
        if its.startswith(mine) or mine.startswith(its):
            raise SyncError(
                f"{other.prefix} belongs to {other.release}: choose another prefix."
            )


def sync_release(sync_id: int, *, progress: Progress = ignore) -> ReleaseSync | None:
    """Send what is missing of a release; None if somebody else does, or it is done."""
    order = ReleaseSync.objects.claim(sync_id)
    if order is None:
        return None

    def tell(share: float) -> None:
        order.report(share)
        progress(share)

    expected = (SyncError, StoreError, BotoCoreError, ClientError, OSError, BadZipFile)
    with order.working(*expected):
        target = bucket()
        if target is None:
            raise SyncError("No bucket is configured any more: set AVA_RELEASES_S3_BUCKET.")
        with _files_of(order.release) as (files, opened):
            wanted = {"annotations", *order.parts}
            chosen = {path: size for path, size in files.items() if part_of(path) in wanted}
            counts = _send(target, f"{target.location}{order.prefix}/", chosen, opened, tell)
        order.finish(counts=counts)
    return order


@contextmanager
def _files_of(release: Release) -> Iterator[tuple[dict[str, int], Opener]]:
    """Path -> bytes of all files of a release, and how they are opened."""
    if release.withdrawn_at or not (release.folder or release.archive):
        raise StoreError(f"the files of {release} are not in the storage any more")
    if not release.folder:
        with local_path(release.archive.name or "") as path, ZipFile(path) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
            yield sizes, lambda name: cast(BinaryIO, archive.open(name))
        return
    folder = Path(default_storage.path(release.folder))
    with folder.with_name(f"{folder.name}.index").open(encoding="utf-8") as lines:
        found = load_index(lines, parts=PARTS)
    yield {path: size for path, size, _ in found}, opener(folder)


def _send(
    target: Bucket, start: str, files: dict[str, int], opened: Opener, tell: Progress
) -> dict[str, int]:
    """Send the files that are not there in the same bytes; count what was sent."""
    with opened(MANIFEST) as file:
        manifest = json.load(file)
    there = _listed(target, start)
    _refuse_foreign(target, start, there, manifest)
    counts = {"files": len(files), "bytes": sum(files.values()), "sent": 0, "sent_bytes": 0}
    done = 0

    def send(path: str) -> bool:
        file = Sending(path, f"{start}{path}", manifest["files"].get(path, ""), opened)
        return _send_one(target, file, there.get(path))

    # A manifest is a promise that all else is there.
    first = sorted(files.keys() - {MANIFEST}, key=lambda path: (-files[path], path))
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        try:
            for paths in (first, [MANIFEST]):
                sending = {pool.submit(send, path): path for path in paths}
                for future in as_completed(sending):
                    size = files[sending[future]]
                    counts["sent"] += future.result()
                    counts["sent_bytes"] += size * future.result()
                    done += size
                    tell(done / max(counts["bytes"], 1))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return counts


def _listed(target: Bucket, start: str) -> dict[str, There]:
    """What lies under a prefix, by the rest of its key."""
    found: dict[str, There] = {}
    pages = target.client.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=target.name, Prefix=start):
        for each in page.get("Contents", []):
            path = each["Key"].removeprefix(start)
            found[path] = There(each["Size"], each["ETag"].strip('"'))
    return found


def _refuse_foreign(
    target: Bucket, start: str, there: dict[str, There], manifest: dict[str, Any]
) -> None:
    """Raises SyncError if something else than this release lies under the prefix."""
    if MANIFEST not in there:
        return
    answer = target.client.get_object(Bucket=target.name, Key=f"{start}{MANIFEST}")
    try:
        held = json.load(answer["Body"])
        name = f"{held['dataset']} release {held['release']}"
    except (ValueError, KeyError, TypeError):
        name = "something else"
    if name != f"{manifest['dataset']} release {manifest['release']}":
        raise SyncError(
            f"s3://{target.name}/{start} already holds {name}: choose another prefix."
        )


def _send_one(target: Bucket, sending: Sending, there: There | None) -> bool:
    """Send a file unless the bucket has these bytes; whether it was sent."""
    with sending.opened(sending.path) as file:
        digest = hashlib.md5(usedforsecurity=False)  # what S3 compares
        while chunk := file.read(CHUNK):
            digest.update(chunk)
        is_as_long = there is not None and there.size == file.tell()
        if (
            there
            and is_as_long
            and (there.etag == digest.hexdigest() or _says_so(target, sending))
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


def _says_so(target: Bucket, sending: Sending) -> bool:
    """Whether an object was sent from here with our bytes.

    Buckets that encrypt with keys of their own have other tags than the MD5.
    """
    head = target.client.head_object(Bucket=target.name, Key=sending.key)
    said = head.get("Metadata", {}).get("sha256", "")
    return bool(said) and said == sending.sha256
