"""State of the CVAT double: its rows, and the webhook events of their changes.

Rows have the shapes of CVAT 2.54.1 as recorded (test_double_against_recordings.py).
"""

import copy
import itertools
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]
HTML_500 = "\n<!doctype html>\n<html><body><h1>Server Error (500)</h1></body></html>\n"
EVENTS = [
    f"{verb}:{noun}"
    for verb in ("create", "delete", "update")
    for noun in ("comment", "issue", "job", "task", "project")
]


class RefusedError(Exception):
    """An answer other than success: its status and its JSON."""

    def __init__(self, status: int, body: Any, **headers: str) -> None:
        super().__init__(status, body)
        self.status, self.body, self.headers = status, body, headers


class State:
    """One server's rows; every method must be called with `lock` held."""

    def __init__(self, *, making_seconds: float = 0.0, import_workers: int = 2) -> None:
        self.lock = threading.RLock()
        self.url = ""
        self.version = "2.54.1"
        self.says_what_changed = True  # the newest do not
        self.clock_offset = timedelta()
        self.making_seconds = making_seconds
        self.busy_until = [0.0] * import_workers
        self.numbers: dict[str, Any] = {}
        self.users: dict[int, Row] = {}
        self.emails: dict[int, str] = {}
        self.members: dict[int, Row] = {}
        self.organisation: Row = {"id": 1, "slug": "avalab"}
        self.projects: dict[int, Row] = {}
        self.labels: dict[int, Row] = {}
        self.tasks: dict[int, Row] = {}
        self.frames: dict[int, list[str]] = {}
        self.uploads: dict[int, dict[str, bytes]] = {}
        self.chunks: dict[str, Row] = {}  # files on their way, by their address
        self.requests: dict[str, Row] = {}
        self.jobs: dict[int, Row] = {}
        self.annotations: dict[int, Row] = {}
        self.webhooks: dict[int, Row] = {}
        self.secrets: dict[int, str] = {}
        self.guides: dict[int, Row] = {}
        self.assets: dict[str, bytes] = {}
        self.issues: dict[int, Row] = {}
        self.comments: dict[int, Row] = {}
        self.outbox: list[tuple[int, bytes]] = []

    def number(self, kind: str) -> int:
        return next(self.numbers.setdefault(kind, itertools.count(1)))

    def now(self) -> str:
        moment = datetime.now(UTC) + self.clock_offset
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    # People

    def add_user(self, name: str, *, role: str = "worker", is_member: bool = True) -> int:
        number = self.number("user")
        self.users[number] = {
            "url": f"{self.url}/api/users/{number}", "id": number, "username": name,
            "first_name": "", "last_name": "",
        }  # fmt: skip
        self.emails[number] = f"{name}@example.com"
        if is_member:
            self.add_member(number, role=role)
        return number

    def add_member(self, user: int, *, role: str, is_active: bool = True) -> Row:
        number = self.number("member")
        row = {
            "id": number, "user": self.users[user], "organization": 1, "is_active": is_active,
            "joined_date": self.now() if is_active else None, "role": role,
            "invitation": f"key{number}",
        }  # fmt: skip
        self.members[number] = row
        return row

    def invite(self, email: str, role: str) -> Row:
        user = next((pk for pk, one in self.emails.items() if one == email), None)
        if user is None:  # made all the same, as recorded
            user = self.add_user(email, is_member=False)
            self.emails[user] = email
            self.add_member(user, role=role, is_active=False)
            raise RefusedError(500, "Email backend is not configured.")
        if any(one["user"]["id"] == user for one in self.members.values()):
            raise RefusedError(400, ["The user is already a member of the organization."])
        self.add_member(user, role=role)
        return {
            "key": "***", "created_date": self.now(), "owner": self.users[1], "role": role,
            "user": self.users[user], "organization": 1, "expired": None,
            "organization_info": self.organisation,
        }  # fmt: skip

    # Projects and labels

    def add_project(self, body: Row) -> Row:
        names = [label["name"] for label in body.get("labels", [])]
        if len(set(names)) != len(names):
            raise RefusedError(400, ["All label names must be unique"])
        number, now = self.number("project"), self.now()
        row = {
            "url": f"{self.url}/api/projects/{number}", "id": number, "name": body["name"],
            "owner": self.users[1], "assignee": None, "guide_id": None, "bug_tracker": "",
            "created_date": now, "updated_date": now, "status": "annotation", "dimension": None,
            "organization": 1, "organization_id": 1, "target_storage": None,
            "source_storage": None,
            "labels": {"url": f"{self.url}/api/labels?project_id={number}"},
            "assignee_updated_date": None, "task_subsets": [],
        }  # fmt: skip
        self.projects[number] = row
        for label in body.get("labels", []):
            self._add_label(number, label)
        return self.project_row(number)

    def project_row(self, number: int) -> Row:
        count = sum(task["project_id"] == number for task in self.tasks.values())
        tasks = {"count": count, "url": f"{self.url}/api/tasks?project_id={number}"}
        return self.projects[number] | {"tasks": tasks}

    def change_project(self, number: int, body: Row) -> Row:
        """Add labels, which dates its tasks and jobs anew too."""
        new = body.get("labels", [])
        names = [one["name"] for one in self.labels.values() if one["project_id"] == number]
        names += [label["name"] for label in new]
        if len(set(names)) != len(names):
            raise RefusedError(400, ["All label names must be unique"])
        for label in new:
            self._add_label(number, label)
        self._touch(number)
        return self.project_row(number)

    def _touch(self, project: int) -> None:
        now = self.now()
        self.projects[project]["updated_date"] = now
        for row in (*self.tasks.values(), *self.jobs.values()):
            if row["project_id"] == project:
                row["updated_date"] = now

    def _add_label(self, project: int, data: Row) -> None:
        number = self.number("label")
        self.labels[number] = {
            "id": number, "name": data["name"], "color": data.get("color", "#c06060"),
            "attributes": [self._attribute(one) for one in data.get("attributes", [])],
            "type": data.get("type", "any"), "sublabels": [], "project_id": project,
            "parent_id": None, "has_parent": False,
        }  # fmt: skip

    def _attribute(self, data: Row) -> Row:
        if data["input_type"] == "select" and data["default_value"] not in data["values"]:
            raise RefusedError(400, ["The default value must be one of the values"])
        keys = ("name", "mutable", "input_type", "default_value", "values")
        return {"id": self.number("attribute")} | {key: data[key] for key in keys}

    def change_label(self, number: int, body: Row) -> Row:
        label = self.labels[number]
        label |= {"color": "#c06060"} | {k: body[k] for k in ("name", "color") if k in body}
        for change in body.get("attributes", []):
            known = {one["id"]: one for one in label["attributes"]}
            old = known.pop(change.get("id"), None)  # CVAT keeps no order: the changed is last
            new = old | change if old else self._attribute(change)
            label["attributes"] = [*known.values(), new]
        self._touch(label["project_id"])
        return label

    # Tasks

    def add_task(self, body: Row) -> Row:
        if body.get("project_id") not in self.projects:
            raise RefusedError(400, ["Project matching query does not exist."])
        number, now = self.number("task"), self.now()
        row = {
            "url": f"{self.url}/api/tasks/{number}", "id": number, "name": body["name"],
            "project_id": body["project_id"], "mode": "", "owner": self.users[1],
            "assignee": None, "bug_tracker": "", "created_date": now, "updated_date": now,
            "overlap": body.get("overlap"), "segment_size": body.get("segment_size", 0),
            "status": "annotation", "guide_id": None, "dimension": "2d",
            "subset": body.get("subset", ""), "organization_id": 1, "organization": 1,
            "target_storage": None, "source_storage": None,
            "jobs": self._job_summary(number),
            "labels": {"url": f"{self.url}/api/labels?task_id={number}"},
            "assignee_updated_date": None, "validation_mode": None, "consensus_enabled": False,
        }  # fmt: skip
        self.tasks[number] = row
        self.annotations[number] = {"version": 0, "tags": [], "shapes": [], "tracks": []}
        self.deliver_event("create:task", "task", row)
        return row

    def _job_summary(self, task: int) -> Row:
        mine = [job for job in self.jobs.values() if job["task_id"] == task]
        return {
            "count": len(mine),
            "completed": sum(job["state"] == "completed" for job in mine),
            "validation": sum(job["stage"] == "validation" for job in mine),
            "url": f"{self.url}/api/jobs?task_id={task}",
        }

    def task_row(self, number: int) -> Row:
        return self.tasks[number] | {"jobs": self._job_summary(number)}

    def delete_task(self, number: int) -> None:
        for job in [one for one in self.jobs.values() if one["task_id"] == number]:
            del self.jobs[job["id"]]
            self.deliver_event("delete:job", "job", job)
        self.deliver_event("delete:task", "task", self.tasks.pop(number))
        self.annotations.pop(number, None)
        self.requests.pop(request_name(number), None)

    def start_making(self, number: int, body: Row, now: float) -> str:
        """Queue the making of the task; its import worker takes it when it is free."""
        name = request_name(number)
        files = self.uploads.pop(number, {}).items()
        images = [(name, content) for name, content in files if is_image(name, content)]
        worker = self.busy_until.index(min(self.busy_until))
        done = max(now, self.busy_until[worker]) + self.making_seconds
        self.busy_until[worker] = done
        task = self.tasks[number]
        self.requests[name] = {
            "status": "queued", "message": "", "id": name,
            "operation": {
                "type": "create:task", "target": "task", "project_id": task["project_id"],
                "task_id": number, "job_id": None, "format": None, "lightweight": None,
            },
            "progress": 0.0, "created_date": self.now(), "started_date": None,
            "finished_date": None, "expiry_date": None,
            "owner": {"id": 1, "username": "admin"}, "result_url": None, "result_id": None,
            "_at": done, "_images": sorted(one[0] for one in images),
            "_quality": body.get("image_quality"),
        }  # fmt: skip
        return name

    def finish_requests(self, now: float) -> None:
        """Finish what the import workers have finished by `now`."""
        for request in self.requests.values():
            if request["status"] != "queued" or request["_at"] > now:
                continue
            request["finished_date"] = self.now()
            if request["_images"]:
                request["status"] = "finished"
                self._make(request)
            else:
                request |= {"status": "failed", "message": "ValueError: No media data found\n"}

    def _make(self, request: Row) -> None:
        number = request["operation"]["task_id"]
        task = self.tasks.get(number)
        if task is None:
            return
        names = request["_images"]
        self.frames[number] = names
        task |= {
            "mode": "annotation", "data_chunk_size": 36, "size": len(names), "data": number,
            "data_original_chunk_type": "imageset", "data_compressed_chunk_type": "imageset",
            "data_cloud_storage_id": None, "image_quality": request["_quality"],
            "updated_date": self.now(),
        }  # fmt: skip
        length = task["segment_size"] or len(names)
        for start in range(0, len(names), length):
            self._add_job(task, start, min(start + length, len(names)) - 1)

    def _add_job(self, task: Row, start: int, stop: int) -> None:
        number, now = self.number("job"), self.now()
        self.jobs[number] = {
            "url": f"{self.url}/api/jobs/{number}", "id": number, "task_id": task["id"],
            "project_id": task["project_id"], "assignee": None, "guide_id": None,
            "dimension": "2d", "bug_tracker": "", "status": "annotation",
            "stage": "annotation", "state": "new", "mode": "annotation",
            "frame_count": stop - start + 1, "start_frame": start, "stop_frame": stop,
            "data_chunk_size": 36, "data_compressed_chunk_type": "imageset",
            "data_original_chunk_type": "imageset", "created_date": now, "updated_date": now,
            "issues": {"url": f"{self.url}/api/issues?job_id={number}", "count": 0},
            "labels": {"url": f"{self.url}/api/labels?job_id={number}"}, "type": "annotation",
            "organization": 1, "target_storage": None, "source_storage": None,
            "assignee_updated_date": None, "parent_job_id": None, "consensus_replicas": 0,
        }  # fmt: skip
        self.deliver_event("create:job", "job", self.jobs[number])

    # Jobs and annotations

    def change_job(self, number: int, body: Row, *, by: str = "admin") -> Row:
        job = self.jobs[number]
        if set(body) - {"assignee", "stage", "state"}:
            raise RefusedError(403, {"detail": "Attempted to update an unknown field"})
        for key, allowed in STATES.items():
            if body.get(key, allowed[0]) not in allowed:
                raise RefusedError(400, {key: [f'"{body[key]}" is not a valid choice.']})
        if body.get("assignee") is not None and body["assignee"] not in self.users:
            raise RefusedError(500, HTML_500)
        changes = dict(body)
        if "stage" in body and "state" not in body:
            changes["state"] = "new"
        if "assignee" in body:
            changes["assignee"] = self.users.get(body["assignee"])
            changes["assignee_updated_date"] = self.now()
        stage, state = changes.get("stage", job["stage"]), changes.get("state", job["state"])
        accepted = stage == "acceptance" and state == "completed"
        changes["status"] = "completed" if accepted else job["status"]
        if stage != "acceptance":
            changes["status"] = stage
        self._update(job, changes, by=by)
        return job

    def _update(self, job: Row, changes: Row, *, by: str = "admin") -> None:
        changes["updated_date"] = self.now()
        before = {key: job[key] for key, value in changes.items() if job[key] != value}
        job |= changes
        self.deliver_event("update:job", "job", job, before=before, by=by)

    def save(self, task: int, data: Row, *, by: str = "admin") -> Row:
        """Replace the annotations of a task; fires the noise that saving fires."""
        labels = {
            one["id"]: {attribute["id"]: attribute for attribute in one["attributes"]}
            for one in self.labels.values()
        }
        size = self.tasks[task].get("size", 0)
        kept: Row = {"version": 0, "tags": [], "shapes": [], "tracks": []}
        for kind in ("shapes", "tracks"):
            for row in data.get(kind, []):
                if row["label_id"] not in labels:
                    raise RefusedError(400, [f"label_id `{row['label_id']}` is invalid"])
                _check_attributes(row, labels[row["label_id"]], is_track=kind == "tracks")
                copied = {"id": self.number(kind)} | copy.deepcopy(row)
                copied["shapes"] = [
                    {"id": self.number("stored"), "rotation": 0.0, "z_order": 0} | shape
                    for shape in copied.get("shapes", [])
                    if shape["frame"] < size
                ]
                if kind == "shapes":
                    del copied["shapes"]
                kept[kind].append(copied)
        self.annotations[task] = kept
        for job in self.jobs.values():
            if job["task_id"] == task:
                self._update(job, {}, by=by)
        row, now = self.tasks[task], self.now()
        before, row["updated_date"] = {"updated_date": row["updated_date"]}, now
        self.deliver_event("update:task", "task", row, before=before, by=by)
        return kept

    # Webhooks

    def deliver_event(
        self, event: str, kind: str, row: Row, *, before: Row | None = None, by: str = "admin"
    ) -> None:
        sender = next((one for one in self.users.values() if one["username"] == by), None)
        for number, hook in self.webhooks.items():
            if hook["project_id"] != row.get("project_id") or event not in hook["events"]:
                continue
            content: Row = {kind: row, "sender": sender, "event": event}
            if event.startswith("update:") and self.says_what_changed:
                content["before_update"] = before or {}
            content["webhook_id"] = number
            if hook["is_active"]:
                self.outbox.append((number, json.dumps(content).encode()))


STATES = {
    "state": ("new", "in progress", "completed", "rejected"),
    "stage": ("annotation", "validation", "acceptance"),
}


def public(row: Row) -> Row:
    """What of a row others see."""
    return {key: value for key, value in row.items() if key[0] != "_"}


def request_name(task: int) -> str:
    return f"action=create&target=task&target_id={task}"


def is_image(name: str, content: bytes) -> bool:
    return name.lower().endswith((".jpg", ".jpeg", ".png")) and bool(content)


def _check_attributes(row: Row, known: dict[int, Row], *, is_track: bool) -> None:
    """Numbers must be the label's; immutable ones belong to the track, the others to shapes."""
    own = row.get("attributes", [])
    shapes = [one for shape in row.get("shapes", []) for one in shape.get("attributes", [])]
    for one in [*own, *shapes]:
        if one["spec_id"] not in known:
            raise RefusedError(400, [f"spec_id `{one['spec_id']}` is invalid"])
    misplaced = [one for one in own if is_track and known[one["spec_id"]]["mutable"]]
    misplaced += [one for one in shapes if not known[one["spec_id"]]["mutable"]]
    if misplaced:
        raise RefusedError(400, [f"spec_id `{misplaced[0]['spec_id']}` is invalid"])
