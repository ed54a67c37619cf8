"""API of the account, datasets, members and activity."""

from typing import Any, cast

from django.conf import settings
from django.db.models import Field, prefetch_related_objects
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse as api_reverse
from rest_framework.views import APIView

from annotation.selectors.members import member_rows
from avaproject.base.storage import StorageError
from avaproject.base.views import parse_key
from datasets.accounts.activity import activity_of
from datasets.accounts.quotas import QuotaError, may_create, usage
from datasets.core.roles import MAY, Act
from datasets.forms import OWN, DatasetForm
from datasets.models import Dataset, Member
from datasets.selectors import only_annotates
from datasets.services import members as member_service
from datasets.services.create import describe
from datasets.services.delete import InUseError, delete
from datasets.services.members import MemberError
from datasets.views.pages import created
from workers.api.base import (
    LIMIT,
    OFFSET,
    ConflictError,
    DatasetView,
    answers,
    checked,
    page_of,
    refused,
    token_of,
    visible_datasets,
)
from workers.api.serializers import (
    ActivitySerializer,
    DatasetDetailSerializer,
    DatasetSerializer,
    DescriptionSerializer,
    InvitationSerializer,
    MemberSerializer,
    MeSerializer,
    NewDatasetSerializer,
    NewInvitationSerializer,
    RoleSerializer,
)
from workers.team.joining import change_role, leave


class Me(APIView):
    """The account, and what its token opens."""

    @extend_schema(operation_id="me", responses=answers(MeSerializer))
    def get(self, request: Request) -> Response:
        token = token_of(request)
        return Response({
            "user": request.user.get_username(),
            "may_create_datasets": may_create(request.user),
            "scopes": token.scopes if token else [],
            "dataset": token.dataset.name if token and token.dataset else None,
            "expires_at": token.expires_at if token else None,
            "usage": usage(request.user)._asdict(),  # type: ignore[arg-type]
        })  # fmt: skip


