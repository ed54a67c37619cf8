"""CVAT client: the REST calls that AVA Studio uses.

Times are CVAT's own clock. Lists are read to the last page. Any call may raise a CvatError.
"""

import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from annotation.cvat.errors import (
    CvatBrokenError,
    CvatDeniedError,
    CvatGoneError,
    CvatRefusedError,
    CvatUnavailableError,
)
from annotation.cvat.job_calls import JobCalls
from annotation.cvat.transport import Address, quoted

TASK_CREATION_TIMEOUT = 900.0
FIRST_POLL_INTERVAL = (
    0.2  # seconds until a task being created is polled again; doubled each time
)
MAX_POLL_INTERVAL = 3.0
MAX_USERS = 2000


class CvatMember(NamedTuple):
    """A member of the organisation; inactive until an invitation is accepted."""

    user_id: int
    name: str
    role: str
    is_active: bool


class CvatClient(JobCalls):
    """One server, with one account."""

    # Server and members

    def version(self) -> str:
        return self._value("/api/server/about", "version")

    def whoami(self) -> str:
        return self._value("/api/users/self", "username")

    def account(self) -> dict[str, Any]:
        """Our user: `username`, `groups`, `is_superuser`, `is_active`."""
        found: dict[str, Any] = self._transport.call("GET", "/api/users/self")
        return found

    def token(self) -> dict[str, Any] | None:
        """Our access token: `read_only`, `expiry_date`; None without one."""
        if not self._transport.address.token:
            return None
        try:
            found: dict[str, Any] = self._transport.call("GET", "/api/auth/access_tokens/self")
        except (CvatGoneError, CvatDeniedError):  # a key of an older CVAT is no such token
            return None
        return found

    def members(self) -> list[CvatMember]:
        """All members of the organisation; without one, all visible users. By name."""
        if self._transport.address.organisation:
            rows = self._list("/api/memberships")
            found = [
                CvatMember(
                    row["user"]["id"], row["user"]["username"], row["role"], row["is_active"]
                )
                for row in rows
                if row.get("user")
            ]
        else:
            found = [CvatMember(row["id"], row["username"], "", True) for row in self._users()]
        return sorted(found, key=lambda one: one.name)

    def invite(self, email: str, *, role: str = "worker") -> CvatMember:
        """Invite somebody to the organisation; people with an account join at once."""
        data = self._transport.call(
            "POST", "/api/invitations", body={"role": role, "email": email}
        )
        user = data.get("user") or {}
        return CvatMember(user.get("id", 0), user.get("username", email), role, True)

    # Projects

    def projects_named(self, name: str) -> list[dict[str, Any]]:
        """Projects of exactly this name, the oldest first."""
        return sorted(self._list("/api/projects", name=name), key=lambda one: one["id"])

    def project(self, project_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self._transport.call("GET", f"/api/projects/{project_id}")
        return found

    def create_project(self, name: str, labels: Sequence[dict[str, Any]]) -> int:
        body = {"name": name, "labels": list(labels)}
        return int(self._transport.call("POST", "/api/projects", body=body)["id"])

    def delete_project(self, project_id: int) -> None:
        self._transport.call("DELETE", f"/api/projects/{project_id}")

    def labels(self, project_id: int) -> list[dict[str, Any]]:
        return list(self._list("/api/labels", project_id=project_id))

    def add_labels(self, project_id: int, labels: Sequence[dict[str, Any]]) -> None:
        """Add labels to a project; those that it has stay."""
        self._transport.call(
            "PATCH", f"/api/projects/{project_id}", body={"labels": list(labels)}
        )

    def change_label(self, label: dict[str, Any], attributes: list[dict[str, Any]]) -> None:
        """Add or change `attributes`; the colour must be sent, or CVAT chooses another."""
        body = {"name": label["name"], "color": label["color"], "attributes": attributes}
        self._transport.call("PATCH", f"/api/labels/{label['id']}", body=body)

    def set_guide(self, project_id: int, markdown: str) -> None:
        """Create or replace the guide; a second guide for a project is a CVAT error."""
        guide = self.project(project_id).get("guide_id")
        if guide:
            self._transport.call("PATCH", f"/api/guides/{guide}", body={"markdown": markdown})
        else:
            body = {"project_id": project_id, "markdown": markdown}
            self._transport.call("POST", "/api/guides", body=body)

    def guide_image(self, project_id: int, content: bytes, *, title: str) -> str:
        """The address of a PNG for the guide, which exists; uploaded if no guide shows it.

        The guide shows it with `title` as its text, or as its title in quotes.
        """
        number = self.project(project_id)["guide_id"]
        guide = self._transport.call("GET", f"/api/guides/{number}")
        name = re.escape(title)
        there = re.search(
            rf'!\[(?:{name}\]\(([^)\s]+)\)|[^\]]*\]\(([^)\s]+) "{name}"\))', guide["markdown"]
        )
        if there:
            return str(there[1] or there[2])
        file = ("image.png", content, "image/png")
        made = self._transport.send_file("/api/assets", file, guide_id=number)
        return f"/api/assets/{made['uuid']}"

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
        """Create the project's webhook to `url`, or update the existing one."""
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
            self._transport.call("PATCH", f"/api/webhooks/{number}", body=body)
            return number
        return int(self._transport.call("POST", "/api/webhooks", body=body)["id"])

    def ping(self, webhook_id: int) -> tuple[int, str]:
        """Make CVAT deliver a ping; the status it got, and the start of the response."""
        found = self._transport.call("POST", f"/api/webhooks/{webhook_id}/ping")
        return int(found.get("status_code") or 0), str(found.get("response") or "")[:200]

    # Tasks

    def tasks_named(self, project_id: int, name: str) -> list[dict[str, Any]]:
        """Tasks of exactly this name in the project, the oldest first."""
        rows = self._list("/api/tasks", name=name, project_id=project_id)
        mine = [row for row in rows if row["name"] == name and row["project_id"] == project_id]
        return sorted(mine, key=lambda one: one["id"])

    def tasks(self, project_id: int) -> list[dict[str, Any]]:
        return list(self._list("/api/tasks", project_id=project_id))

    def rename_task(self, task_id: int, name: str) -> None:
        self._transport.call("PATCH", f"/api/tasks/{task_id}", body={"name": name})

    def frame_names(self, task_id: int) -> list[str]:
        found = self._transport.call("GET", f"/api/tasks/{task_id}/data/meta")
        return [str(one["name"]) for one in found["frames"]]

    def task(self, task_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self._transport.call("GET", f"/api/tasks/{task_id}")
        return found

    def create_task(self, project_id: int, name: str, *, frame_count: int) -> int:
        """Create an empty task that will have one job with all its frames."""
        body = {
            "name": name,
            "project_id": project_id,
            "segment_size": frame_count,
            "overlap": 0,
        }
        return int(self._transport.call("POST", "/api/tasks", body=body)["id"])

    def delete_task(self, task_id: int) -> None:
        """Delete a task; no error if it was deleted already."""
        try:
            self._transport.call("DELETE", f"/api/tasks/{task_id}")
        except CvatGoneError:
            return

    def upload_frames(self, task_id: int, images: Sequence[Path], *, quality: int) -> None:
        """Upload images to an empty task; sorted by name they become its frames."""
        self._transport.upload(
            f"/api/tasks/{task_id}/data/", images,
            image_quality=quality, use_cache=True, sorting_method="natural",
        )  # fmt: skip

    def creation_status(self, task_id: int) -> tuple[str, str]:
        """Status and message of a task's creation: "" if CVAT has no such request.

        The request's id follows from the task's, so it is found again after a crash.
        """
        number = quoted(f"action=create&target=task&target_id={task_id}")
        try:
            found = self._transport.call("GET", f"/api/requests/{number}")
        except CvatGoneError:
            return "", ""
        return str(found["status"]), str(found.get("message") or "").strip()

    def wait_until_created(
        self, task_id: int, *, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        """Wait until the task has its frames. Raises CvatRefusedError if creation fails."""
        end = time.monotonic() + TASK_CREATION_TIMEOUT
        pause = FIRST_POLL_INTERVAL
        while True:
            status, message = self.creation_status(task_id)
            if status == "finished":
                return
            if status in ("failed", ""):
                raise CvatRefusedError(
                    _("CVAT could not create the task: %(reason)s")
                    % {"reason": message[-200:] or _("no such request")}
                )
            if time.monotonic() > end:
                raise CvatUnavailableError(
                    _(
                        "CVAT has been creating a task for %(minutes).0f "
                        "minutes: are its import workers running?"
                    )
                    % {"minutes": TASK_CREATION_TIMEOUT / 60}
                )
            sleep(pause)
            pause = min(2 * pause, MAX_POLL_INTERVAL)

    def put_annotations(self, task_id: int, data: dict[str, Any]) -> None:
        """Replace all annotations of the task."""
        self._transport.call("PUT", f"/api/tasks/{task_id}/annotations", body=data)

    def _users(self) -> list[dict[str, Any]]:
        rows = []
        for row in self._list("/api/users"):
            rows.append(row)
            if len(rows) == MAX_USERS:
                break
        return rows


_lock = threading.Lock()
_clients: dict[Address, CvatClient] = {}


def cached_client(address: Address) -> CvatClient:
    """This process's client for `address`: signing in is slow and throttled."""
    with _lock:
        return _clients.setdefault(address, CvatClient(address))


def close_clients() -> None:
    """Close all connections, as after a change of credentials."""
    with _lock:
        for one in _clients.values():
            one.close()
        _clients.clear()


def is_permanent(error: CvatUnavailableError, attempts: int, *, max_attempts: int = 6) -> bool:
    """Whether an internal error of CVAT was repeated so often that waiting is useless."""
    return isinstance(error, CvatBrokenError) and attempts >= max_attempts
