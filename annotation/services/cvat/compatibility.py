"""Compatibility check: walk every step of the exchange with a CVAT on a small project.

The project is deleted at the end, whatever happened. Nothing is stored here.
"""

import io
import secrets
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw

from annotation.core.webhook import EVENTS, job_in, parse_event, verify_signature
from annotation.cvat.client import CvatClient
from annotation.cvat.errors import CvatError, CvatGoneError
from annotation.cvat.job_calls import Job
from annotation.cvat.task_upload import TaskPayload, upload_task
from annotation.services.cvat.connection import permission_problems
from annotation.services.cvat.delivery_receiver import DeliveryReceiver, ReceivedDelivery
from avaproject.base.temporary import work_folder
from datasets.core.action_groups import AS_BEFORE
from datasets.core.formats.cvat_json import LabelIds, document_from
from datasets.core.formats.cvat_labels import PERSON, PERSON_ID
from datasets.core.formats.cvat_xml import load

FRAMES = 10
SIZE = (320, 240)
SECRET = secrets.token_hex(16)  # not that of the server here: no delivery is taken
NOT_TRIED = "not tried"
WITHOUT_EVENTS = (
    "Without events who edited a job is known from its webhook deliveries only, and how long "
    "answers took is not known"
)
DELIVERY_TIMEOUT = 30.0  # seconds
EXPORT_FORMAT = "CVAT for video 1.1"
LABEL = {
    "name": PERSON,
    "type": "rectangle",
    "attributes": [
        {"name": PERSON_ID, "mutable": False, "input_type": "text", "default_value": "",
         "values": [""]},
        {"name": "posture", "mutable": True, "input_type": "select",
         "default_value": AS_BEFORE, "values": [AS_BEFORE, "sit", "stand"]},
    ],
}  # fmt: skip


class StepFailedError(RuntimeError):
    """A step did not do what AVA Studio relies on."""


class StepResult(NamedTuple):
    name: str
    error: str  # "" if it held, or was not tried
    detail: str
    seconds: float

    @property
    def is_tried(self) -> bool:
        return not self.detail.startswith(NOT_TRIED)


