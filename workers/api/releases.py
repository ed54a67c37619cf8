"""API of releases: order one, follow it, download it."""

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from avaproject.base.storage import StorageError
from datasets.core.roles import Act
from qc.core.release.packing import PARTS
from qc.forms import ReleaseForm
from qc.models import Release
from qc.services.release.make_release import request_release
from qc.services.release.release_storage import ReleaseFilesError, withdraw_release
from qc.views.release import release_download
from workers.api.base import (
    LIMIT,
    OFFSET,
    ConflictError,
    DatasetView,
    answers,
    answers_with_file,
    checked,
    page_of,
)
from workers.api.review_and_release_serializers import NewReleaseSerializer, ReleaseSerializer


class Releases(DatasetView):
    """The releases of a dataset, the newest first."""

    @extend_schema(
        operation_id="releases", parameters=[LIMIT, OFFSET],
        responses=answers(page_of(ReleaseSerializer)),
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        rows = Release.objects.filter(dataset=self.dataset()).order_by("-number")
        return self.page(rows, lambda found: ReleaseSerializer(found, many=True).data)

    @extend_schema(
        operation_id="create_release", request=NewReleaseSerializer,
        responses=answers(ReleaseSerializer, 201, 400),
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Order a release of the approved clips."""
        dataset = self.dataset(Act.RELEASE)
        given = checked(NewReleaseSerializer, request.data)
        given["authors"] = "\n".join(given["authors"])
        given["keywords"] = ",".join(given["keywords"])
        form = ReleaseForm(given, dataset=dataset)
        if not form.is_valid():
            raise serializers.ValidationError(
                {field: [str(one) for one in errors] for field, errors in form.errors.items()}
            )
        made = request_release(dataset, user=self.user, options=form.options())
        return Response(ReleaseSerializer(made).data, status=201)


class ReleaseDetail(DatasetView):
    """One release."""

    scopes = {"DELETE": "delete"}

    @extend_schema(operation_id="release", responses=answers(ReleaseSerializer))
    def get(self, request: Request, name: str, number: int) -> Response:
        found = get_object_or_404(Release, dataset=self.dataset(), number=number)
        return Response(ReleaseSerializer(found).data)

    @extend_schema(
        operation_id="delete_release_files",
        parameters=[OpenApiParameter("confirm", str, required=True, description="its number")],
        responses=answers(ReleaseSerializer, 200, 400, 409),
    )  # fmt: skip
    def delete(self, request: Request, name: str, number: int) -> Response:
        """Delete its files permanently; the row stays. `?confirm=` repeats the number."""
        dataset = self.dataset(Act.DELETE)
        release = get_object_or_404(Release, dataset=dataset, number=number)
        if request.query_params.get("confirm") != str(number):
            raise serializers.ValidationError(
                {"detail": f"Repeat the number: ?confirm={number}"}
            )
        try:
            withdraw_release(release, user=self.user)
        except StorageError:  # 503, as elsewhere: try again
            raise
        except (ReleaseFilesError, OSError) as error:
            raise ConflictError(str(error)) from error
        release.refresh_from_db()
        return Response(ReleaseSerializer(release).data)


class ReleaseZip(DatasetView):
    """A zip of a release; supports `Range`."""

    @extend_schema(
        operation_id="release_zip",
        parameters=[
            OpenApiParameter(
                "part", str, many=True, enum=["annotations", *PARTS],
                description="what to download; without it everything",
            )
        ],
        responses=answers_with_file("application/zip"),
    )  # fmt: skip
    def get(self, request: Request, name: str, number: int) -> HttpResponseBase:
        return release_download(request._request, name, number)
