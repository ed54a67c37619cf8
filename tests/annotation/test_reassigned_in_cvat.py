"""Jobs reassigned in CVAT, and who is the author of an answer version."""

import json

import pytest

from annotation.cvat.client import CvatClient
from annotation.cvat.errors import CvatRefusedError
from annotation.models import Annotator, AnswerVersion
from tests.cvat_double.steps import (
    FINISHED,
    TASK,
    job_named,
    post_delivery,
    process_deliveries,
    read_all,
    reconciled,
    sent_world,
    state_event,
    task_named,
)

pytestmark = pytest.mark.django_db
BOBS = "aisle-c0000--bob"


def user(cvat, name):
    return next(pk for pk, one in cvat.state.users.items() if one["username"] == name)


def issues(cvat):
    return [one["_message"] for one in cvat.state.issues.values()]


def test_a_reassigned_task_follows_to_its_new_person(cvat):
    dataset = sent_world(cvat)
    cvat.set_job(TASK, assignee=user(cvat, "bob"))
    reconciled(dataset)
    row = job_named(BOBS)
    assert (row.task.annotator.name, row.message) == ("bob", "")
    assert [line["text"] for line in row.history] == ["Reassigned in CVAT from ann to bob."]
    assert cvat.job_of(BOBS)["id"] == row.job_id  # the task has its new name in CVAT too
    assert not Annotator.objects.get(name="bob").is_active  # plans give bob nothing
    reconciled(dataset)
    assert len(job_named(BOBS).history) == 1


def test_the_author_is_who_finished_the_job(cvat):
    dataset = sent_world(cvat)
    cvat.set_job(TASK, assignee=user(cvat, "bob"))
    cvat.finish(TASK, FINISHED)
    reconciled(dataset)
    read_all()
    version = AnswerVersion.objects.get()
    assert version.author.name == "bob"
    assert {box.annotator for box in version.boxes.all()} == {"bob"}


def event(scope, name, second, **fields):
    stamp = f"2026-11-29 12:00:{second:02}.000000"
    return {"scope": scope, "user_name": name, "timestamp": stamp, "obj_name": "",
            "obj_val": "", **fields}  # fmt: skip


def test_editors_are_those_of_cvats_events_where_no_delivery_says_so(cvat, monkeypatch):
    """Without the account that sent the boxes."""
    dataset = sent_world(cvat)
    said = [
        event("create:tracks", "admin", 1),
        event("update:tracks", "ann", 2),
        event("delete:shapes", "bob", 3),
        event("update:job", "bob", 4, obj_name="state", obj_val="completed"),
    ]
    monkeypatch.setattr(CvatClient, "job_events", lambda client, job_id: said)
    cvat.finish(TASK, FINISHED)
    reconciled(dataset)
    version = AnswerVersion.objects.get()
    assert (version.author.name, version.finished_by) == ("ann", "bob")
    assert version.editors == ["ann", "bob"]


def test_who_assigned_the_job_or_sent_its_boxes_is_no_editor(cvat):
    sent_world(cvat)
    server = job_named(TASK).project.server

    def deliver(name, *fields):
        said = {"event": "update:job", "job": cvat.job_of(TASK), "sender": {"username": name},
                "before_update": dict.fromkeys(fields)}  # fmt: skip
        post_delivery(server, json.dumps(said).encode())

    deliver("admin", "updated_date")  # the account here
    deliver("eve", "assignee", "updated_date")
    deliver("bob", "updated_date")
    cvat.finish(TASK, FINISHED)
    deliver("ann", "state", "updated_date")
    process_deliveries()
    assert AnswerVersion.objects.get().editors == ["ann", "bob"]


def test_events_that_cannot_be_read_are_asked_for_once(cvat, monkeypatch):
    dataset = sent_world(cvat, clips=2)
    asked = []

    def refused(client, job_id):
        asked.append(job_id)
        raise CvatRefusedError("no event store")

    monkeypatch.setattr(CvatClient, "job_events", refused)
    for job in list(cvat.state.jobs.values()):
        cvat.set_job(cvat.state.tasks[job["task_id"]]["name"], state="completed")
    reconciled(dataset)
    assert (AnswerVersion.objects.count(), len(asked)) == (2, 1)


