"""A dataset of persons and vehicles on a real CVAT server: a label for each class."""

import pytest

from annotation.cvat.errors import CvatRefusedError
from annotation.models import AnswerVersion
from annotation.selectors.tasks import group_specs
from annotation.services.cvat.projects import plan_projects
from avaproject.base.work import Stage
from datasets.core.formats.cvat_labels import attributes_of, label_data
from datasets.models import Action, Dataset
from tests.annotation.real_cvat.world import MARKS, finished, job_of, said
from tests.cvat_double.client_edits import answer, change
from tests.cvat_double.steps import project_of, read_all, reconciled, set_up

pytestmark = MARKS

both = pytest.mark.parametrize("classes", ["person, vehicle"])


def labels_of(client, dataset) -> dict:
    return {one["name"]: one for one in client.labels(project_of(dataset).project_id)}


def questions(label) -> list:
    keys = ("name", "mutable", "input_type", "default_value", "values")
    found = [{key: one[key] for key in keys} for one in label["attributes"]]
    return sorted(found, key=lambda one: one["name"])  # CVAT keeps no order


def answer_all(client, row) -> None:
    for at, one in enumerate(client.annotations(row.job_id)["tracks"]):
        first = one["shapes"][0]["frame"]
        answer(client, row, at, first, posture=("walk", "sit")[at % 2], doing="wave")


def drawn(label: int, **more) -> dict:
    return {"type": "rectangle", "frame": 25, "label_id": label, "group": 0, "attributes": [],
            "occluded": False, "z_order": 0, "source": "manual", "outside": False,
            "points": [400.0, 10.0, 460.0, 90.0], "rotation": 0.0} | more  # fmt: skip


