"""Comments in CVAT issues, tasks created in CVAT, and the compatibility check."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from annotation.models import (
    AnnotationTask,
    CvatJob,
    CvatProject,
    IssueComment,
    Reconciliation,
    WebhookDelivery,
)
from annotation.selectors.cvat import job_of_task
from annotation.selectors.tasks import group_specs
from annotation.services.answer_fit import AnswersError
from annotation.services.cvat.comments import reply, send_comment
from annotation.services.cvat.deferral import client_for
from annotation.services.cvat.other_tasks import AdoptionError, adopt_job
from avaproject.base.work import Stage
from datasets.core.formats.cvat_labels import attributes_of, label_data
from tests.cvat_double.steps import (
    TASK,
    job_named,
    make_server,
    post_delivery,
    process_deliveries,
    project_of,
    reconciled,
    sent_world,
    task_named,
)
from tests.make import make_annotator, make_dataset, make_task, make_user

pytestmark = pytest.mark.django_db


def issue_at(cvat, frame, text="feet cut off"):
    client = client_for(job_named(TASK).project.server)
    return client.create_issue(
        cvat.job_of(TASK)["id"], frame=frame, box=(1, 1, 9, 9), message=text, user_id=None
    )


def test_comments_of_annotators_appear_with_the_task(cvat):
    dataset = sent_world(cvat)
    issue = issue_at(cvat, 25)
    cvat.comment(issue, "which foot?", by="ann")
    reconciled(dataset)
    reconciled(dataset)
    (found,) = job_of_task(task_named(TASK))["issues"]
    assert (found["frame"], found["is_resolved"]) == (25, False)
    assert [(one.author, one.text) for one in found["comments"]] == [
        ("admin", "feet cut off"),
        ("ann", "which foot?"),
    ]


def test_a_delivery_about_a_comment_reads_it(cvat):
    sent_world(cvat)
    project = job_named(TASK).project
    project.webhook_id = 1
    project.save()
    cvat.comment(issue_at(cvat, 0), "which foot?", by="ann")
    post_delivery(project.server, b'{"event": "create:comment", "webhook_id": 1}')
    process_deliveries()
    assert WebhookDelivery.objects.get().outcome == "2 new comments"


def test_an_answer_goes_back_once_even_if_the_worker_dies(cvat):
    dataset = sent_world(cvat)
    issue = issue_at(cvat, 25)
    reconciled(dataset)
    answer = reply(job_named(TASK), issue, user=make_user("rita"), text="the left one")
    cvat.fail("POST", "/api/comments", drop="after")
    send_comment(answer.pk)
    assert IssueComment.objects.get(pk=answer.pk).stage == Stage.WAITING
    IssueComment.objects.retry_now()
    send_comment(answer.pk)
    reconciled(dataset)
    said = [one["message"] for one in cvat.state.comments.values()]
    assert said == ["feet cut off", "rita: the left one"]
    assert IssueComment.objects.count() == 2


def test_an_empty_answer_and_an_unknown_issue_are_refused(cvat):
    dataset = sent_world(cvat)
    issue = issue_at(cvat, 25)
    reconciled(dataset)
    for number, text in ((issue, "  "), (99, "yes")):
        with pytest.raises(AnswersError):
            reply(job_named(TASK), number, user=make_user(), text=text)


@pytest.mark.parametrize("is_told", [True, False])
def test_an_issue_reopened_in_cvat_is_open_here_too(cvat, is_told):
    """By the delivery, else with the next comment."""
    dataset = sent_world(cvat)
    project = job_named(TASK).project
    CvatProject.objects.update(webhook_id=1)
    issue = issue_at(cvat, 25)
    reconciled(dataset)
    for is_resolved in (True, False):
        cvat.state.issues[issue]["resolved"] = is_resolved
        reconciled(dataset)
    if is_told:
        said = {"event": "update:issue", "webhook_id": 1, "issue": {"id": issue}}
        post_delivery(project.server, json.dumps(said).encode())
        process_deliveries()
    else:
        cvat.comment(issue, "still there", by="ann")
        reconciled(dataset)
    assert not IssueComment.objects.filter(is_resolved=True).exists()
    assert not job_of_task(task_named(TASK))["issues"][0]["is_resolved"]


def test_an_issue_resolved_in_cvat_is_resolved_here(cvat):
    dataset = sent_world(cvat)
    issue = issue_at(cvat, 25)
    reconciled(dataset)
    cvat.state.issues[issue]["resolved"] = True
    reconciled(dataset)
    assert IssueComment.objects.get().is_resolved


def by_hand(cvat, dataset, name="by hand"):
    """A task with the frames of the clip, created in CVAT."""
    project = project_of(dataset)
    client = client_for(project.server)
    number = client.create_task(project.project_id, name, frame_count=75)
    frames = cvat.state.frames[cvat.job_of(TASK)["task_id"]]
    cvat.state.frames[number] = frames
    task = cvat.state.tasks[number]
    task["size"] = len(frames)
    cvat.state._add_job(task, 0, len(frames) - 1)
    return number


def test_a_task_created_in_cvat_is_listed_and_can_be_adopted(cvat):
    dataset = sent_world(cvat)
    number = by_hand(cvat, dataset)
    reconciled(dataset)
    assert project_of(dataset).other_tasks == [
        {"id": number, "name": "by hand", "match": "aisle-c0000"}
    ]
    with pytest.raises(AdoptionError, match="assign the job"):
        adopt_job(project_of(dataset), number)
    bob = next(pk for pk, one in cvat.state.users.items() if one["username"] == "bob")
    cvat.set_job("by hand", assignee=bob)
    adopt_job(project_of(dataset), number)
    row = job_named("aisle-c0000--bob")
    assert cvat.job_of("aisle-c0000--bob")["id"] == row.job_id
    reconciled(dataset)
    assert project_of(dataset).other_tasks == []
    assert CvatJob.objects.count() == 2


def test_a_task_with_other_frames_cannot_be_adopted(cvat):
    dataset = sent_world(cvat)
    number = by_hand(cvat, dataset)
    cvat.state.frames[number] = ["other.jpg"]
    reconciled(dataset)
    assert project_of(dataset).other_tasks[0]["match"] == ""
    with pytest.raises(AdoptionError, match="not those of a clip"):
        adopt_job(project_of(dataset), number)


def test_what_cannot_be_adopted_says_why(cvat):
    dataset = sent_world(cvat)
    project = project_of(dataset)
    number = by_hand(cvat, dataset)
    cvat.set_job("by hand", assignee=cvat.job_of(TASK)["assignee"]["id"])
    with pytest.raises(AdoptionError, match="--ann is in CVAT already, as another task"):
        adopt_job(project, number)
    cvat.state._add_job(cvat.state.tasks[number], 0, 10)
    with pytest.raises(AdoptionError, match="has 2 jobs in CVAT, not one: create it again"):
        adopt_job(project, number)
    cvat.state.jobs[max(cvat.state.jobs)]["type"] = "consensus_replica"
    with pytest.raises(AdoptionError, match="has consensus jobs in CVAT"):
        adopt_job(project, number)
    client = client_for(project.server)
    other = client.create_project("other", [label_data(attributes_of(group_specs(dataset)))])
    with pytest.raises(AdoptionError, match="no longer in this project"):
        adopt_job(project, client.create_task(other, "elsewhere", frame_count=75))
    with pytest.raises(AdoptionError, match="has no frames in CVAT"):
        adopt_job(project, client.create_task(project.project_id, "empty", frame_count=75))
    client.delete_task(number)
    with pytest.raises(AdoptionError, match="was deleted in CVAT"):
        adopt_job(project, number)
    assert AnnotationTask.objects.count() == 1


def test_adopting_twice_is_adopting_once_and_assigns_who_was_unassigned(cvat):
    dataset = sent_world(cvat)
    number = by_hand(cvat, dataset)
    bob = next(pk for pk, one in cvat.state.users.items() if one["username"] == "bob")
    cvat.set_job("by hand", assignee=bob)
    annotator = make_annotator(dataset, "bob")
    run = AnnotationTask.objects.get().run
    own = make_task(run, annotator, unassigned_at=timezone.now())
    first = adopt_job(project_of(dataset), number)
    assert adopt_job(project_of(dataset), number) == first
    own.refresh_from_db()
    assert (first.task, own.unassigned_at) == (own, None)
    reconciled(dataset)
    assert cvat.job_of("aisle-c0000--bob")["assignee"]["id"] == bob
    cvat.set_job("aisle-c0000--bob", assignee=cvat.job_of(TASK)["assignee"]["id"])
    with pytest.raises(AdoptionError, match="is aisle-c0000--bob here already"):
        adopt_job(project_of(dataset), number)


def test_the_check_prints_what_held_and_removes_its_project(cvat):
    make_server(cvat, "checked")
    out = io.StringIO()
    with pytest.raises(CommandError, match="steps held"):  # the double exports nothing
        call_command("check_cvat", "checked", stdout=out)
    said = out.getvalue()
    assert "held   comments both ways" in said
    assert "FAILED export as XML" in said
    assert cvat.state.projects == {}


def test_the_check_says_what_is_missing_without_an_event_store(cvat):
    make_server(cvat, "checked")
    cvat.events_are_on = False
    out = io.StringIO()
    with pytest.raises(CommandError, match="steps held"):
        call_command("check_cvat", "checked", stdout=out)
    [line] = [one for one in out.getvalue().splitlines() if "who finished (events)" in one]
    assert line.startswith("left ")
    assert "this CVAT keeps no events: its event store, ClickHouse, does not answer." in line
    assert line.endswith("how long answers took is not known")
    assert "HTTPConnectionPool" not in line


def test_the_check_needs_a_known_server(cvat):
    with pytest.raises(CommandError, match="no server called nowhere"):
        call_command("check_cvat", "nowhere")


def test_deferred_work_is_tried_now(client, cvat):
    dataset = sent_world(cvat)
    client.force_login(make_user(is_superuser=True))
    cvat.stop()
    reconciled(dataset)
    page = client.get(reverse("annotation:cvat", args=["shop"])).content.decode()
    assert "operation with lab deferred" in page
    other = make_dataset("other")
    CvatProject.objects.create(dataset=other, server=project_of(dataset).server)
    assert (
        "deferred"
        not in client.get(reverse("annotation:cvat", args=["other"])).content.decode()
    )
    client.post(reverse("annotation:cvat_retry", args=["other", "deferred"]))
    assert Reconciliation.objects.deferred().exists()  # of the dataset shop, not of this one
    client.post(reverse("annotation:cvat_retry", args=["shop", "deferred"]))
    assert not Reconciliation.objects.deferred().exists()
