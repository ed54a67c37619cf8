"""API of imports: labels that were made with another tool, with the same code as the pages."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.importers.registry import IMPORTERS
from annotation.models import LabelImport
from annotation.services.label_imports import (
    LabelImportError,
    begin_import,
    confirm_import,
    preview_again,
    undo_import,
)
from annotation.views.imports import received
from datasets.core.roles import Act
from workers.api.base import (
    LIMIT,
    OFFSET,
    ConflictError,
    DatasetView,
    answers,
    checked,
    page_of,
    refused,
)

TEXT = 300  # characters of a label, a subject or a name


class LabelImportSerializer(serializers.Serializer):
    """One import: a file, whose answers it holds, and how far it is."""

    id = serializers.IntegerField(source="pk")
    original_name = serializers.CharField()
    source = serializers.CharField(source="source_name")  # type: ignore[assignment]
    format = serializers.CharField(help_text="empty until it was recognised")
    size = serializers.IntegerField(help_text="bytes")
    stage = serializers.ChoiceField(["waiting", "running", "done", "failed"])
    error = serializers.CharField()
    created_at = serializers.DateTimeField()
    confirmed_at = serializers.DateTimeField(allow_null=True, help_text="null: a preview")
    undone_at = serializers.DateTimeField(allow_null=True)


class LabelImportDetailSerializer(LabelImportSerializer):
    """With what the file holds, what it was chosen to mean, and what was taken."""

    preview = serializers.DictField(allow_null=True)
    choices = serializers.DictField()
    outcome = serializers.DictField(allow_null=True)


class NewLabelImportSerializer(serializers.Serializer):
    """A file of another tool; `source` is whose answers it holds."""

    file = serializers.FileField(max_length=255)
    source = serializers.CharField(max_length=150)  # type: ignore[assignment]
    format = serializers.ChoiceField(list(IMPORTERS), required=False, default="")


class ImportChoicesSerializer(serializers.Serializer):
    """What the file means; what is left out is as in the preview, or as chosen before."""

    confirm = serializers.BooleanField(default=False, help_text="take the answers")
    mapping = serializers.DictField(
        child=serializers.CharField(max_length=TEXT), required=False,
        help_text="label of the file: `group: action`, a class that is followed (`person`), or "
        "`left out`",
    )  # fmt: skip
    subjects = serializers.DictField(
        child=serializers.CharField(max_length=TEXT), required=False,
        help_text="subject of intervals: number of a person, `everybody`, a class, or "
        "`left out`",
    )  # fmt: skip
    videos = serializers.DictField(
        child=serializers.CharField(max_length=TEXT), required=False,
        help_text="video of the file: name of a clip or video here",
    )  # fmt: skip
    fps = serializers.FloatField(
        min_value=0, max_value=240, required=False, help_text="0: as the file says"
    )
    first_timestamp = serializers.IntegerField(min_value=0, max_value=100_000, required=False)
    is_complete = serializers.BooleanField(
        required=False, help_text="people without a label of a group do none of it"
    )


class ImportView(DatasetView):
    """A view of the imports of a dataset, for those who may import answers."""

    def row(self) -> LabelImport:
        dataset = self.dataset(Act.ASSIGN, Act.REVIEW)
        return get_object_or_404(LabelImport.objects.of(dataset), pk=self.kwargs["pk"])


class LabelImports(ImportView):
    """Imports of labels, the newest first."""

    scopes = {"POST": "label"}
    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="imports", parameters=[LIMIT, OFFSET],
        responses=answers(page_of(LabelImportSerializer)),
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        rows = LabelImport.objects.of(self.dataset(Act.ASSIGN, Act.REVIEW))
        return self.page(rows, lambda found: LabelImportSerializer(found, many=True).data)

    @extend_schema(
        operation_id="begin_import", request={"multipart/form-data": NewLabelImportSerializer},
        responses=answers(LabelImportDetailSerializer, 201, 400),
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Upload a file, or a zip of several, for a preview; nothing is taken yet."""
        dataset = self.dataset(Act.ASSIGN, Act.REVIEW)
        data = checked(NewLabelImportSerializer, request.data)
        try:
            with received(data["file"]) as (path, original_name):
                row = begin_import(
                    dataset, path, original_name=original_name, source_name=data["source"],
                    format=data["format"], user=self.user,
                )  # fmt: skip
        except LabelImportError as error:
            raise refused(error) from error
        return Response(LabelImportDetailSerializer(row).data, status=201)


class LabelImportDetail(ImportView):
    """One import: its preview, or what was taken."""

    scopes = {"POST": "label"}

    @extend_schema(operation_id="import", responses=answers(LabelImportDetailSerializer))
    def get(self, request: Request, name: str, pk: int) -> Response:
        return Response(LabelImportDetailSerializer(self.row()).data)

    @extend_schema(
        operation_id="choose_import", request=ImportChoicesSerializer,
        responses=answers(LabelImportDetailSerializer, 200, 400, 409),
    )  # fmt: skip
    def post(self, request: Request, name: str, pk: int) -> Response:
        """Preview the file again with other choices, or with `confirm` take its answers."""
        row = self.row()
        choices: dict[str, Any] = checked(ImportChoicesSerializer, request.data)
        order = confirm_import if choices.pop("confirm") else preview_again
        for kind in ("mapping", "subjects", "videos"):
            choices[kind] = row.choices.get(kind, {}) | choices.get(kind, {})
        try:
            order(row, row.choices | choices)
        except LabelImportError as error:
            raise ConflictError(str(error)) from error
        row.refresh_from_db()
        return Response(LabelImportDetailSerializer(row).data)


class LabelImportUndo(ImportView):
    """Withdraw the answers of an import."""

    scopes = {"POST": "label"}

    @extend_schema(
        operation_id="undo_import", request=None,
        responses=answers(LabelImportDetailSerializer, 200, 409),
    )  # fmt: skip
    def post(self, request: Request, name: str, pk: int) -> Response:
        row = self.row()
        try:
            undo_import(row)
        except LabelImportError as error:
            raise ConflictError(str(error)) from error
        row.refresh_from_db()
        return Response(LabelImportDetailSerializer(row).data)
