"""Resumable uploads by the tus protocol 1.0.0 with creation, checksum and termination.

https://tus.io/protocols/resumable-upload. An unfinished upload is found again by the metadata
`fingerprint`, so a client without saved state can resume.

If the storage is a bucket, the creation response has the header `Upload-Part-Size`, and its
Location presigns the parts (`parts`), which the client puts into the bucket itself.
"""

import base64
import binascii
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from datasets.accounts.quotas import StorageQuotaError
from datasets.core.roles import Act
from datasets.models import Transfer, Upload
from datasets.selectors import permitted_datasets
from datasets.services import resumable_upload as service
from datasets.services import s3_multipart
from datasets.services.upload import ArchiveError

TUS_HEADERS = {"Tus-Resumable": "1.0.0", "Cache-Control": "no-store"}
CAPABILITIES = {
    "Tus-Version": "1.0.0",
    "Tus-Extension": "creation,checksum,termination",
    "Tus-Checksum-Algorithm": "sha256",
}
CHUNK_TYPE = "application/offset+octet-stream"
STATUS_OF: dict[type[Exception], int] = {
    service.WrongOffsetError: 409,
    service.WrongChecksumError: 460,
    service.BusyError: 423,
    service.NoSpaceError: 507,
    service.TransferError: 413,
    StorageQuotaError: 413,
    ArchiveError: 422,
}


@require_http_methods(["POST", "OPTIONS"])
def transfers(request: HttpRequest, name: str) -> HttpResponse:
    """Start an upload, or find the unfinished one."""
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers=TUS_HEADERS | CAPABILITIES)
    dataset = get_object_or_404(permitted_datasets(request.user, Act.UPLOAD), name=name)
    try:
        metadata = _metadata(request.headers.get("Upload-Metadata", ""))
        size = int(request.headers.get("Upload-Length", ""))
    except ValueError:
        return _response(400, "Upload-Length and Upload-Metadata must follow the tus protocol.")
    try:
        created = service.start(
            dataset,
            cast(User, request.user),
            original_name=metadata.get("filename", ""),
            size=size,
            fingerprint=metadata.get("fingerprint", "")[:200],
        )
    except (ArchiveError, service.TransferError) as error:
        return _error_response(error)
    address = _address(request, "transfer", created)
    if s3_multipart.is_available():
        s3_multipart.start(created, has_checksums=metadata.get("checksum") == "sha256")
        parts = {"Upload-Part-Size": str(s3_multipart.part_size(created))}
        return _response(201, Location=_address(request, "parts", created), **parts)
    return _response(201, Location=address, **_progress_headers(created))


@require_http_methods(["GET", "POST"])
def parts(request: HttpRequest, name: str, key: UUID) -> HttpResponse:
    """Parts of a multipart upload to a bucket: list them, presign one, or complete it."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.UPLOAD), name=name)
    found = get_object_or_404(dataset.transfers, key=key, user_id=request.user.pk)
    if not s3_multipart.is_available():
        return _response(404, "Files are not uploaded to a bucket here; send chunks.")
    try:
        if request.method == "GET":
            done = s3_multipart.parts_done(found)
            return JsonResponse({"done": done, "is_finished": bool(found.upload)})
        if "part" in request.POST:
            number, sha256 = int(request.POST["part"]), request.POST.get("sha256", "")
            return JsonResponse(s3_multipart.sign_part(found, number, sha256=sha256)._asdict())
        upload = s3_multipart.finish(found)
    except s3_multipart.PartsMissingError as error:
        return _response(409, str(error))
    except s3_multipart.PartsLostError as error:
        return _response(422, str(error))
    except ValueError as error:
        return _response(400, str(error))
    _notify(request, upload)
    return JsonResponse({"is_finished": True})


@require_http_methods(["HEAD", "PATCH", "DELETE"])
def transfer(request: HttpRequest, name: str, key: UUID) -> HttpResponse:
    """Progress of an upload (HEAD), its next chunk (PATCH), or its deletion (DELETE)."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.UPLOAD), name=name)
    found = get_object_or_404(dataset.transfers, key=key, user_id=request.user.pk)
    if request.method == "DELETE":
        service.discard(found)
        return _response(204)
    if request.method == "PATCH":
        return _append_chunk(request, found)
    try:
        _finish_if_complete(request, found, service.received_bytes(found))
    except (ArchiveError, service.TransferError) as error:
        return _error_response(error)
    return _response(200, **_progress_headers(found))


def _append_chunk(request: HttpRequest, found: Transfer) -> HttpResponse:
    if request.content_type != CHUNK_TYPE:
        return _response(415, f"The content type of a chunk is {CHUNK_TYPE}.")
    try:
        offset = int(request.headers.get("Upload-Offset", ""))
        kind, _, sha256 = request.headers.get("Upload-Checksum", "sha256 ").partition(" ")
        if kind != "sha256":
            return _response(400, "The checksum of a chunk must be sha256.")
        length = service.append(found, request.read, offset=offset, sha256=sha256)
        _finish_if_complete(request, found, length)
    except (ArchiveError, service.TransferError) as error:
        return _error_response(error)
    except ValueError:
        return _response(400, "Upload-Offset must be a number.")
    return _response(204, **{"Upload-Offset": str(length)})


def _finish_if_complete(request: HttpRequest, found: Transfer, length: int) -> None:
    """Finish before the response says so, so that a kill in between loses nothing."""
    if length == found.size and not found.upload:
        _notify(request, service.finish(found))


def _address(request: HttpRequest, page: str, created: Transfer) -> str:
    """Where the upload goes on: among the pages, or in the API, as the request came."""
    match = request.resolver_match
    space = match.namespace if match else "datasets"
    return reverse(f"{space}:{page}", args=[created.dataset.name, created.key])


def _notify(request: HttpRequest, upload: Upload) -> None:
    if getattr(request, "auth", None) is not None:
        return  # a program, which sees no messages
    messages.success(request, f"{upload.original_name} uploaded. Unpacking starts now.")


def _metadata(header: str) -> dict[str, str]:
    """`filename d29ybGQ=,kind` as names and values. Raises ValueError."""
    pairs = (pair.strip().partition(" ") for pair in header.split(",") if pair.strip())
    try:
        found = {
            key: base64.b64decode(value, validate=True).decode() for key, _, value in pairs
        }
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{header!r} is not Base64") from error
    if any("\0" in value for value in found.values()):
        raise ValueError(f"{header!r} contains NUL")
    return found


def _progress_headers(found: Transfer) -> dict[str, str]:
    return {
        "Upload-Offset": str(service.received_bytes(found)),
        "Upload-Length": str(found.size),
    }


def _error_response(error: Exception) -> HttpResponse:
    status = next(number for kind, number in STATUS_OF.items() if isinstance(error, kind))
    return _response(status, str(error))


def _response(status: int, message: str = "", **headers: Any) -> HttpResponse:
    return HttpResponse(
        message, status=status, content_type="text/plain", headers=TUS_HEADERS | headers
    )
