"""The door to CVAT: what we ask of it, in our words.

Times are CVAT's own clock. Lists are read to their end. Any call may raise a CvatError.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from annotation.cvat.errors import (
    CvatBrokenError,
    CvatGoneError,
    CvatRefusedError,
    CvatUnavailableError,
)
from annotation.cvat.transport import Address, Wire, quoted

PAGE = 100
SECONDS_TO_MAKE_A_TASK = 900.0
FIRST_LOOK = 0.2  # seconds until a task being made is looked at again; doubled each time
LAST_LOOK = 3.0
MOST_USERS = 2000


class Member(NamedTuple):
    """Somebody in the organisation; not active until an invitation is accepted."""

    user_id: int
    name: str
    role: str
    is_active: bool


class Job(NamedTuple):
    """One job as CVAT has it at `updated_date`."""

    job_id: int
    task_id: int
    assignee: str  # user name, or ""
    stage: str
    state: str
    updated_date: datetime
    kind: str  # "annotation", or another that is not ours

    @property
    def is_finished(self) -> bool:
        return self.state == "completed"


def job_from(data: dict[str, Any]) -> Job:
    return Job(
        data["id"], data["task_id"], (data.get("assignee") or {}).get("username", ""),
        data["stage"], data["state"], moment(data["updated_date"]),
        data.get("type", "annotation"),
    )  # fmt: skip


def moment(text: str) -> datetime:
    """A date of CVAT; always with a time zone."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


