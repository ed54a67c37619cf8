"""The exchange with a real CVAT server, named by AVA_TEST_CVAT_URL; skipped without one.

AVA_TEST_CVAT_TOKEN is an access token of a maintainer of AVA_TEST_CVAT_ORGANISATION, which has
two workers. The tracks are those of real footage (`../shared`), which jitter: nearly every
second is a CVAT keyframe. Each test deletes the projects it made.
"""

import io
import os
import re
import time
import zipfile
from datetime import UTC, datetime
from urllib.parse import urlsplit

import numpy as np
import pytest
from cvat_sdk import make_client

from annotation.cvat.client import close_clients
from annotation.models import (
    AnswerVersion,
    CvatJob,
    CvatProject,
    CvatServer,
    JobStateChange,
    WebhookDelivery,
)
from annotation.selectors.tasks import group_specs
from annotation.services.answer_files import import_answers
from annotation.services.answers import confirm_answers
from annotation.services.cvat.comments import reply, send_comment
from annotation.services.cvat.connection import save_server
from annotation.services.cvat.deferral import client_for
from annotation.services.cvat.other_tasks import adopt_job
from annotation.services.cvat.projects import connect_dataset, recreate_project, resend_tasks
from annotation.services.downloads import annotator_backup
from annotation.services.packages import write_package
from datasets.core.formats.cvat_labels import attributes_of, label_data
from datasets.core.naming import frame_name
from tests.cvat_double.client_edits import answer, change
from tests.cvat_double.steps import (
    apply_state_changes,
    process_deliveries,
    project_of,
    read_all,
    reconciled,
    send_all,
    send_waiting,
    set_up,
)
from tests.make import make_annotator, make_dataset, make_task, make_user
from tests.stored_files import frames_zip, make_ready_video, put
from tracking.core.boxes import Detections
from tracking.core.sort import TrackerParameters, track
from tracking.core.tracks_file import Track, TracksFile, dump

URL = os.environ.get("AVA_TEST_CVAT_URL", "")
ORGANISATION = os.environ.get("AVA_TEST_CVAT_ORGANISATION", "")
TOKEN = os.environ.get("AVA_TEST_CVAT_TOKEN", "")
SIZE = (640, 360)
PERSONS = 5  # of the footage, those seen longest

pytestmark = [
    pytest.mark.cvat,
    pytest.mark.shared,
    pytest.mark.skipif(not URL, reason="no CVAT server: set AVA_TEST_CVAT_URL"),
    pytest.mark.django_db,
]


@pytest.fixture(autouse=True)
def no_old_clients():
    close_clients()
    yield
    close_clients()


@pytest.fixture(scope="session")
def footage(shared) -> list[Track]:
    """Tracks of 15 s of a street, in pixels of a video of 640x360."""
    rows = np.loadtxt(shared / "data/mot/Venice-2/det.txt", delimiter=",")
    detections = []
    for frame in range(1, 451):
        here = rows[(rows[:, 0] == frame) & (rows[:, 6] > 0.5)]
        boxes = np.hstack([here[:, 2:4], here[:, 2:4] + here[:, 4:6]]) / 3
        detections.append(Detections(boxes, here[:, 6]))
    found = track(detections, fps=30, parameters=TrackerParameters.for_threshold(0.5))
    longest = sorted(found, key=lambda one: -len(one.frames))[:PERSONS]
    return [
        Track(number, one.frames, one.boxes, one.scores)
        for number, one in enumerate(longest, 1)
    ]


@pytest.fixture
def server(request):
    return save_server(CvatServer(name="real", url=URL, organisation=ORGANISATION), token=TOKEN)


@pytest.fixture
def client(server):
    return client_for(server)


@pytest.fixture
def workers(client):
    return [one.name for one in client.members() if one.role == "worker" and one.is_active][:2]


