"""The schema of two protocols that the API shares with the pages: uploads (tus), and drafts.

Their answers are those of the pages: `datasets/views/tus.py`, `annotation/views/labelling.py`.
"""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from datasets.views.tus import CHUNK_TYPE
from workers.api.base import ERRORS

TEXT = "text/plain"
WHY = {
    400: "headers that do not follow the protocol",
    404: "files are not uploaded to a bucket here",
    409: "the chunk does not begin where the last one ended, or parts are missing",
    413: "more than was announced, or than is left of the quota",
    415: f"the content type of a chunk is {CHUNK_TYPE}",
    422: "no zip, or too large; or the bucket has lost parts",
    423: "another chunk of this file is being received",
    460: "the chunk is not what its checksum says: send it again",
    503: "the bucket does not answer",
    507: "the disk of the server is full",
}


def _header(name: str, what: str, *, is_needed: bool = True, **more: Any) -> OpenApiParameter:
    kind = more.pop("type", str)
    return OpenApiParameter(
        name, kind, OpenApiParameter.HEADER, required=is_needed, description=what, **more
    )


def _answers(success: dict[Any, Any], *errors: int) -> dict[Any, Any]:
    """What succeeds, the refusals of the protocol as text, and those of the API as JSON."""
    as_text = {(one, TEXT): OpenApiResponse(OpenApiTypes.STR, WHY[one]) for one in errors}
    as_json = {(one, "application/json"): ERRORS[one] for one in (401, 403, 404, 429)}
    return success | as_json | as_text


VERSION = _header("Tus-Resumable", "1.0.0", is_needed=False, enum=["1.0.0"])
LENGTH = {"type": "integer", "minimum": 0}
ALL_BYTES = "bytes of the whole file"
OFFSET_NOW = _header(
    "Upload-Offset", "bytes received so far", type=LENGTH, response=[200, 201, 204]
)
LENGTH_NOW = _header(
    "Upload-Length", "bytes of the whole file", type=LENGTH, response=[200, 201]
)
NOTHING = OpenApiResponse(description="done, nothing to say")

create_upload = extend_schema(
    operation_id="create_upload", request=None, tags=["datasets"],
    parameters=[
        VERSION,
        _header("Upload-Length", ALL_BYTES, type={"type": "integer", "minimum": 1}),
        _header(
            "Upload-Metadata",
            "`filename` and, to find an unfinished upload again, `fingerprint`: each name, a "
            "space, and the value in Base64, with commas between",
            is_needed=False,
        ),
        _header("Location", "the address of the upload", response=[201]),
        _header(
            "Upload-Part-Size", "bytes of a part, where the file goes to a bucket: then "
            "Location presigns the parts", is_needed=False, type=int, response=[201],
        ),
        OFFSET_NOW, LENGTH_NOW,
    ],
    responses=_answers(
        {(201, TEXT): OpenApiResponse(OpenApiTypes.STR, "begun, or found again")},
        400, 413, 422, 423, 503, 507,
    ),
)  # fmt: skip
upload_offset = extend_schema(
    operation_id="upload_offset", request=None, tags=["datasets"],
    parameters=[VERSION, OFFSET_NOW, LENGTH_NOW],
    responses=_answers(
        {(200, TEXT): OpenApiResponse(OpenApiTypes.STR, "how far it is: see the headers")},
        413, 422, 423, 507,
    ),
)  # fmt: skip
upload_chunk = extend_schema(
    operation_id="upload_chunk", request={CHUNK_TYPE: OpenApiTypes.BINARY}, tags=["datasets"],
    parameters=[
        VERSION,
        _header("Upload-Offset", "where the chunk begins", type=LENGTH),
        _header("Upload-Checksum", "`sha256`, a space, its Base64", is_needed=False),
        _header("Upload-Offset", "bytes received so far", type=LENGTH, response=[204]),
    ],
    responses=_answers({204: NOTHING}, 400, 409, 413, 415, 422, 423, 460, 507),
)  # fmt: skip
end_upload = extend_schema(
    operation_id="end_upload", request=None, tags=["datasets"], parameters=[VERSION],
    responses=_answers({204: NOTHING}),
)  # fmt: skip


class PartsSerializer(serializers.Serializer):
    """Which parts the bucket has, and whether the upload is complete."""

    done = serializers.ListField(child=serializers.IntegerField())
    is_finished = serializers.BooleanField()


class PartSerializer(serializers.Serializer):
    """The part to be presigned; without one the upload is completed."""

    part = serializers.IntegerField(required=False)
    sha256 = serializers.CharField(required=False)


class SignedPartSerializer(serializers.Serializer):
    """Where to PUT the part, with which headers; or that the upload is complete."""

    url = serializers.CharField(required=False)
    headers = serializers.DictField(required=False)
    is_finished = serializers.BooleanField(required=False)


upload_parts = extend_schema(
    operation_id="upload_parts", tags=["datasets"],
    responses=_answers({(200, "application/json"): PartsSerializer}, 400, 404, 409, 422, 503),
)  # fmt: skip
upload_part = extend_schema(
    operation_id="upload_part", tags=["datasets"],
    request={"application/x-www-form-urlencoded": PartSerializer},
    responses=_answers(
        {(200, "application/json"): SignedPartSerializer}, 400, 404, 409, 422, 503
    ),
)  # fmt: skip


class DraftProblemSerializer(serializers.Serializer):
    """Why the label page's protocol refuses something, with a code for programs."""

    error = serializers.CharField()
    code = serializers.CharField()


class OpenDraftSerializer(serializers.Serializer):
    """`holder` is a name for this program; `log` are the ids of operations it has already."""

    holder = serializers.CharField()
    take_over = serializers.BooleanField(required=False)
    log = serializers.ListField(child=serializers.CharField(), required=False)


class OperationsSerializer(serializers.Serializer):
    """Operations to be appended, each `{id, n, ms, ...}`; `release` ends the claim."""

    holder = serializers.CharField()
    operations = serializers.ListField(child=serializers.DictField())
    progress = serializers.DictField(required=False)
    release = serializers.BooleanField(required=False)


class SubmitSerializer(serializers.Serializer):
    """`last` is the number of the last operation that counts."""

    holder = serializers.CharField()
    last = serializers.IntegerField()
    despite = serializers.IntegerField(required=False, allow_null=True)


REFUSED = OpenApiResponse(DraftProblemSerializer, "refused; the sentence says why")


def _draft(name: str, *, request: Any = None, **more: Any) -> Any:
    refusals = dict.fromkeys((400, 409), REFUSED) if request else {}
    known = {one: ERRORS[one] for one in (401, 403, 404, 429)}
    return extend_schema(
        operation_id=name, request=request, tags=["datasets"],
        responses={200: OpenApiTypes.OBJECT} | known | refusals, **more,
    )  # fmt: skip


draft_content = _draft("draft_content")
open_draft = _draft("open_draft", request=OpenDraftSerializer)
draft_operations = _draft(
    "draft_operations",
    parameters=[OpenApiParameter("after", int, description="those after this number")],
)
append_operations = _draft("append_operations", request=OperationsSerializer)
submit_draft = _draft("submit_draft", request=SubmitSerializer)
