"""What the views of the API share: the dataset of the address, errors, pages of rows."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from datasets.core.roles import Act
from datasets.models import AccessToken, Dataset
from datasets.selectors import permitted_datasets
from workers.api.defaults import MAX_ROWS, Pages


class ProblemSerializer(serializers.Serializer):
    """Why a request was refused, in one sentence."""

    detail = serializers.CharField()


class ConflictError(APIException):
    """What is asked for does not fit the state of things; the sentence says why."""

    status_code = 409


REFUSED = OpenApiResponse(
    OpenApiTypes.OBJECT, "not valid: `detail`, or a list of sentences for each field"
)
NOT_THERE = OpenApiResponse(ProblemSerializer, "not there, or not for this account")
NOT_LOGGED_IN = OpenApiResponse(ProblemSerializer, "no valid token")
NO_SCOPE = OpenApiResponse(ProblemSerializer, "the token has not the scope")
CONFLICT = OpenApiResponse(ProblemSerializer, "it does not fit the state of things")
TOO_MANY = OpenApiResponse(ProblemSerializer, "too many requests: wait")
ERRORS = {400: REFUSED, 401: NOT_LOGGED_IN, 403: NO_SCOPE, 404: NOT_THERE, 429: TOO_MANY}
LIMIT = OpenApiParameter("limit", int, description=f"rows of a page, at most {MAX_ROWS}")
OFFSET = OpenApiParameter("offset", int, description="rows before it")


def answers(serializer: Any, status: int = 200, *errors: int) -> dict[int, Any]:
    """The responses of an operation for the schema: what succeeds, and which errors besides."""
    named = {400: REFUSED, 409: CONFLICT, 413: OpenApiResponse(ProblemSerializer, "too large")}
    return {status: serializer} | {code: named[code] for code in errors} | ERRORS


def answers_with_file(media_type: str) -> dict[Any, Any]:
    """The responses of an operation that sends a file, or a range of it."""
    return {
        (200, media_type): OpenApiTypes.BINARY,
        (206, media_type): OpenApiTypes.BINARY,
        302: OpenApiResponse(description="to the bucket"),
        416: OpenApiResponse(description="a range that the file has not"),
    } | ERRORS


class DatasetView(APIView):
    """A view of something in the dataset that the address names."""

    scopes: dict[str, str] = {}

    @property
    def user(self) -> User:
        return cast(User, self.request.user)

    def dataset(self, *acts: Act) -> Dataset:
        """The dataset, if the user may do all of `acts` there; default: see. Raises Http404."""
        return get_object_or_404(permitted_datasets(self.user, *acts), name=self.kwargs["name"])

    def page(self, rows: Any, show: Callable[[list[Any]], Iterable[Any]]) -> Response:
        """A page of `rows`; `show` makes JSON of those on it."""
        pages = Pages()
        found: list[Any] | None = pages.paginate_queryset(rows, self.request, view=self)
        return pages.get_paginated_response(list(show(found or [])))


def token_of(request: Request) -> AccessToken | None:
    return request.auth if isinstance(request.auth, AccessToken) else None


def visible_datasets(request: Request, *acts: Act) -> QuerySet[Dataset]:
    """The datasets of the user, or the one that the token is for."""
    found = permitted_datasets(request.user, *acts)
    token = token_of(request)
    return found.filter(pk=token.dataset_id) if token and token.dataset_id else found


def checked(serializer: type[serializers.Serializer], data: Any) -> dict[str, Any]:
    """The valid data of a request. Raises ValidationError, which answers with 400."""
    found = serializer(data=data)
    found.is_valid(raise_exception=True)
    return cast(dict[str, Any], found.validated_data)


def refused(error: Exception) -> serializers.ValidationError:
    """The error of a service as a 400 with its sentence."""
    if isinstance(error, DjangoValidationError):
        return serializers.ValidationError({"detail": " ".join(error.messages)})
    return serializers.ValidationError({"detail": str(error)})


def page_of(row: type[serializers.Serializer]) -> type[serializers.Serializer]:
    """The serializer of a page of rows, for the schema."""
    name = row.__name__.removesuffix("Serializer")
    return type(
        f"{name}PageSerializer",
        (serializers.Serializer,),
        {
            "count": serializers.IntegerField(),
            "next": serializers.CharField(allow_null=True),
            "previous": serializers.CharField(allow_null=True),
            "results": row(many=True),
        },
    )
