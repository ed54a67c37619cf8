"""Downloads of open tasks: packages and CVAT backups of an annotator; a project's export."""

import io
import json
import zipfile

import pytest
from django.urls import reverse

from annotation.services.answer_files import import_answers
from annotation.services.downloads import write_backups
from annotation.services.packages import task_document, write_package
from avaproject.base.work import Stage
from datasets.core.formats.cvat_xml import dump
from tests.make import make_annotator, make_dataset, make_task, make_user, make_version
from tests.stored_files import make_ready_video

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    return make_user("kim")


@pytest.fixture
def dataset(admin):
    return make_dataset("shop", owner=admin)


@pytest.fixture
def ann(dataset):
    return make_annotator(dataset, "ann")


@pytest.fixture
def tasks(dataset, ann):
    """Three clips for ann with packages, the last one answered."""
    video = make_ready_video(dataset, name="aisle", frame_count=1350)
    made = [
        make_task(clip.tracking_runs.get(), ann, stage=Stage.WAITING)
        for clip in video.clips.order_by("name")
    ]
    for task in made:
        write_package(task.pk)
        task.refresh_from_db()
    make_version(made[2])
    return made


def downloaded(client, name, *args):
    response = client.get(reverse(f"annotation:{name}", args=["shop", *args]))
    assert response.status_code == 200
    return zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))


def test_all_open_packages_are_one_download(client, admin, tasks, ann):
    client.force_login(admin)
    found = downloaded(client, "packages", ann.pk)
    assert found.namelist() == ["aisle-c0000--ann.zip", "aisle-c0001--ann.zip"]
    package = zipfile.ZipFile(io.BytesIO(found.read("aisle-c0001--ann.zip")))
    assert "frames.zip" in package.namelist()


def test_all_open_tasks_are_one_project_backup(client, admin, tasks, ann):
    client.force_login(admin)
    found = downloaded(client, "backups", ann.pk)
    project = json.loads(found.read("project.json"))
    assert project["name"] == "shop--ann"
    (label,) = project["labels"]
    assert [one["name"] for one in label["attributes"]] == [
        "person_id", "posture", "doing", "doing 2",
    ]  # fmt: skip
    assert b"as before" in found.read("annotation_guide.md")
    names = [json.loads(found.read(f"task_{n}/task.json"))["name"] for n in (0, 1)]
    assert names == ["aisle-c0000--ann", "aisle-c0001--ann"]
    assert sum(name.startswith("task_1/data/") for name in found.namelist()) == 75
    (job,) = json.loads(found.read("task_1/annotations.json"))
    first = job["tracks"][0]
    assert (first["label"], first["source"]) == ("person", "auto")
    assert first["attributes"] == [{"name": "person_id", "value": "1"}]
    assert [one["frame"] for one in first["shapes"]] == [0, 74]


def test_the_backup_of_one_task_has_its_labels(client, admin, tasks):
    client.force_login(admin)
    found = downloaded(client, "backup", tasks[0].pk)
    task = json.loads(found.read("task.json"))
    assert task["labels"][0]["name"] == "person"
    (job,) = task["jobs"]
    assert (job["start_frame"], job["stop_frame"]) == (0, 74)  # CVAT 2.54 needs them
    assert {"task.json", "annotations.json", "annotation_guide.md"} <= set(found.namelist())


def test_all_open_tasks_are_one_zip_of_task_backups(client, admin, tasks, ann):
    """Each is what the task's own download is."""
    client.force_login(admin)
    found = downloaded(client, "task_backups", ann.pk)
    assert found.namelist() == ["aisle-c0000--ann-backup.zip", "aisle-c0001--ann-backup.zip"]
    for task, name in zip(tasks, found.namelist(), strict=False):
        alone = downloaded(client, "backup", task.pk)
        inner = zipfile.ZipFile(io.BytesIO(found.read(name)))
        assert {one: inner.read(one) for one in inner.namelist()} == {
            one: alone.read(one) for one in alone.namelist()
        }
        assert sum(one.startswith("data/") for one in inner.namelist()) == 75


