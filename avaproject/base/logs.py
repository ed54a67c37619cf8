"""Log context: lines name the request and the row of work they belong to.

`AVA_LOG_FORMAT=json` writes one JSON object a line, with the context as fields of their own, so
that a clip can be followed through all apps.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponseBase

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
REQUEST_ID = "X-Request-ID"
ID = re.compile(r"[\w-]{1,64}", re.ASCII)
FOLLOWED = ("dataset_id", "video_id", "clip_id", "task_id")  # of a row, where it has them

requests = logging.getLogger("avaproject.requests")
work = logging.getLogger("avaproject.work")
_context: ContextVar[Mapping[str, object]] = ContextVar("log context")


def logging_settings(*, format: str, level: str) -> dict[str, Any]:
    """Django's `LOGGING`; a `format` of `json` adds a line a request, and two a row of work."""
    own = {"level": "INFO" if format == "json" else "ERROR"}  # the pages show the same
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"context": {"()": "avaproject.base.logs.AddContext"}},
        "formatters": {
            "line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s%(context)s"},
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
                "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
            },
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": format,
                "filters": ["context"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "celery.app.trace": {"level": "WARNING"},
            "axes": {"level": "WARNING"},  # less: two lines a log-in that name nobody
            requests.name: own,
            work.name: own,
        },
    }


class AddContext(logging.Filter):
    """Gives records the fields of the context, and their text for plain lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        fields = _context.get({})
        vars(record).update(fields)
        record.context = "".join(f" {name}={value}" for name, value in fields.items())
        return True


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Lines that are logged inside have `fields`, beside those of the contexts around it."""
    token = _context.set({**_context.get({}), **fields})
    try:
        yield
    finally:
        _context.reset(token)


@contextmanager
def logging_work(row: Any) -> Iterator[None]:
    """A line when the claimed `row` is begun, and one that says how it ended."""
    fields = {"row": f"{row._meta.label_lower}:{row.pk}", "claim": row.claim_token}
    fields |= {name[:-3]: getattr(row, name) for name in FOLLOWED if hasattr(row, name)}
    if row._meta.model_name in ("dataset", "video", "clip"):
        fields[row._meta.model_name] = row.pk
    began = time.monotonic()
    with log_context(**fields):
        work.info("claimed, attempt %d", row.attempts)
        outcome = "interrupted"
        try:
            yield
            outcome = str(row.stage)
        finally:
            seconds = time.monotonic() - began
            level = logging.WARNING if outcome in ("failed", "interrupted") else logging.INFO
            work.log(level, "%s after %.1f s %s", outcome, seconds, row.error)


class LogRequests:
    """Gives each request an id, in its log lines and in the response, and logs one line of it.

    A proxy may bring the id in `X-Request-ID`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(REQUEST_ID, "")
        name = given if ID.fullmatch(given) else uuid4().hex[:16]
        began = time.monotonic()
        with log_context(request=name):
            response = self.get_response(request)
            milliseconds = (time.monotonic() - began) * 1000
            requests.info(
                "%s %s %d %.0f ms",
                request.method, request.path, response.status_code, milliseconds,
                extra={"status": response.status_code, "milliseconds": round(milliseconds)},
            )  # fmt: skip
        response.headers[REQUEST_ID] = name
        return response
