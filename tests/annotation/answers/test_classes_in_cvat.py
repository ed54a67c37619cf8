"""CVAT projects of datasets that follow more than persons: a label for each class."""

import csv
import gzip
import io
import json
from dataclasses import replace

import pytest

from annotation.models import AnswerVersion, CvatProject
from annotation.services.box_table import box_table, task_box_table
from annotation.services.cvat.projects import plan_projects, recreate_project
from avaproject.base.work import Stage
from datasets.models import Action, Dataset
from tests.cvat_double.steps import (
    TASK,
    make_world,
    project_of,
    read_all,
    reconciled,
    send_all,
    sent_world,
    set_up,
)
from tests.stored_files import content_of, put
from tracking.core import tracks_file
from tracking.models import TrackingRun, VideoPerson

pytestmark = pytest.mark.django_db
FINISHED = {"posture": "walk", "doing": "wave"}


def followed_world(cvat, classes="person, vehicle", **fields):
    """A world in which the second of two tracks is a vehicle."""
    dataset = make_world(cvat, classes=classes, **fields)
    for run in TrackingRun.objects.all():
        file = tracks_file.load(content_of(run.tracks))
        first, second = file.tracks
        content = tracks_file.dump(
            replace(file, tracks=[first, replace(second, label="vehicle")])
        )
        run.tracks.name = put(f"shop/tracks/{run.pk}/changed.tracks.json.gz", content)
        run.save()
    VideoPerson.objects.filter(person_id=2).update(label="vehicle")
    return dataset


def tracks(cvat):
    return cvat.state.annotations[cvat.job_of(TASK)["task_id"]]["tracks"]


def label_names(cvat):
    return [one["name"] for one in cvat.state.labels.values()]


def fetched(cvat, dataset):
    cvat.set_job(TASK, state="completed")
    reconciled(dataset)
    read_all()
    return AnswerVersion.objects.latest("pk")


def test_a_project_has_a_label_for_each_class_with_all_questions(cvat):
    project = set_up(followed_world(cvat))
    assert (project.stage, project.error) == (Stage.DONE, "")
    assert label_names(cvat) == ["person", "vehicle"]
    person, vehicle = cvat.state.labels.values()
    assert [one["name"] for one in person["attributes"]] == [
        one["name"] for one in vehicle["attributes"]
    ]
    assert person["color"] != vehicle["color"]
    assert project.label_id == person["id"]
    assert project.class_labels["vehicle"]["label"] == vehicle["id"]
    assert "This dataset follows: person, vehicle." in cvat.state.guides[1]["markdown"]


def test_a_project_of_persons_is_set_up_as_before(cvat):
    project = set_up(make_world(cvat))
    assert label_names(cvat) == ["person"]
    assert project.class_labels is None
    assert "This dataset follows" not in cvat.state.guides[1]["markdown"]


def test_each_track_is_sent_with_its_label_and_read_back(cvat):
    dataset = followed_world(cvat)
    set_up(dataset)
    send_all(dataset)
    project = project_of(dataset)
    vehicle = project.class_labels["vehicle"]
    first, second = tracks(cvat)
    assert (first["label_id"], second["label_id"]) == (project.label_id, vehicle["label"])
    assert second["attributes"][0]["spec_id"] == vehicle["attributes"]["person_id"]
    cvat.answer(TASK, 0, first["shapes"][0]["frame"], {"posture": "sit"})
    cvat.answer(TASK, 1, second["shapes"][0]["frame"], {"posture": "walk"})
    box = {"id": 900, "frame": 25, "group": 0, "source": "manual", "type": "rectangle",
           "attributes": [], "occluded": False, "outside": False, "z_order": 0,
           "rotation": 0.0, "points": [400, 10, 460, 90]}  # fmt: skip
    data = cvat.state.annotations[cvat.job_of(TASK)["task_id"]]
    data["shapes"] = [box | {"label_id": vehicle["label"]}]
    version = fetched(cvat, dataset)
    assert (version.stage, version.error) == (Stage.DONE, "")
    rows = version.annotations.filter(second=5).order_by("track")
    found = [(one.person_id, one.label, one.answers["posture"]) for one in rows]
    assert found == [(1, "", "sit"), (2, "", "walk"), (None, "vehicle", "unset")]
    assert not version.notes


def test_a_project_from_before_gets_the_new_label_and_keeps_its_boxes(cvat):
    dataset = sent_world(cvat)
    Dataset.objects.update(classes="person, vehicle")
    assert plan_projects() == 1
    dataset.refresh_from_db()
    project = set_up(dataset)
    assert (project.stage, project.error) == (Stage.DONE, "")
    assert label_names(cvat) == ["person", "vehicle"]
    assert plan_projects() == 0
    assert set(project.class_labels) == {"person", "vehicle"}
    cvat.annotate(TASK, FINISHED)
    version = fetched(cvat, dataset)
    assert (version.stage, version.missing_persons) == (Stage.DONE, [])
    assert set(version.annotations.values_list("person_id", flat=True)) == {1, 2}


def test_a_new_label_has_finished_jobs_fetched_again_which_say_the_same(cvat):
    dataset = sent_world(cvat)
    cvat.annotate(TASK, FINISHED)
    version = fetched(cvat, dataset)
    before = cvat.job_of(TASK)["updated_date"]
    Dataset.objects.update(classes="person, vehicle")
    assert plan_projects() == 1
    dataset.refresh_from_db()
    set_up(dataset)
    assert cvat.job_of(TASK)["updated_date"] > before
    reconciled(dataset)
    assert read_all() == []
    assert AnswerVersion.objects.get() == version


