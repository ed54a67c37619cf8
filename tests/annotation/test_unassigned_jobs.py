"""Unassigned and reassigned tasks, and the assignees of their jobs in CVAT."""

import pytest

from annotation.models import CvatJob, Reconciliation
from annotation.selectors.cvat import cvat_page, job_state
from annotation.services.assign_tasks import reassign, unassign
from annotation.services.cvat.reconciliation import reconcile
from annotation.services.cvat.task_sending import request_sending
from tests.cvat_double.steps import (
    TASK,
    job_named,
    make_world,
    reconciled,
    send_waiting,
    sent_world,
    set_up,
    task_named,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset(cvat):
    return sent_world(cvat, annotators=("ann", "bob"))


def leave(dataset, name="ann"):
    return unassign(dataset.annotators.get(name=name))


def look():
    return reconcile(Reconciliation.objects.claimable().get().pk)


def assignee(cvat, name=TASK):
    return (cvat.job_of(name)["assignee"] or {}).get("username")


def test_an_unassigned_task_has_no_assignee_in_cvat(cvat, dataset):
    leave(dataset)
    done = look()
    assert "1 unassigned or reassigned in CVAT" in done.summary
    assert (assignee(cvat), assignee(cvat, "aisle-c0000--bob")) == (None, "bob")
    row = job_named(TASK)
    assert job_state(row).label == "Unassigned"
    assert "annotations stay in CVAT" in row.message
    assert "unassigned" not in reconciled(dataset).summary


def test_annotations_stay_in_an_unassigned_job(cvat, dataset):
    cvat.annotate(TASK, {"posture": "walk"})
    cvat.set_job(TASK, state="in progress")
    leave(dataset)
    look()
    shapes = cvat.state.annotations[cvat.job_of(TASK)["task_id"]]["tracks"][0]["shapes"]
    assert cvat.job_of(TASK)["state"] == "in progress"
    assert "walk" in [said["value"] for said in shapes[0]["attributes"]]


def test_a_job_finished_before_unassigning_is_fetched_and_kept(cvat, dataset):
    cvat.finish(TASK)
    leave(dataset)
    look()
    assert task_named(TASK).versions.count() == 1
    assert assignee(cvat) == "ann"


def test_a_reassigned_task_is_assigned_in_cvat(cvat, dataset):
    leave(dataset)
    look()
    reassign(dataset.annotators.get(name="ann"))
    look()
    assert assignee(cvat) == "ann"
    assert (job_named(TASK).is_unassigned, job_named(TASK).message) == (False, "")


def test_an_assignee_set_by_hand_is_kept(cvat, dataset):
    bob = next(pk for pk, one in cvat.state.users.items() if one["username"] == "bob")
    cvat.set_job(TASK, assignee=bob)
    leave(dataset)
    look()
    assert assignee(cvat) == "bob"
    assert job_named(TASK).message == "Unassigned from ann. CVAT has assigned it to bob."


def test_a_job_without_assignee_needs_no_change(cvat, dataset):
    cvat.set_job(TASK, assignee=None)
    leave(dataset)
    before = cvat.calls.count(("PATCH", "/api/jobs/1"))
    look()
    assert job_state(job_named(TASK)).label == "Unassigned"
    assert cvat.calls.count(("PATCH", "/api/jobs/1")) == before


def test_a_task_follows_to_whom_it_was_assigned_by_hand_meanwhile(cvat, dataset):
    leave(dataset)
    look()
    cem = next(pk for pk, one in cvat.state.users.items() if one["username"] == "cem")
    cvat.set_job(TASK, assignee=cem)
    reassign(dataset.annotators.get(name="ann"))
    look()
    row = job_named("aisle-c0000--cem")
    assert (row.assignee, row.is_unassigned) == ("cem", False)
    assert assignee(cvat, "aisle-c0000--cem") == "cem"


def test_a_former_member_is_not_assigned_again(cvat, dataset):
    leave(dataset)
    look()
    reassign(dataset.annotators.get(name="ann"))
    cvat.state.members = {
        number: one
        for number, one in cvat.state.members.items()
        if one["user"]["username"] != "ann"
    }
    look()
    assert assignee(cvat) is None
    assert "assign it to ann" in job_named(TASK).message


def test_a_task_deleted_in_cvat_meanwhile_is_marked(cvat, dataset):
    leave(dataset)
    cvat.fail("PATCH", "/api/jobs/", status=404)
    look()
    assert job_named(TASK).is_deleted


def test_a_task_unassigned_before_sending_is_not_sent(cvat):
    dataset = make_world(cvat, annotators=("ann", "bob"))
    set_up(dataset)
    request_sending(dataset)
    leave(dataset)
    send_waiting()
    assert [one["name"] for one in cvat.state.tasks.values()] == ["aisle-c0000--bob"]
    page = cvat_page(dataset)
    assert (page.tasks, page.unsent, page.waiting, page.percent) == (1, 0, 0, 100.0)


def test_a_partly_sent_unassigned_task_is_deleted_and_sent_when_reassigned(cvat):
    dataset = make_world(cvat)
    set_up(dataset)
    request_sending(dataset)
    cvat.fail("PUT", "/annotations", status=503)
    send_waiting()
    assert len(cvat.state.tasks) == 1
    leave(dataset)
    look()
    assert cvat.state.tasks == {}
    reassign(dataset.annotators.get(name="ann"))
    look()
    CvatJob.objects.retry_now()
    send_waiting()
    assert assignee(cvat) == "ann"


def test_unassigning_waits_for_a_server_that_is_down(cvat, dataset):
    leave(dataset)
    cvat.fail("PATCH", "/api/jobs/", status=502)
    look()
    assert (assignee(cvat), job_named(TASK).is_unassigned) == ("ann", False)
    reconciled(dataset)
    assert assignee(cvat) is None
