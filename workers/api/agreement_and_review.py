"""API of agreement, adjudication and review."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.models import AnnotationTask
from datasets.core.roles import Act
from datasets.selectors import permitted_clips
from qc.core.agreement.figures import Figure
from qc.selectors.agreement.agreement_tables import agreement_page
from qc.selectors.agreement.details import clip_agreement
from qc.selectors.agreement.newest import newest_summary
from qc.selectors.agreement.table_parts import Table
from qc.selectors.consensus.adjudication_queue import (
    KINDS,
    AdjudicationItem,
    adjudication_items,
    item_keys,
    parse_item_key,
)
from qc.selectors.review.review_queue import pending
from qc.services.consensus.adjudicate import (
    AdjudicationError,
    adjudicate_all,
    withdraw_decisions,
)
from qc.services.review.verdicts import ReviewError, approve, reject
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
from workers.api.review_and_release_serializers import (
    DecidedSerializer,
    DecisionSerializer,
    ItemSerializer,
    ReviewSerializer,
    VerdictSerializer,
)
from workers.api.serializers import (
    AgreementSerializer,
    CountSerializer,
)

ITEMS_AT_ONCE = 100


class Agreement(DatasetView):
    """Agreement of the annotators of a dataset: groups, actions, pairs, annotators, clips."""

    @extend_schema(
        operation_id="agreement",
        parameters=[
            OpenApiParameter("clips", str, enum=["all"], description="not only the lowest ones")
        ],
        responses=answers(AgreementSerializer),
    )
    def get(self, request: Request, name: str) -> Response:
        """The clips are those of lowest agreement, or all."""
        dataset = self.dataset(Act.SEE_NAMES)
        newest = newest_summary(dataset)
        with_all = request.query_params.get("clips") == "all"

        def compute() -> list[dict[str, Any]] | None:
            figures = newest.with_clips() if with_all else newest.figures
            return _tables(agreement_page(dataset, figures)) if figures else None

        tables = newest.kept(f"api {with_all}", compute)
        return Response({"tables": tables or []})


class ClipAgreementDetail(DatasetView):
    """Agreement on one clip; no tables as long as nobody's answers can be compared."""

    @extend_schema(operation_id="clip_agreement", responses=answers(AgreementSerializer))
    def get(self, request: Request, name: str, clip: str) -> Response:
        dataset = self.dataset(Act.SEE_NAMES)
        clips = permitted_clips(self.user, name, Act.SEE_NAMES).select_related("video__dataset")
        page = clip_agreement(dataset, get_object_or_404(clips, name=clip))
        return Response({"tables": _tables(page)})