def test_without_persons_the_first_class_is_the_first_label(cvat):
    dataset = followed_world(cvat, "vehicle")
    project = set_up(dataset)
    assert label_names(cvat) == ["vehicle"]
    assert project.class_labels["vehicle"]["label"] == project.label_id
    send_all(dataset)
    assert {one["label_id"] for one in tracks(cvat)} == {project.label_id}
    cvat.annotate(TASK, FINISHED)
    assert fetched(cvat, dataset).missing_persons == []


def test_a_project_of_persons_alone_goes_on_where_only_vehicles_are_followed(cvat):
    dataset = sent_world(cvat)
    Dataset.objects.update(classes="vehicle")
    assert plan_projects() == 1
    dataset.refresh_from_db()
    project = set_up(dataset)
    assert label_names(cvat) == ["person", "vehicle"]
    assert project.label_id == 1
    cvat.annotate(TASK, FINISHED)
    version = fetched(cvat, dataset)
    assert (version.error, version.missing_persons) == ("", [])


def test_new_actions_are_sent_to_every_label_and_a_deleted_one_is_named(cvat):
    dataset = followed_world(cvat)
    set_up(dataset)
    group = dataset.groups.get(name="posture")
    Action.objects.create(dataset=dataset, group=group, name="lie", action_id=6)
    assert plan_projects() == 1
    assert set_up(dataset).stage == Stage.DONE
    for label in cvat.state.labels.values():
        assert label["attributes"][-1]["values"][-1] == "lie"
    del cvat.state.labels[2]
    CvatProject.objects.update(stage=Stage.WAITING)
    assert 'the label "vehicle" of shop was deleted in CVAT' in set_up(dataset).error


def test_set_up_again_after_a_crash_finds_its_labels_and_recreating_makes_them_anew(cvat):
    dataset = followed_world(cvat)
    set_up(dataset)
    fresh = {"project_id": None, "label_id": None, "class_labels": None, "attribute_ids": {}}
    CvatProject.objects.update(stage=Stage.WAITING, **fresh)
    project = set_up(dataset)
    assert (project.error, len(cvat.state.projects)) == ("", 1)
    assert set(project.class_labels) == {"person", "vehicle"}
    del cvat.state.projects[1]
    CvatProject.objects.update(stage=Stage.WAITING)
    set_up(dataset)
    recreate_project(project)
    assert project_of(dataset).class_labels is None
    assert set_up(dataset).class_labels["vehicle"]["label"] == 4


def test_the_stored_file_names_the_labels_that_it_was_read_with(cvat):
    dataset = followed_world(cvat)
    set_up(dataset)
    send_all(dataset)
    cvat.annotate(TASK, FINISHED)
    version = fetched(cvat, dataset)
    content = json.loads(gzip.decompress(content_of(version.raw)))
    assert content["classes"] == project_of(dataset).class_labels


def test_a_given_box_that_gets_another_label_is_noted(cvat):
    dataset = followed_world(cvat)
    set_up(dataset)
    send_all(dataset)
    cvat.annotate(TASK, FINISHED)
    assert not fetched(cvat, dataset).notes
    person, vehicle = project_of(dataset).label_ids.all
    names = {number: name for name, number in vehicle.attributes.items()}
    changed = tracks(cvat)[1]
    changed["label_id"] = person.label
    for held in (changed, *changed["shapes"]):
        for one in held["attributes"]:
            one["spec_id"] = person.attributes[names[one["spec_id"]]]
    cvat.set_job(TASK, state="in progress")
    version = fetched(cvat, dataset)
    (note,) = version.notes
    assert "it has the label person, but P2 vehicle was tracked as vehicle" in note
    assert set(version.annotations.filter(person_id=2).values_list("label")) == {("",)}


def test_a_vehicle_that_was_deleted_or_answered_wrongly_is_named_by_its_class(cvat):
    dataset = followed_world(cvat)
    set_up(dataset)
    send_all(dataset)
    cvat.annotate(TASK, FINISHED)
    first = tracks(cvat)[1]["shapes"][0]
    cvat.answer(TASK, 1, first["frame"], {"posture": "seated"})
    version = fetched(cvat, dataset)
    said = version.problems[0]["text"]
    assert said.startswith('P2 vehicle: "seated" is not an answer to posture')
    tracks(cvat)[0]["attributes"][0]["value"] = "99"
    tracks(cvat).pop()
    cvat.set_job(TASK, state="in progress")
    version = fetched(cvat, dataset)
    assert "enter the number it had (missing: 1, 2 vehicle)" in version.problems[0]["text"]
    tracks(cvat)[0]["attributes"][0]["value"] = "1"
    cvat.set_job(TASK, state="in progress")
    assert "P2 vehicle was deleted in CVAT." in fetched(cvat, dataset).notes


def test_the_table_of_boxes_says_the_class_of_each(cvat):
    dataset = followed_world(cvat)
    set_up(dataset)
    send_all(dataset)
    cvat.annotate(TASK, FINISHED)
    data = cvat.state.annotations[cvat.job_of(TASK)["task_id"]]
    label = project_of(dataset).class_labels["vehicle"]["label"]
    data["shapes"] = [
        {"id": 900, "frame": 25, "group": 0, "source": "manual", "type": "rectangle",
         "attributes": [], "occluded": False, "outside": False, "z_order": 0,
         "rotation": 0.0, "points": [400, 10, 460, 90], "label_id": label}
    ]  # fmt: skip
    version = fetched(cvat, dataset)
    for table in (box_table(dataset), task_box_table(version.task)):
        lines = list(csv.DictReader(io.StringIO("".join(table))))
        found = {(line["track"], line["class"]) for line in lines}
        assert found == {("0", "person"), ("1", "vehicle"), ("2", "vehicle")}
