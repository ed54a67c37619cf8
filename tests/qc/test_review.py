import pytest

from qc.models import AgreementReport, Review
from qc.services.agree import plan_reports, report_agreement
from qc.services.review import (
    ReviewError,
    approve,
    approved_clips,
    approved_tasks,
    blocking_findings,
    reject,
)
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_pull,
    make_run,
    make_task,
    make_user,
    make_video,
)

pytestmark = pytest.mark.django_db

UNSET = {"posture": "unset", "doing": []}


@pytest.fixture
def dataset():
    return make_dataset("shop")


@pytest.fixture
def reviewer():
    return make_user("rev")


@pytest.fixture
def tasks(dataset):
    run = make_run(make_clips(make_video(dataset, "aisle"))[0])
    return [make_task(run, make_annotator(dataset, name)) for name in ("ann", "bob")]


def test_a_clip_is_approved_when_all_its_tasks_are(dataset, tasks, reviewer):
    for task in tasks:
        make_pull(task)
    approve(tasks[:1], reviewer=reviewer)
    assert list(approved_tasks(dataset)) == tasks[:1]
    assert not approved_clips(dataset).exists()
    approve(tasks, reviewer=reviewer)
    assert list(approved_clips(dataset)) == [tasks[0].clip]


def test_a_clip_that_nobody_annotates_is_not_approved(dataset):
    make_clips(make_video(dataset))
    assert not approved_clips(dataset).exists()


def test_approving_twice_changes_nothing(tasks, reviewer):
    make_pull(tasks[0])
    assert len(approve(tasks[:1], reviewer=reviewer)) == 1
    assert approve(tasks[:1], reviewer=reviewer) == []
    assert Review.objects.count() == 1


def test_a_task_edited_after_approval_is_not_approved_any_more(dataset, tasks, reviewer):
    make_pull(tasks[0])
    approve(tasks[:1], reviewer=reviewer)
    newer = make_pull(tasks[0])
    assert not approved_tasks(dataset).exists()
    [review] = approve(tasks[:1], reviewer=reviewer)
    assert review.pull == newer
    assert approved_tasks(dataset).exists()


def test_the_newest_verdict_counts(dataset, tasks, reviewer):
    make_pull(tasks[0])
    approve(tasks[:1], reviewer=reviewer)
    reject(tasks[:1], reviewer=reviewer, reason="Person 2 sits.")
    assert not approved_tasks(dataset).exists()
    approve(tasks[:1], reviewer=reviewer)
    assert approved_tasks(dataset).exists()
    assert [one.verdict for one in Review.objects.all()] == ["approved", "rejected", "approved"]


def test_a_rejection_says_why(tasks, reviewer):
    make_pull(tasks[0])
    with pytest.raises(ReviewError, match="Say why"):
        reject(tasks[:1], reviewer=reviewer, reason="  ")
    [review] = reject(tasks[:1], reviewer=reviewer, reason=" Person 2 sits. ")
    assert (review.reason, review.reviewer) == ("Person 2 sits.", reviewer)


def test_a_task_without_answers_is_refused_and_nothing_is_written(tasks, reviewer):
    make_pull(tasks[0])
    with pytest.raises(ReviewError, match="no answers to aisle-c0000--bob: import them first"):
        approve(tasks, reviewer=reviewer)
    with pytest.raises(ReviewError, match="no answers"):
        reject(tasks, reviewer=reviewer, reason="why")
    assert Review.objects.count() == 0


@pytest.mark.parametrize("is_reported", [True, False])
def test_a_blocking_rule_blocks_approval(tasks, reviewer, is_reported):
    make_pull(tasks[0], UNSET)
    make_pull(tasks[1])
    if is_reported:
        plan_reports()
        report_agreement(AgreementReport.objects.get().pk)
    with pytest.raises(ReviewError, match=r"1 of 2 tasks cannot .* posture is not"):
        approve(tasks, reviewer=reviewer)
    assert Review.objects.count() == 0
    assert list(blocking_findings(tasks)) == [tasks[0].pk]
    assert len(approve(tasks, reviewer=reviewer, despite_findings=True)) == 2


def test_a_finding_in_an_older_version_does_not_block(tasks, reviewer):
    for task in tasks:
        make_pull(task, UNSET)
    plan_reports()
    report_agreement(AgreementReport.objects.get().pk)
    for task in tasks:
        make_pull(task)
    assert len(approve(tasks, reviewer=reviewer)) == 2