class Datasets(DatasetView):
    """The datasets that the account sees."""

    @extend_schema(
        operation_id="datasets", parameters=[LIMIT, OFFSET],
        responses=answers(page_of(DatasetSerializer)),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        return self.page(
            visible_datasets(request), lambda rows: [_shown(one, request) for one in rows]
        )

    @extend_schema(
        operation_id="create_dataset", request=NewDatasetSerializer,
        responses=answers(DatasetDetailSerializer, 201, 400, 409),
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Create a dataset."""
        if not may_create(self.user) or only_annotates(self.user):
            self.permission_denied(request, "You may not create datasets here.")
        given = checked(NewDatasetSerializer, request.data)
        if given.get("vocabulary_text"):
            given["vocabulary"] = OWN
        defaults = {name: _default(name) for name in Dataset.SETTINGS}
        form = DatasetForm({"description": "", **defaults, **given}, user=self.user)
        if not form.is_valid():
            raise serializers.ValidationError(
                {name: [str(one) for one in errors] for name, errors in form.errors.items()}
            )
        try:
            made = created(form, self.user)
        except QuotaError as error:
            raise ConflictError(str(error)) from error
        found = visible_datasets(request).get(pk=made.pk)
        return Response(_detail(found, request), status=201)


class DatasetDetail(DatasetView):
    """One dataset with its vocabulary."""

    scopes = {"DELETE": "delete"}

    @extend_schema(operation_id="dataset", responses=answers(DatasetDetailSerializer))
    def get(self, request: Request, name: str) -> Response:
        return Response(_detail(self.dataset(), request))

    @extend_schema(
        operation_id="describe_dataset", request=DescriptionSerializer,
        responses=answers(DatasetDetailSerializer, 200, 400),
    )  # fmt: skip
    def patch(self, request: Request, name: str) -> Response:
        """Change the description."""
        dataset = self.dataset(Act.CONFIGURE)
        describe(dataset, checked(DescriptionSerializer, request.data)["description"])
        return Response(_detail(self.dataset(Act.CONFIGURE), request))

    @extend_schema(
        operation_id="delete_dataset",
        parameters=[OpenApiParameter("confirm", str, required=True, description="its name")],
        responses=answers(None, 204, 400, 409),
    )  # fmt: skip
    def delete(self, request: Request, name: str) -> Response:
        """Delete the dataset with everything in it; `?confirm=` repeats its name."""
        dataset = self.dataset(Act.DELETE)
        if request.query_params.get("confirm") != name:
            raise serializers.ValidationError({"detail": f"Repeat the name: ?confirm={name}"})
        try:
            delete(dataset)
        except StorageError:  # 503, as elsewhere: try again
            raise
        except (InUseError, OSError) as error:
            raise ConflictError(str(error)) from error
        return Response(status=204)


class Members(DatasetView):
    """The members of a dataset."""

    @extend_schema(
        operation_id="members", parameters=[LIMIT, OFFSET],
        responses=answers(page_of(MemberSerializer)),
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        rows = member_rows(self.dataset(Act.INVITE_ANNOTATORS))
        return self.page(rows, lambda found: [_member(one.member, one.annotator)
                                              for one in found])  # fmt: skip

    @extend_schema(
        operation_id="invite", request=NewInvitationSerializer,
        responses=answers(InvitationSerializer, 201, 400),
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Make an invitation; its link is in the response, and nowhere else."""
        dataset = self.dataset(Act.INVITE_ANNOTATORS)
        given = checked(NewInvitationSerializer, request.data)
        try:
            made, token = member_service.invite(dataset, by=self.user, **given)
        except MemberError as error:
            raise refused(error) from error
        path = reverse("workers:join", args=[token])
        base = settings.PUBLIC_URL
        link = f"{base}{path}" if base else request.build_absolute_uri(path)
        return Response(
            {"role": made.role, "link": link, "expires_at": made.expires_at}, status=201
        )


class MemberDetail(DatasetView):
    """One member."""

    scopes = {"DELETE": "delete"}

    @extend_schema(
        operation_id="change_role", request=RoleSerializer,
        responses=answers(MemberSerializer, 200, 400, 409),
    )  # fmt: skip
    def patch(self, request: Request, name: str, pk: int) -> Response:
        """Give the member another role."""
        member = self._member(pk)
        role = checked(RoleSerializer, request.data)["role"]
        try:
            change_role(member, role)
        except MemberError as error:
            raise ConflictError(str(error)) from error
        linked = member.dataset.annotators.filter(user=member.user).first()  # type: ignore[attr-defined]
        return Response(_member(member, linked.name if linked else ""))

    @extend_schema(operation_id="remove_member", responses=answers(None, 204, 409))
    def delete(self, request: Request, name: str, pk: int) -> Response:
        """Remove the member; their answers and decisions stay."""
        try:
            leave(self._member(pk))
        except MemberError as error:
            raise ConflictError(str(error)) from error
        return Response(status=204)

    def _member(self, pk: int) -> Member:
        members = self.dataset(Act.MANAGE_MEMBERS).members
        key = parse_key(str(pk))
        return get_object_or_404(members.select_related("user", "dataset"), pk=key)


class ActivityList(DatasetView):
    """Who did what in a dataset, the newest first."""

    @extend_schema(
        operation_id="activity",
        parameters=[
            LIMIT, OFFSET, OpenApiParameter("user", str), OpenApiParameter("verb", str),
        ],
        responses=answers(page_of(ActivitySerializer)),
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        query = {key: _text(request, key) for key in ("user", "verb")}
        found = activity_of(self.dataset(Act.SEE_NAMES), **query)
        return self.page(found, lambda rows: ActivitySerializer(rows, many=True).data)


def _text(request: Request, key: str) -> str:
    return request.query_params.get(key, "")


def _default(name: str) -> Any:
    return cast("Field[Any, Any]", Dataset._meta.get_field(name)).get_default()


def _shown(dataset: Dataset, request: Request) -> dict[str, Any]:
    facts = {
        name: getattr(dataset, name)
        for name in (
            "name", "description", "annotation_fps", "clip_seconds", "longest_side",
            "detector", "threshold", "frame_stride", "keep_ids", "classes", "created_at",
        )
    }  # fmt: skip
    role = dataset.role  # type: ignore[attr-defined]  # annotated
    return facts | {
        "role": role,
        "may": [act.value for act in Act if act in MAY.get(role, ())],
        "can_manage": Act.RELEASE.key in dataset.may,
        "bundles": api_reverse("tracking:api-bundles", args=[dataset.name], request=request),
    }


def _detail(dataset: Dataset, request: Request) -> dict[str, Any]:
    groups = list(dataset.groups.order_by("position"))
    prefetch_related_objects(groups, "actions")
    fields = ("name", "choice", "scope", "required", "max_per_person")
    return _shown(dataset, request) | {
        "groups": [
            {field: getattr(group, field) for field in fields}
            | {
                "actions": [
                    {"name": one.name, "action_id": one.action_id}
                    for one in group.shown_actions()
                ]
            }
            for group in groups
        ]
    }


def _member(member: Member, annotator: str) -> dict[str, Any]:
    return {
        "pk": member.pk, "user": member.user.get_username(), "role": member.role,
        "annotator": annotator,
    }  # fmt: skip
