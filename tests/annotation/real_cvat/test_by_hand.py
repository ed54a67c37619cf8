"""Tasks made by hand on a real CVAT server: adopted, refused with a reason, and backups."""

import io
import time
import zipfile

import pytest
from cvat_sdk import make_client

from annotation.cvat import transport
from annotation.cvat.errors import CvatRefusedError
from annotation.models import AnswerVersion, CvatJob
from annotation.selectors.tasks import group_specs
from annotation.services.answer_files import import_answers
from annotation.services.answers import confirm_answers
from annotation.services.cvat.other_tasks import AdoptionError, adopt_job
from annotation.services.downloads import annotator_backup, annotator_task_backups
from annotation.services.packages import write_package
from datasets.core.formats.cvat_labels import attributes_of, label_data
from datasets.core.naming import frame_name
from tests.annotation.real_cvat.world import MARKS, ORGANISATION, TOKEN, URL, finished, job_of
from tests.cvat_double.client_edits import answer
from tests.cvat_double.steps import project_of, read_all, reconciled
from tests.make import make_user
from tests.stored_files import frames_zip

pytestmark = MARKS

FORMAT = "CVAT for video 1.1"


@pytest.fixture
def images(world, tmp_path):
    clip = job_of(world).task.clip
    with zipfile.ZipFile(io.BytesIO(frames_zip(clip))) as archive:
        archive.extractall(tmp_path / "frames")
    found = sorted((tmp_path / "frames").iterdir())
    assert found[0].name == frame_name(clip.name, 0)
    return found


def by_hand(client, dataset, images, *, segment: int = 0, assignee: str = "") -> int:
    """A task with these images in the project of `dataset`, its jobs given to `assignee`."""
    project = project_of(dataset).project_id
    number = client.create_task(
        project, f"by hand {time.time_ns()}", frame_count=segment or len(images)
    )
    client.upload_frames(number, images, quality=70)
    client.wait_until_created(number)
    users = {one.name: one.user_id for one in client.members()}
    for job in client.jobs_of_task(number) if assignee else ():
        client.change_job(job.job_id, assignee=users[assignee])
    return number


