"""Activity: services record what people do, once, with who did it; and nothing else."""

import csv
import io

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from annotation.core.assignment_plan import PlanRequest
from annotation.services.assign_tasks import assign, mark_gold, unassign
from datasets.accounts.activity import acting, activity_of
from datasets.models import ActivityRecord, Dataset, Member
from datasets.services.create import create_dataset, describe
from datasets.services.delete import delete
from qc.services.review.verdicts import ReviewError, approve, reject
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_run,
    make_task,
    make_user,
    make_version,
    make_video,
)
from tracking.models import IdentityRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return make_user("boss")


@pytest.fixture
def dataset(owner):
    return make_dataset("shop", owner=owner)


def verbs(dataset=None):
    return [one.verb for one in activity_of(dataset).order_by("pk")]


def clips_with_tracks(dataset):
    video = make_video(dataset)
    IdentityRun.objects.create(video=video, config_key="test/1", stage="done")
    return [make_run(clip) for clip in make_clips(video)]


def test_what_nobody_does_in_person_is_not_recorded(dataset):
    describe(dataset, "Shops.")
    assert verbs() == []


def test_an_act_is_recorded_with_who_and_what_and_in_one_transaction(dataset, owner):
    with acting(owner):
        describe(dataset, "Shops.")
        describe(dataset, "Shops.")  # changes nothing
        with transaction.atomic():
            describe(dataset, "Markets.")
            transaction.set_rollback(True)
    [found] = activity_of(dataset)
    assert (found.user, found.verb) == (owner, "change description")
    assert found.dataset_name == "shop"


def test_a_request_is_recorded_as_its_user(dataset, owner, client):
    client.force_login(owner)
    client.post(reverse("datasets:settings", args=["shop"]), {"description": "Shops."})
    assert [(one.user, one.verb) for one in ActivityRecord.objects.all()] == [
        (owner, "change description")
    ]
    describe(dataset, "Later, by the pipeline.")
    assert ActivityRecord.objects.count() == 1


def test_work_with_tasks_is_recorded_once_each(dataset, owner):
    runs = clips_with_tracks(dataset)
    with acting(owner):
        assign(dataset, PlanRequest(("ann", "kim"), 0.0))
        assign(dataset, PlanRequest(("ann", "kim"), 0.0))  # adds nothing
        unassign(dataset.annotators.get(name="kim"))
        task = make_task(runs[0], make_annotator(dataset, "eve"))
        make_version(task)
        mark_gold(task)
        mark_gold(task)
        with pytest.raises(ReviewError):
            reject([task], reviewer=owner, reason=" ")
        reject([task], reviewer=owner, reason="the box of person 2")
        reject([task], reviewer=owner, reason="the box of person 2")
        approve([task], reviewer=owner)
    assert verbs(dataset) == ["assign", "unassign", "mark gold", "reject", "approve"]
    found = activity_of(dataset, verb="reject").get()
    assert (found.target, found.details) == (str(task), "")


def test_a_verdict_on_several_tasks_is_one_act(dataset, owner):
    runs, ann = clips_with_tracks(dataset), make_annotator(dataset, "ann")
    tasks = [make_task(run, ann) for run in runs]
    for task in tasks:
        make_version(task)
    with acting(owner):
        approve(tasks, reviewer=owner)
    [found] = activity_of(dataset)
    assert found.target == f"{len(tasks)} tasks"
    assert str(tasks[0]) in found.details


def test_the_record_outlives_the_dataset_and_the_account_and_opens_to_no_namesake(owner):
    with acting(owner):
        dataset = create_dataset("shop", owner=owner)
        delete(dataset)
    owner.delete()
    assert list(ActivityRecord.objects.values_list("user_name", "verb", "dataset_name")) == [
        ("boss", "delete dataset", "shop"),
        ("boss", "create dataset", "shop"),
    ]
    again = make_dataset("shop")
    assert not activity_of(again).exists()


def test_the_page_filters_and_gives_the_same_as_csv(dataset, owner):
    kim = make_user("kim")
    Member.objects.create(dataset=dataset, user=kim, role="manager")
    with acting(kim):
        describe(dataset, "A shop.")
    with acting(owner):
        describe(dataset, "=1+1")
        make_dataset("elsewhere")
    client = Client()
    client.force_login(owner)
    page = reverse("workers:activity", args=["shop"])
    shown = client.get(page, {"user": "kim"}).content.decode()
    assert "kim" in shown
    answer = client.get(page, {"csv": "1", "user": "kim"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [(row["user"], row["act"]) for row in rows] == [("kim", "change description")]
    everything = b"".join(client.get(page, {"csv": "1"}).streaming_content).decode()
    assert everything.count("\n") == 3


def test_a_cell_of_the_csv_is_no_formula(dataset, owner):
    with acting(make_user("=cmd", is_superuser=True)):
        describe(dataset, "Shops.")
    client = Client()
    client.force_login(owner)
    answer = client.get(reverse("workers:activity", args=["shop"]), {"csv": "1"})
    assert "'=cmd" in b"".join(answer.streaming_content).decode()


def test_whoever_may_not_see_names_sees_no_activity(dataset):
    viewer = make_user("viewer")
    Member.objects.create(dataset=dataset, user=viewer, role="viewer")
    client = Client()
    client.force_login(viewer)
    assert client.get(reverse("workers:activity", args=["shop"])).status_code == 404
    assert Dataset.objects.count() == 1
