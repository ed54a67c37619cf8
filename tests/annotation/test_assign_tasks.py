import pytest
from django.utils import timezone

from annotation.core.assignment_plan import PlanRequest
from annotation.models import AnnotationTask, Annotator, PlanSettings
from annotation.services.assign_tasks import (
    PlanChangedError,
    PlanError,
    assign,
    assign_gold_tasks,
    dataset_state,
    mark_gold,
    plan_tasks,
    preview,
    reassign,
    unassign,
    unmark_gold,
)
from avaproject.base.work import Stage
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_run,
    make_task,
    make_version,
    make_video,
)
from tests.stored_files import make_ready_run, make_ready_video
from tracking.models import IdentityRun

pytestmark = pytest.mark.django_db

PEOPLE = ["ann", "bob", "cem"]


@pytest.fixture
def dataset():
    return make_dataset("shop")


def ready(dataset, *, clips=3, persons=2, **fields):
    """A video of `clips` clips whose persons are named; no files."""
    video = make_video(dataset, frame_count=450 * clips, **fields)
    IdentityRun.objects.create(
        video=video, config_key="test/1", stage=Stage.DONE, person_count=persons
    )
    return [make_run(clip, persons=persons) for clip in make_clips(video)]


def work_of(dataset):
    tasks = AnnotationTask.objects.of(dataset)
    return {(task.clip.name, task.annotator.name): task.purpose for task in tasks}


def answer(**fields):
    for task in AnnotationTask.objects.filter(**fields):
        make_version(task)


def test_every_ready_clip_is_assigned(dataset):
    make_ready_video(dataset)
    assert plan_tasks(dataset, annotators=PEOPLE, overlap=1.0, per_clip=2) == 6
    tasks = AnnotationTask.objects.of(dataset)
    assert {clip: tasks.filter(clip=clip).count() for clip in dataset.videos.get().clips.all()}
    assert set(tasks.values_list("stage", flat=True)) == {Stage.WAITING}
    assert set(dataset.annotators.values_list("name", flat=True)) == set(PEOPLE)


def test_planning_again_adds_nothing(dataset):
    make_ready_video(dataset)
    plan_tasks(dataset, annotators=PEOPLE, overlap=0.3)
    assert plan_tasks(dataset, annotators=PEOPLE, overlap=0.3) == 0
    assert plan_tasks(dataset, annotators=["dan"], overlap=0.0, seed=3) == 0


def test_new_clips_are_added_and_old_tasks_kept(dataset):
    make_ready_video(dataset)
    plan_tasks(dataset, annotators=PEOPLE, overlap=1.0)
    before = set(AnnotationTask.objects.values_list("pk", "annotator__name"))
    make_ready_video(dataset)
    assert plan_tasks(dataset, annotators=PEOPLE, overlap=1.0) == 9
    assert before < set(AnnotationTask.objects.values_list("pk", "annotator__name"))


def test_a_clip_whose_persons_are_not_identified_waits(dataset):
    make_run(make_clips(make_video(dataset))[0])
    assert plan_tasks(dataset, annotators=PEOPLE, overlap=0.3) == 0


def test_a_clip_without_detections_is_assigned_too(dataset):
    make_ready_video(dataset, persons=0, frame_count=450)
    assert plan_tasks(dataset, annotators=["ann"], overlap=0) == 1


def test_a_task_uses_the_newest_run_whose_persons_are_identified(dataset):
    clip = make_ready_video(dataset, frame_count=450).clips.get()
    newer = make_ready_run(clip, config_key="test/2")
    make_run(clip, config_key="not linked")
    IdentityRun.objects.create(video=clip.video, config_key="not linked")
    plan_tasks(dataset, annotators=["ann"], overlap=0)
    assert AnnotationTask.objects.get().run == newer


def test_simulated_annotators_are_marked(dataset):
    make_ready_video(dataset)
    plan_tasks(dataset, annotators=PEOPLE, overlap=0.3, simulated=True)
    assert not Annotator.objects.filter(is_simulated=False).exists()


def test_another_datasets_clips_are_not_assigned(dataset):
    make_ready_video(make_dataset("other"))
    assert plan_tasks(dataset, annotators=PEOPLE, overlap=0.3) == 0