def test_a_task_uploaded_in_parts_is_adopted(world, client, workers, images, monkeypatch):
    """Its job is fetched as any other; the task is named as ours."""
    monkeypatch.setattr(transport, "REQUEST_SIZE", sum(i.stat().st_size for i in images) // 3)
    clip = job_of(world).task.clip
    number = by_hand(client, world, images, assignee=workers[1])
    reconciled(world)
    (listed,) = project_of(world).other_tasks
    assert (listed["id"], listed["match"]) == (number, clip.name)
    row = adopt_job(project_of(world), number)
    assert adopt_job(project_of(world), number) == row
    (job,) = client.jobs_of_task(number)
    assert (row.job_id, str(row.task)) == (job.job_id, f"{clip.name}--{workers[1]}")
    assert client.task(number)["name"] == f"{clip.name}--{workers[1]}"
    client.change_job(job.job_id, state="completed")
    reconciled(world)
    read_all()
    version = AnswerVersion.objects.get()
    assert (version.author.name, version.is_held_back) == (workers[1], True)  # nobody drawn
    assert confirm_answers(version, user=make_user())


def test_what_cannot_be_adopted_says_why(world, client, workers, images, request):
    project = project_of(world).project_id
    labels = label_data(attributes_of(group_specs(world)))
    other = client.create_project(f"other {time.time_ns()}", [labels])
    request.addfinalizer(lambda: client.delete_project(other))
    moved = by_hand(client, world, images)
    client._transport.call("PATCH", f"/api/tasks/{moved}", body={"project_id": other})
    gone = by_hand(client, world, images[:2])
    client.delete_task(gone)
    said = {
        client.create_task(project, "empty", frame_count=75): "has no frames in CVAT",
        by_hand(client, world, images[1:], assignee=workers[1]): "not those of a clip here",
        by_hand(client, world, images, segment=30): "has 3 jobs in CVAT, not one",
        by_hand(client, world, images): "assign the job of task",
        by_hand(client, world, images, assignee=workers[0]): "is in CVAT already",
        moved: "no longer in this project",
        gone: "was deleted in CVAT",
    }
    reconciled(world)
    assert len(project_of(world).other_tasks) == 5
    for number, why in said.items():
        with pytest.raises(AdoptionError, match=why):
            adopt_job(project_of(world), number)
    assert CvatJob.objects.count() == 1


@pytest.mark.parametrize("server", [""], indirect=True)
def test_without_an_organisation_a_task_of_our_own_is_adopted(world, client, workers, images):
    """Then only the account itself is visible, so it is the annotator."""
    client.delete_task(job_of(world).cvat_task_id)
    reconciled(world)
    number = by_hand(client, world, images, assignee=workers[0])
    reconciled(world)
    row = adopt_job(project_of(world), number)
    client.change_job(row.job_id or 0, state="completed")
    reconciled(world)
    read_all()
    assert AnswerVersion.objects.get().author.name == client.whoami()


def test_a_renamed_question_is_read_and_a_renamed_value_comes_back(world, client):
    (label,) = client.labels(project_of(world).project_id)
    posture = next(one for one in label["attributes"] if one["name"] == "posture")
    posture["name"] = "pose"
    client.change_label(label, [posture])
    row = job_of(world)
    tracks = client.annotations(row.job_id)["tracks"]
    value = "strolls"
    posture["values"] = [value if one == "walk" else one for one in posture["values"]]
    try:
        client.change_label(label, [posture])
    except CvatRefusedError:  # newer servers let values only be added
        value = "walk"
    for at, one in enumerate(tracks):
        answer(client, row, at, one["shapes"][0]["frame"], posture=value, doing="wave")
    version = finished(client, world)
    rows = version.annotations.all()
    assert {one.answers["doing"][0] for one in rows} == {"wave"}
    if value == "walk":
        assert {one.answers["posture"] for one in rows} == {"walk"}
    else:
        assert '"strolls" is not an answer to posture' in version.problems[0]["text"]


def restored_is_sent(client, dataset, task, restored) -> None:
    """Whether what CVAT made of a backup is what was sent to it."""
    sent = client.annotations(job_of(dataset).job_id)["tracks"]
    there = restored.get_annotations().tracks
    assert [len(one.shapes) for one in there] == [len(one["shapes"]) for one in sent]
    boxes = [shape.points for one in there for shape in one.shapes]
    wanted = [shape["points"] for one in sent for shape in one["shapes"]]
    assert boxes == [pytest.approx(one, abs=0.01) for one in wanted]
    names = client.frame_names(restored.id)
    assert len(names) == 75
    assert names[0].endswith(frame_name(task.clip.name, 0))
    assert restored.name == str(task)
    labels = restored.get_labels()
    assert {one.name for one in labels} == set(dataset.class_names)
    for label in labels:
        assert [one.name for one in label.attributes] == [
            one.name for one in attributes_of(group_specs(dataset))
        ]
    names = {one.id: one.name for one in labels}
    kinds = {one.label: one.name for one in project_of(dataset).label_ids.all}
    assert [names[one.label_id] for one in there] == [kinds[one["label_id"]] for one in sent]


@pytest.mark.parametrize("classes", ["person", "person, vehicle"])
@pytest.mark.parametrize("is_project", [True, False], ids=["project", "tasks"])
def test_backups_are_restored_by_cvat_in_one_step(
    world, client, workers, tmp_path, request, is_project
):
    """Labels, guide, frames and boxes; what is exported afterwards comes back to its task."""
    annotator = world.annotators.get(name=workers[0])
    task = annotator.tasks.get()
    type(task).objects.filter(pk=task.pk).start_over()
    write_package(task.pk)
    path = tmp_path / "backup.zip"
    made = annotator_backup if is_project else annotator_task_backups
    with path.open("wb") as file:
        file.writelines(made(annotator))
    folder = tmp_path / "answers"
    folder.mkdir()
    with make_client(URL, access_token=TOKEN) as sdk:
        sdk.organization_slug = ORGANISATION
        sdk.api_client.set_default_header("Origin", URL)  # CVAT 2.54 relies on a browser's
        if is_project:
            whole = sdk.projects.create_from_backup(path, status_check_period=1)
            request.addfinalizer(lambda: client.delete_project(whole.id))
            assert whole.name == f"{world.name}--{annotator.name}"
            (restored,) = whole.get_tasks()
        else:
            with zipfile.ZipFile(path) as archive:
                (name,) = archive.namelist()
                path = tmp_path / archive.extract(name, tmp_path)
            whole = sdk.tasks.create_from_backup(path, status_check_period=1)
            request.addfinalizer(lambda: client.delete_task(whole.id))
            restored = whole
        assert "as before" in guide_of(client, whole)
        restored_is_sent(client, world, task, restored)
        exports = {"include_images": False, "status_check_period": 1}
        whole.export_dataset(FORMAT, folder / "one.zip", **exports)
        if is_project:  # of a project, tasks that nobody has begun are left out
            assert import_answers(world, folder).unchanged == 1
        (folder / "one.zip").unlink()
        tracks = restored.get_annotations().to_dict()["tracks"]
        asked = {
            one.id
            for label in restored.get_labels()
            for one in label.attributes
            if one.name == "posture"
        }
        for one in tracks:
            for given in one["shapes"][0]["attributes"]:
                if given["spec_id"] in asked:
                    given["value"] = "walk"
        body = {"version": 0, "tags": [], "shapes": [], "tracks": tracks}
        path = f"/api/tasks/{restored.id}/annotations"
        client._transport.call("PATCH", path, query={"action": "update"}, body=body)
        whole.export_dataset(FORMAT, folder / "two.zip", **exports)
    imported = import_answers(world, folder)
    assert (imported.received, imported.refused) == (1, [])
    read_all()
    rows = AnswerVersion.objects.get().annotations.all()
    assert {one.answers["posture"] for one in rows} == {"walk"}


def guide_of(client, found) -> str:
    number = found.guide_id
    return str(client._transport.call("GET", f"/api/guides/{number}")["markdown"])
