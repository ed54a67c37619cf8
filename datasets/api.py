"""Uploads in pieces, by the tus protocol 1.0.0 with creation, checksum and termination.

https://tus.io/protocols/resumable-upload. A zip of which a part is here already is found again
by the metadata `fingerprint`, so that a sender that remembers nothing can go on.

Where the storage is a bucket, the answer to a creation has the header `Upload-Part-Size`, and
its Location takes part after part (`parts`), which the sender puts into the bucket itself.
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

from datasets.models import Transfer, Upload
from datasets.selectors import visible_datasets
from datasets.services import direct
from datasets.services import transfer as service
from datasets.services.upload import ArchiveError

PROTOCOL = {"Tus-Resumable": "1.0.0", "Cache-Control": "no-store"}
ABILITIES = {
    "Tus-Version": "1.0.0",
    "Tus-Extension": "creation,checksum,termination",
    "Tus-Checksum-Algorithm": "sha256",
}
PIECE = "application/offset+octet-stream"
STATUS_OF: dict[type[Exception], int] = {
    service.WrongOffsetError: 409,
    service.WrongChecksumError: 460,
    service.BusyError: 423,
    service.NoSpaceError: 507,
    service.TransferError: 413,
    ArchiveError: 422,
}


@require_http_methods(["POST", "OPTIONS"])
def transfers(request: HttpRequest, name: str) -> HttpResponse:
    """Begin a transfer, or find the one that was begun."""
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers=PROTOCOL | ABILITIES)
    dataset = get_object_or_404(visible_datasets(request.user), name=name, can_run=True)
    try:
        about = _metadata(request.headers.get("Upload-Metadata", ""))
        size = int(request.headers.get("Upload-Length", ""))
    except ValueError:
        return _answer(400, "Upload-Length and Upload-Metadata must be as tus says.")
    try:
        begun = service.begin(
            dataset,
            cast(User, request.user),
            original_name=about.get("filename", ""),
            size=size,
            fingerprint=about.get("fingerprint", "")[:200],
        )
    except (ArchiveError, service.TransferError) as error:
        return _refusal(error)
    address = reverse("datasets:transfer", args=[name, begun.key])
    if direct.is_possible():
        try:
            direct.begin(begun, has_sums=about.get("checksum") == "sha256")
        except OSError as error:
            return _answer(503, str(error))
        parts = {"Upload-Part-Size": str(direct.part_size(begun))}
        return _answer(201, Location=reverse("datasets:parts", args=[name, begun.key]), **parts)
    return _answer(201, Location=address, **_progress(begun))


@require_http_methods(["GET", "POST"])
def parts(request: HttpRequest, name: str, key: UUID) -> HttpResponse:
    """The parts of a transfer straight into a bucket: those there, where one goes, the end."""
    dataset = get_object_or_404(visible_datasets(request.user), name=name, can_run=True)
    found = get_object_or_404(dataset.transfers, key=key, user_id=request.user.pk)
    try:
        if request.method == "GET":
            done = direct.parts_done(found)
            return JsonResponse({"done": done, "is_finished": bool(found.upload)})
        if "part" in request.POST:
            number, sha256 = int(request.POST["part"]), request.POST.get("sha256", "")
            return JsonResponse(direct.signed_part(found, number, sha256=sha256)._asdict())
        upload = direct.finish(found)
    except direct.PartsMissingError as error:
        return _answer(409, str(error))
    except direct.PartsLostError as error:
        return _answer(422, str(error))
    except ValueError as error:
        return _answer(400, str(error))
    except OSError as error:
        return _answer(503, str(error))
    _tell(request, upload)
    return JsonResponse({"is_finished": True})


@require_http_methods(["HEAD", "PATCH", "DELETE"])
def transfer(request: HttpRequest, name: str, key: UUID) -> HttpResponse:
    """Say how much is here, take the next piece, or forget it all."""
    dataset = get_object_or_404(visible_datasets(request.user), name=name, can_run=True)
    found = get_object_or_404(dataset.transfers, key=key, user_id=request.user.pk)
    if request.method == "DELETE":
        service.drop(found)
        return _answer(204)
    if request.method == "PATCH":
        return _take_piece(request, found)
    try:
        _finish_if_whole(request, found, service.received(found))
    except (ArchiveError, service.TransferError) as error:
        return _refusal(error)
    return _answer(200, **_progress(found))


def _take_piece(request: HttpRequest, found: Transfer) -> HttpResponse:
    if request.content_type != PIECE:
        return _answer(415, f"A piece has the content type {PIECE}.")
    try:
        offset = int(request.headers.get("Upload-Offset", ""))
        kind, _, sha256 = request.headers.get("Upload-Checksum", "sha256 ").partition(" ")
        if kind != "sha256":
            return _answer(400, "The checksum of a piece must be sha256.")
        here = service.append(found, request.read, offset=offset, sha256=sha256)
        _finish_if_whole(request, found, here)
    except (ArchiveError, service.TransferError) as error:
        return _refusal(error)
    except ValueError:
        return _answer(400, "Upload-Offset must be a number.")
    return _answer(204, **{"Upload-Offset": str(here)})


def _finish_if_whole(request: HttpRequest, found: Transfer, here: int) -> None:
    """Who is told that all is here may rely on it, even if a process was killed meanwhile."""
    if here == found.size and not found.upload:
        _tell(request, service.finish(found))


def _tell(request: HttpRequest, upload: Upload) -> None:
    messages.success(request, f"{upload.original_name} has arrived and is unpacked next.")


def _metadata(header: str) -> dict[str, str]:
    """`filename d29ybGQ=,kind` as names and values. Raises ValueError."""
    pairs = (pair.strip().partition(" ") for pair in header.split(",") if pair.strip())
    try:
        return {key: base64.b64decode(value, validate=True).decode() for key, _, value in pairs}
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{header!r} is not in Base64") from error


def _progress(found: Transfer) -> dict[str, str]:
    return {"Upload-Offset": str(service.received(found)), "Upload-Length": str(found.size)}


def _refusal(error: Exception) -> HttpResponse:
    status = next(number for kind, number in STATUS_OF.items() if isinstance(error, kind))
    return _answer(status, str(error))


def _answer(status: int, sentence: str = "", **headers: Any) -> HttpResponse:
    return HttpResponse(
        sentence, status=status, content_type="text/plain", headers=PROTOCOL | headers
    )
