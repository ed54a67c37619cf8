"""What reviewers decide, carried to CVAT."""

import pytest

from annotation.cvat.client import CvatClient
from annotation.models import AnswerVersion, CvatJob, JobStateChange
from avaproject.base.work import Stage
from qc.models import Review
from qc.services.review.verdicts import approve, reject
from tests.cvat_double.steps import (
    FINISHED,
    apply_state_changes,
    job_named,
    project_of,
    read_all,
    reconciled,
    sent_world,
    task_named,
)
from tests.make import make_user, make_version
from workers.pipeline import plan_state_changes

pytestmark = pytest.mark.django_db
TASK = "aisle-c0000--ann"


@pytest.fixture
def dataset(cvat):
    dataset = sent_world(cvat)
    cvat.finish(TASK, FINISHED)
    reconciled(dataset)
    read_all()
    return dataset


@pytest.fixture
def reviewer():
    return make_user("rita")


def approve_anyway(tasks, reviewer):
    """Approve, whatever the rules find."""
    approve(tasks, reviewer=reviewer, overrides={task.pk: "It is a test." for task in tasks})


def judged(verdict, reviewer, reason=""):
    tasks = [task_named(TASK)]
    if verdict == "approve":
        approve_anyway(tasks, reviewer)
    else:
        reject(tasks, reviewer=reviewer, reason=reason)
    plan_state_changes(None)
    return apply_state_changes()


def issues(cvat):
    return [
        (one["frame"], one["_message"], one["position"]) for one in cvat.state.issues.values()
    ]


def test_a_rejected_job_is_reopened_for_the_same_person_with_an_issue_on_each_frame(
    cvat, dataset, reviewer
):
    (move,) = judged(
        "reject", reviewer, "Second 3: sits. Seconds 5 and 7, person 2: too large."
    )
    job = cvat.job_of(TASK)
    assert (job["stage"], job["state"]) == ("annotation", "rejected")
    assert job["assignee"]["username"] == "ann"
    assert [(frame, text) for frame, text, _ in issues(cvat)] == [
        (15, "Second 3: sits."),
        (25, "Seconds 5 and 7, person 2: too large."),
        (35, "Seconds 5 and 7, person 2: too large."),
    ]
    assert [position for *_, position in issues(cvat)] == [
        [0.0, 0.0, 640.0, 360.0], [200.0, 100.0, 250.0, 250.0], [200.0, 100.0, 250.0, 250.0]
    ]  # fmt: skip
    assert {one["assignee"]["username"] for one in cvat.state.issues.values()} == {"ann"}
    assert move.stage == Stage.DONE
    assert job_named(TASK).cvat_state == "rejected"


def test_the_next_finish_makes_a_new_version_though_nothing_was_changed(
    cvat, dataset, reviewer
):
    judged("reject", reviewer, "Look again.")
    assert reconciled(dataset).version_count == 0
    cvat.set_job(TASK, state="completed")
    assert reconciled(dataset).version_count == 1
    assert reconciled(dataset).version_count == 0
    assert [one.number for one in AnswerVersion.objects.all()] == [1, 2]


def test_an_accepted_job_moves_to_acceptance(cvat, dataset, reviewer):
    judged("approve", reviewer)
    job = cvat.job_of(TASK)
    assert (job["stage"], job["state"]) == ("acceptance", "completed")
    row = job_named(TASK)
    assert (row.cvat_stage, row.fetched_at) == ("acceptance", row.changed_at)
    assert reconciled(dataset).version_count == 0
    assert job_named(TASK).edited_at is None


def test_an_edit_at_the_moment_of_acceptance_is_flagged(cvat, dataset, reviewer, monkeypatch):
    real = CvatClient.change_job

    def edited_first(self, job_id, **changes):
        cvat.annotate(TASK, {"posture": "sit"})
        return real(self, job_id, **changes)

    monkeypatch.setattr(CvatClient, "change_job", edited_first)
    judged("approve", reviewer)
    assert job_named(TASK).edited_at is not None
    assert AnswerVersion.objects.count() == 2


