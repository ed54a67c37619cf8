"""API of assignment, tasks and answers.

The label page's own protocol, drafts of operations, is at `draft/`, with the same code.
"""

from collections import Counter
from typing import Any

from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.core.assignment_plan import PlanRequest
from annotation.models import AnnotationTask, Annotator, AnswerVersion
from annotation.selectors.pace import measured_paces
from annotation.services.answer_files import import_answers
from annotation.services.answers import MAX_SIZE
from annotation.services.assign_tasks import (
    PlanChangedError,
    PlanError,
    assign,
    preview,
    reassign,
    unassign,
)
from annotation.views import labelling
from avaproject.base.ranges import serve_stored
from avaproject.base.temporary import work_folder
from datasets.core.roles import Act
from datasets.core.sizes import size_text
from qc.selectors.clip_and_task_filters import TASK, TASK_ORDERS, narrowed, ordered
from qc.selectors.my_tasks import my_datasets
from qc.selectors.statuses import task_statuses
from qc.services.review.verdicts import ReviewError, comment
from qc.views.label_page import label_task
from workers.api import protocols
from workers.api.base import (
    LIMIT,
    OFFSET,
    ConflictError,
    DatasetView,
    answers,
    answers_with_file,
    checked,
    page_of,
    refused,
    token_of,
)
from workers.api.serializers import (
    AnnotatorSerializer,
    CommentSerializer,
    CountSerializer,
    ImportedSerializer,
    MyTaskSerializer,
    PlannedSerializer,
    PlanSerializer,
    TaskSerializer,
    VersionDetailSerializer,
    VersionSerializer,
)
from workers.api.videos_and_clips import query_of

TASK_FILTERS = ("q", "state", "annotator", "sort")
SUFFIX_OF = {"application/xml": "xml", "text/xml": "xml", "application/zip": "zip"}


class AnswerFileParser(BaseParser):
    """Takes an XML or zip file as it is, to be read by the import."""

    media_type = "application/xml"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        content: bytes = stream.read(MAX_SIZE + 1)
        if len(content) > MAX_SIZE:
            raise ParseError(f"The file has more than {size_text(MAX_SIZE)}.")
        return content


class ZipFileParser(AnswerFileParser):
    media_type = "application/zip"


