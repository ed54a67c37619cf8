"""S3 multipart upload: zips go from the browser directly to the bucket, by presigned URLs.

The bucket knows which parts it has. Where the storage is no bucket,
`datasets.services.resumable_upload` receives the chunks.
"""

from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from avaproject.base.storage import StorageError, map_storage_errors
from datasets.models import Transfer, Upload
from datasets.services.upload import UNHASHED

MIN_PART_BYTES = 16 << 20
MAX_PARTS = 9000  # S3 allows 10,000
URL_SECONDS = 3600
NO_SUCH_UPLOAD = "NoSuchUpload"
REJECTION_CODES = (
    "InvalidPart",
    "InvalidPartOrder",
    "InvalidRequest",
    "BadDigest",
    "EntityTooSmall",
)


class PartsMissingError(ValueError):
    """Some parts are not in the bucket yet."""


class PartsLostError(ValueError):
    """The bucket has lost parts or rejects them: the file must be sent again."""


class SignedPartUrl(NamedTuple):
    """The URL to PUT a part to, with these headers."""

    url: str
    headers: dict[str, str]


def is_available() -> bool:
    """Whether the storage is a bucket."""
    return hasattr(default_storage, "bucket_name")


def part_size(transfer: Transfer) -> int:
    """Bytes of every part except the last."""
    return max(MIN_PART_BYTES, -(-transfer.size // MAX_PARTS))


def part_count(transfer: Transfer) -> int:
    return -(-transfer.size // part_size(transfer))


def start(transfer: Transfer, *, has_checksums: bool) -> None:
    """Create the multipart upload in the bucket, unless it exists.

    Args:
        has_checksums: Whether every part will have a SHA-256.
    """
    if not transfer.remote_id:
        check = {"ChecksumAlgorithm": "SHA256"} if has_checksums else {}
        with map_storage_errors():
            answer = _client().create_multipart_upload(
                **_object_key(transfer), ContentType="application/zip", **check
            )
        transfer.remote_id = answer["UploadId"]
        transfer.part_checksums = {}
        transfer.save()


def parts_done(transfer: Transfer) -> list[int]:
    """Numbers, from 1, of the parts that are in the bucket.

    Raises PartsLostError if the bucket does not know the upload any more.
    """
    if transfer.upload:
        return []
    if _is_complete(transfer):
        return list(range(1, part_count(transfer) + 1))
    return [part["PartNumber"] for part in _list_parts(transfer)]


def sign_part(transfer: Transfer, number: int, *, sha256: str = "") -> SignedPartUrl:
    """Presign the URL of part `number`; the bucket checks its SHA-256 (Base64) if given."""
    if not 1 <= number <= part_count(transfer):
        raise ValueError(f"there is no part {number} of {transfer.original_name}")
    check = {"ChecksumSHA256": sha256} if sha256 else {}
    place = _object_key(transfer) | {"UploadId": transfer.remote_id, "PartNumber": number}
    url = _client().generate_presigned_url(
        "upload_part", Params=place | check, ExpiresIn=URL_SECONDS
    )
    transfer.part_checksums[str(number)] = sha256
    transfer.save(update_fields=["touched_at", "part_checksums"])
    return SignedPartUrl(url, {"x-amz-checksum-sha256": sha256} if sha256 else {})


def finish(transfer: Transfer) -> Upload:
    """Complete the multipart upload, and create the Upload row.

    Raises PartsMissingError, and PartsLostError if the file must be sent again.
    """
    if transfer.upload:
        return transfer.upload
    if not _is_complete(transfer):  # it is if a process was killed after the next line
        _complete(transfer, _list_parts(transfer))
    with transaction.atomic():
        transfer.upload = Upload.objects.create(
            dataset=transfer.dataset,
            original_name=transfer.original_name,
            sha256=f"{UNHASHED}{transfer.key.hex}",
            size=transfer.size,
            file=_name(transfer),
        )
        transfer.save()
    return transfer.upload


def _complete(transfer: Transfer, parts: list[dict[str, Any]]) -> None:
    size = sum(part["Size"] for part in parts)
    if size != transfer.size:
        raise PartsMissingError(
            _("%(count)s of %(size)s bytes are in the bucket")
            % {"count": size, "size": transfer.size}
        )
    listed = [
        {"PartNumber": part["PartNumber"], "ETag": part["ETag"]}
        | ({"ChecksumSHA256": sha256} if (sha256 := _checksum_of(transfer, part)) else {})
        for part in parts
    ]
    try:
        with map_storage_errors():
            _client().complete_multipart_upload(
                **_object_key(transfer),
                UploadId=transfer.remote_id,
                MultipartUpload={"Parts": listed},
            )
    except StorageError as error:
        if _code(error.__cause__) not in REJECTION_CODES:
            raise
        abort(transfer)
        _reset(transfer)
        raise PartsLostError(
            _(
                "The bucket could not assemble %(name)s (%(cause)s). Choose the file again "
                "to restart the upload."
            )
            % {"name": transfer.original_name, "cause": error.__cause__}
        ) from error


def _checksum_of(transfer: Transfer, part: dict[str, Any]) -> str:
    """The SHA-256 of a part, which some buckets check but do not return."""
    checksum: str = part.get("ChecksumSHA256") or transfer.part_checksums.get(
        str(part["PartNumber"]), ""
    )
    return checksum


def _is_complete(transfer: Transfer) -> bool:
    """Whether the assembled zip is in the bucket."""
    try:
        with map_storage_errors():
            found = _client().head_object(**_object_key(transfer))
    except FileNotFoundError:
        return False
    return bool(found["ContentLength"] == transfer.size)


def _reset(transfer: Transfer) -> None:
    transfer.remote_id, transfer.part_checksums = "", {}
    transfer.save()


def abort(transfer: Transfer) -> None:
    """Abort the multipart upload, and delete the zip if it was assembled already."""
    if transfer.remote_id and not transfer.upload:
        with map_storage_errors():
            try:
                _client().abort_multipart_upload(
                    **_object_key(transfer), UploadId=transfer.remote_id
                )
            except ClientError as error:
                if _code(error) != NO_SUCH_UPLOAD:
                    raise
            _client().delete_object(**_object_key(transfer))


def _list_parts(transfer: Transfer) -> list[dict[str, Any]]:
    place = _object_key(transfer) | {"UploadId": transfer.remote_id}
    try:
        with map_storage_errors():
            pages = _client().get_paginator("list_parts").paginate(**place)
            return [part for page in pages for part in page.get("Parts", [])]
    except OSError as error:
        if _code(error.__cause__) != NO_SUCH_UPLOAD:
            raise
        _reset(transfer)
        raise PartsLostError(
            _(
                "The bucket has discarded the parts of %(name)s. Choose the file again to "
                "restart the upload."
            )
            % {"name": transfer.original_name}
        ) from error


def _code(error: BaseException | None) -> str:
    """The S3 error code."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""


def _client() -> Any:
    return default_storage.connection.meta.client  # type: ignore[attr-defined]


def _name(transfer: Transfer) -> str:
    return f"{transfer.dataset.name}/uploads/{transfer.key.hex}.zip"


def _object_key(transfer: Transfer) -> dict[str, str]:
    storage: Any = default_storage
    return {"Bucket": storage.bucket_name, "Key": storage._normalize_name(_name(transfer))}
