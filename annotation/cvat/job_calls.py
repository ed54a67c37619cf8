"""CVAT client: calls about jobs, their annotations, issues, comments and events."""

import csv
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from django.utils.translation import gettext as _

from annotation.cvat.errors import CvatGoneError, CvatRefusedError, CvatUnavailableError
from annotation.cvat.transport import Address, Transport, quoted

PAGE = 100
EXPORT_TIMEOUT = 20.0
EXPORT_POLL_INTERVAL = 0.2
EVENT_FIELDS = ("scope", "obj_name", "obj_val", "user_name", "timestamp", "duration")
EVENT_STORE = "clickhouse"  # in what CVAT says if it has none
MAX_LOG = 64 << 20  # characters of the log of one job


class Job(NamedTuple):
    """The state of one job in CVAT at `updated_date`."""

    job_id: int
    task_id: int
    assignee: str  # user name, or ""
    stage: str
    state: str
    updated_date: datetime
    kind: str  # "annotation", or another type that is not used here
    project_id: int | None = None

    @property
    def is_finished(self) -> bool:
        return self.state == "completed"


def job_from(data: dict[str, Any]) -> Job:
    return Job(
        data["id"], data["task_id"], (data.get("assignee") or {}).get("username", ""),
        data["stage"], data["state"], parse_date(data["updated_date"]),
        data.get("type", "annotation"), data.get("project_id"),
    )  # fmt: skip