def test_the_command_writes_a_backup_of_each_annotator(tasks, dataset, tmp_path):
    make_annotator(dataset, "bob")
    assert write_backups(dataset, tmp_path / "backups") == 1
    (written,) = (tmp_path / "backups").iterdir()
    assert written.name == "shop--ann-backup.zip"
    assert "project.json" in zipfile.ZipFile(written).namelist()
    assert write_backups(dataset, tmp_path / "backups") == 1


def test_without_open_tasks_a_sentence_says_so(client, admin, dataset, ann):
    client.force_login(admin)
    page = client.get(reverse("annotation:backups", args=["shop", ann.pk]), follow=True)
    assert "ann has no open task whose package is written." in page.content.decode()


@pytest.mark.parametrize("name", ["packages", "backups", "task_backups", "backup"])
def test_a_stranger_downloads_nothing(client, tasks, ann, name):
    client.force_login(make_user())
    key = tasks[0].pk if name == "backup" else ann.pk
    assert client.get(reverse(f"annotation:{name}", args=["shop", key])).status_code == 404


def project_export(*documents) -> bytes:
    """As CVAT exports a project: frames run on from task to task, `task_id` at each track."""
    tasks, tracks, offset = [], [], 0
    for number, document in enumerate(documents, start=7):
        text = dump(document).decode()
        body = text.partition("</meta>")[2].rpartition("</annotations>")[0]
        body = body.replace("<track ", f'<track task_id="{number}" subset="default" ')
        for frame in sorted({s.frame for t in document.tracks for s in t.shapes}, reverse=True):
            body = body.replace(f'<box frame="{frame}"', f'<box frame="+{frame + offset}"')
        tracks.append(body.replace('frame="+', 'frame="'))
        tasks.append(
            f"<task><id>{number}</id><name>{document.task_name}</name>"
            f"<size>{document.frame_count}</size><mode>annotation</mode>"
            "<subset>default</subset><start_frame>0</start_frame><stop_frame>74</stop_frame>"
            "<frame_filter></frame_filter></task>"
        )
        offset += document.frame_count
    labels = text[text.index("<labels>") : text.index("</labels>") + len("</labels>")]
    return (
        "<annotations><version>1.1</version><meta><project><id>1</id><name>shop</name>"
        f"<tasks>{''.join(tasks)}</tasks>{labels}</project></meta>{''.join(tracks)}"
        "</annotations>"
    ).encode()


def answered(task, posture):
    document = task_document(task)
    for track in document.tracks:
        for shape in track.shapes:
            shape.attributes["posture"] = posture
    return document


def test_the_export_of_a_project_is_read_task_by_task(tasks, dataset, tmp_path):
    for task in tasks:
        task.versions.all().delete()
    documents = [
        answered(tasks[0], "sit"), task_document(tasks[1]), answered(tasks[2], "walk"),
    ]  # fmt: skip
    with zipfile.ZipFile(tmp_path / "project_shop.zip", "w") as export:
        export.writestr("annotations.xml", project_export(*documents))
    imported = import_answers(dataset, tmp_path)
    assert (imported.received, imported.unchanged, imported.refused) == (2, 1, [])
    assert [task.versions.count() for task in tasks] == [1, 0, 1]  # the second was not begun
    again = import_answers(dataset, tmp_path)
    assert (again.received, again.unchanged) == (0, 3)


def test_a_project_with_a_task_twice_or_of_nobody_says_so(tasks, dataset, tmp_path):
    one = answered(tasks[0], "sit")
    strange = type(one)("hall-c0000--eve", 75, 640, 360, one.attributes, one.tracks)
    (tmp_path / "all.xml").write_bytes(project_export(one, one, strange))
    refused = [reason for _, reason in import_answers(dataset, tmp_path).refused]
    assert [reason.partition(";")[0] for reason in refused] == [
        "there are two files for this task",
        "there are two files for this task",
        "no task of this dataset is called hall-c0000--eve",
    ]