@pytest.mark.parametrize(
    ("annotators", "overlap", "message"),
    [
        (["Ann Lee"], 0, '"Ann Lee" is not a valid user name'),
        (["../up"], 0, "is not a valid user name"),
        (["ann"], 0.5, "needs two or more"),
        ([], 0, "at least one"),
    ],
)
def test_a_request_that_cannot_be_met_gives_a_message_and_changes_nothing(
    dataset, annotators, overlap, message
):
    make_ready_video(dataset)
    with pytest.raises(PlanError, match=message):
        plan_tasks(dataset, annotators=annotators, overlap=overlap)
    assert not Annotator.objects.exists()
    assert not AnnotationTask.objects.exists()


def test_a_preview_writes_nothing_and_is_what_is_assigned(dataset):
    ready(dataset, clips=6)
    request = PlanRequest(tuple(PEOPLE), 0.5, per_clip=2, blind=0.3)
    _, found = preview(dataset, request)
    assert not AnnotationTask.objects.exists()
    assert not Annotator.objects.exists()
    assert assign(dataset, request, digest=found.digest) == len(found.tasks) == 9
    given = AnnotationTask.objects.of(dataset).order_by("pk")
    assert [(one.clip.name, one.annotator.name, one.is_blind) for one in given] == [
        (task.clip, task.annotator, task.is_blind) for task in found.tasks
    ]


def test_a_plan_that_changed_since_the_preview_is_not_assigned(dataset):
    ready(dataset)
    request = PlanRequest(tuple(PEOPLE), 0.5)
    _, found = preview(dataset, request)
    ready(dataset)
    with pytest.raises(PlanChangedError, match="check the new plan"):
        assign(dataset, request, digest=found.digest)
    assert not AnnotationTask.objects.exists()


def test_the_request_is_stored(dataset):
    ready(dataset)
    assign(dataset, PlanRequest(("ann", "bob"), 0.5, per_clip=2, pace=8, capacity={"ann": 20}))
    assign(dataset, PlanRequest(("bob", "cem"), 1.0, blind=0.2, gold=0.1))
    plan = PlanSettings.objects.get(dataset=dataset)
    assert (plan.overlap, plan.per_clip, plan.blind, plan.gold, plan.pace) == (
        1.0, None, 0.2, 0.1, 10.0,
    )  # fmt: skip
    people = dataset.annotators.values_list("name", "is_active", "capacity")
    assert list(people) == [("ann", False, 20), ("bob", True, None), ("cem", True, None)]


def test_a_command_keeps_capacity_and_pace_of_the_last_plan(dataset):
    ready(dataset)
    hours = 14 * 2 * 10 / 3600  # room for one clip of two persons and 13 keyframes
    assign(dataset, PlanRequest(("ann", "bob"), 0, pace=10, capacity={"ann": hours}))
    ready(dataset, clips=4)
    plan_tasks(dataset, annotators=["ann", "bob"], overlap=0)
    assert AnnotationTask.objects.filter(annotator__name="ann").count() == 1
    assert AnnotationTask.objects.count() == 7
    assert PlanSettings.objects.get().pace == 10


def test_a_clip_for_which_nobody_has_hours_is_assigned_later(dataset):
    ready(dataset)
    assert plan_tasks(dataset, annotators=["ann"], overlap=0, capacity={"ann": 0}) == 0
    assert plan_tasks(dataset, annotators=["ann"], overlap=0, capacity={}) == 3


def test_the_work_is_balanced_by_person_seconds(dataset):
    for persons in (1, 1, 1, 1, 6, 4):
        ready(dataset, clips=1, persons=persons)
    plan_tasks(dataset, annotators=["ann", "bob"], overlap=0)
    state = dataset_state(dataset)
    load = {"ann": 0.0, "bob": 0.0}
    for task in state.tasks:
        load[task.annotator] += state.weights[task.clip]
    assert abs(load["ann"] - load["bob"]) <= 14
    assert AnnotationTask.objects.filter(annotator__name="ann").count() in (2, 4)


