"""Tasks of a dataset that follows more than persons: packages, answers and what was drawn."""

import io
import json
import zipfile
from dataclasses import replace

import pytest

from annotation.models import Annotation, AnswerVersion
from annotation.selectors.labelling import label_task
from annotation.services.answers import read_answers, receive_answers
from annotation.services.downloads import annotator_backup
from annotation.services.labelling.start import start_state
from annotation.services.packages import task_document, write_package
from avaproject.base.work import Stage
from datasets.core.formats.cvat_document import Shape, XmlTrack
from datasets.core.formats.cvat_xml import dump, load
from datasets.models import Member
from qc.models import Consensus
from qc.selectors.label_page import label_data
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from tests.annotation.labelling.conftest import new_tab
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_task,
    make_user,
    make_video,
)
from tests.stored_files import content_of, make_ready_run, put
from tracking.core import tracks_file
from tracking.models import VideoPerson

pytestmark = pytest.mark.django_db

WALK = {"posture": "walk", "doing": []}
ANSWERED = {"posture": "walk", "doing": "none", "doing 2": "none"}


def make_followed_task(classes, *, label):
    """A task with two tracks, the second of which is of the class `label`."""
    dataset = make_dataset("yard", classes=classes)
    clip = make_clips(make_video(dataset, "gate"))[0]
    clip.file = put(f"yard/clips/{clip.name}.mp4", b"video")
    clip.save()
    run = make_ready_run(clip)
    file = tracks_file.load(content_of(run.tracks))
    first, second = file.tracks
    changed = tracks_file.dump(replace(file, tracks=[first, replace(second, label=label)]))
    run.tracks.name = put(f"yard/tracks/{run.pk}/changed.tracks.json.gz", changed)
    run.save()
    VideoPerson.objects.filter(video=clip.video, person_id=2).update(label=label)
    user = make_user("ann")
    ann = make_annotator(dataset, "ann", user=user)
    Member.objects.create(dataset=dataset, user=user, role=Member.Role.ANNOTATOR)
    return make_task(run, ann, stage=Stage.WAITING)


@pytest.fixture
def task():
    return make_followed_task("person, vehicle", label="vehicle")


def package_of(task):
    return zipfile.ZipFile(io.BytesIO(content_of(write_package(task.pk).package)))


def test_a_package_has_a_label_for_each_class(task):
    package = package_of(task)
    labels = json.loads(package.read("labels.json"))
    assert [one["name"] for one in labels] == ["person", "vehicle"]
    assert labels[0]["attributes"] == labels[1]["attributes"]
    document = load(package.read("annotations.xml"))
    assert document.labels == ("person", "vehicle")
    assert [one.label for one in document.tracks] == ["person", "vehicle"]
    assert len(document.attributes) == 4
    assert "This dataset follows: person, vehicle." in package.read("README.txt").decode()


def test_a_package_of_persons_says_nothing_of_classes():
    package = package_of(make_followed_task("person", label="person"))
    assert len(json.loads(package.read("labels.json"))) == 1
    assert package.read("annotations.xml").count(b"<label>") == 1
    assert "This dataset follows" not in package.read("README.txt").decode()


def test_a_backup_has_the_labels_too(task):
    write_package(task.pk)
    backup = zipfile.ZipFile(io.BytesIO(b"".join(annotator_backup(task.annotator))))
    project = json.loads(backup.read("project.json"))
    assert [one["name"] for one in project["labels"]] == ["person", "vehicle"]
    (annotations,) = json.loads(backup.read("task_0/annotations.json"))
    assert [one["label"] for one in annotations["tracks"]] == ["person", "vehicle"]


def answered(task, *, drawn="vehicle", given="vehicle"):
    """The task's document with answers, and one more track."""
    document = task_document(task)
    tracks = [
        replace(
            track,
            label="person" if track.label == "person" else given,
            shapes=tuple(
                one._replace(attributes=one.attributes | ANSWERED) for one in track.shapes
            ),
        )
        for track in document.tracks
    ]
    shape = Shape(10, (400.0, 100.0, 450.0, 250.0), False, True, {"person_id": ""} | ANSWERED)
    tracks.append(XmlTrack((shape,), drawn, "manual"))
    return replace(document, tracks=tuple(tracks))


def read(task, document):
    receive_answers(task, dump(document))
    version = AnswerVersion.objects.latest("pk")
    read_answers(version.pk)
    version.refresh_from_db()
    assert version.stage == Stage.DONE, version.error
    return version


def drawn_labels(task):
    plan_consensuses()
    build_clip_consensus(Consensus.objects.latest("pk").pk)
    persons = task.clip.video.persons.filter(is_drawn=True)
    return list(persons.values_list("person_id", "label"))


def test_what_was_drawn_has_the_class_of_its_label(task):
    version = read(task, answered(task))
    rows = version.annotations.values_list("person_id", "label").distinct().order_by("label")
    assert set(rows) == {(1, ""), (2, ""), (None, "vehicle")}
    assert drawn_labels(task) == [(3, "vehicle")]


def test_the_label_person_stays_right_for_what_was_given_out(task):
    """As in CVAT projects that were set up before labels had classes."""
    version = read(task, answered(task, drawn="person", given="person"))
    assert version.missing_persons == []
    assert version.person_count == 3
    assert drawn_labels(task) == [(3, "person")]


def test_a_label_that_is_not_followed_is_left_out_with_a_note(task):
    version = read(task, answered(task, drawn="bench"))
    assert not version.annotations.filter(person_id=None).exists()
    assert "it has the label bench and was left out" in " ".join(version.notes)
    assert "person, vehicle counts" in " ".join(version.notes)


def test_where_no_persons_are_followed_a_drawn_person_is_the_first_class():
    task = make_followed_task("vehicle, animal", label="vehicle")
    assert [one.label for one in task_document(task).tracks] == ["vehicle", "vehicle"]
    read(task, answered(task, drawn="person"))
    assert drawn_labels(task) == [(3, "vehicle")]


def test_the_label_page_names_classes_and_draws_them(task):
    write_package(task.pk)
    data = label_data(task, task.annotator.user)
    assert data["labels"] == ["person", "vehicle"]
    state = start_state(task, label_task(task), None)
    assert {key: lane.label for key, lane in state.persons.items()} == {
        "1": "person", "2": "vehicle",
    }  # fmt: skip
    assert "label" not in state.to_json()["persons"]["1"]
    tab = new_tab(task, "tab")
    assert tab.open().status_code == 200
    box = {"frame": 60, "box": [400, 100, 450, 250]}
    tab.act("add", person="d-1", label="vehicle", **box)
    tab.act("add", person="d-2", label="bench", **box | {"box": [500, 100, 550, 250]})
    tab.answer_all()
    seconds = task.clip.keyframes()
    for key in ("d-1", "d-2"):
        tab.act("keep", person=key, first=seconds[0], last=seconds[-1], answers=WALK)
    answer = tab.submit()
    assert answer.status_code == 200, answer.json()
    version = task.versions.get()
    read_answers(version.pk)
    rows = Annotation.objects.filter(version=version, person_id=None)
    assert set(rows.values_list("track", "label")) == {(2, "vehicle"), (3, "")}
    assert sorted(label for _, label in drawn_labels(task)) == ["person", "vehicle"]