class CvatClient:
    """One server, seen by one account."""

    def __init__(self, address: Address) -> None:
        self._wire = Wire(address)

    def close(self) -> None:
        self._wire.close()

    # Who and what

    def version(self) -> str:
        return self._said("/api/server/about", "version")

    def whoami(self) -> str:
        return self._said("/api/users/self", "username")

    def members(self) -> list[Member]:
        """Everybody in the organisation; without one, every user we may see. By name."""
        if self._wire.address.organisation:
            rows = self._list("/api/memberships")
            found = [
                Member(
                    row["user"]["id"], row["user"]["username"], row["role"], row["is_active"]
                )
                for row in rows
                if row.get("user")
            ]
        else:
            found = [Member(row["id"], row["username"], "", True) for row in self._users()]
        return sorted(found, key=lambda one: one.name)

    def invite(self, email: str, *, role: str = "worker") -> Member:
        """Invite somebody into the organisation; who has an account is in at once."""
        data = self._wire.call("POST", "/api/invitations", body={"role": role, "email": email})
        user = data.get("user") or {}
        return Member(user.get("id", 0), user.get("username", email), role, True)

    # Projects

    def projects_named(self, name: str) -> list[dict[str, Any]]:
        """Projects of exactly this name, the oldest first."""
        return sorted(self._list("/api/projects", name=name), key=lambda one: one["id"])

    def project(self, project_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self._wire.call("GET", f"/api/projects/{project_id}")
        return found

    def create_project(self, name: str, labels: Sequence[dict[str, Any]]) -> int:
        body = {"name": name, "labels": list(labels)}
        return int(self._wire.call("POST", "/api/projects", body=body)["id"])

    def delete_project(self, project_id: int) -> None:
        self._wire.call("DELETE", f"/api/projects/{project_id}")

    def labels(self, project_id: int) -> list[dict[str, Any]]:
        return list(self._list("/api/labels", project_id=project_id))

    def change_label(self, label: dict[str, Any], attributes: list[dict[str, Any]]) -> None:
        """Add or change `attributes`; its colour must be sent, or CVAT makes up another."""
        body = {"name": label["name"], "color": label["color"], "attributes": attributes}
        self._wire.call("PATCH", f"/api/labels/{label['id']}", body=body)

    def set_guide(self, project_id: int, markdown: str) -> None:
        """A project has one guide; to make a second is an error inside CVAT."""
        guide = self.project(project_id).get("guide_id")
        if guide:
            self._wire.call("PATCH", f"/api/guides/{guide}", body={"markdown": markdown})
        else:
            body = {"project_id": project_id, "markdown": markdown}
            self._wire.call("POST", "/api/guides", body=body)

    # Webhooks

    def webhooks(self, project_id: int) -> list[dict[str, Any]]:
        return list(self._list("/api/webhooks", project_id=project_id))

    def save_webhook(
        self,
        project_id: int,
        *,
        url: str,
        secret: str,
        events: Sequence[str],
        known: int | None = None,
    ) -> int:
        """Make the project's webhook to `url`, or put ours that is there in order."""
        body = {
            "target_url": url, "type": "project", "project_id": project_id, "secret": secret,
            "content_type": "application/json", "events": list(events), "is_active": True,
            "enable_ssl": True, "description": "AVA Studio",
        }  # fmt: skip
        there = [
            one
            for one in self.webhooks(project_id)
            if one["target_url"] == url or one["id"] == known
        ]
        if there:
            number = int(there[0]["id"])
            del body["type"], body["project_id"]
            self._wire.call("PATCH", f"/api/webhooks/{number}", body=body)
            return number
        return int(self._wire.call("POST", "/api/webhooks", body=body)["id"])

    def ping(self, webhook_id: int) -> tuple[int, str]:
        """Let CVAT deliver a ping; the status it got, and the beginning of the answer."""
        found = self._wire.call("POST", f"/api/webhooks/{webhook_id}/ping")
        return int(found.get("status_code") or 0), str(found.get("response") or "")[:200]

    # Tasks

    def tasks_named(self, project_id: int, name: str) -> list[dict[str, Any]]:
        """Tasks of exactly this name in the project, the oldest first."""
        rows = self._list("/api/tasks", name=name, project_id=project_id)
        mine = [row for row in rows if row["name"] == name and row["project_id"] == project_id]
        return sorted(mine, key=lambda one: one["id"])

    def task(self, task_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self._wire.call("GET", f"/api/tasks/{task_id}")
        return found

    def create_task(self, project_id: int, name: str, *, frame_count: int) -> int:
        """An empty task that will have one job over all its frames."""
        body = {
            "name": name,
            "project_id": project_id,
            "segment_size": frame_count,
            "overlap": 0,
        }
        return int(self._wire.call("POST", "/api/tasks", body=body)["id"])

    def delete_task(self, task_id: int) -> None:
        """Delete a task; one that is gone already is fine."""
        try:
            self._wire.call("DELETE", f"/api/tasks/{task_id}")
        except CvatGoneError:
            return

    def upload_pictures(self, task_id: int, pictures: Sequence[Path], *, quality: int) -> None:
        """Give an empty task its pictures; in the order of their names they become frames."""
        self._wire.upload(
            f"/api/tasks/{task_id}/data/", pictures,
            image_quality=quality, use_cache=True, sorting_method="natural",
        )  # fmt: skip

    def making(self, task_id: int) -> tuple[str, str]:
        """How far the making of a task is, and CVAT's words: "" if CVAT knows of none.

        The request's name can be told from the task, so it is found again after a crash.
        """
        number = quoted(f"action=create&target=task&target_id={task_id}")
        try:
            found = self._wire.call("GET", f"/api/requests/{number}")
        except CvatGoneError:
            return "", ""
        return str(found["status"]), str(found.get("message") or "").strip()

    def wait_until_made(
        self, task_id: int, *, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        """Wait until the task has its frames. Raises CvatRefusedError if CVAT gives up."""
        end = time.monotonic() + SECONDS_TO_MAKE_A_TASK
        pause = FIRST_LOOK
        while True:
            status, words = self.making(task_id)
            if status == "finished":
                return
            if status in ("failed", ""):
                raise CvatRefusedError(
                    f"CVAT could not make the task: {words[-200:] or 'it lost the request'}"
                )
            if time.monotonic() > end:
                raise CvatUnavailableError(
                    f"CVAT has been making a task for {SECONDS_TO_MAKE_A_TASK / 60:.0f} "
                    "minutes: are its import workers running?"
                )
            sleep(pause)
            pause = min(2 * pause, LAST_LOOK)

    def put_annotations(self, task_id: int, data: dict[str, Any]) -> None:
        """Replace whatever the task holds."""
        self._wire.call("PUT", f"/api/tasks/{task_id}/annotations", body=data)

    # Jobs

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
            # Pages would shift under a job that changes meanwhile; its date does not, unless
            # a whole page has one date, as after a change of the label.
            last = jobs[-1].updated_date
            page = page + 1 if last == since else 1
            since = last

    def job_count(self, project_id: int) -> int:
        query = {"project_id": project_id, "page_size": 1}
        return int(self._wire.call("GET", "/api/jobs", query=query)["count"])

    def job(self, job_id: int) -> Job:
        return job_from(self._wire.call("GET", f"/api/jobs/{job_id}"))

    def change_job(self, job_id: int, **changes: Any) -> Job:
        """Set assignee (a user's number), stage or state; send the state with every stage."""
        return job_from(self._wire.call("PATCH", f"/api/jobs/{job_id}", body=changes))

    def annotations(self, job_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self._wire.call("GET", f"/api/jobs/{job_id}/annotations")
        return found

    def issues(self, job_id: int) -> list[dict[str, Any]]:
        return list(self._list("/api/issues", job_id=job_id))

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
        return int(self._wire.call("POST", "/api/issues", body=body)["id"])

    def _said(self, path: str, name: str) -> str:
        found = self._wire.call("GET", path)
        if not isinstance(found, dict) or name not in found:
            raise self._wire.faults.no_cvat("without what was asked")
        return str(found[name])

    def _users(self) -> list[dict[str, Any]]:
        rows = []
        for row in self._list("/api/users"):
            rows.append(row)
            if len(rows) == MOST_USERS:
                break
        return rows

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
            found: dict[str, Any] = self._wire.call("GET", path, query=query)
        except CvatGoneError:
            if query["page"] == 1:
                raise
            return {"results": []}  # rows went away meanwhile, and with them the last page
        return found


def _jobs_since(project_id: int, since: datetime | None) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = [{"==": [{"var": "project_id"}, project_id]}]
    if since is not None:
        text = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        conditions.append({">=": [{"var": "updated_date"}, text]})
    return {"and": conditions}


_lock = threading.Lock()
_clients: dict[Address, CvatClient] = {}


def client_of(address: Address) -> CvatClient:
    """The one client of this process for `address`: signing in is slow and throttled."""
    with _lock:
        return _clients.setdefault(address, CvatClient(address))


def forget_clients() -> None:
    """Hang up on all servers, as after a change of credentials."""
    with _lock:
        for one in _clients.values():
            one.close()
        _clients.clear()


def is_lasting(error: CvatUnavailableError, tries: int, *, patience: int = 6) -> bool:
    """Whether a fault inside CVAT went on so long that waiting is no use."""
    return isinstance(error, CvatBrokenError) and tries >= patience
