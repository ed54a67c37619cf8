import io
import json
import zipfile

import pytest
from django.core.management import CommandError, call_command

from annotation.models import AnnotationTask
from annotation.services.assign_tasks import assign_gold_tasks, plan_tasks
from annotation.services.packages import copy_packages, write_package
from avaproject.base.work import Stage
from datasets.core.formats.cvat_xml import load
from datasets.core.naming import frame_name
from tests.make import make_annotator, make_dataset, make_task, make_version
from tests.stored_files import content_of, make_ready_video

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset():
    return make_dataset("shop")


def written(task):
    return zipfile.ZipFile(io.BytesIO(content_of(write_package(task.pk).package)))


def new_task(dataset, **fields):
    clip = make_ready_video(dataset, name="aisle").clips.first()
    run = clip.tracking_runs.get()
    return make_task(run, make_annotator(dataset, "ann"), stage=Stage.WAITING, **fields)


def test_a_package_has_everything_to_create_the_task(dataset):
    task = new_task(dataset)
    package = written(task)
    assert package.namelist() == ["README.txt", "annotations.xml", "labels.json", "frames.zip"]
    readme = package.read("README.txt").decode()
    assert "aisle-c0000--ann.zip" in readme
    assert "10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70" in readme
    with zipfile.ZipFile(io.BytesIO(package.read("frames.zip"))) as frames:
        assert frames.namelist()[74] == frame_name("aisle-c0000", 74)
    (label,) = json.loads(package.read("labels.json"))
    assert [one["name"] for one in label["attributes"]] == [
        "person_id", "posture", "doing", "doing 2",
    ]  # fmt: skip


def test_the_pre_annotation_is_in_the_package(dataset):
    document = load(written(new_task(dataset)).read("annotations.xml"))
    assert (document.task_name, document.frame_count) == ("aisle-c0000--ann", 75)
    assert (document.width, document.height) == (640, 360)
    first, second = document.tracks
    assert first.shapes[0].box == (100.0, 100.0, 150.0, 250.0)
    assert second.shapes[0].attributes == {"person_id": "2"}


def test_a_blind_package_has_no_tracks_and_says_so(dataset):
    package = written(new_task(dataset, is_blind=True))
    assert load(package.read("annotations.xml")).tracks == ()
    readme = package.read("README.txt").decode()
    assert "comes without boxes" in readme
    assert "Every person found so far" not in readme


def test_a_package_is_written_once_and_always_with_the_same_bytes(dataset):
    task = new_task(dataset)
    first = content_of(write_package(task.pk).package)
    assert write_package(task.pk) is None
    AnnotationTask.objects.update(stage=Stage.WAITING)
    assert content_of(write_package(task.pk).package) == first


def test_a_clip_cut_at_another_rate_is_refused_with_a_message(dataset):
    task = new_task(dataset)
    dataset.annotation_fps = 10
    dataset.save()
    write_package(task.pk)
    task.refresh_from_db()
    assert task.stage == Stage.FAILED
    assert "needs 150 frames, but the clip has 75" in task.error


def test_a_run_without_tracks_is_refused_with_a_message(dataset):
    task = new_task(dataset)
    task.run.tracks = ""
    task.run.save()
    write_package(task.pk)
    task.refresh_from_db()
    assert "has no tracks file" in task.error


def test_packages_are_copied_but_answers_in_their_place_are_not_overwritten(dataset, tmp_path):
    make_ready_video(dataset, name="aisle", frame_count=450)
    plan_tasks(dataset, annotators=["ann", "bob"], overlap=1.0)
    for task in AnnotationTask.objects.all():
        write_package(task.pk)
    assert copy_packages(dataset, tmp_path / "out") == 2
    answers = tmp_path / "out" / "aisle-c0000--ann.zip"
    answers.write_bytes(b"answers")
    assert copy_packages(dataset, tmp_path / "out") == 0
    assert answers.read_bytes() == b"answers"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "aisle-c0000--ann.zip",
        "aisle-c0000--bob.zip",
    ]


def test_the_command_plans_writes_and_copies(dataset, tmp_path, capsys):
    make_ready_video(dataset)
    for new in (5, 0):
        call_command(
            "export_packages", dataset="shop", annotators="ann, bob", overlap=0.5, out=tmp_path
        )
        assert f"{new} new tasks" in capsys.readouterr().out
    assert len(list(tmp_path.glob("*--ann.zip"))) + len(list(tmp_path.glob("*--bob.zip"))) == 5


def test_the_command_assigns_blind_and_gold_tasks_too(dataset, tmp_path, capsys):
    make_ready_video(dataset, name="known", frame_count=450)
    assign_gold_tasks(dataset, annotator="expert", count=1)
    make_version(AnnotationTask.objects.get())
    make_ready_video(dataset, name="aisle")
    call_command(
        "export_packages", dataset="shop", annotators="ann, bob", overlap=1.0, blind=0.5,
        gold=0.1, out=tmp_path,
    )  # fmt: skip
    assert "8 new tasks" in capsys.readouterr().out
    assert (tmp_path / "known-c0000--ann.zip").exists()
    blind = AnnotationTask.objects.filter(is_blind=True)
    assert blind.count() == 4
    with zipfile.ZipFile(tmp_path / f"{blind[0]}.zip") as package:
        assert load(package.read("annotations.xml")).tracks == ()


@pytest.mark.parametrize(
    ("name", "annotators", "message"),
    [
        ("nowhere", "ann,bob", "no dataset called nowhere"),
        ("shop", "ann,bob", "run_pipeline"),
        ("shop", "ann", "needs two or more"),
    ],
)
def test_the_command_says_what_is_missing(dataset, tmp_path, name, annotators, message):
    with pytest.raises(CommandError, match=message):
        call_command("export_packages", dataset=name, annotators=annotators, out=tmp_path)


def test_the_command_names_the_packages_that_failed(dataset, tmp_path, capsys):
    run = new_task(dataset).run
    run.tracks = ""
    run.save()
    with pytest.raises(CommandError, match="could not be written"):
        call_command("export_packages", dataset="shop", annotators="ann,bob", out=tmp_path)
    assert "has no tracks file" in capsys.readouterr().err
