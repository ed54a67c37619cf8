import pytest

from datasets.models import Member
from qc.models import AgreementReport, Comment, Review
from qc.selectors.clip_and_task_states import clips_with_state, tasks_with_state
from qc.selectors.review.review_queue import (
    good_enough_to_approve,
    next_pending,
    pending,
    pending_rows,
    task_history,
)
from qc.services.agreement.reports import plan_reports, report_agreement
from qc.services.review.quality_rules import change_rules
from qc.services.review.verdicts import (
    ReviewError,
    approve,
    comment,
    reject,
)
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


def approved_tasks(dataset):
    return tasks_with_state(dataset).filter(state="approved")


def approved_clips(dataset):
    return clips_with_state(dataset).filter(state__in=("approved", "open"))


def test_a_clip_is_approved_when_all_its_tasks_are(dataset, tasks, reviewer):
    for task in tasks:
        make_version(task)
    approve(tasks[:1], reviewer=reviewer)
    assert list(approved_tasks(dataset)) == tasks[:1]
    assert not approved_clips(dataset).exists()
    approve(tasks, reviewer=reviewer)
    assert list(approved_clips(dataset)) == [tasks[0].clip]


def test_a_clip_that_nobody_annotates_is_not_approved(dataset):
    make_clips(make_video(dataset))
    assert not approved_clips(dataset).exists()


def test_approving_twice_changes_nothing(tasks, reviewer):
    make_version(tasks[0])
    assert len(approve(tasks[:1], reviewer=reviewer)) == 1
    assert approve(tasks[:1], reviewer=reviewer) == []
    assert Review.objects.count() == 1


def test_a_task_edited_after_approval_is_not_approved_any_more(dataset, tasks, reviewer):
    make_version(tasks[0])
    approve(tasks[:1], reviewer=reviewer)
    newer = make_version(tasks[0])
    assert not approved_tasks(dataset).exists()
    [review] = approve(tasks[:1], reviewer=reviewer)
    assert review.version == newer
    assert approved_tasks(dataset).exists()


def test_the_newest_verdict_counts(dataset, tasks, reviewer):
    make_version(tasks[0])
    approve(tasks[:1], reviewer=reviewer)
    reject(tasks[:1], reviewer=reviewer, reason="Person 2 sits.")
    assert not approved_tasks(dataset).exists()
    approve(tasks[:1], reviewer=reviewer)
    assert approved_tasks(dataset).exists()
    assert [one.verdict for one in Review.objects.all()] == ["approved", "rejected", "approved"]


def test_a_rejection_needs_a_reason(tasks, reviewer):
    make_version(tasks[0])
    with pytest.raises(ReviewError, match="Give a reason"):
        reject(tasks[:1], reviewer=reviewer, reason="  ")
    [review] = reject(tasks[:1], reviewer=reviewer, reason=" Person 2 sits. ")
    assert (review.reason, review.reviewer) == ("Person 2 sits.", reviewer)


def test_a_task_without_answers_is_refused_and_nothing_is_written(tasks, reviewer):
    make_version(tasks[0])
    with pytest.raises(ReviewError, match="No answers are imported for aisle-c0000--bob"):
        approve(tasks, reviewer=reviewer)
    with pytest.raises(ReviewError, match="No answers"):
        reject(tasks, reviewer=reviewer, reason="why")
    assert Review.objects.count() == 0


@pytest.mark.parametrize("is_reported", [True, False])
def test_a_blocking_rule_blocks_approval(tasks, reviewer, is_reported):
    make_version(tasks[0], UNSET)
    make_version(tasks[1])
    if is_reported:
        plan_reports()
        report_agreement(AgreementReport.objects.get().pk)
    with pytest.raises(
        ReviewError, match=r"1 of 2 tasks cannot .* aisle-c0000--ann: posture is not"
    ):
        approve(tasks, reviewer=reviewer)
    assert Review.objects.count() == 0
    assert (
        len(
            approve(
                tasks,
                reviewer=reviewer,
                overrides=dict.fromkeys([t.pk for t in tasks], "Fine."),
            )
        )
        == 2
    )


