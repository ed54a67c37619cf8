"""API of uploads, by the tus protocol at `transfers/`, with the same code as on the page."""

from uuid import UUID

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from datasets.core.roles import Act
from datasets.selectors import uploads_of
from datasets.views import tus
from workers.api import protocols
from workers.api.base import LIMIT, OFFSET, DatasetView, answers, page_of
from workers.api.serializers import UploadSerializer


class Uploads(DatasetView):
    """Zips that were uploaded, the newest first."""

    @extend_schema(
        operation_id="uploads", parameters=[LIMIT, OFFSET],
        responses=answers(page_of(UploadSerializer)),
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        rows = uploads_of(self.dataset(Act.UPLOAD))
        return self.page(rows, lambda found: UploadSerializer(found, many=True).data)


class Transfers(DatasetView):
    """Start an upload by the tus protocol."""

    scopes = {"POST": "upload", "OPTIONS": "upload"}

    @protocols.create_upload
    def post(self, request: Request, name: str) -> HttpResponseBase:
        """Begin an upload by the tus protocol 1.0.0, or find the unfinished one."""
        return tus.transfers(request._request, name)

    def options(self, request: Request, name: str) -> HttpResponseBase:  # type: ignore[override]
        return tus.transfers(request._request, name)


class TransferDetail(DatasetView):
    """Progress of an upload, its next chunk, or its end."""

    scopes = {"HEAD": "upload", "PATCH": "upload", "DELETE": "upload"}

    @protocols.upload_offset
    def head(self, request: Request, name: str, key: UUID) -> HttpResponseBase:
        """How many bytes of the upload were received."""
        return tus.transfer(request._request, name, key)

    @protocols.upload_chunk
    def patch(self, request: Request, name: str, key: UUID) -> HttpResponseBase:
        """Send the next chunk of the upload; with the last one the zip is unpacked."""
        return tus.transfer(request._request, name, key)

    @protocols.end_upload
    def delete(self, request: Request, name: str, key: UUID) -> HttpResponseBase:
        """End an upload, and remove what was received."""
        return tus.transfer(request._request, name, key)


class TransferParts(DatasetView):
    """Parts of an upload to a bucket."""

    scopes = {"GET": "upload", "POST": "upload"}

    @protocols.upload_parts
    def get(self, request: Request, name: str, key: UUID) -> HttpResponseBase:
        """Which parts of the upload the bucket has."""
        return tus.parts(request._request, name, key)

    @protocols.upload_part
    def post(self, request: Request, name: str, key: UUID) -> HttpResponseBase:
        """Presign the address of a part; without a part complete the upload."""
        return tus.parts(request._request, name, key)