class CompatibilityCheck:
    """The steps, in order; each uses what the earlier ones made."""

    def __init__(
        self,
        client: CvatClient,
        *,
        organisation: str,
        webhook_url: str,
        receiver: DeliveryReceiver | None = None,
    ) -> None:
        """`receiver` takes what CVAT delivers; without one the address is only pinged."""
        self.client = client
        self.receiver = receiver
        self.organisation = organisation
        self.webhook_url = webhook_url
        self.version = ""
        self.project = 0
        self.ids = LabelIds(0, {})
        self.name = ""
        self.user_id = 0
        self.job: Job | None = None

    def run(self) -> Iterator[StepResult]:
        """Each step as it ends; after one that failed the others are left out."""
        steps: list[tuple[str, Callable[[], str]]] = [
            ("sign in", self.sign_in),
            ("permissions", self.permissions),
            ("project and label", self.create_project),
            ("annotation guide", self.guide),
            ("webhook", self.webhook),
            ("task, frames, boxes, assignee", self.send_task),
            ("answers hold over CVAT keyframes", self.answers_hold),
            ("answer and finish", self.finish),
            ("delivery of the finished job", self.delivery),
            ("find finished jobs by date", self.poll),
            ("reopen with an issue", self.reopen),
            ("comments both ways", self.comments),
            ("rename the task", self.rename),
            ("who finished (events)", self.events),
            ("export as XML", self.export),
            ("delete", self.delete),
        ]
        try:
            for name, step in steps:
                started = time.monotonic()
                detail, error = "", ""
                try:
                    detail = step()
                except (CvatError, StepFailedError) as failure:
                    error = str(failure)
                yield StepResult(name, error, detail, time.monotonic() - started)
                if error and name not in OPTIONAL:
                    return
        finally:
            if self.project:
                self.client.delete_project(self.project)

    def sign_in(self) -> str:
        self.version = self.client.version()
        account = self.client.account()
        self.user_id, self.account = int(account["id"]), account
        return f"CVAT {self.version} as {account['username']}"

    def permissions(self) -> str:
        problems = permission_problems(
            self.account, self.client.token(), self.client.members(), self.organisation
        )
        _expect(not problems, " ".join(" ".join(one) for one in problems))
        return "may create projects and tasks"

    def create_project(self) -> str:
        self.name = f"AVA Studio check {int(time.time())}, can be deleted"
        self.project = self.client.create_project(self.name, [LABEL])
        found = self.client.projects_named(self.name)
        _expect([one["id"] for one in found] == [self.project], "it is not found by its name")
        (label,) = self.client.labels(self.project)
        self.ids = LabelIds(
            label["id"], {one["name"]: one["id"] for one in label["attributes"]}
        )
        self.client.add_labels(self.project, [LABEL | {"name": "vehicle"}])
        names = [one["name"] for one in self.client.labels(self.project)]
        _expect(sorted(names) == [PERSON, "vehicle"], f"its labels are {names}")
        return f"project {self.project}"

    def guide(self) -> str:
        self.client.set_guide(self.project, "# One")
        self.client.set_guide(self.project, "# Two")
        return "created, and replaced"

    def webhook(self) -> str:
        if not self.webhook_url:
            return f"{NOT_TRIED}: no callback address is configured"
        webhook = self.client.save_webhook(
            self.project, url=self.webhook_url, secret=SECRET, events=EVENTS
        )  # fmt: skip
        status, _ = self.client.ping(webhook)
        if self.receiver:
            _expect(status == 200, f"CVAT gets status {status} from {self.webhook_url}")
            pinged = self.receiver.wait_for(_is_signed, seconds=DELIVERY_TIMEOUT)
            _expect(pinged is not None, "no signed ping arrived")
            return "a signed ping arrived"
        # The secret is not the server's, so a receiver that is reached answers 403.
        _expect(status in (200, 403), f"CVAT gets status {status} from {self.webhook_url}")
        return f"CVAT reaches {self.webhook_url}"

    def send_task(self) -> str:
        with work_folder() as folder:
            frames = folder / "frames.zip"
            _write_frames(frames)
            unpacked = folder / "unpacked"
            unpacked.mkdir()
            payload = TaskPayload(
                "check--one", self.project, self.user_id, FRAMES, self._data()
            )
            self.job = upload_task(self.client, payload, frames, unpacked, lambda: None)
        _expect(self.job.assignee == self.account["username"], "the job has no assignee")
        names = self.client.frame_names(self.job.task_id)
        _expect(names == [f"f{frame:04}.jpg" for frame in range(FRAMES)], f"frames: {names}")
        return f"job {self._job.job_id}"

    def answers_hold(self) -> str:
        document = document_from(
            self.client.annotations(self._job.job_id), self.ids, task_name="",
            frame_count=FRAMES,
        )  # fmt: skip
        (track,) = document.tracks
        said = [shape.attributes.get("posture") for shape in track.shapes]
        _expect(said == ["sit", "sit", "stand"], f"posture is {said}")
        _expect(track.shapes[0].attributes[PERSON_ID] == "7", "the person_id is lost")
        return "also where nothing was sent"

    def finish(self) -> str:
        data = self._data()
        data["tracks"][0]["shapes"][2]["attributes"] = self._value("posture", "sit")
        self.client.put_annotations(self._job.task_id, data)
        self.job = self.client.change_job(self._job.job_id, state="completed")
        _expect(self.job.is_finished, f"the job is {self.job.state}")
        return "completed"

    def delivery(self) -> str:
        if not self.receiver:
            return f"{NOT_TRIED}: give an address with --callback"

        def is_wanted(one: ReceivedDelivery) -> bool:
            event = parse_event(one.body)
            return _is_signed(one) and (event.job_id, event.state) == (
                self._job.job_id, "completed",
            )  # fmt: skip

        started = time.monotonic()
        found = self.receiver.wait_for(is_wanted, seconds=DELIVERY_TIMEOUT)
        if found is None:
            raise StepFailedError(f"no signed delivery came in {DELIVERY_TIMEOUT:.0f} s")
        sender, assignee = parse_event(found.body).sender, job_in(found.body).assignee
        me = self.account["username"]
        _expect((sender, assignee) == (me, me), f"sent by {sender}, assigned to {assignee}")
        return f"signed, after {time.monotonic() - started:.1f} s, finished by {sender}"

    def poll(self) -> str:
        since = self._job.updated_date
        found = [one.job_id for one in self.client.jobs(self.project, since=since)]
        _expect(found == [self._job.job_id], f"jobs since {since}: {found}")
        return "1 job"

    def reopen(self) -> str:
        self.issue = self.client.create_issue(
            self._job.job_id, frame=5, box=(10, 10, 60, 100), message="feet cut off",
            user_id=self.user_id,
        )  # fmt: skip
        self.job = self.client.change_job(
            self._job.job_id, stage="annotation", state="rejected"
        )
        (issue,) = self.client.issues(self._job.job_id)
        _expect((issue["frame"], issue["id"]) == (5, self.issue), f"the issue is {issue}")
        return "at frame 5"

    def comments(self) -> str:
        before = self.client.newest_comment()
        sent = self.client.create_comment(self.issue, "corrected")
        found = [one["message"] for one in self.client.comments(above=before)]
        _expect(found == ["corrected"], f"comments after {before}: {found}")
        texts = [one["message"] for one in self.client.comments(issue=self.issue)]
        _expect(texts == ["feet cut off", "corrected"], f"comments of the issue: {texts}")
        self.client.resolve_issue(self.issue)
        _expect(bool(self.client.issue(self.issue)["resolved"]), "it is not resolved")
        return f"comment {sent['id']}"

    def rename(self) -> str:
        self.client.rename_task(self._job.task_id, "check--two")
        found = [one["id"] for one in self.client.tasks_named(self.project, "check--two")]
        _expect(found == [self._job.task_id], "it is not found by its new name")
        return "found by its new name"

    def events(self) -> str:
        try:
            done = [
                one["user_name"]
                for one in self.client.job_events(self._job.job_id)
                if (one["obj_name"], one["obj_val"]) == ("state", "completed")
            ]
        except CvatError as error:
            return f"{NOT_TRIED}: {error}. {WITHOUT_EVENTS}"
        _expect(done == [self.account["username"]], f"finished by {done}")
        return f"finished by {done[0]}"

    def export(self) -> str:
        content = self.client.export_task(self._job.task_id, EXPORT_FORMAT)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            document = load(archive.read("annotations.xml"))
        (track,) = document.tracks
        _expect(document.task_name == "check--two", f"its task is {document.task_name}")
        _expect(track.shapes[0].attributes["posture"] == "sit", "posture is lost")
        return f"{len(content)} bytes"

    def delete(self) -> str:
        self.client.delete_project(self.project)
        self.project = 0
        try:
            self.client.job(self._job.job_id)
        except CvatGoneError:
            return "the job is gone"
        raise StepFailedError("the job is still there after its project was deleted")

    @property
    def _job(self) -> Job:
        if self.job is None:
            raise StepFailedError("there is no job")
        return self.job

    def _value(self, name: str, value: str) -> list[dict[str, Any]]:
        return [{"spec_id": self.ids.attributes[name], "value": value}]

    def _data(self) -> dict[str, Any]:
        """One person that sits, sits, and stands, at three CVAT keyframes."""
        said = {0: self._value("posture", "sit"), 4: [], 8: self._value("posture", "stand")}
        shapes = [
            {"type": "rectangle", "frame": frame, "points": [10.0 + frame, 10.0, 60.0, 100.0],
             "outside": False, "occluded": False, "z_order": 0, "rotation": 0.0,
             "attributes": values}
            for frame, values in said.items()
        ]  # fmt: skip
        track = {
            "frame": 0, "label_id": self.ids.label, "group": 0, "source": "auto",
            "attributes": self._value(PERSON_ID, "7"), "shapes": shapes,
        }  # fmt: skip
        return {"version": 0, "tags": [], "shapes": [], "tracks": [track]}


OPTIONAL = (
    "permissions", "webhook", "delivery of the finished job", "who finished (events)",
)  # fmt: skip
# AVA Studio works without these.


def _is_signed(one: ReceivedDelivery) -> bool:
    return verify_signature(one.body, one.signature, SECRET)


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise StepFailedError(otherwise)


def _write_frames(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for frame in range(FRAMES):
            image = Image.new("RGB", SIZE, (40, 40, 40))
            ImageDraw.Draw(image).rectangle((10 + frame, 10, 60, 100), fill=(200, 120, 60))
            content = io.BytesIO()
            image.save(content, "JPEG")
            archive.writestr(f"f{frame:04}.jpg", content.getvalue())