@pytest.fixture
def world(server, client, workers, footage):
    """A dataset with one task, in CVAT; its project is deleted at the end."""
    dataset = make_dataset(f"real-{time.time_ns()}")
    video = make_ready_video(dataset, name=f"street{time.time_ns()}", frame_count=450)
    clip = video.clips.get()
    run = clip.tracking_runs.get()
    content = dump(TracksFile(clip.name, *SIZE, 450, footage))
    run.tracks.name = put(f"{dataset}/tracks/real/{clip}.gz", content)
    run.save()
    run.persons.all().delete()
    run.proposals.all().delete()
    for one in footage:
        run.persons.create(track_id=one.track_id, person_id=one.track_id)
        for second in clip.keyframes():
            (at,) = np.nonzero(one.frames == second * 30)
            if len(at):
                x1, y1, x2, y2 = np.clip(one.boxes[at[0]], 0, [*SIZE, *SIZE]).tolist()
                run.proposals.create(
                    second=second, person_id=one.track_id, score=0.9, x1=x1, y1=y1, x2=x2, y2=y2
                )
    make_task(run, make_annotator(dataset, workers[0]))
    connect_dataset(dataset, server)
    set_up(dataset)
    send_all(dataset)
    assert not CvatJob.objects.exclude(stage="done").exists(), CvatJob.objects.values("error")
    yield dataset
    number = project_of(dataset).project_id
    for one in client.projects_named(dataset.name):
        client.delete_project(one["id"])
    assert number is None or not client.projects_named(dataset.name)


def job_of(dataset) -> CvatJob:
    return CvatJob.objects.get(task__clip__video__dataset=dataset, job_id__isnull=False)


def finished(client, dataset) -> AnswerVersion:
    client.change_job(job_of(dataset).job_id, state="completed")
    reconciled(dataset)
    read_all()
    return AnswerVersion.objects.order_by("-pk")[0]


def said(version, person: int, group: str) -> list:
    rows = version.annotations.filter(person_id=person).order_by("second")
    return [row.answers[group] for row in rows]


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
    CvatProject.objects.filter(dataset=world).start_over(guidelines="Look at hands.")
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


def test_a_task_made_by_hand_is_adopted(world, client, workers, tmp_path):
    """Its job is fetched as any other; the task is named as ours."""
    clip = job_of(world).task.clip
    with zipfile.ZipFile(io.BytesIO(frames_zip(clip))) as archive:
        archive.extractall(tmp_path / "frames")
    images = sorted((tmp_path / "frames").iterdir())
    assert images[0].name == frame_name(clip.name, 0)
    number = client.create_task(
        project_of(world).project_id, "by hand", frame_count=len(images)
    )
    client.upload_frames(number, images, quality=70)
    client.wait_until_created(number)
    reconciled(world)
    (listed,) = project_of(world).other_tasks
    assert (listed["id"], listed["match"]) == (number, clip.name)
    (job,) = client.jobs_of_task(number)
    user = next(one.user_id for one in client.members() if one.name == workers[1])
    client.change_job(job.job_id, assignee=user)
    row = adopt_job(project_of(world), number)
    assert (row.job_id, str(row.task)) == (job.job_id, f"{clip.name}--{workers[1]}")
    assert client.task(number)["name"] == f"{clip.name}--{workers[1]}"
    client.change_job(job.job_id, state="completed")
    reconciled(world)
    read_all()
    version = AnswerVersion.objects.get()
    assert (version.author.name, version.is_held_back) == (workers[1], True)  # nobody drawn
    assert confirm_answers(version, user=make_user())


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


def test_a_backup_of_all_tasks_is_restored_by_cvat_in_one_step(
    world, client, workers, tmp_path, request
):
    """Project, labels, tasks, frames and boxes; its export comes back task by task."""
    annotator = world.annotators.get(name=workers[0])
    task = annotator.tasks.get()
    type(task).objects.filter(pk=task.pk).start_over()
    write_package(task.pk)
    path = tmp_path / "backup.zip"
    with path.open("wb") as file:
        file.writelines(annotator_backup(annotator))
    with make_client(URL, access_token=TOKEN) as sdk:
        sdk.organization_slug = ORGANISATION
        project = sdk.projects.create_from_backup(path, status_check_period=1)
        request.addfinalizer(lambda: client.delete_project(project.id))
        assert project.name == f"{world.name}--{annotator.name}"
        (restored,) = project.get_tasks()
        assert restored.name == str(task)
        sent = client.annotations(job_of(world).job_id)["tracks"]
        there = restored.get_annotations().tracks
        assert [len(one.shapes) for one in there] == [len(one["shapes"]) for one in sent]
        names = client.frame_names(restored.id)
        assert names[0].endswith(frame_name(task.clip.name, 0))
        folder = tmp_path / "answers"
        folder.mkdir()
        project.export_dataset(
            "CVAT for video 1.1", folder / "project.zip", include_images=False,
            status_check_period=1,
        )  # fmt: skip
    imported = import_answers(world, folder)
    assert (imported.unchanged, imported.refused) == (1, [])  # nobody has begun


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