def test_a_job_edited_after_approval_is_flagged_and_waits_for_a_review(cvat, dataset, reviewer):
    judged("approve", reviewer)
    cvat.annotate(TASK, {"posture": "sit"})
    assert reconciled(dataset).version_count == 1
    row = job_named(TASK)
    assert row.edited_at is not None
    assert "Edited after approval" in row.message
    read_all()
    judged("approve", reviewer)
    assert job_named(TASK).edited_at is None


def test_a_verdict_is_applied_once(cvat, dataset, reviewer):
    judged("reject", reviewer, "Again.")
    calls = len(cvat.calls)
    assert plan_state_changes(None) == 0
    assert apply_state_changes() == []
    assert len(cvat.calls) == calls


def test_a_verdict_on_an_older_version_changes_nothing(cvat, dataset, reviewer):
    approve_anyway([task_named(TASK)], reviewer)
    cvat.annotate(TASK, {"posture": "sit"})
    plan_state_changes(None)
    (move,) = apply_state_changes()
    assert (move.stage, move.applied_at) == (Stage.DONE, None)
    assert cvat.job_of(TASK)["stage"] == "annotation"
    assert AnswerVersion.objects.count() == 2


def test_of_two_verdicts_only_the_last_is_applied(cvat, dataset, reviewer):
    reject([task_named(TASK)], reviewer=reviewer, reason="No.")
    approve_anyway([task_named(TASK)], reviewer)
    plan_state_changes(None)
    apply_state_changes()
    assert cvat.job_of(TASK)["stage"] == "acceptance"
    assert issues(cvat) == []


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize("number", range(7))
def test_an_error_at_any_call_leaves_each_issue_once(cvat, dataset, reviewer, number, drop):
    cvat.fail("", "/api/", drop=drop, skip=number)
    judged("reject", reviewer, "Second 3: sits. Second 5: stands.")
    for _ in range(2):
        JobStateChange.objects.update(not_before=None)
        apply_state_changes()
    assert [frame for frame, *_ in issues(cvat)] == [15, 25]
    assert cvat.job_of(TASK)["state"] == "rejected"
    assert JobStateChange.objects.get().stage == Stage.DONE


def test_a_rejected_job_is_assigned_to_its_annotator_again(cvat, dataset, reviewer):
    cvat.set_job(TASK, assignee=None)
    judged("reject", reviewer, "Again.")
    assert cvat.job_of(TASK)["assignee"]["username"] == "ann"


def test_an_annotator_who_left_does_not_stop_a_rejection(cvat, dataset, reviewer):
    with cvat.state.lock:
        for number in [
            pk for pk, one in cvat.state.members.items() if one["user"]["username"] == "ann"
        ]:
            del cvat.state.members[number]
    judged("reject", reviewer, "Again.")
    assert cvat.job_of(TASK)["state"] == "rejected"
    assert cvat.state.issues[1]["assignee"] is None


def test_a_deleted_job_is_marked_and_the_verdict_done(cvat, dataset, reviewer):
    cvat.state.delete_task(job_named(TASK).cvat_task_id)
    (move,) = judged("reject", reviewer, "Again.")
    assert (move.stage, job_named(TASK).is_deleted) == (Stage.DONE, True)


def test_with_cvat_down_a_verdict_waits(cvat, dataset, reviewer):
    cvat.stop()
    judged("reject", reviewer, "Again.")
    assert "cannot be reached" in JobStateChange.objects.get().error
    cvat.start()
    JobStateChange.objects.update(not_before=None)
    apply_state_changes()
    assert cvat.job_of(TASK)["state"] == "rejected"


def test_imported_answers_change_no_job(cvat, dataset, reviewer):
    make_version(task_named(TASK))
    approve_anyway([task_named(TASK)], reviewer)
    assert plan_state_changes(None) == 0
    assert Review.objects.count() == 1
    assert CvatJob.objects.count() == 1
    assert project_of(dataset).stage == Stage.DONE