def test_a_job_finished_by_one_and_then_given_to_another_is_the_work_of_the_first(cvat):
    dataset = sent_world(cvat)
    cvat.finish(TASK, FINISHED)
    done = json.loads(state_event(cvat))
    sender = cvat.state.users[user(cvat, "ann")]
    server = job_named(TASK).project.server
    post_delivery(server, json.dumps(done | {"sender": sender}).encode())
    cvat.set_job(TASK, assignee=user(cvat, "bob"))
    process_deliveries()
    version = AnswerVersion.objects.get()
    assert (version.author.name, version.finished_by) == ("ann", "ann")
    assert version.editors == ["ann"]
    assert version.task.annotator.name == "bob"
    reconciled(dataset)
    assert AnswerVersion.objects.count() == 1


def test_a_delivery_of_earlier_answers_names_no_author_of_newer_ones(cvat):
    """The webhook was switched off meanwhile."""
    dataset = sent_world(cvat)
    cvat.finish(TASK, FINISHED)
    post_delivery(job_named(TASK).project.server, state_event(cvat))
    process_deliveries()
    cvat.set_job(TASK, assignee=user(cvat, "bob"), state="in progress")
    cvat.finish(TASK, FINISHED | {"posture": "sit"})
    reconciled(dataset)
    authors = AnswerVersion.objects.order_by("number").values_list("author__name", flat=True)
    assert list(authors) == ["ann", "bob"]


def test_the_newest_delivery_names_the_author_in_whatever_order_they_come(cvat):
    sent_world(cvat)
    server = job_named(TASK).project.server
    cvat.finish(TASK, FINISHED)
    first = state_event(cvat)
    cvat.set_job(TASK, assignee=user(cvat, "bob"), state="in progress")
    cvat.finish(TASK, FINISHED | {"posture": "sit"})
    post_delivery(server, state_event(cvat))
    post_delivery(server, first)
    process_deliveries()
    assert AnswerVersion.objects.get().author.name == "bob"


@pytest.mark.parametrize("is_told", [True, False])
def test_a_finished_job_given_to_somebody_who_has_the_clip_stays_finished(cvat, is_told):
    dataset = sent_world(cvat, annotators=("ann", "bob"))
    cvat.finish(TASK, FINISHED)
    if is_told:
        post_delivery(job_named(TASK).project.server, state_event(cvat))
        process_deliveries()
    reconciled(dataset)
    cvat.set_job(TASK, assignee=user(cvat, "bob"))
    reconciled(dataset)
    job = cvat.job_of(TASK)
    assert (job["assignee"]["username"], job["state"]) == ("ann", "completed")
    assert "finished by bob" not in issues(cvat)[0]


def test_a_job_given_to_somebody_who_has_the_clip_goes_back_with_an_issue(cvat):
    dataset = sent_world(cvat, annotators=("ann", "bob"))
    cvat.set_job(TASK, assignee=user(cvat, "bob"))
    reconciled(dataset)
    assert cvat.job_of(TASK)["assignee"]["username"] == "ann"
    (said,) = issues(cvat)
    assert "bob has this clip already" in said
    assert task_named(TASK).annotator.name == "ann"
    assert said in job_named(TASK).history[0]["text"]


def test_answers_of_somebody_who_has_the_clip_are_not_taken_for_another(cvat):
    dataset = sent_world(cvat, annotators=("ann", "bob"))
    cvat.set_job(TASK, assignee=user(cvat, "bob"))
    cvat.finish(TASK, FINISHED)
    reconciled(dataset)
    job = cvat.job_of(TASK)
    assert (job["assignee"]["username"], job["state"]) == ("ann", "rejected")
    assert not AnswerVersion.objects.exists()
    assert "finished by bob" in issues(cvat)[0]
