"""The double's event store: client and server events of jobs, exported as by CVAT 2.54.

Off, as where analytics is switched off, the export fails, as it does without ClickHouse.
"""

import csv
import io
import itertools
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cvat_double.http_server import Call, route
from tests.cvat_double.state import RefusedError, Row, State

COLUMNS = (
    "scope", "obj_name", "obj_id", "obj_val", "source", "timestamp", "count", "duration",
    "project_id", "task_id", "job_id", "user_id", "user_name", "user_email", "org_id",
    "org_slug", "payload",
)  # fmt: skip
PAUSE = timedelta(seconds=100)  # between two client events; longer ones are no work
NO_STORE = (
    "clickhouse_connect.driver.exceptions.OperationalError: Error HTTPConnectionPool("
    "host='clickhouse', port=8123): Max retries exceeded with url: /?"
)


class Events:
    """`events_are_on` is set by tests; what was asked for is in `exports`."""

    state: State
    job_of: Any
    events_are_on = True

    @property
    def log(self) -> list[Row]:
        found: list[Row] = self.__dict__.setdefault("_log", [])
        return found

    @property
    def exports(self) -> list[Row]:
        found: list[Row] = self.__dict__.setdefault("_exports", [])
        return found

    def add_event(
        self, name: str, scope: str, at: datetime, *, by: str = "ann", **more: Any
    ) -> None:
        """Log an event about the job of the task `name`."""
        job = self.job_of(name)
        user = next(one for one in self.state.users.values() if one["username"] == by)
        row = dict.fromkeys(COLUMNS, "") | {
            "scope": scope, "source": "server", "count": 1, "duration": 0,
            "project_id": job["project_id"], "task_id": job["task_id"], "job_id": job["id"],
            "user_id": user["id"], "user_name": by, "user_email": f"{by}@example.com",
            "org_id": 1, "org_slug": self.state.organisation["slug"], "payload": "{}",
            "timestamp": at, **more,
        }  # fmt: skip
        self.log.append(row)

    def work_in_page(
        self, name: str, start: datetime, acts: Sequence[tuple[str, float]], *, by: str = "ann"
    ) -> None:
        """What CVAT's page logs of `acts` (scope, seconds after `start`), in one batch."""
        times = [start + timedelta(seconds=after) for _, after in acts]
        for (scope, _), at in zip(acts, times, strict=True):
            self.add_event(name, scope, at, by=by, source="client")
        gaps = [later - at for at, later in itertools.pairwise(times)]
        working = sum((one for one in gaps if one < PAUSE), timedelta())
        if milliseconds := working // timedelta(milliseconds=1):
            payload = {"working_time": milliseconds, "request": {"id": str(uuid.uuid4())}}
            self.add_event(
                name, "send:working_time", times[0], by=by, duration=milliseconds,
                payload=json.dumps(payload),
            )  # fmt: skip

    @route("POST", "events/export")
    def export_events(self, call: Call) -> Any:
        if "admin" not in call.double.groups:
            detail = "You do not have permission to perform this action."
            raise RefusedError(403, {"detail": detail})
        self.exports.append(call.query)
        name = f"action=export&target=events&id={uuid.uuid4()}"
        is_on, now = self.events_are_on, self.state.now()
        self.state.requests[name] = {
            "status": "finished" if is_on else "failed", "message": "" if is_on else NO_STORE,
            "id": name,
            "operation": {
                "type": "export:events", "target": "events", "project_id": None,
                "task_id": None, "job_id": None, "format": None, "lightweight": None,
                "name": None,
            },
            "progress": None, "created_date": now, "started_date": now, "finished_date": now,
            "expiry_date": None, "owner": {"id": 1, "username": "admin"},
            "result_url": f"{self.state.url}/api/events/download?rq_id={len(self.exports)}",
            "result_id": None,
        }  # fmt: skip
        return 202, {"rq_id": name}

    @route("GET", "events/download")
    def download_events(self, call: Call) -> Any:
        query = self.exports[int(call.query["rq_id"]) - 1]
        month_ago = (datetime.now(UTC) - timedelta(days=30)).isoformat()
        since = datetime.fromisoformat(query.get("from", month_ago).replace("Z", "+00:00"))
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        for row in sorted(self.log, key=lambda one: one["timestamp"]):
            if str(row["job_id"]) == query["job_id"] and row["timestamp"] >= since:
                writer.writerow(row)
        headers = {
            "Content-Type": "text/csv",
            "Content-Disposition": 'attachment; filename="logs_2026_11_29_12_00_00.csv"',
        }
        return 200, text.getvalue(), headers
