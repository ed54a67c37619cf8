import pytest
from django.urls import reverse

from annotation.cvat.client import close_clients
from annotation.models import AnnotationTask, AnswerVersion, CvatJob, CvatProject
from annotation.services.cvat.projects import (
    connect_dataset,
    plan_projects,
    recreate_project,
    resend_tasks,
    retry_setup,
)
from avaproject.base.work import Stage
from datasets.models import Action
from tests.cvat_double.steps import (
    job_named,
    make_world,
    project_of,
    read_all,
    reconciled,
    send_all,
    send_waiting,
    sent_world,
    set_up,
)
from tests.make import make_user

pytestmark = pytest.mark.django_db
TASK = "aisle-c0000--ann"


def whole_and_single(cvat):
    """Every task in CVAT has its pictures, and there is one of each name."""
    names = [task["name"] for task in cvat.state.tasks.values()]
    assert len(names) == len(set(names))
    assert all(task.get("size") for task in cvat.state.tasks.values())
    return sorted(names)


def test_a_project_gets_labels_guide_and_numbers(cvat, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:1"
    dataset = make_world(cvat)
    project = set_up(dataset)
    assert project.stage == Stage.DONE
    (label,) = cvat.state.labels.values()
    attributes = {one["name"]: one for one in label["attributes"]}
    assert list(attributes) == ["person_id", "posture", "doing", "doing 2"]
    assert not attributes["person_id"]["mutable"]
    assert attributes["posture"]["values"] == ["as before", "unknown", "stand", "walk", "sit"]
    assert project.attribute_ids == {name: one["id"] for name, one in attributes.items()}
    assert "posture" in cvat.state.guides[1]["markdown"]
    assert cvat.state.webhooks[1]["target_url"].endswith(f"{project.server.uuid}/")
    assert cvat.state.secrets[1] == project.server.secret
    assert project.warnings == []


def test_without_a_callback_address_there_is_no_webhook_but_a_warning(cvat):
    project = set_up(make_world(cvat))
    assert cvat.state.webhooks == {}
    assert "every five minutes" in project.warnings[0]


def test_setting_up_twice_makes_one_project(cvat):
    dataset = make_world(cvat)
    set_up(dataset)
    CvatProject.objects.update(stage=Stage.WAITING, project_id=None, label_id=None)
    assert set_up(dataset).project_id == 1
    assert len(cvat.state.projects) == 1


def test_a_project_is_found_again_whatever_the_order_of_its_questions(cvat):
    dataset = make_world(cvat)
    set_up(dataset)
    cvat.state.labels[1]["attributes"].reverse()
    CvatProject.objects.update(stage=Stage.WAITING, project_id=None, label_id=None)
    assert set_up(dataset).project_id == 1


def test_a_project_with_tasks_of_an_earlier_dataset_is_not_used(cvat):
    """Its tasks are called like ours, but may have other boxes and are answered already."""
    dataset = sent_world(cvat)
    cvat.finish(TASK, {"posture": "sit"})
    server = project_of(dataset).server
    CvatProject.objects.all().delete()
    connect_dataset(dataset, server)
    project = set_up(dataset)
    assert project.stage == Stage.FAILED
    assert "called shop with 1 task that is not of this dataset" in project.error
    send_all(dataset)
    assert whole_and_single(cvat) == [TASK]
    cvat.state.projects[1]["name"] = "shop before"
    retry_setup(project)
    assert set_up(dataset).project_id == 2
    send_waiting()
    assert CvatJob.objects.get().cvat_state == "new"


def test_another_project_of_this_name_is_not_used(cvat):
    dataset = make_world(cvat)
    cvat.state.add_project({"name": "shop", "labels": [{"name": "car"}]})
    project = set_up(dataset)
    assert project.stage == Stage.FAILED
    assert "rename it there" in project.error


def test_nothing_is_sent_before_the_project_is_set_up(cvat):
    send_all(make_world(cvat))
    assert cvat.state.tasks == {}
    assert CvatJob.objects.get().stage == Stage.WAITING


def test_a_new_action_is_sent_to_cvat(cvat):
    dataset = sent_world(cvat)
    group = dataset.groups.get(name="posture")
    Action.objects.create(dataset=dataset, group=group, name="lie", action_id=6)
    assert plan_projects() == 1
    project = set_up(dataset)
    assert project.stage == Stage.DONE
    posture = cvat.state.labels[1]["attributes"][-1]  # CVAT names what changed last
    assert posture["values"] == ["as before", "unknown", "stand", "walk", "sit", "lie"]
    assert posture["id"] == project.attribute_ids["posture"]
    assert cvat.state.labels[1]["color"] == "#3b82f6"


def test_an_unchanged_dataset_is_not_set_up_again(cvat):
    sent_world(cvat)
    assert plan_projects() == 0


def test_a_renamed_action_is_refused_with_the_reason_and_tried_once(cvat):
    dataset = sent_world(cvat)
    Action.objects.filter(name="sit").update(name="be seated")
    assert plan_projects() == 1
    project = set_up(dataset)
    assert project.stage == Stage.FAILED
    assert '"sit"' in project.error
    assert cvat.state.labels[1]["attributes"][1]["values"][-1] == "sit"
    assert plan_projects() == 0
    Action.objects.filter(name="be seated").update(name="sit")
    assert plan_projects() == 1
    assert set_up(dataset).stage == Stage.DONE


def test_a_label_renamed_in_cvat_gives_a_warning_only(cvat):
    dataset = sent_world(cvat)
    cvat.state.labels[1]["name"] = "human"
    CvatProject.objects.update(stage=Stage.WAITING)
    assert "human" in set_up(dataset).warnings[0]


def test_notes_go_when_their_cause_is_undone_and_the_setup_repeated(cvat, client):
    ada = make_user("ada")
    world = sent_world(cvat, owner=ada)
    client.force_login(ada)
    label = cvat.state.labels[1]
    label["name"], label["attributes"][1]["name"] = "human", "pose"
    retry = reverse("annotation:cvat_retry", args=["shop", "setup"])
    client.post(retry)
    set_up(world)
    page = client.get(reverse("annotation:cvat", args=["shop"])).content.decode()
    assert "human" in page
    assert "pose" in page
    assert page.count('id="retry-setup"') == 1
    label["name"], label["attributes"][1]["name"] = "person", "posture"
    client.post(retry)
    set_up(world)
    assert "human" not in client.get(reverse("annotation:cvat", args=["shop"])).content.decode()


def test_a_deleted_project_is_reported_and_recreated_with_the_stored_answers(cvat):
    dataset = sent_world(cvat)
    cvat.finish(TASK, {"posture": "sit"})
    reconciled(dataset)
    (version,) = read_all()
    for number in list(cvat.state.tasks):
        cvat.state.delete_task(number)
    del cvat.state.projects[1]
    assert "Recreate the project" in reconciled(dataset).error
    CvatProject.objects.update(stage=Stage.WAITING)
    assert "Recreate the project" in set_up(dataset).error
    project = project_of(dataset)
    assert recreate_project(project) == 1
    assert recreate_project(project) == 0
    set_up(dataset)
    send_waiting()
    assert recreate_project(project) == 0  # of a second press of the button
    row = job_named(TASK)
    said = cvat.state.annotations[row.cvat_task_id]["tracks"][0]["shapes"][0]["attributes"]
    assert "sit" in [one["value"] for one in said]
    assert project_of(dataset).project_id == 2
    assert AnnotationTask.objects.get().versions.get() == version
    assert not reconciled(dataset).error


def test_answers_before_refused_ones_are_sent_again_and_count_again(cvat):
    dataset = sent_world(cvat)
    cvat.finish(TASK, {"posture": "sit"})
    reconciled(dataset)
    read_all()
    row = job_named(TASK)
    cvat.state.annotations[row.cvat_task_id]["tracks"].clear()
    cvat.set_job(TASK, state="completed")
    reconciled(dataset)
    read_all()
    assert [one.stage for one in row.task.versions.order_by("number")] == ["done", "failed"]
    cvat.state.delete_task(row.cvat_task_id)
    reconciled(dataset)
    resend_tasks(CvatJob.objects.all())
    send_waiting()
    reconciled(dataset)
    read_all()
    newest = row.task.versions.order_by("-number")[0]
    assert (newest.number, newest.stage, newest.person_count) == (3, "done", 2)


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_label_deleted_in_cvat_takes_no_answers_with_it(cvat, client, is_empty):
    """CVAT deletes its boxes, and dates all jobs of the project anew."""
    ada = make_user("ada")
    dataset = sent_world(cvat, owner=ada, classes="person, vehicle")
    cvat.finish(TASK, {"posture": "sit"})
    reconciled(dataset)
    read_all()
    del cvat.state.labels[1 if is_empty else 2]
    if is_empty:
        cvat.state.annotations[job_named(TASK).cvat_task_id]["tracks"].clear()
    cvat.set_job(TASK, state="completed")
    assert "was deleted in CVAT, and its boxes with it" in reconciled(dataset).error
    assert AnswerVersion.objects.count() == 1
    assert cvat.job_of(TASK)["state"] == "completed"
    client.force_login(ada)
    page = client.get(reverse("annotation:cvat", args=["shop"])).content.decode()
    assert page.count('id="retry-project"') == 1


def test_a_deleted_task_can_be_sent_again(cvat):
    dataset = sent_world(cvat)
    cvat.state.delete_task(job_named(TASK).cvat_task_id)
    assert reconciled(dataset).deleted_count == 1
    assert job_named(TASK).is_deleted
    resend_tasks(CvatJob.objects.all())
    send_waiting()
    assert whole_and_single(cvat) == [TASK]


def test_a_new_version_of_the_server_changes_nothing(cvat):
    cvat.state.version = "2.80.0"
    dataset = sent_world(cvat)
    for job in cvat.state.jobs.values():
        job |= {"type": "annotation", "a_new_field": {"deep": True}}
    close_clients()
    assert reconciled(dataset).stage == Stage.DONE


def test_a_webhook_that_cvat_rejects_gives_a_warning_only(cvat, settings):
    settings.PUBLIC_URL = "http://web:8000"
    project = set_up(make_world(cvat))
    assert (project.stage, project.webhook_id) == ("done", None)
    assert any("have a dot in it" in note for note in project.warnings)
