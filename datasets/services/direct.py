"""Zips that go from the browser straight into the bucket, as a multipart upload of S3.

The bucket keeps the account of the parts; we sign an address for each and put them together.
Where the storage is no bucket, `datasets.services.transfer` takes the pieces.
"""

from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from django.core.files.storage import default_storage
from django.db import transaction

from datasets.files import reaching
from datasets.models import Transfer, Upload
from datasets.services.upload import UNREAD

SMALLEST_PART = 16 << 20
MOST_PARTS = 9000  # S3 allows 10,000
SECONDS_SIGNED = 3600


class PartsMissingError(ValueError):
    """Not all of the file is in the bucket yet."""


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


def begin(transfer: Transfer) -> None:
    """Open the upload in the bucket, unless that is done."""
    if not transfer.remote_id:
        answer = _client().create_multipart_upload(
            **_place(transfer), ContentType="application/zip", ChecksumAlgorithm="SHA256"
        )
        transfer.remote_id = answer["UploadId"]
        transfer.save()


def parts_done(transfer: Transfer) -> list[int]:
    """Numbers, from 1, of the parts that are in the bucket whole."""
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
    transfer.save(update_fields=["touched_at"])
    return SignedPart(url, {"x-amz-checksum-sha256": sha256} if sha256 else {})


def finish(transfer: Transfer) -> Upload:
    """Put the parts together and hand the zip on. Raises PartsMissingError."""
    if transfer.upload:
        return transfer.upload
    parts = _parts(transfer)
    size = sum(part["Size"] for part in parts)
    if size != transfer.size:
        raise PartsMissingError(f"{size} of {transfer.size} bytes are in the bucket")
    known = ("PartNumber", "ETag", "ChecksumSHA256")
    listed = [{name: part[name] for name in known if name in part} for part in parts]
    _client().complete_multipart_upload(
        **_place(transfer), UploadId=transfer.remote_id, MultipartUpload={"Parts": listed}
    )
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


def drop(transfer: Transfer) -> None:
    """Let the bucket forget the parts."""
    if transfer.remote_id and not transfer.upload:
        with reaching():
            try:
                _client().abort_multipart_upload(
                    **_place(transfer), UploadId=transfer.remote_id
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchUpload":
                    raise


def _parts(transfer: Transfer) -> list[dict[str, Any]]:
    pages = (
        _client()
        .get_paginator("list_parts")
        .paginate(**_place(transfer), UploadId=transfer.remote_id)
    )
    return [part for page in pages for part in page.get("Parts", [])]


def _client() -> Any:
    return default_storage.connection.meta.client  # type: ignore[attr-defined]


def _name(transfer: Transfer) -> str:
    return f"{transfer.dataset.name}/uploads/{transfer.key.hex}.zip"


def _place(transfer: Transfer) -> dict[str, str]:
    storage: Any = default_storage
    return {"Bucket": storage.bucket_name, "Key": storage._normalize_name(_name(transfer))}