def test_a_new_annotator_changes_no_existing_task(dataset):
    ready(dataset, clips=6)
    plan_tasks(dataset, annotators=["ann", "bob"], overlap=0.5, per_clip=2)
    before = work_of(dataset)
    ready(dataset, clips=4)
    plan_tasks(dataset, annotators=PEOPLE, overlap=0.5, per_clip=2)
    after = work_of(dataset)
    assert before.items() < after.items()
    together = [clip for clip, name in after if name == "cem" and (clip, name) not in before]
    assert {name for clip, name in after if clip in together} == {"ann", "bob", "cem"}


def test_unassigned_clips_go_to_others_and_no_answers_are_lost(dataset):
    ready(dataset, clips=6)
    plan_tasks(dataset, annotators=PEOPLE, overlap=1.0, per_clip=2)
    bob = Annotator.objects.get(name="bob")
    answered = bob.tasks.first()
    make_version(answered)
    open_clips = {task.clip.name for task in bob.tasks.all()} - {answered.clip.name}
    assert unassign(bob) == 3
    assert not Annotator.objects.get(name="bob").is_active
    assert plan_tasks(dataset, annotators=["ann", "cem", "dan"], overlap=1.0, per_clip=2) == 3
    counting = AnnotationTask.objects.of(dataset).counting()
    for clip in open_clips:
        names = {task.annotator.name for task in counting.filter(clip__name=clip)}
        assert len(names) == 2
        assert "bob" not in names
    assert counting.filter(annotator=bob).get() == answered
    assert plan_tasks(dataset, annotators=["ann", "cem", "dan"], overlap=1.0, per_clip=2) == 0


def test_reassigning_restores_tasks_that_nobody_else_got(dataset):
    ready(dataset, clips=4)
    plan_tasks(dataset, annotators=["ann"], overlap=0)
    ann = Annotator.objects.get()
    unassign(ann)
    hours = 2 * 31 * 10 / 3600  # capacity for two clips of 30 boxes
    assert plan_tasks(dataset, annotators=["bob"], overlap=0, capacity={"bob": hours}) == 2
    assert reassign(ann) == 2
    assert reassign(ann) == 0
    clips = AnnotationTask.objects.of(dataset).counting().values_list("clip__name", flat=True)
    assert len(clips) == len(set(clips)) == 4
    assert Annotator.objects.get(name="ann").is_active


def test_an_unassigned_clip_is_assigned_to_another(dataset):
    ready(dataset, clips=2)
    plan_tasks(dataset, annotators=["ann"], overlap=0)
    unassign(Annotator.objects.get())
    assert plan_tasks(dataset, annotators=["bob"], overlap=0) == 2
    assert plan_tasks(dataset, annotators=["bob"], overlap=0) == 0


def test_unassigning_twice_changes_nothing_more(dataset):
    ready(dataset)
    plan_tasks(dataset, annotators=["ann"], overlap=0)
    ann = Annotator.objects.get()
    assert (unassign(ann), unassign(ann)) == (3, 0)


def test_a_clip_unassigned_from_its_expert_is_no_gold_clip(dataset):
    ready(dataset, clips=1)
    assign_gold_tasks(dataset, annotator="expert", count=1)
    unassign(Annotator.objects.get())
    assert plan_tasks(dataset, annotators=["ann"], overlap=0) == 1
    answer(annotator__name="ann")
    mark_gold(AnnotationTask.objects.get(annotator__name="ann"))


def test_answers_to_an_unassigned_task_count(dataset):
    (run, *_) = ready(dataset)
    task = make_task(run, make_annotator(dataset, "ann"), unassigned_at=timezone.now())
    assert not AnnotationTask.objects.counting().exists()
    make_version(task)
    assert AnnotationTask.objects.counting().get() == task


def test_gold_clips_are_added_for_each_annotator(dataset):
    ready(dataset, clips=2)
    assert assign_gold_tasks(dataset, annotator="expert", count=2) == 2
    ready(dataset, clips=12, name="later")
    request = {"annotators": ["ann", "bob"], "overlap": 0.5, "gold": 0.1}
    assert plan_tasks(dataset, **request | {"gold": 0}) == 18
    answer(annotator__name="expert")
    ready(dataset, clips=4, name="latest")
    plan_tasks(dataset, **request)
    checks = AnnotationTask.objects.filter(purpose="check")
    assert sorted(checks.values_list("annotator__name", flat=True)) == ["ann", "bob"]
    assert {task.clip.video.name for task in checks}.isdisjoint({"later", "latest"})
    assert not checks.filter(pk__in=AnnotationTask.objects.counting()).exists()


