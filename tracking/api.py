"""REST API of bundles: create a bundle, read its progress, fetch its files.

Requests carry a token (`Authorization: Token ...`) or a browser session; permissions are those
of the pages: docs/api.md.
"""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from avaproject.base.ranges import serve_stored
from datasets.core.roles import Act
from datasets.models import Dataset
from tracking.models import Bundle
from tracking.services.export_bundle import NotTrackedError, request_bundle


class BundleSerializer(serializers.ModelSerializer):
    """A bundle; `files` are there when its stage is done, each with its address."""

    url = serializers.SerializerMethodField()
    files = serializers.SerializerMethodField()

    class Meta:
        model = Bundle
        fields = [
            "pk", "url", "config_key", "with_clips", "stage", "progress", "error", "created_at",
            "finished_at", "left_out", "files",
        ]  # fmt: skip

    def get_url(self, bundle: Bundle) -> str:
        return self._address("tracking:api-bundle", bundle)

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_files(self, bundle: Bundle) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                **facts,
                "url": self._address("tracking:api-bundle-file", bundle, name),
            }
            for name, facts in sorted(bundle.files.items())
        ]

    def _address(self, name: str, bundle: Bundle, *more: str) -> str:
        args = [bundle.dataset.name, bundle.pk, *more]
        return reverse(name, args=args, request=self.context["request"])


class BundleRequestSerializer(serializers.Serializer):
    with_clips = serializers.BooleanField(default=True)


class BundleProblemSerializer(serializers.Serializer):
    """Why a request was refused."""

    detail = serializers.CharField()


PROBLEMS: dict[Any, Any] = dict.fromkeys((401, 403, 404, 409, 429), BundleProblemSerializer)
PROBLEMS[400] = OpenApiTypes.OBJECT
FILE = (200, "application/octet-stream")


@extend_schema_view(
    get=extend_schema(
        operation_id="bundles", responses={200: BundleSerializer(many=True)} | PROBLEMS
    )
)
class Bundles(generics.ListAPIView):
    """GET: the bundles of a dataset, newest first. POST: create one of what is tracked."""

    serializer_class = BundleSerializer

    def get_queryset(self) -> QuerySet[Bundle]:
        return _bundles(self.request, self.kwargs["name"])

    @extend_schema(
        operation_id="create_bundle", request=BundleRequestSerializer,
        responses={200: BundleSerializer, 201: BundleSerializer} | PROBLEMS,
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """201 with the bundle, or 200 with the newest one if nothing has changed since."""
        dataset = get_object_or_404(
            Dataset.objects.permitting(request.user, Act.RELEASE), name=name
        )
        wanted = BundleRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        newest = dataset.bundles.order_by("-pk").values_list("pk", flat=True).first() or 0
        try:
            bundle = request_bundle(dataset, with_clips=wanted.validated_data["with_clips"])
        except NotTrackedError as error:
            return Response({"detail": str(error)}, status=409)
        answer = BundleSerializer(bundle, context={"request": request})
        return Response(answer.data, status=201 if bundle.pk > newest else 200)


@extend_schema_view(
    get=extend_schema(operation_id="bundle", responses={200: BundleSerializer} | PROBLEMS)
)
class BundleDetail(generics.RetrieveAPIView):
    """GET: one bundle, with its stage and the share done."""

    serializer_class = BundleSerializer

    def get_queryset(self) -> QuerySet[Bundle]:
        return _bundles(self.request, self.kwargs["name"])


class BundleFile(APIView):
    """GET: one file of a bundle that is done, or the part that the Range header names."""

    @extend_schema(operation_id="bundle_file", responses={FILE: OpenApiTypes.BINARY} | PROBLEMS)
    def get(self, request: Request, name: str, pk: int, file: str) -> HttpResponseBase:
        bundle = get_object_or_404(_bundles(request, name).done(), pk=pk)
        if file not in bundle.files:
            raise Http404(f"Bundle {pk} has no file {file}.")
        return serve_stored(
            request._request, f"{bundle.folder}/{file}",
            content_type="application/octet-stream", download_as=file,
        )  # fmt: skip


def _bundles(request: Request, dataset: str) -> Any:
    """The bundles of a dataset visible to the user. Raises Http404 for other datasets."""
    found = get_object_or_404(
        Dataset.objects.permitting(request.user, Act.DOWNLOAD), name=dataset
    )
    return Bundle.objects.filter(dataset=found).select_related("dataset").order_by("-pk")
