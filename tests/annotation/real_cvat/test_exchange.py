"""Answers, refusals, comments, deliveries, and what is deleted, moved or renamed in CVAT."""

import re
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from annotation.models import (
    AnswerVersion,
    CvatJob,
    CvatProject,
    JobStateChange,
    WebhookDelivery,
)
from annotation.selectors.tasks import group_specs
from annotation.services.cvat.comments import reply, send_comment
from annotation.services.cvat.projects import (
    connect_dataset,
    recreate_project,
    resend_tasks,
)
from annotation.services.guidelines import save_text
from datasets.core.formats.cvat_labels import attributes_of, label_data
from tests.annotation.real_cvat.world import MARKS, finished, job_of, said
from tests.cvat_double.client_edits import answer, change
from tests.cvat_double.steps import (
    apply_state_changes,
    process_deliveries,
    project_of,
    read_all,
    reconciled,
    send_waiting,
    set_up,
)
from tests.make import make_user

pytestmark = MARKS


def test_an_answer_holds_over_the_cvat_keyframes_of_real_footage(world, client):
    row = job_of(world)
    tracks = client.annotations(row.job_id)["tracks"]
    frames = [shape["frame"] for one in tracks for shape in one["shapes"]]
    assert len(frames) > 8 * len(tracks)  # jitter: about one a second
    for at, one in enumerate(tracks):
        answer(client, row, at, one["shapes"][0]["frame"], posture="walk", doing="wave")
    middle = tracks[0]["shapes"][0]["frame"] + 23
    answer(client, row, 0, middle, posture="stand")
    version = finished(client, world)
    assert (version.stage, version.problems, version.missing_persons) == ("done", [], [])
    persons = [int(one["attributes"][0]["value"]) for one in tracks]
    for person in persons[1:]:
        assert set(said(version, person, "posture")) == {"walk"}
        assert all(one == ["wave"] for one in said(version, person, "doing"))
    first = version.annotations.filter(person_id=persons[0]).order_by("second")
    assert [one.answers["posture"] for one in first] == [
        "stand" if one.second * 5 >= middle else "walk" for one in first
    ]
    assert version.unfinished == 0


def test_what_cannot_be_taken_comes_back_at_the_object_and_all_else_is_read(world, client):
    row = job_of(world)
    data = client.annotations(row.job_id)
    gone = data["tracks"][-1]
    for at, one in enumerate(data["tracks"]):
        answer(client, row, at, one["shapes"][0]["frame"], posture="walk", doing="none")
    label = row.project.label_id
    drawn = {"type": "polygon", "frame": 20, "label_id": label, "group": 0, "attributes": [],
             "occluded": False, "z_order": 0, "source": "manual", "outside": False,
             "points": [10.0, 10.0, 60.0, 20.0, 40.0, 90.0], "rotation": 0.0}  # fmt: skip
    change(client, row, "create", shapes=[drawn])
    newest = client.annotations(row.job_id)["tracks"]
    change(client, row, "delete", tracks=[newest[-1]])
    answer(client, row, 0, data["tracks"][0]["shapes"][0]["frame"], posture="seated")
    version = finished(client, world)
    assert version.stage == "done"
    assert '"seated" is not an answer to posture' in version.problems[0]["text"]
    number = gone["attributes"][0]["value"]
    assert f"Person {number} was deleted in CVAT." in version.notes
    assert version.missing_persons == []
    assert any("a polygon was drawn here" in note for note in version.notes)
    apply_state_changes()
    (issue,) = client.issues(row.job_id)
    box = data["tracks"][0]["shapes"][0]["points"]
    assert issue["position"] == pytest.approx(box, abs=0.01)
    assert client.job(row.job_id).state == "rejected"


def test_the_guide_shows_the_drawing(world, client):
    project = client.project(project_of(world).project_id)
    guide = client._transport.call("GET", f"/api/guides/{project['guide_id']}")["markdown"]
    (address,) = re.findall(r"!\[[^]]*\]\((/api/assets/[0-9a-f-]+)\)", guide)
    assert client._transport.file(urlsplit(address))[:4] == b"\x89PNG"
    save_text(world, "Look at hands.")
    CvatProject.objects.filter(dataset=world).start_over()
    set_up(world)
    again = client._transport.call("GET", f"/api/guides/{project['guide_id']}")["markdown"]
    assert address in again  # sent once
    assert "Look at hands." in again


def test_editors_are_read_from_the_events_of_the_server(world, client):
    row = job_of(world)
    answer(client, row, 0, client.annotations(row.job_id)["tracks"][0]["shapes"][0]["frame"],
           posture="walk")  # fmt: skip
    version = finished(client, world)
    if not client.has_events:
        pytest.skip("this server has no event store")
    assert version.finished_by == client.whoami()