class Assignments(DatasetView):
    """Assign clips to annotators."""

    @extend_schema(
        operation_id="assign", request=PlanSerializer,
        responses=answers(PlannedSerializer, 200, 400, 409),
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Assign clips as planned; with `preview` only say what would be assigned."""
        dataset = self.dataset(Act.ASSIGN)
        given = checked(PlanSerializer, request.data)
        plan = PlanRequest(
            tuple(dict.fromkeys(given["annotators"])), given["overlap"],
            per_clip=given["per_clip"], seed=given["seed"], blind=given["blind"],
            gold=given["gold"], paces=measured_paces(dataset),
        )  # fmt: skip
        try:
            _, found = preview(dataset, plan)
            if not given["preview"]:
                digest = given["digest"] or found.digest
                assign(dataset, plan, digest=digest, tool=given["tool"])
        except PlanChangedError as error:
            raise ConflictError(str(error)) from error
        except PlanError as error:
            raise refused(error) from error
        return Response({
            "tasks": len(found.tasks),
            "by_annotator": dict(Counter(task.annotator for task in found.tasks)),
            "digest": found.digest,
            "is_preview": given["preview"],
        })  # fmt: skip


class Annotators(DatasetView):
    """The annotators of a dataset by name."""

    @extend_schema(
        operation_id="annotators", parameters=[LIMIT, OFFSET],
        responses=answers(page_of(AnnotatorSerializer)),
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        dataset = self.dataset(Act.SEE_NAMES)
        rows = Annotator.objects.filter(dataset=dataset).select_related("user")
        return self.page(rows.order_by("name"), lambda found: [
            {
                "pk": one.pk, "name": one.name, "tool": one.tool, "is_active": one.is_active,
                "user": one.user.get_username() if one.user else None,
            }
            for one in found
        ])  # fmt: skip


class AnnotatorTasks(DatasetView):
    """The open tasks of one annotator, as a whole."""

    @extend_schema(operation_id="reassign", request=None, responses=answers(CountSerializer))
    def post(self, request: Request, name: str, pk: int) -> Response:
        """Assign again what was unassigned and nobody else has."""
        return Response({"count": reassign(self._annotator(pk))})

    @extend_schema(operation_id="unassign", responses=answers(CountSerializer))
    def delete(self, request: Request, name: str, pk: int) -> Response:
        """Unassign the unanswered tasks; the next plan assigns them to others."""
        return Response({"count": unassign(self._annotator(pk))})

    def _annotator(self, pk: int) -> Annotator:
        return get_object_or_404(self.dataset(Act.ASSIGN).annotators, pk=pk)  # type: ignore[attr-defined]


class MyTasks(DatasetView):
    """The tasks that the account labels, over all datasets: those to do."""

    @extend_schema(
        operation_id="my_tasks", parameters=[LIMIT, OFFSET],
        responses=answers(page_of(MyTaskSerializer)),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        token = token_of(request)
        only = token.dataset_id if token else None
        found = [
            {
                "pk": one.task.pk, "dataset": its.dataset.name, "clip": one.task.clip.name,
                "is_answered": one.task.latest_version_id is not None,  # type: ignore[attr-defined]
            }
            for its in my_datasets(self.user)
            if only in (None, its.dataset.pk)
            for one in [*its.returned, *its.open]
        ]  # fmt: skip
        return self.page(found, lambda rows: rows)


class Tasks(DatasetView):
    """The tasks of a dataset, filtered as on their page."""

    @extend_schema(
        operation_id="tasks",
        parameters=[
            LIMIT, OFFSET, OpenApiParameter("q", str), OpenApiParameter("state", str),
            OpenApiParameter("annotator", str),
        ],
        responses=answers(page_of(TaskSerializer)),
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        query = query_of(request, TASK_FILTERS)
        found = narrowed(task_statuses(self.dataset(Act.SEE_NAMES)), query, of=TASK)
        if query.get("state"):
            found = found.filter(state=query["state"])
        found = ordered(found, query, TASK_ORDERS)
        return self.page(
            found.select_related("task", "annotator", "version"),
            lambda rows: [_shown(one) for one in rows],
        )


class TaskView(DatasetView):
    """A view of one task, for whoever may see who annotated what."""

    def task(self, *acts: Act) -> AnnotationTask:
        tasks = AnnotationTask.objects.of(self.dataset(*(acts or (Act.SEE_NAMES,))))
        tasks = tasks.select_related("clip__video__dataset", "annotator")
        return get_object_or_404(tasks, pk=self.kwargs["pk"])


class TaskDetail(TaskView):
    """One task."""

    @extend_schema(operation_id="task", responses=answers(TaskSerializer))
    def get(self, request: Request, name: str, pk: int) -> Response:
        rows = task_statuses(self.dataset(Act.SEE_NAMES)).filter(task=pk)
        found = rows.select_related("task", "annotator", "version").first()
        if found is None:
            raise Http404(f"{name} has no such task.")
        return Response(_shown(found))


class TaskPackage(TaskView):
    """The package of a task: frames, people, labels."""

    @extend_schema(operation_id="package", responses=answers_with_file("application/zip"))
    def get(self, request: Request, name: str, pk: int) -> HttpResponseBase:
        task = self.task(Act.SEE_NAMES, Act.DOWNLOAD)
        return serve_stored(
            request._request, task.package.name or "", content_type="application/zip",
            download_as=f"{task}.zip",
        )  # fmt: skip


class TaskAnswers(TaskView):
    """The answers to a task: versions, the newest first."""

    scopes = {"POST": "label"}
    parser_classes = [AnswerFileParser, ZipFileParser, JSONParser]

    @extend_schema(
        operation_id="answers", parameters=[LIMIT, OFFSET],
        responses=answers(page_of(VersionSerializer)),
    )  # fmt: skip
    def get(self, request: Request, name: str, pk: int) -> Response:
        rows = self.task().versions.order_by("-number")
        return self.page(rows, lambda found: [_version(one) for one in found])

    @extend_schema(
        operation_id="import_answers",
        request=dict.fromkeys(("application/xml", "application/zip"), OpenApiTypes.BINARY),
        responses=answers(ImportedSerializer, 200, 400),
    )  # fmt: skip
    def post(self, request: Request, name: str, pk: int) -> Response:
        """Import a file with answers: CVAT for video 1.1, as XML or zip."""
        task = self.task(Act.REVIEW)
        content: Any = request.data
        if not isinstance(content, bytes):
            raise ParseError("Send the file as application/xml or application/zip.")
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        with work_folder() as folder:
            (folder / f"{task}.{SUFFIX_OF.get(kind, 'xml')}").write_bytes(content)
            imported = import_answers(task.clip.video.dataset, folder)
        return Response({
            "received": imported.received, "unchanged": imported.unchanged,
            "refused": [one._asdict() for one in imported.refused],
        })  # fmt: skip


class TaskAnswersVersion(TaskView):
    """One version of answers: each person at each keyframe."""

    @extend_schema(operation_id="answers_version", responses=answers(VersionDetailSerializer))
    def get(self, request: Request, name: str, pk: int, number: int) -> Response:
        found = get_object_or_404(self.task().versions, number=number)
        rows = [
            {
                "second": one.second, "person_id": one.person_id,
                "box": [one.x1, one.y1, one.x2, one.y2], "answers": one.answers,
            }
            for one in found.annotations.order_by("second", "track")
        ]  # fmt: skip
        return Response(_version(found) | {"annotations": rows})


class TaskComments(TaskView):
    """Comments on a task."""

    scopes = {"POST": "review"}

    @extend_schema(
        operation_id="comment", request=CommentSerializer,
        responses=answers(CommentSerializer, 201, 400),
    )  # fmt: skip
    def post(self, request: Request, name: str, pk: int) -> Response:
        """Add a comment."""
        text = checked(CommentSerializer, request.data)["text"]
        try:
            made = comment(self.task(Act.REVIEW), author=self.user, text=text)
        except ReviewError as error:
            raise refused(error) from error
        return Response({"text": made.text}, status=201)


class TaskDraft(DatasetView):
    """The draft of one's own task, by the protocol of the label page (docs/api.md)."""

    scopes = {"POST": "label"}

    @protocols.draft_content
    def get(self, request: Request, name: str, pk: int) -> HttpResponseBase:
        """What is to be labelled."""
        return label_task(request._request, name, pk)

    @protocols.open_draft
    def post(self, request: Request, name: str, pk: int) -> HttpResponseBase:
        """Open the draft as `holder`, and get its operations."""
        return labelling.label_open(request._request, name, pk)


class TaskOperations(DatasetView):
    """The operations of a draft."""

    scopes = {"POST": "label"}

    @protocols.draft_operations
    def get(self, request: Request, name: str, pk: int) -> HttpResponseBase:
        """The log of operations."""
        return labelling.label_operations(request._request, name, pk)

    @protocols.append_operations
    def post(self, request: Request, name: str, pk: int) -> HttpResponseBase:
        """Append operations."""
        return labelling.label_operations(request._request, name, pk)


class TaskSubmission(DatasetView):
    """Submit the draft of one's own task."""

    scopes = {"POST": "label"}

    @protocols.submit_draft
    def post(self, request: Request, name: str, pk: int) -> HttpResponseBase:
        """Submit the draft; a second request is answered like the first."""
        return labelling.label_submit(request._request, name, pk)


def _shown(row: Any) -> dict[str, Any]:
    task = row.task
    return {
        "pk": task.pk, "clip": row.name, "annotator": row.annotator.name,
        "purpose": task.purpose, "is_blind": task.is_blind, "state": row.state,
        "version": row.version.number if row.version else None, "verdict": row.verdict,
        "has_package": bool(task.package),
    }  # fmt: skip


def _version(version: AnswerVersion) -> dict[str, Any]:
    return {
        "number": version.number, "stage": version.stage, "error": version.error,
        "source": version.source, "persons": version.person_count,
        "unfinished": version.unfinished,
    }  # fmt: skip