def test_a_finding_in_an_older_version_does_not_block(tasks, reviewer):
    for task in tasks:
        make_version(task, UNSET)
    plan_reports()
    report_agreement(AgreementReport.objects.get().pk)
    for task in tasks:
        make_version(task)
    assert len(approve(tasks, reviewer=reviewer)) == 2


@pytest.mark.parametrize("is_on", [True, False])
def test_approval_goes_by_the_rules_as_they_are_now(dataset, tasks, reviewer, is_on):
    off = ["required-group-unset"]
    before, after = (off, []) if is_on else ([], off)
    make_version(tasks[0], UNSET)
    for _ in range(2):  # the answers of the first are in two reports, of which one is done anew
        make_version(tasks[1])
        change_rules(dataset, switched_off=before, vote_rule="majority")
        compared()
    change_rules(dataset, switched_off=after, vote_rule="majority")
    for is_done_anew in (False, True):
        if is_done_anew:
            compared()
        if is_on:
            with pytest.raises(ReviewError, match="posture is not answered"):
                approve(tasks, reviewer=reviewer)
        else:
            assert len(approve(tasks, reviewer=reviewer)) == (0 if is_done_anew else 2)


def compared():
    plan_reports()
    for report in AgreementReport.objects.filter(stage="waiting"):
        report_agreement(report.pk)


def varied(version):
    """Answers of two kinds, so that alpha is defined."""
    sits = {"posture": "sit", "doing": ["wave"]}
    version.annotations.filter(second__gte=6).update(answers=sits)
    return version


def test_the_oldest_answers_are_reviewed_first(dataset, tasks):
    older = make_task(make_run(make_clips(make_video(dataset, "yard"))[0]), tasks[0].annotator)
    for task in (older, *tasks):
        make_version(task)
    waiting = [row.task for row in pending_rows(pending(dataset))]
    assert waiting == [older, *tasks]
    assert next_pending(dataset, after=0) == older.pk
    assert next_pending(dataset, after=older.pk) == tasks[0].pk


def row_of(task):
    rows = pending_rows(list(pending(task.clip.video.dataset)))
    return next(row for row in rows if row.task == task)


def test_tasks_edited_after_approval_are_pending_again_with_the_changes(tasks, reviewer):
    make_version(tasks[0])
    approve(tasks[:1], reviewer=reviewer)
    newer = make_version(tasks[0])
    newer.annotations.filter(second=4).update(answers={"posture": "sit", "doing": []})
    newer.annotations.filter(second=5, person_id=1).update(x2=180)
    newer.annotations.filter(second=6, person_id=2).delete()
    row = row_of(tasks[0])
    assert (row.is_edited_since_approval, row.is_resubmitted) == (True, False)
    assert tuple(row.changes) == (2, 1, 0, 1)
    assert row.changes.sentence == "2 answers changed, 1 box changed, 1 person removed"


def test_resubmitted_tasks_show_the_reason_of_the_rejection(tasks, reviewer):
    for number in range(2):
        make_version(tasks[0])
        reject(tasks[:1], reviewer=reviewer, reason=f"Person {number} sits.")
    make_version(tasks[0])
    row = row_of(tasks[0])
    assert (row.is_resubmitted, row.rejections, row.last_review.reason) == (
        True,
        2,
        "Person 1 sits.",
    )
    assert row.changes.sentence == "no changes"


def test_only_admins_approve_their_own_work(dataset, tasks):
    ann = make_user("ann")
    Member.objects.create(dataset=dataset, user=ann, role=Member.Role.REVIEWER)
    for task in tasks:
        make_version(task)
    with pytest.raises(ReviewError, match="aisle-c0000--ann is your own work"):
        approve(tasks, reviewer=ann)
    assert len(approve(tasks[1:], reviewer=ann)) == 1
    reject(tasks[:1], reviewer=ann, reason="I was too fast.")
    Member.objects.filter(user=ann).update(role=Member.Role.OWNER)
    assert len(approve(tasks[:1], reviewer=ann)) == 1


