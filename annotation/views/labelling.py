"""Endpoints of the label page: JSON of the draft of one task, and the files that it shows."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.models import AnnotationTask, AnswerDraft
from annotation.selectors.labelling import (
    as_operation,
    discarded_operations,
    labelled_tasks,
    newest_draft,
    operations_of,
)
from annotation.services.labelling.drafts import (
    append_operations,
    discard_operations,
    open_draft,
    reopen,
)
from annotation.services.labelling.refusals import LabelError, MalformedError
from annotation.services.labelling.submit import submit
from avaproject.base.ranges import serve_stored
from avaproject.base.views import parse_key
from datasets.clip_frames import FramesError, read_frame
from datasets.core.sizes import size_text

MAX_BODY = 64 << 10  # bytes of a batch: what a browser sends while its page is closed
MAX_LOG = 4 << 20  # bytes of the ids of a whole log

View = Callable[..., HttpResponseBase]


def errors_as_json(view: View) -> View:
    """Answer the errors of the services as `{"error": sentence, "code": code}`."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except LabelError as error:
            content = {"error": str(error), "code": error.code, **error.facts}
            return JsonResponse(content, status=error.status)

    return answer


@login_required
@require_POST
@errors_as_json
def label_open(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Open the draft of a task as the tab `holder`."""
    task = _own(request, name, pk)
    body = _body(request, most=MAX_LOG)
    log = body.get("log")
    if log is not None and not (isinstance(log, list) and all(isinstance(i, str) for i in log)):
        raise MalformedError("log is not a list of ids")
    opened = open_draft(
        task, holder=_holder(body), take_over=body.get("take_over") is True, log=log
    )
    return JsonResponse(_draft(opened.draft) | {"operations": opened.operations})


@login_required
@require_http_methods(["GET", "POST"])
@errors_as_json
def label_operations(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """GET: the log, for whoever may look on. POST: append operations."""
    if request.method == "GET":
        draft = newest_draft(_seen(request, name, pk))
        if draft is None:
            return JsonResponse({"draft": None, "start": None, "last": 0, "operations": []})
        after = parse_key(request.GET.get("after", "")) or 0
        return JsonResponse(_draft(draft) | {"operations": operations_of(draft, after=after)})
    body = _body(request)
    draft = append_operations(
        _own(request, name, pk), holder=_holder(body), operations=_operations(body),
        progress=_progress(body.get("progress")), release=body.get("release") is True,
    )  # fmt: skip
    return JsonResponse({"last": draft.last, "saved_at": _iso(draft.saved_at)})


@login_required
@require_POST
@errors_as_json
def label_discard(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Keep operations readable that shall not count."""
    body = _body(request)
    count = discard_operations(
        _own(request, name, pk), holder=_holder(body), operations=_operations(body)
    )
    return JsonResponse({"discarded": count})


@login_required
@require_GET
def label_discarded(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """The discarded operations of a task, the newest first."""
    rows = discarded_operations(_seen(request, name, pk))
    found = [
        {
            **as_operation(row.key, row.number, row.active_ms, row.content),
            "revision": row.draft.revision,
            "discarded_at": _iso(row.discarded_at),
        }
        for row in rows
    ]
    return JsonResponse({"operations": found})


@login_required
@require_POST
@errors_as_json
def label_submit(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Submit the draft; a second request is answered like the first."""
    task, body = _own(request, name, pk), _body(request)
    last, despite = body.get("last"), body.get("despite")
    if not isinstance(last, int) or not isinstance(despite, int | None):
        raise MalformedError("last is not a number")
    version = submit(task, holder=_holder(body), last=last, despite=despite)
    return JsonResponse({"version": version.number})


@login_required
@require_POST
@errors_as_json
def label_reopen(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Begin the next revision of submitted answers, or go on with the open one."""
    return JsonResponse(_draft(reopen(_own(request, name, pk))))


@login_required
@require_GET
def label_clip(request: HttpRequest, name: str, pk: int) -> HttpResponseBase:
    clip = _seen(request, name, pk).clip
    return serve_stored(request, clip.file.name or "", content_type="video/mp4")


@login_required
@require_GET
def label_poster(request: HttpRequest, name: str, pk: int) -> HttpResponseBase:
    clip = _seen(request, name, pk).clip
    return serve_stored(request, clip.poster.name or "", content_type="image/jpeg")


@login_required
@require_GET
def label_frame(request: HttpRequest, name: str, pk: int, number: int) -> HttpResponse:
    """One annotation frame of the clip, by its number."""
    clip = _seen(request, name, pk).clip
    try:
        content = read_frame(clip, number)
    except (FramesError, FileNotFoundError) as error:
        raise Http404(f"{clip} has no annotation frame {number}.") from error
    headers = {"Cache-Control": "private, max-age=3600"}
    return HttpResponse(content, content_type="image/jpeg", headers=headers)


def _own(request: HttpRequest, name: str, pk: int) -> AnnotationTask:
    """A task of the user's own; 404 for any other."""
    return _of(AnnotationTask.objects.own(request.user), name, pk)


def _seen(request: HttpRequest, name: str, pk: int) -> AnnotationTask:
    """A task that the user labels, or may look on at."""
    return _of(labelled_tasks(request.user), name, pk)


def _of(tasks: QuerySet[AnnotationTask], name: str, pk: int) -> AnnotationTask:
    tasks = tasks.select_related("clip__video__dataset", "annotator", "run__clip", "revises")
    return get_object_or_404(tasks, clip__video__dataset__name=name, pk=pk)


def _body(request: HttpRequest, *, most: int = MAX_BODY) -> dict[str, Any]:
    """The JSON object of the request. Raises MalformedError."""
    if len(request.body) > most:
        raise MalformedError(f"the request has more than {size_text(most)}")
    try:
        content = json.loads(request.body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedError("the request is not JSON") from error
    if not isinstance(content, dict) or b"\\u0000" in request.body:
        raise MalformedError("the request is not a JSON object, or it contains NUL")
    return content


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _holder(body: dict[str, Any]) -> str:
    holder = body.get("holder")
    if not isinstance(holder, str) or not holder:
        raise MalformedError("holder is missing")
    return holder


def _operations(body: dict[str, Any]) -> list[Any]:
    operations = body.get("operations", [])
    if not isinstance(operations, list):
        raise MalformedError("operations is not a list")
    return operations


def _progress(given: Any) -> tuple[int, int] | None:
    if not isinstance(given, dict):
        return None
    done, total = given.get("done"), given.get("total")
    if isinstance(done, int) and isinstance(total, int) and 0 <= done <= total < 2**31:
        return done, total
    return None


def _draft(draft: AnswerDraft) -> dict[str, Any]:
    return {
        "draft": draft.revision, "start": draft.start, "last": draft.last,
        "saved_at": _iso(draft.saved_at), "is_submitted": draft.version_id is not None,
    }  # fmt: skip


def _iso(moment: Any) -> str | None:
    return moment.isoformat() if moment else None