@pytest.mark.parametrize("verdict", ["", "approved", "rejected"])
def test_an_answered_task_that_was_deleted_gets_its_answers_and_state_again(
    world, client, verdict
):
    row = job_of(world)
    for at, one in enumerate(client.annotations(row.job_id)["tracks"]):
        answer(client, row, at, one["shapes"][0]["frame"], posture="walk", doing="wave")
    version = finished(client, world)
    before = list(version.annotations.order_by("second", "track").values_list("x1", "answers"))
    if verdict:
        JobStateChange.objects.create(
            job=row, version=version, verdict=verdict, review=1, reason="Second 3: too large."
        )
        apply_state_changes()
    client.delete_task(row.cvat_task_id)
    reconciled(world)
    assert CvatJob.objects.get().is_deleted
    resend_tasks(CvatJob.objects.all())
    send_waiting()
    row = job_of(world)
    job = client.job(row.job_id)
    wanted = {"": ("annotation", "completed"), "approved": ("acceptance", "completed"),
              "rejected": ("annotation", "rejected")}  # fmt: skip
    assert (job.stage, job.state) == wanted[verdict]
    assert job.assignee == row.task.annotator.name
    reconciled(world)
    read_all()
    assert AnswerVersion.objects.count() == 1  # what we sent is what we have
    client.change_job(row.job_id, stage="annotation", state="in progress")
    answer(client, row, 0, client.annotations(row.job_id)["tracks"][0]["shapes"][0]["frame"],
           posture="sit")  # fmt: skip
    newer = finished(client, world)
    after = list(newer.annotations.order_by("second", "track").values_list("x1", "answers"))
    assert [box for box, _ in after] == pytest.approx([box for box, _ in before], abs=0.01)
    assert {one["doing"][0] for _, one in after} == {"wave"}


def test_a_deleted_project_is_made_again_with_its_tasks(world, client):
    client.delete_project(project_of(world).project_id)
    reconciled(world)
    recreate_project(project_of(world))
    set_up(world)
    send_waiting()
    assert client.job(job_of(world).job_id).assignee == job_of(world).task.annotator.name


def test_a_deleted_label_takes_no_answers_with_it(world, client):
    row = job_of(world)
    first = finished(client, world)
    client._transport.call("DELETE", f"/api/labels/{project_of(world).label_id}")
    assert client.annotations(row.job_id)["tracks"] == []
    done = reconciled(world)
    assert "was deleted in CVAT, and its boxes with it" in done.error
    assert AnswerVersion.objects.get() == first
    assert client.job(row.job_id).state == "completed"


def test_a_project_with_tasks_of_an_earlier_dataset_is_not_used(world, client, server):
    CvatProject.objects.filter(dataset=world).delete()
    connect_dataset(world, server)
    project = set_up(world)
    assert "with 1 task that is not of this dataset" in project.error
    assert project.project_id is None


def test_a_task_and_a_project_renamed_in_cvat_stay_ours(world, client):
    row = job_of(world)
    client.rename_task(row.cvat_task_id, "renamed by hand")
    path = f"/api/projects/{project_of(world).project_id}"
    client._transport.call("PATCH", path, body={"name": "renamed project"})
    version = finished(client, world)
    assert version.task == row.task
    client._transport.call("PATCH", path, body={"name": world.name})


def test_a_task_moved_to_another_project_is_named(world, client, request):
    """CVAT then answers for the job, but not as part of our project."""
    row = job_of(world)
    labels = label_data(attributes_of(group_specs(world)))  # without them CVAT refuses
    other = client.create_project(f"other {time.time_ns()}", [labels])
    request.addfinalizer(lambda: client.delete_project(other))
    path = f"/api/tasks/{row.cvat_task_id}"
    client._transport.call("PATCH", path, body={"project_id": other})
    reconciled(world)
    row.refresh_from_db()
    assert not row.is_deleted
    assert "moved" in row.message


def test_comments_go_both_ways(world, client):
    row = job_of(world)
    issue = client.create_issue(
        row.job_id, frame=5, box=(1, 1, 90, 90), message="who is this?", user_id=None
    )
    reconciled(world)
    assert row.comments.get().text == "who is this?"
    sent = reply(row, issue, text="the one in front", user=make_user())
    send_comment(sent.pk)
    said = [one["message"] for one in client.comments(issue=issue)]
    assert said[0] == "who is this?"
    assert said[1].endswith("the one in front")


@pytest.mark.django_db(transaction=True)
def test_a_finished_job_arrives_by_its_delivery(
    server, client, workers, footage, live_server, settings, request
):
    settings.PUBLIC_URL = live_server.url
    settings.ALLOWED_HOSTS = ["*"]
    dataset = request.getfixturevalue("world")
    row = job_of(dataset)
    client.change_job(row.job_id, state="completed")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if WebhookDelivery.objects.filter(state="completed").exists():
            break
        time.sleep(0.5)
    process_deliveries()
    read_all()
    version = AnswerVersion.objects.get()
    assert (version.author.name, version.finished_by) == (workers[0], client.whoami())
    assert version.created_at < datetime.now(UTC)