def parse_date(text: str) -> datetime:
    """A date of CVAT; always with a time zone."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


class JobCalls:
    """What `CvatClient` asks about jobs."""

    def __init__(self, address: Address) -> None:
        self._transport = Transport(address)
        self.has_events = True  # until they cannot be read

    def close(self) -> None:
        self._transport.close()

    def jobs_of_task(self, task_id: int) -> list[Job]:
        return [job_from(row) for row in self._list("/api/jobs", task_id=task_id)]

    def jobs(self, project_id: int, *, since: datetime | None = None) -> Iterator[Job]:
        """Jobs of the project by date of change, those changed at or after `since`.

        A job may come twice.
        """
        page = 1
        while True:
            query = {"filter": _jobs_since(project_id, since), "sort": "updated_date"}
            found = self._page("/api/jobs", query | {"page_size": PAGE, "page": page})
            jobs = [job_from(row) for row in found["results"]]
            yield from jobs
            if not found.get("next") or not jobs:
                return
            # A job that changes meanwhile would shift the pages, so the next query starts at
            # the last date, unless a whole page has one date, as after a change of the label.
            last = jobs[-1].updated_date
            page = page + 1 if last == since else 1
            since = last

    def job_count(self, project_id: int) -> int:
        query = {"project_id": project_id, "page_size": 1}
        return int(self._transport.call("GET", "/api/jobs", query=query)["count"])

    def job(self, job_id: int) -> Job:
        return job_from(self._transport.call("GET", f"/api/jobs/{job_id}"))

    def change_job(self, job_id: int, **changes: Any) -> Job:
        """Set assignee (a user's id), stage or state; send the state with every stage."""
        return job_from(self._transport.call("PATCH", f"/api/jobs/{job_id}", body=changes))

    def annotations(self, job_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self._transport.call("GET", f"/api/jobs/{job_id}/annotations")
        return found

    def job_events(
        self, job_id: int, *, since: datetime | None = None
    ) -> Iterator[dict[str, str]]:
        """CVAT's log of a job, by time: each event with EVENT_FIELDS, "" where it has none.

        Args:
            since: Events from then on; None: of the last 30 days.

        Raises CvatUnavailableError if the export takes longer than `EXPORT_TIMEOUT`,
        CvatRefusedError if CVAT keeps no events, and CvatTooLongError for a log of more than
        MAX_LOG characters, when that is reached.
        """
        query = f"job_id={job_id}"
        if since is not None:
            query += f"&from={quoted(since.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ'))}"
        try:
            url = self._export(f"/api/events/export?{query}")
        except CvatRefusedError as error:
            if EVENT_STORE not in str(error).lower():
                raise
            raise CvatRefusedError(
                _("this CVAT keeps no events: its event store, ClickHouse, does not answer")
            ) from error
        csv.field_size_limit(max(csv.field_size_limit(), MAX_LOG))  # payloads are whole tracks
        rows = csv.DictReader(self._transport.lines(url, max_characters=MAX_LOG))
        try:
            if not {"scope", "timestamp"} <= set(rows.fieldnames or ()):
                raise CvatRefusedError(_("CVAT's log is without the columns of its events."))
            for row in rows:
                yield {name: row.get(name) or "" for name in EVENT_FIELDS}
        except csv.Error as error:
            raise CvatRefusedError(_("CVAT's log of events is no CSV.")) from error

    def export_task(self, task_id: int, form: str) -> bytes:
        """The zip of a task's annotations in one of CVAT's formats, without images."""
        query = f"format={quoted(form)}&save_images=false"
        return self._transport.file(
            self._export(f"/api/tasks/{task_id}/dataset/export?{query}")
        )

    def _export(self, path: str) -> SplitResult:
        """The address of the file that CVAT makes for a request to `path`."""
        request = self._transport.call("POST", path)["rq_id"]
        end = time.monotonic() + EXPORT_TIMEOUT
        while time.monotonic() < end:
            found = self._transport.call("GET", f"/api/requests/{quoted(request)}")
            if found["status"] == "finished":
                return urlsplit(found["result_url"])
            if found["status"] == "failed":
                raise CvatRefusedError(
                    _("CVAT could not export it: %(found)s") % {"found": found["message"]}
                )
            time.sleep(EXPORT_POLL_INTERVAL)
        raise CvatUnavailableError(_("CVAT takes too long to export."))

    def issues(self, job_id: int) -> list[dict[str, Any]]:
        return list(self._list("/api/issues", job_id=job_id))

    def issue(self, issue_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self._transport.call("GET", f"/api/issues/{issue_id}")
        return found

    def resolve_issue(self, issue_id: int) -> None:
        self._transport.call("PATCH", f"/api/issues/{issue_id}", body={"resolved": True})

    def comments(self, *, above: int = 0, issue: int | None = None) -> list[dict[str, Any]]:
        """Comments with an id `above` another, or those of one issue; oldest first."""
        query: dict[str, Any] = {"filter": {">": [{"var": "id"}, above]}} if above else {}
        if issue is not None:
            query["issue_id"] = issue
        return sorted(self._list("/api/comments", **query), key=lambda one: one["id"])

    def newest_comment(self) -> int:
        """The id of the newest comment anywhere; 0 without any."""
        found = self._page("/api/comments", {"page_size": 1, "page": 1, "sort": "-id"})
        return int(found["results"][0]["id"]) if found["results"] else 0

    def create_comment(self, issue_id: int, message: str) -> dict[str, Any]:
        body = {"issue": issue_id, "message": message}
        found: dict[str, Any] = self._transport.call("POST", "/api/comments", body=body)
        return found

    def create_issue(
        self,
        job_id: int,
        *,
        frame: int,
        box: Sequence[float],
        message: str,
        user_id: int | None,
    ) -> int:
        body = {"job": job_id, "frame": frame, "position": list(box), "message": message}
        if user_id is not None:
            body["assignee"] = user_id
        return int(self._transport.call("POST", "/api/issues", body=body)["id"])

    def _value(self, path: str, name: str) -> str:
        found = self._transport.call("GET", path)
        if not isinstance(found, dict) or name not in found:
            raise self._transport.errors.not_cvat("without the expected value")
        return str(found[name])

    def _list(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            found = self._page(path, query | {"page_size": PAGE, "page": page})
            yield from found["results"]
            if not found.get("next"):
                return
            page += 1

    def _page(self, path: str, query: dict[str, Any]) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._transport.call("GET", path, query=query)
        except CvatGoneError:
            if query["page"] == 1:
                raise
            return {"results": []}  # rows were deleted meanwhile, and with them the last page
        return found


def _jobs_since(project_id: int, since: datetime | None) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = [{"==": [{"var": "project_id"}, project_id]}]
    if since is not None:
        text = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        conditions.append({">=": [{"var": "updated_date"}, text]})
    return {"and": conditions}