def test_a_comment_has_no_effect_on_the_state(dataset, tasks, reviewer):
    make_version(tasks[0])
    comment(tasks[0], author=reviewer, text=" Look at second 8. ")
    assert Comment.objects.get().text == "Look at second 8."
    assert row_of(tasks[0]).comments == 1
    with pytest.raises(ReviewError, match="The comment is empty"):
        comment(tasks[0], author=reviewer, text="  ")


def test_the_history_of_a_task_has_every_event(tasks, reviewer):
    make_version(tasks[0])
    reject(tasks[:1], reviewer=reviewer, reason="Person 2 sits.")
    comment(tasks[0], author=reviewer, text="He will know.")
    make_version(tasks[0])
    approve(tasks[:1], reviewer=reviewer)
    assert [(act.sentence, act.text) for act in reversed(task_history(tasks[0]))] == [
        ("Assigned to ann", ""),
        ("Answers, version 1", ""),
        ("Rejected, version 1", "Person 2 sits."),
        ("Comment", "He will know."),
        ("Answers, version 2", ""),
        ("Approved, version 2", ""),
    ]


def test_the_threshold_selects_good_tasks_without_review(dataset, tasks, reviewer):
    for task in tasks:
        varied(make_version(task))
    assert (
        good_enough_to_approve(pending(dataset), alpha=0.8, f1=0.9) == []
    )  # nothing compared yet
    compared()
    good = good_enough_to_approve(pending(dataset), alpha=0.8, f1=0.9)
    assert [row.task for row in good] == tasks
    assert (good[0].figure.value, good[0].boxes.value) == (1, 1)
    comment(tasks[0], author=reviewer, text="Wait.")
    assert [
        row.task for row in good_enough_to_approve(pending(dataset), alpha=0.8, f1=0.9)
    ] == tasks[1:]
    reject(tasks[1:], reviewer=reviewer, reason="no")
    varied(make_version(tasks[1]))
    compared()
    assert good_enough_to_approve(pending(dataset), alpha=0, f1=0) == []


def test_figures_of_an_earlier_version_are_not_used_for_a_later_one(dataset, tasks):
    for task in tasks:
        varied(make_version(task))
    compared()
    make_version(tasks[0], {"posture": "stand", "doing": ["carry"]})
    assert good_enough_to_approve(pending(dataset), alpha=0.8, f1=0.9) == [row_of(tasks[1])]
    row = row_of(tasks[0])
    assert (row.figure, row.no_figure) == (None, "this version is not compared yet")


@pytest.mark.parametrize("flaw", ["labels", "boxes", "unset", "unfinished"])
def test_a_defect_keeps_a_task_below_the_threshold(dataset, tasks, flaw):
    versions = [varied(make_version(task)) for task in tasks]
    said = versions[0].annotations
    if flaw == "labels":
        said.filter(second__lte=6).update(answers={"posture": "stand", "doing": ["carry"]})
    elif flaw == "boxes":
        said.filter(person_id=2).delete()
    elif flaw == "unset":
        said.filter(second=3).update(answers=UNSET)
    else:
        type(versions[0]).objects.filter(pk=versions[0].pk).update(unfinished=3)
    compared()
    assert tasks[0] not in [
        row.task for row in good_enough_to_approve(pending(dataset), alpha=0.8, f1=0.9)
    ]


def test_a_clip_of_one_annotator_is_never_approved_by_threshold(dataset, tasks):
    tasks[1].delete()
    varied(make_version(tasks[0]))
    compared()
    assert good_enough_to_approve(pending(dataset), alpha=0, f1=0) == []