class AdjudicationQueue(DatasetView):
    """Questions that wait for a reviewer's decision."""

    scopes = {"POST": "review"}

    @extend_schema(
        operation_id="adjudication",
        parameters=[
            OpenApiParameter("after", str, description="key of the last one seen"),
            OpenApiParameter("kind", str, enum=list(KINDS)),
        ],
        responses=answers(ItemSerializer(many=True), 200, 400),
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        """The first hundred after `after`."""
        dataset = self.dataset(Act.ADJUDICATE)
        kind = request.query_params.get("kind") or KINDS[0]
        if kind not in KINDS:
            raise serializers.ValidationError({"detail": f"kind is {' or '.join(KINDS)}."})
        text = request.query_params.get("after", "")
        after = parse_item_key(text) if text else None
        if text and after is None:
            raise serializers.ValidationError({"detail": f"{text} is no key."})
        keys = item_keys(dataset, kind=kind, after=after, limit=ITEMS_AT_ONCE)
        return Response([_item(one) for one in adjudication_items(dataset, keys)])

    @extend_schema(
        operation_id="adjudicate", request=DecisionSerializer,
        responses=answers(DecidedSerializer, 201, 400),
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Decide a question at one keyframe or several."""
        self.dataset(Act.ADJUDICATE)
        given = checked(DecisionSerializer, request.data)
        clips = permitted_clips(self.user, name, Act.ADJUDICATE)
        clip = get_object_or_404(clips.select_related("video__dataset"), name=given.pop("clip"))
        try:
            made = adjudicate_all(clip, user=self.user, **given)
        except AdjudicationError as error:
            raise refused(error) from error
        return Response({"decisions": [one.pk for one in made]}, status=201)


class DecisionDetail(DatasetView):
    """One decision."""

    scopes = {"DELETE": "review"}

    @extend_schema(operation_id="undo_decision", responses=answers(CountSerializer, 200, 409))
    def delete(self, request: Request, name: str, pk: int) -> Response:
        """Withdraw it; it is kept as withdrawn."""
        dataset = self.dataset(Act.ADJUDICATE)
        try:
            undone = withdraw_decisions(dataset, [pk], user=self.user)
        except AdjudicationError as error:
            raise ConflictError(str(error)) from error
        return Response({"count": len(undone)})


class Reviews(DatasetView):
    """Answers that wait for review."""

    scopes = {"POST": "review"}

    @extend_schema(
        operation_id="reviews", parameters=[LIMIT, OFFSET],
        responses=answers(page_of(ReviewSerializer)),
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        found = pending(self.dataset(Act.REVIEW), {})
        return self.page(found, self._shown)

    def _shown(self, rows: list[Any]) -> list[dict[str, Any]]:
        keys = [row.pk for row in rows]
        tasks = (
            AnnotationTask.objects.filter(pk__in=keys)
            .order_by()
            .select_related("clip", "annotator", "status__version")
        )
        by_key: dict[int, Any] = {task.pk: task for task in tasks}
        return [
            {
                "task": key, "clip": by_key[key].clip.name,
                "annotator": by_key[key].annotator.name,
                "version": by_key[key].status.version.number,
            }
            for key in keys
        ]  # fmt: skip

    @extend_schema(
        operation_id="review", request=VerdictSerializer,
        responses=answers(CountSerializer, 200, 400, 409),
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Approve or reject the newest answers of tasks, all or none."""
        dataset = self.dataset(Act.REVIEW)
        given = checked(VerdictSerializer, request.data)
        tasks = list(AnnotationTask.objects.of(dataset).filter(pk__in=given["tasks"]))
        if len(tasks) < len(set(given["tasks"])):
            raise serializers.ValidationError({"detail": f"{name} has not all of these tasks."})
        try:
            if given["verdict"] == "approved":
                overrides = {task.pk: given["reason"] for task in tasks if given["reason"]}
                made = approve(tasks, reviewer=self.user, overrides=overrides)
            else:
                made = reject(tasks, reviewer=self.user, reason=given["reason"])
        except ReviewError as error:
            raise ConflictError(str(error)) from error
        return Response({"count": len(made)})


def _tables(page: Any) -> list[dict[str, Any]]:
    """All tables of a page of agreement."""
    found = [
        one
        for value in (vars(page).values() if page else ())
        for one in (value if isinstance(value, list) else [value])
        if isinstance(one, Table)
    ]
    return [
        {
            "name": table.name,
            "title": table.title,
            "columns": [column.title for column in table.columns],
            "rows": [
                {
                    column.title: _value(cell.value)
                    for column, cell in zip(table.columns, row, strict=True)
                }
                for row in table.rows
            ],
        }
        for table in found
    ]


def _value(value: Any) -> Any:
    """A figure with its interval and units, or why it is undefined; else the value."""
    if not isinstance(value, Figure):
        return value
    low, high = value.interval or (None, None)
    return {
        "value": value.value, "low": low, "high": high, "units": value.units,
        "undefined_because": value.reason,
    }  # fmt: skip


def _item(item: AdjudicationItem) -> dict[str, Any]:
    return {
        "key": str(item.key), "clip": item.key.clip, "second": item.key.second,
        "person_id": item.key.person_id, "group": item.group.name if item.group else "",
        "title": item.title, "reason": item.reason,
        "answers": {one.annotator: one.answer for one in item.answers},
    }  # fmt: skip