@both
def test_each_class_is_sent_answered_and_read_with_its_label(world, client):
    row = job_of(world)
    labels = labels_of(client, world)
    assert set(labels) == {"person", "vehicle"}
    assert questions(labels["person"]) == questions(labels["vehicle"])
    assert labels["person"]["color"] != labels["vehicle"]["color"]
    tracks = client.annotations(row.job_id)["tracks"]
    names = {one["id"]: name for name, one in labels.items()}
    kinds = [names[one["label_id"]] for one in tracks]
    assert kinds == ["person", "vehicle"] * (len(kinds) // 2) + ["person"] * (len(kinds) % 2)
    answer_all(client, row)
    change(client, row, "create", shapes=[drawn(labels["vehicle"]["id"])])
    version = finished(client, world)
    assert (version.stage, version.problems, version.missing_persons) == ("done", [], [])
    for at, one in enumerate(tracks):
        person = int(one["attributes"][0]["value"])
        assert set(said(version, person, "posture")) == {("walk", "sit")[at % 2]}
        assert all(one == ["wave"] for one in said(version, person, "doing"))
    new = version.annotations.get(person_id=None)
    assert (new.label, new.second, new.answers["posture"]) == ("vehicle", 5, "unset")
    reconciled(world)
    assert read_all() == []  # fetched again, it says the same


def test_a_project_of_persons_gets_the_label_and_goes_on(world, client):
    row = job_of(world)
    answer_all(client, row)
    before = client.annotations(row.job_id)["tracks"]
    first = finished(client, world)
    Dataset.objects.filter(pk=world.pk).update(classes="person, vehicle")
    assert plan_projects() == 1
    world.refresh_from_db()
    project = set_up(world)
    assert (project.stage, project.error) == (Stage.DONE, "")
    labels = labels_of(client, world)
    assert set(project.class_labels) == set(labels) == {"person", "vehicle"}
    assert questions(labels["person"]) == questions(labels["vehicle"])
    assert client.annotations(row.job_id)["tracks"] == before
    assert client.job(row.job_id).state == "completed"
    reconciled(world)
    read_all()
    assert AnswerVersion.objects.get() == first
    assert plan_projects() == 0
    row = job_of(world)
    client.change_job(row.job_id, stage="annotation", state="in progress")
    change(client, row, "create", shapes=[drawn(labels["vehicle"]["id"])])
    version = finished(client, world)
    assert (version.stage, version.missing_persons) == ("done", [])
    assert version.annotations.get(person_id=None).label == "vehicle"
    for one in before:
        person = int(one["attributes"][0]["value"])
        assert said(version, person, "posture") == said(first, person, "posture")


@both
def test_a_new_action_reaches_every_label_and_answers_stay(world, client):
    row = job_of(world)
    answer_all(client, row)
    before = client.annotations(row.job_id)["tracks"]
    group = world.groups.get(name="posture")
    Action.objects.create(dataset=world, group=group, name="lie", action_id=6)
    assert plan_projects() == 1
    project = set_up(world)
    assert (project.stage, project.error) == (Stage.DONE, "")
    labels = labels_of(client, world)
    for label in labels.values():
        posture = next(one for one in label["attributes"] if one["name"] == "posture")
        assert posture["values"][-1] == "lie"
    assert labels["person"]["color"] != labels["vehicle"]["color"]
    assert client.annotations(row.job_id)["tracks"] == before
    vehicle = 1
    answer(client, row, vehicle, before[vehicle]["shapes"][0]["frame"], posture="lie")
    version = finished(client, world)
    person = int(before[vehicle]["attributes"][0]["value"])
    assert (version.problems, set(said(version, person, "posture"))) == ([], {"lie"})


def test_cvat_refuses_a_second_label_of_a_name(world, client):
    label = label_data(attributes_of(group_specs(world)))
    with pytest.raises(CvatRefusedError):
        client.add_labels(project_of(world).project_id, [label])
    assert set(labels_of(client, world)) == {"person"}


@both
def test_a_given_box_gets_another_label(world, client):
    """As CVAT's client changes it: with the answers, under the ids of the other label."""
    row = job_of(world)
    answer_all(client, row)
    labels = labels_of(client, world)
    found = client.annotations(row.job_id)["tracks"][1]
    person = int(found["attributes"][0]["value"])
    assert found["label_id"] == labels["vehicle"]["id"]
    names = {one["id"]: one["name"] for one in labels["vehicle"]["attributes"]}
    ids = {one["name"]: one["id"] for one in labels["person"]["attributes"]}
    for held in (found, *found["shapes"]):
        for one in held["attributes"]:
            one["spec_id"] = ids[names[one["spec_id"]]]
    found["label_id"] = labels["person"]["id"]
    change(client, row, "update", tracks=[found])
    version = finished(client, world)
    assert (version.stage, version.missing_persons) == ("done", [])
    assert set(said(version, person, "posture")) == {"sit"}
    (note,) = version.notes
    assert f"it has the label person, but P{person} vehicle was tracked as vehicle" in note


@pytest.mark.parametrize("classes", ["vehicle"])
def test_a_dataset_of_vehicles_gets_the_label_of_persons(world, client):
    assert set(labels_of(client, world)) == {"vehicle"}
    row = job_of(world)
    answer_all(client, row)
    Dataset.objects.filter(pk=world.pk).update(classes="vehicle, person")
    assert plan_projects() == 1
    world.refresh_from_db()
    project = set_up(world)
    assert (project.stage, project.error) == (Stage.DONE, "")
    assert set(labels_of(client, world)) == {"person", "vehicle"}
    version = finished(client, world)
    assert (version.stage, version.problems, version.missing_persons) == ("done", [], [])


def test_a_project_of_persons_goes_on_for_vehicles_alone(world, client):
    row = job_of(world)
    answer_all(client, row)
    Dataset.objects.filter(pk=world.pk).update(classes="vehicle")
    assert plan_projects() == 1
    world.refresh_from_db()
    project = set_up(world)
    assert (project.stage, project.error) == (Stage.DONE, "")
    assert set(labels_of(client, world)) == {"person", "vehicle"}
    version = finished(client, world)
    assert (version.stage, version.problems, version.missing_persons) == ("done", [], [])
