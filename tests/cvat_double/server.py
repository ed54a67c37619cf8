"""Test double of a CVAT server: real HTTP on this machine, behaves as recorded CVAT 2.54.1.

    with CvatDouble() as cvat:
        cvat.add_user("ann")
        client = CvatClient(Address(cvat.url, "avalab", token=cvat.token))

Tests act as its users (`annotate`, `set_job`), inspect its `state`, and make it fail (`fail`,
`stop`, `token`). That it behaves as the recordings is tested in tests/annotation.
"""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
import urllib.parse
import uuid
from typing import Any, Self

from tests.cvat_double import schemas
from tests.cvat_double.attributes import edit, filled
from tests.cvat_double.events import Events
from tests.cvat_double.guides import Guides
from tests.cvat_double.http_server import NO_REQUEST, Call, Fault, Handler, Server, post, route
from tests.cvat_double.issues import Issues, Permissions
from tests.cvat_double.schemas import check, check_labels
from tests.cvat_double.state import HTML_500, RefusedError, Row, State


class CvatDouble(Events, Guides, Issues, Permissions):
    token = "a-personal-token"
    password = "a-password"

    def __init__(self, *, call_seconds: float = 0.0, **state: Any) -> None:
        self.call_seconds = call_seconds
        self.state = State(**state)
        self.calls: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.throttled_for = 0
        self.last_status: dict[int, int] = {}
        self.port = 0
        self._server: Server | None = None

    def __enter__(self) -> Self:
        self.start()
        self.state.add_user("admin", role="owner")
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        handler = type("OwnHandler", (Handler,), {"double": self})
        self._server = Server(("127.0.0.1", self.port), handler)
        self.port = self._server.server_address[1]
        self.state.url = self.url
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.hang_up()
            self._server = None

    def fail(self, method: str, path: str, *, times: int = 1, **fault: Any) -> None:
        self.faults.append(Fault(method, re.compile(path), times, **fault))

    # Actions of its users

    def add_user(self, name: str, **more: Any) -> int:
        with self.state.lock:
            return self.state.add_user(name, **more)

    def job_of(self, name: str) -> Row:
        """The one job of the task named `name`."""
        with self.state.lock:
            self.state.finish_requests(time.monotonic())
            (task,) = [one["id"] for one in self.state.tasks.values() if one["name"] == name]
            (job,) = [one for one in self.state.jobs.values() if one["task_id"] == task]
            return job

    def set_job(self, name: str, *, by: str = "ann", **changes: Any) -> None:
        with self.state.lock:
            self.state.change_job(self.job_of(name)["id"], changes, by=by)
        self.deliver()

    def annotate(self, name: str, answers: dict[str, str], *, by: str = "ann") -> None:
        """Answer so at the first frame of every track, and save."""
        with self.state.lock:
            tracks = self.state.annotations[self.job_of(name)["task_id"]]["tracks"]
            first = [track["shapes"][0]["frame"] for track in tracks]
        for number, frame in enumerate(first):
            self.answer(name, number, frame, answers, by=by)

    def answer(
        self, name: str, number: int, frame: int, answers: dict[str, str], *, by: str = "ann"
    ) -> None:
        """Change the answers of one track at one frame, as CVAT's client does, and save."""
        with self.state.lock:
            task = self.job_of(name)["task_id"]
            data = filled(self.state.annotations[task], self.state.labels)
            label = self.state.labels[data["tracks"][number]["label_id"]]
            edit(data["tracks"][number], frame, answers, label)
            self.state.save(task, data, by=by)
        self.deliver()

    def finish(self, name: str, answers: dict[str, str] | None = None) -> None:
        self.annotate(name, answers or {"posture": "walk"})
        self.set_job(name, state="completed")

    def deliver(self) -> list[int]:
        """Send what the webhooks have to tell, once each, as 2.54 does; the statuses got."""
        with self.state.lock:
            outbox, self.state.outbox = self.state.outbox, []
        return [self.post(number, body)[0] for number, body in outbox]

    def post(self, number: int, body: bytes, **headers: str) -> tuple[int, str]:
        hook, secret = self.state.webhooks[number], self.state.secrets.get(number, "")
        if secret:
            digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            headers = {"X-Signature-256": f"sha256={digest}"} | headers
        status, answer = post(hook["target_url"], body, headers)
        self.last_status[number] = status
        return status, answer

    def _throttled(self) -> RefusedError:
        headers = {"Retry-After": str(self.throttled_for)}
        return RefusedError(429, {"detail": "Request was throttled."}, **headers)

    # Routes

    @route("GET", "server/about")
    def about(self, call: Call) -> Any:
        if not call.user and self.throttled_for:
            raise self._throttled()
        return 200, {"name": "Computer Vision Annotation Tool", "version": self.state.version}

    @route("POST", "auth/login")
    def login(self, call: Call) -> Any:
        if self.throttled_for:
            raise self._throttled()
        if (call.body["username"], call.body["password"]) != ("admin", self.password):
            message = "Unable to log in with provided credentials."
            raise RefusedError(400, {"non_field_errors": [message]})
        call.cookies = ["sessionid=s; Path=/", "csrftoken=c; Path=/"]
        return 200, {"key": "***"}

    @route("GET", "users")
    def users(self, call: Call) -> Any:
        return call.paged(self.state.users)

    @route("POST", "invitations")
    def invite(self, call: Call) -> Any:
        body = check(schemas.InvitationIn, call.body)
        return 201, self.state.invite(body["email"], body["role"])

    @route("GET", "projects")
    def projects(self, call: Call) -> Any:
        rows = {
            number: self.state.project_row(number)
            for number, one in self.state.projects.items()
            if one["organization"] == 1
        }
        return call.paged(rows, "name")

    @route("POST", "projects")
    def new_project(self, call: Call) -> Any:
        body = check(schemas.ProjectIn, call.body)
        check_labels(body["labels"])
        return 201, self.state.add_project(body)

    @route("GET", r"projects/(\d+)")
    def project(self, call: Call, number: int) -> Any:
        call.found("Project", self.state.projects, number)
        return 200, self.state.project_row(number)

    @route("PATCH", r"projects/(\d+)")
    def change_project(self, call: Call, number: int) -> Any:
        call.found("Project", self.state.projects, number)
        body = check(schemas.ProjectIn, call.body, partial=True)
        check_labels(body.get("labels", []))
        return 200, self.state.change_project(number, body)

    @route("DELETE", r"projects/(\d+)")
    def delete_project(self, call: Call, number: int) -> Any:
        call.found("Project", self.state.projects, number)
        for task in [one for one in self.state.tasks.values() if one["project_id"] == number]:
            self.state.delete_task(task["id"])
        del self.state.projects[number]
        hooks = self.state.webhooks
        for hook in [one["id"] for one in hooks.values() if one["project_id"] == number]:
            del hooks[hook]
        return 204, None

    @route("GET", "labels")
    def labels(self, call: Call) -> Any:
        return call.paged(self.state.labels, "project_id")

    @route("GET", r"labels/(\d+)")
    def label(self, call: Call, number: int) -> Any:
        return 200, call.found("Label", self.state.labels, number)

    @route("PATCH", r"labels/(\d+)")
    def change_label(self, call: Call, number: int) -> Any:
        call.found("Label", self.state.labels, number)
        body = check(schemas.LabelIn, call.body, partial=True)
        check_labels([body])
        return 200, self.state.change_label(number, body)

    @route("GET", "webhooks")
    def webhooks(self, call: Call) -> Any:
        return call.paged(self.state.webhooks, "project_id")

    @route("POST", "webhooks")
    def new_webhook(self, call: Call) -> Any:
        body = check(schemas.WebhookIn, call.body)
        if body["project_id"] not in self.state.projects:
            raise RefusedError(400, ["Project matching query does not exist."])
        number, now = self.state.number("webhook"), self.state.now()
        keys = ("target_url", "type", "content_type", "is_active", "enable_ssl", "project_id")
        self.state.webhooks[number] = {
            "id": number, "url": f"{self.url}/api/webhooks/{number}", "organization": 1,
            "description": body.get("description", ""), "created_date": now,
            "updated_date": now, "owner": self.state.users[1], "events": sorted(body["events"]),
        } | {key: body[key] for key in keys}  # fmt: skip
        self.state.secrets[number] = body.get("secret", "")
        return 201, self.state.webhooks[number]

    @route("PATCH", r"webhooks/(\d+)")
    def change_webhook(self, call: Call, number: int) -> Any:
        hook = call.found("Webhook", self.state.webhooks, number)
        changes = check(schemas.WebhookIn, call.body, partial=True)
        if written_once := {"type", "project_id"} & set(changes):
            raise RefusedError(400, {one: ["It cannot be changed."] for one in written_once})
        if "events" in changes:
            changes["events"] = sorted(changes["events"])
        self.state.secrets[number] = changes.pop("secret", self.state.secrets[number])
        hook |= changes | {"updated_date": self.state.now()}
        return 200, hook

    @route("POST", r"webhooks/(\d+)/ping")
    def ping(self, call: Call, number: int) -> Any:
        hook = call.found("Webhook", self.state.webhooks, number)
        request = {"event": "ping", "webhook": hook, "sender": self.state.users[1]}
        now = self.state.now()
        call.unlock()  # the receiver may well ask us something before it answers
        status, answer = self.post(number, json.dumps(request).encode())
        return 200, {
            "id": self.state.number("delivery"), "webhook_id": number, "event": "ping",
            "status_code": status, "redelivery": False, "created_date": now,
            "updated_date": now, "changed_fields": "", "request": request, "response": answer,
        }  # fmt: skip

    @route("GET", "tasks")
    def tasks(self, call: Call) -> Any:
        rows = {number: self.state.task_row(number) for number in self.state.tasks}
        return call.paged(rows, "name", "project_id")

    @route("POST", "tasks")
    def new_task(self, call: Call) -> Any:
        return 201, self.state.add_task(check(schemas.TaskIn, call.body))

    @route("GET", r"tasks/(\d+)")
    def task(self, call: Call, number: int) -> Any:
        call.found("Task", self.state.tasks, number)
        return 200, self.state.task_row(number)

    @route("PATCH", r"tasks/(\d+)")
    def change_task(self, call: Call, number: int) -> Any:
        task = call.found("Task", self.state.tasks, number)
        task |= check(schemas.TaskIn, call.body, partial=True)
        return 200, self.state.task_row(number)

    @route("GET", r"tasks/(\d+)/data/meta")
    def frames(self, call: Call, number: int) -> Any:
        call.found("Task", self.state.tasks, number)
        if number not in self.state.frames:
            raise RefusedError(500, HTML_500)
        return 200, {"frames": [{"name": name} for name in self.state.frames[number]]}

    @route("DELETE", r"tasks/(\d+)")
    def delete_task(self, call: Call, number: int) -> Any:
        call.found("Task", self.state.tasks, number)
        self.state.delete_task(number)
        return 204, None

    @route("POST", r"tasks/(\d+)/data")
    def upload(self, call: Call, number: int) -> Any:
        if call.found("Task", self.state.tasks, number).get("size"):
            raise RefusedError(400, "Adding more data is not supported")
        if "Upload-Start" in call.headers:
            self.state.uploads.setdefault(number, {})
            return 202, None
        if "Upload-Length" in call.headers:
            return self._begin_file(call, number)
        if "Upload-Multiple" in call.headers:
            check(schemas.ImagesIn, call.fields())
            for name, content in call.files():  # a part that comes twice is in it twice
                files = self.state.uploads.setdefault(number, {})
                files[name] = files.get(name, b"") + content
            return 200, None
        body = check(schemas.ImagesIn, call.body)
        return 202, {"rq_id": self.state.start_making(number, body, time.monotonic())}

    def _begin_file(self, call: Call, task: int) -> Any:
        """The first of a file sent in chunks (tus)."""
        words = dict(one.split(" ") for one in call.headers["Upload-Metadata"].split(","))
        name, size = base64.b64decode(words["filename"]).decode(), call.headers["Upload-Length"]
        if name in self.state.uploads.get(task, {}):
            raise RefusedError(409, "File with same name already exists")
        key = f"1_{uuid.uuid4()}"
        self.state.chunks[key] = {"task": task, "name": name, "size": int(size), "have": b""}
        where = f"{self.url}/api/tasks/{task}/data/{key}"
        return 201, None, {"Location": where, "Upload-Filename": name}

    @route("HEAD", r"tasks/(\d+)/data/([0-9a-f_-]{38,})")
    def file_offset(self, call: Call, number: int, key: str) -> Any:
        if key not in self.state.chunks:
            raise RefusedError(404, None)
        return 200, None, {"Upload-Offset": str(len(self.state.chunks[key]["have"]))}

    @route("PATCH", r"tasks/(\d+)/data/([0-9a-f_-]{38,})")
    def file_chunk(self, call: Call, number: int, key: str) -> Any:
        file = self.state.chunks.get(key)
        if file is None:
            raise RefusedError(404, None)
        if int(call.headers["Upload-Offset"]) != len(file["have"]):
            raise RefusedError(409, None, **{"Upload-Offset": str(len(file["have"]))})
        file["have"] += call.raw
        if len(file["have"]) == file["size"]:
            self.state.uploads.setdefault(number, {})[file["name"]] = file["have"]
        offset = str(len(file["have"]))
        return 204, None, {"Upload-Offset": offset, "Upload-Filename": file["name"]}

    @route("GET", r"requests/(.+)")
    def request(self, call: Call, name: str) -> Any:
        found = self.state.requests.get(urllib.parse.unquote(name))
        if found is None:
            raise RefusedError(404, NO_REQUEST)
        return 200, {key: value for key, value in found.items() if key[0] != "_"}

    @route("GET", r"tasks/(\d+)/annotations")
    def task_annotations(self, call: Call, number: int) -> Any:
        call.found("Task", self.state.tasks, number)
        if not self.state.tasks[number].get("size"):
            raise RefusedError(
                400, "Exporting annotations from a task without data is not allowed"
            )
        return 200, filled(self.state.annotations[number], self.state.labels)

    @route("PUT", r"tasks/(\d+)/annotations")
    def put_annotations(self, call: Call, number: int) -> Any:
        call.found("Task", self.state.tasks, number)
        return 200, self.state.save(number, check(schemas.AnnotationsIn, call.body))

    @route("GET", "jobs")
    def jobs(self, call: Call) -> Any:
        """Of the organisation alone; one by its number is found in any."""
        rows = {
            number: one
            for number, one in self.state.jobs.items()
            if self.state.projects.get(one["project_id"], {}).get("organization", 1) == 1
        }
        return call.paged(rows, "project_id", "task_id", "state", "stage")

    @route("GET", r"jobs/(\d+)")
    def job(self, call: Call, number: int) -> Any:
        return 200, call.found("Job", self.state.jobs, number)

    @route("PATCH", r"jobs/(\d+)")
    def change_job(self, call: Call, number: int) -> Any:
        call.found("Job", self.state.jobs, number)
        return 200, self.state.change_job(number, call.body)

    @route("GET", r"jobs/(\d+)/annotations")
    def job_annotations(self, call: Call, number: int) -> Any:
        job = call.found("Job", self.state.jobs, number)
        return 200, filled(self.state.annotations[job["task_id"]], self.state.labels)