def test_planning_again_assigns_no_gold_clip_twice(dataset):
    ready(dataset, clips=1)
    assign_gold_tasks(dataset, annotator="expert", count=1)
    answer()
    ready(dataset, clips=4)
    request = {"annotators": ["ann", "bob"], "overlap": 0, "gold": 0.5}
    assert plan_tasks(dataset, **request) == 6
    assert plan_tasks(dataset, **request) == 0


def test_unanswered_gold_tasks_are_no_checks_yet(dataset):
    ready(dataset, clips=3)
    assign_gold_tasks(dataset, annotator="expert", count=1)
    assert plan_tasks(dataset, annotators=["ann"], overlap=0, gold=1.0) == 2
    assert not AnnotationTask.objects.filter(purpose="check").exists()


def test_gold_tasks_use_unassigned_clips_only(dataset):
    ready(dataset, clips=3)
    plan_tasks(dataset, annotators=["ann"], overlap=0)
    ready(dataset, clips=2, name="new")
    assert assign_gold_tasks(dataset, annotator="expert", count=5) == 2
    assert assign_gold_tasks(dataset, annotator="expert", count=5) == 0
    gold = AnnotationTask.objects.filter(purpose="gold")
    assert {key.clip.video.name for key in gold} == {"new"}
    assert not Annotator.objects.get(name="expert").is_active
    with pytest.raises(PlanError, match="is not a valid user name"):
        assign_gold_tasks(dataset, annotator="no one", count=1)


def test_answers_of_any_task_can_be_marked_and_unmarked_as_gold(dataset):
    (run, *_) = ready(dataset)
    task = make_task(run, make_annotator(dataset, "ann"))
    with pytest.raises(PlanError, match="no answers yet"):
        mark_gold(task)
    make_version(task)
    mark_gold(task)
    mark_gold(task)
    other = make_task(run, make_annotator(dataset, "bob"))
    make_version(other)
    with pytest.raises(PlanError, match="already has gold answers, those of ann"):
        mark_gold(other)
    unmark_gold(task)
    mark_gold(other)
    assert set(AnnotationTask.objects.values_list("annotator__name", "purpose")) == {
        ("ann", "work"),
        ("bob", "gold"),
    }


def test_a_gold_check_cannot_be_gold(dataset):
    (run, *_) = ready(dataset)
    check = make_task(run, make_annotator(dataset, "ann"), purpose="check")
    make_version(check)
    with pytest.raises(PlanError, match="is a gold check"):
        mark_gold(check)


def test_blind_tasks_are_the_requested_share_of_each_annotator(dataset):
    ready(dataset, clips=10)
    plan_tasks(dataset, annotators=["ann", "bob"], overlap=1.0, blind=0.2)
    blind = AnnotationTask.objects.filter(is_blind=True)
    assert sorted(blind.values_list("annotator__name", flat=True)) == ["ann"] * 2 + ["bob"] * 2
    assert len(set(blind.values_list("clip", flat=True))) == 4


def test_an_assigned_clip_keeps_its_run(dataset):
    (run,) = ready(dataset, clips=1)
    plan_tasks(dataset, annotators=["ann", "bob"], overlap=0)
    make_run(run.clip, config_key="test/2")
    IdentityRun.objects.create(video=run.clip.video, config_key="test/2", stage=Stage.DONE)
    plan_tasks(dataset, annotators=["ann", "bob"], overlap=1.0)
    assert {task.run for task in AnnotationTask.objects.all()} == {run}


def test_a_replaced_task_is_not_counted_as_unassigned(dataset):
    (run,) = ready(dataset, clips=1)
    make_task(run, make_annotator(dataset, "ann"))
    AnnotationTask.objects.update(unassigned_at=timezone.now())
    assert dataset_state(dataset).unassigned == {run.clip.name: 1}
    make_task(run, make_annotator(dataset, "bob"))
    assert dataset_state(dataset).unassigned == {}
