"""Zips that go from the browser straight into the bucket, as a multipart upload of S3.

The bucket keeps the account of the parts; we sign an address for each and put them together.
Where the storage is no bucket, `datasets.services.transfer` takes the pieces.
"""

from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from django.core.files.storage import default_storage
from django.db import transaction

from avaproject.base.storage import StorageError, map_storage_errors
from datasets.models import Transfer, Upload
from datasets.services.upload import UNREAD

SMALLEST_PART = 16 << 20
MOST_PARTS = 9000  # S3 allows 10,000
SECONDS_SIGNED = 3600
FORGOTTEN = "NoSuchUpload"
REFUSALS = ("InvalidPart", "InvalidPartOrder", "InvalidRequest", "BadDigest", "EntityTooSmall")


class PartsMissingError(ValueError):
    """Not all of the file is in the bucket yet."""


class PartsLostError(ValueError):
    """The bucket has lost parts, or will not put them together: all is to be sent again."""


class SignedPart(NamedTuple):
    """Where a part is put, with PUT and these headers."""

    url: str
    headers: dict[str, str]


def is_possible() -> bool:
    """Whether the storage is a bucket."""
    return hasattr(default_storage, "bucket_name")


def part_size(transfer: Transfer) -> int:
    """Bytes of every part but the last."""
    return max(SMALLEST_PART, -(-transfer.size // MOST_PARTS))


def part_count(transfer: Transfer) -> int:
    return -(-transfer.size // part_size(transfer))


def begin(transfer: Transfer, *, has_sums: bool) -> None:
    """Open the upload in the bucket, unless that is done.

    Args:
        has_sums: Whether every part will come with its SHA-256.
    """
    if not transfer.remote_id:
        check = {"ChecksumAlgorithm": "SHA256"} if has_sums else {}
        with map_storage_errors():
            answer = _client().create_multipart_upload(
                **_place(transfer), ContentType="application/zip", **check
            )
        transfer.remote_id = answer["UploadId"]
        transfer.part_sums = {}
        transfer.save()


def parts_done(transfer: Transfer) -> list[int]:
    """Numbers, from 1, of the parts that are in the bucket whole.

    Raises PartsLostError if the bucket has forgotten the upload.
    """
    if transfer.upload:
        return []
    if _is_whole(transfer):
        return list(range(1, part_count(transfer) + 1))
    return [part["PartNumber"] for part in _parts(transfer)]


def signed_part(transfer: Transfer, number: int, *, sha256: str = "") -> SignedPart:
    """Where to put part `number`; with its SHA-256 in Base64 the bucket checks it."""
    if not 1 <= number <= part_count(transfer):
        raise ValueError(f"there is no part {number} of {transfer.original_name}")
    check = {"ChecksumSHA256": sha256} if sha256 else {}
    place = _place(transfer) | {"UploadId": transfer.remote_id, "PartNumber": number}
    url = _client().generate_presigned_url(
        "upload_part", Params=place | check, ExpiresIn=SECONDS_SIGNED
    )
    transfer.part_sums[str(number)] = sha256
    transfer.save(update_fields=["touched_at", "part_sums"])
    return SignedPart(url, {"x-amz-checksum-sha256": sha256} if sha256 else {})


def finish(transfer: Transfer) -> Upload:
    """Put the parts together and hand the zip on.

    Raises PartsMissingError, and PartsLostError if it has to be sent again.
    """
    if transfer.upload:
        return transfer.upload
    if not _is_whole(transfer):  # else a process was killed after the next line
        _put_together(transfer, _parts(transfer))
    with transaction.atomic():
        transfer.upload = Upload.objects.create(
            dataset=transfer.dataset,
            original_name=transfer.original_name,
            sha256=f"{UNREAD}{transfer.key.hex}",
            size=transfer.size,
            file=_name(transfer),
        )
        transfer.save()
    return transfer.upload


def _put_together(transfer: Transfer, parts: list[dict[str, Any]]) -> None:
    size = sum(part["Size"] for part in parts)
    if size != transfer.size:
        raise PartsMissingError(f"{size} of {transfer.size} bytes are in the bucket")
    listed = [
        {"PartNumber": part["PartNumber"], "ETag": part["ETag"]}
        | ({"ChecksumSHA256": sha256} if (sha256 := _sum_of(transfer, part)) else {})
        for part in parts
    ]
    try:
        with map_storage_errors():
            _client().complete_multipart_upload(
                **_place(transfer),
                UploadId=transfer.remote_id,
                MultipartUpload={"Parts": listed},
            )
    except StorageError as error:
        if _code(error.__cause__) not in REFUSALS:
            raise
        drop(transfer)
        _forget(transfer)
        raise PartsLostError(
            f"The bucket did not put {transfer.original_name} together ({error.__cause__}). "
            "Choose the file again: it is sent anew."
        ) from error


def _sum_of(transfer: Transfer, part: dict[str, Any]) -> str:
    """The SHA-256 of a part, which some buckets check and do not tell."""
    told: str = part.get("ChecksumSHA256") or transfer.part_sums.get(
        str(part["PartNumber"]), ""
    )
    return told


def _is_whole(transfer: Transfer) -> bool:
    """Whether all of the zip is in the bucket, put together."""
    try:
        with map_storage_errors():
            found = _client().head_object(**_place(transfer))
    except FileNotFoundError:
        return False
    return bool(found["ContentLength"] == transfer.size)


def _forget(transfer: Transfer) -> None:
    transfer.remote_id, transfer.part_sums = "", {}
    transfer.save()


def drop(transfer: Transfer) -> None:
    """Let the bucket forget the parts, and the zip if they were put together already."""
    if transfer.remote_id and not transfer.upload:
        with map_storage_errors():
            try:
                _client().abort_multipart_upload(
                    **_place(transfer), UploadId=transfer.remote_id
                )
            except ClientError as error:
                if _code(error) != FORGOTTEN:
                    raise
            _client().delete_object(**_place(transfer))


def _parts(transfer: Transfer) -> list[dict[str, Any]]:
    place = _place(transfer) | {"UploadId": transfer.remote_id}
    try:
        with map_storage_errors():
            pages = _client().get_paginator("list_parts").paginate(**place)
            return [part for page in pages for part in page.get("Parts", [])]
    except OSError as error:
        if _code(error.__cause__) != FORGOTTEN:
            raise
        _forget(transfer)
        raise PartsLostError(
            f"The bucket has forgotten what came of {transfer.original_name}. "
            "Choose the file again: it is sent anew."
        ) from error


def _code(error: BaseException | None) -> str:
    """How S3 calls what went wrong."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""


def _client() -> Any:
    return default_storage.connection.meta.client  # type: ignore[attr-defined]


def _name(transfer: Transfer) -> str:
    return f"{transfer.dataset.name}/uploads/{transfer.key.hex}.zip"


def _place(transfer: Transfer) -> dict[str, str]:
    storage: Any = default_storage
    return {"Bucket": storage.bucket_name, "Key": storage._normalize_name(_name(transfer))}
