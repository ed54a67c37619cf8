"""Assigning tasks: preview an assignment plan, assign it, unassign and reassign tasks.

Existing tasks never change: a later plan adds tasks for new clips, for new annotators, and for
clips of annotators who left. The algorithm is in `annotation.core.assignment_plan`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.core.assignment import Assignment, AssignmentError, shuffled
from annotation.core.assignment_plan import (
    PACE,
    AssignmentPlan,
    DatasetState,
    PlannedTask,
    PlanRequest,
    plan_assignments,
)
from annotation.models import AnnotationTask, Annotator, AnswerVersion, PlanSettings
from annotation.selectors.pace import measured_paces
from annotation.selectors.tasks import ready_clips
from annotation.services.annotators import link_namesakes
from annotation.services.assignment_notices import tasks, tell_assigned
from annotation.services.cvat.reconciliation import reconcile_soon
from avaproject.base.work import Stage
from datasets.accounts.activity import record
from datasets.models import Clip, Dataset
from tracking.models import Person, TrackingRun

GOLD, WORK, CHECK = (
    AnnotationTask.Purpose.GOLD, AnnotationTask.Purpose.WORK, AnnotationTask.Purpose.CHECK,
)  # fmt: skip


class PlanError(ValueError):
    """The tasks cannot be assigned as requested."""


class PlanChangedError(PlanError):
    """The plan would now be another than the one that was previewed."""


def preview(dataset: Dataset, request: PlanRequest) -> tuple[DatasetState, AssignmentPlan]:
    """The state of `dataset` and the plan that `assign` would carry out; nothing is written.

    Raises PlanError with a message if the request cannot be met.
    """
    state = dataset_state(dataset)
    try:
        return state, plan_assignments(state, request)
    except AssignmentError as error:
        raise PlanError(str(error)) from error


def assign(
    dataset: Dataset, request: PlanRequest, *, digest: str = "", simulated: bool = False,
    tool: str = "",
) -> int:  # fmt: skip
    """Create the tasks that `preview` shows and store the request; return how many are new.

    Annotators whom the dataset did not have work with `tool`.

    A second call adds nothing. Raises PlanChangedError if `digest` is not that of the plan,
    PlanError if the request cannot be met.
    """
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)  # one planner at a time
        found = preview(dataset, request)[1]
        if digest and digest != found.digest:
            raise PlanChangedError(
                _(
                    "clips, answers or annotators have changed since this plan was shown; "
                    "check the new plan below, then assign it"
                )
            )
        annotators = _annotators(dataset, request, simulated=simulated, tool=tool)
        _store_request(dataset, request)
        clips = {task.clip for task in found.tasks}
        runs = _runs(dataset, clips)
        keys = dict(Clip.objects.of(dataset).filter(name__in=clips).values_list("name", "pk"))
        AnnotationTask.objects.bulk_create(
            AnnotationTask(
                clip_id=keys[task.clip], run_id=runs[task.clip],
                annotator=annotators[task.annotator], purpose=task.purpose,
                is_blind=task.is_blind,
            )
            for task in found.tasks
        )  # fmt: skip
        tell_assigned(dataset, Counter(annotators[task.annotator] for task in found.tasks))
    return len(found.tasks)


def plan_tasks(
    dataset: Dataset,
    *,
    annotators: list[str],
    overlap: float,
    per_clip: int | None = None,
    seed: int = 0,
    blind: float = 0.0,
    gold: float = 0.0,
    capacity: Mapping[str, float] | None = None,
    pace: float | None = None,
    simulated: bool = False,
) -> int:
    """`assign` without a preview, for commands and the demo.

    Capacity in hours and pace are those of the last plan unless given.
    """
    if capacity is None:
        named = dataset.annotators.filter(name__in=annotators).values_list("name", "capacity")
        capacity = {name: most for name, most in named if most is not None}
    if pace is None:
        pace = (
            PlanSettings.objects.filter(dataset=dataset).values_list("pace", flat=True).first()
        )
    request = PlanRequest(
        tuple(annotators), overlap, per_clip=per_clip, seed=seed, blind=blind, gold=gold,
        capacity=capacity, pace=pace or PACE, paces=measured_paces(dataset),
    )  # fmt: skip
    return assign(dataset, request, simulated=simulated)


def unassign(annotator: Annotator) -> int:
    """Unassign all unanswered tasks of `annotator`; return how many.

    The tasks stay in the database, and answers that arrive later count. In CVAT the jobs lose
    their assignee. The next plan assigns the clips to others.
    """
    with transaction.atomic():
        Annotator.objects.filter(pk=annotator.pk).update(is_active=False)
        unanswered = annotator.tasks.filter(unassigned_at=None).exclude(
            Exists(AnswerVersion.objects.filter(task=OuterRef("pk")))
        )
        unanswered.filter(purpose=GOLD).update(purpose=WORK)
        reconcile_soon(annotator.dataset)
        count = unanswered.update(unassigned_at=timezone.now())
        if count:
            record("unassign", annotator, dataset=annotator.dataset, details=tasks(count))
        return count


def assign_clip(clip: Clip, annotator: Annotator) -> AnnotationTask:
    """Assign one clip to one more annotator, with the tracking run of the other tasks.

    An existing task stays. Raises PlanError if the clip has no task yet, or if the annotator's
    task of it does not count.
    """
    first = AnnotationTask.objects.filter(clip=clip).order_by("pk").first()
    if first is None:
        raise PlanError(_("%s is not assigned to anybody yet: assign it first") % clip)
    task, is_new = AnnotationTask.objects.get_or_create(
        clip=clip, annotator=annotator, defaults={"run_id": first.run_id}
    )
    if is_new:
        tell_assigned(annotator.dataset, {annotator: 1})
    if task.purpose == CHECK or task.unassigned_at is not None:
        raise PlanError(
            _(
                "%(annotator)s has %(clip)s as a gold check or was unassigned from it: "
                "choose another annotator"
            )
            % {"annotator": annotator, "clip": clip}
        )
    return task


def assign_revision(task: AnnotationTask, annotator: Annotator) -> AnnotationTask:
    """Let `annotator` revise the answers of `task`; a second call adds nothing.

    The revision begins with the newest answers, and replaces them when it is submitted. Raises
    PlanError if there are none, or the annotator has the clip already.
    """
    if not task.versions.done().exists():
        raise PlanError(_("%s has no answers yet") % task)
    revision, is_new = AnnotationTask.objects.get_or_create(
        clip=task.clip, annotator=annotator, defaults={"run_id": task.run_id, "revises": task}
    )
    if is_new:
        tell_assigned(annotator.dataset, {annotator: 1})
    if revision.revises_id != task.pk:
        raise PlanError(
            _("%(annotator)s has %(clip)s already: choose another annotator")
            % {"annotator": annotator, "clip": task.clip}
        )
    return revision


def choose_tool(annotator: Annotator, tool: str) -> None:
    """Let `annotator` annotate with `tool` from now on; tasks already in CVAT stay there.

    Raises PlanError if there is no such tool.
    """
    if tool not in ("", *Annotator.Tool.values):
        raise PlanError(_('there is no tool "%s": choose one of the list') % tool)
    if Annotator.objects.filter(pk=annotator.pk).exclude(tool=tool).update(tool=tool):
        record("choose tool", annotator, dataset=annotator.dataset, details=tool)


def reassign(annotator: Annotator) -> int:
    """Undo `unassign` where nobody else got the clip meanwhile; return how many tasks."""
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=annotator.dataset_id)
        open_places = Counter(_unassigned(_rows(annotator.dataset)))
        restored = []
        tasks = annotator.tasks.exclude(unassigned_at=None).select_related("clip")
        for task in tasks.order_by("pk"):
            if task.purpose == CHECK or open_places[task.clip.name] > 0:
                open_places[task.clip.name] -= task.purpose != CHECK
                restored.append(task.pk)
        Annotator.objects.filter(pk=annotator.pk).update(is_active=True)
        reconcile_soon(annotator.dataset)
        count = AnnotationTask.objects.filter(pk__in=restored).update(unassigned_at=None)
        if count:
            tell_assigned(annotator.dataset, {annotator: count})
        return count


def mark_gold(task: AnnotationTask) -> None:
    """Take the answers of `task` as gold answers: its clip is a gold clip from now on.

    Raises PlanError if there are none, or the clip has gold answers of somebody else.
    """
    if not task.versions.filter(stage=Stage.DONE).exists():
        raise PlanError(_("%s has no answers yet: import them first") % task)
    if task.purpose == CHECK:
        raise PlanError(_("%s is a gold check: choose the task whose answers count") % task)
    other = AnnotationTask.objects.filter(clip=task.clip, purpose=GOLD).exclude(pk=task.pk)
    if gold := other.first():
        raise PlanError(
            _("%(clip)s already has gold answers, those of %(annotator)s")
            % {"clip": task.clip, "annotator": gold.annotator}
        )
    if AnnotationTask.objects.filter(pk=task.pk).exclude(purpose=GOLD).update(purpose=GOLD):
        record("mark gold", task, dataset=task.annotator.dataset)


def unmark_gold(task: AnnotationTask) -> None:
    """Make `task` an ordinary one again; checks against its answers are no longer scored."""
    if AnnotationTask.objects.filter(pk=task.pk, purpose=GOLD).update(purpose=WORK):
        record("unmark gold", task, dataset=task.annotator.dataset)


def assign_gold_tasks(dataset: Dataset, *, annotator: str, count: int, seed: int = 0) -> int:
    """Assign `count` new clips to the expert `annotator`, whose answers will be gold answers.

    Others get these clips only as gold checks. Returns how many were assigned; fewer than
    `count` if fewer clips are ready and unassigned.
    """
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        taken = set(AnnotationTask.objects.of(dataset).values_list("clip", flat=True))
        free = {
            clip.name: AnnotationTask(clip=clip, run_id=run, purpose=GOLD)
            for clip, run in ready_clips(dataset)
            if clip.pk not in taken
        }
        chosen = shuffled((Assignment(clip, "") for clip in free), seed=seed)[:count]
        request = PlanRequest((annotator,), 0)
        expert = _annotators(dataset, request, simulated=False, is_active=False)[annotator]
        for one in chosen:
            free[one.clip].annotator = expert
        AnnotationTask.objects.bulk_create(free[one.clip] for one in chosen)
        tell_assigned(dataset, {expert: len(chosen)} if chosen else {})
    return len(chosen)


def dataset_state(dataset: Dataset) -> DatasetState:
    """Everything that planning needs to know of `dataset`."""
    rows = _rows(dataset)
    runs = _runs(dataset)
    tasks = tuple(
        PlannedTask(
            row["clip__name"], row["annotator__name"], row["purpose"],
            row["is_blind"], row["is_answered"], row["unassigned_at"] is not None,
        )
        for row in rows
    )  # fmt: skip
    boxes = dict(
        TrackingRun.objects.filter(pk__in=runs.values())
        .annotate(count=Count("proposals"))
        .values_list("pk", "count")
    )
    persons: dict[int, set[tuple[int, int]]] = defaultdict(set)
    rows_of_runs = Person.objects.filter(run__in=runs.values())
    for run, video, person in rows_of_runs.values_list("run", "run__clip__video", "person_id"):
        persons[run].add((video, person))
    return DatasetState(
        # One person-second for the clip itself: somebody must watch it even if it is empty.
        weights={clip: 1.0 + boxes.get(run, 0) for clip, run in runs.items()},
        persons={clip: frozenset(persons[run]) for clip, run in runs.items()},
        tasks=tasks,
        unassigned=_unassigned(rows),
        gold=frozenset(
            task.clip for task in tasks if task.purpose == GOLD and task.is_answered
        ),
    )


def _rows(dataset: Dataset) -> list[Any]:
    """The tasks, in the order in which they were assigned."""
    answered = AnswerVersion.objects.filter(task=OuterRef("pk"), stage=Stage.DONE)
    return list(
        AnnotationTask.objects.of(dataset)
        .annotate(is_answered=Exists(answered))
        .order_by("pk")
        .values(
            "clip__name", "annotator__name", "purpose", "is_blind", "is_answered",
            "unassigned_at", "created_at", "run_id",
        )
    )  # fmt: skip


def _runs(dataset: Dataset, clips: Collection[str] | None = None) -> dict[str, int]:
    """The tracking run that each clip is annotated from; an assigned clip keeps its run."""
    runs = {clip.name: run for clip, run in ready_clips(dataset)}
    tasks = AnnotationTask.objects.of(dataset).order_by("pk")
    runs |= dict(tasks.values_list("clip__name", "run_id"))
    return runs if clips is None else {clip: runs[clip] for clip in clips}


def _unassigned(rows: list[Any]) -> dict[str, int]:
    """How many tasks of each clip were unassigned and not replaced since."""
    counts: Counter[str] = Counter()
    since: dict[str, datetime] = {}
    for row in rows:
        if row["purpose"] != CHECK and row["unassigned_at"] and not row["is_answered"]:
            clip = row["clip__name"]
            counts[clip] += 1
            since[clip] = min(since.get(clip, row["unassigned_at"]), row["unassigned_at"])
    for row in rows:
        clip = row["clip__name"]
        if clip in since and row["purpose"] != CHECK and row["created_at"] > since[clip]:
            counts[clip] -= 1
    return {clip: count for clip, count in counts.items() if count > 0}


def _annotators(
    dataset: Dataset,
    request: PlanRequest,
    *,
    simulated: bool,
    is_active: bool = True,
    tool: str = "",
) -> dict[str, Annotator]:
    rows = [
        Annotator(
            dataset=dataset,
            name=name,
            tool=tool,
            is_simulated=simulated,
            is_active=is_active,
        )
        for name in request.annotators
    ]
    for row in rows:
        try:
            row.clean_fields()
        except ValidationError as error:
            raise PlanError(
                _(
                    '"%s" is not a valid user name: use letters, digits and @ . + - _ '
                    "only, at most 150 characters"
                )
                % row.name
            ) from error
    Annotator.objects.bulk_create(rows, ignore_conflicts=True)
    link_namesakes(dataset)
    found = Annotator.objects.filter(dataset=dataset, name__in=request.annotators)
    return {row.name: row for row in found}


def _store_request(dataset: Dataset, request: PlanRequest) -> None:
    """Store the request: the form starts with it next time, and reports quote it."""
    PlanSettings.objects.update_or_create(
        dataset=dataset,
        defaults={
            "overlap": request.overlap,
            "per_clip": request.per_clip,
            "blind": request.blind,
            "gold": request.gold,
            "seed": request.seed,
            "pace": request.pace,
        },
    )
    annotators = list(Annotator.objects.filter(dataset=dataset))
    for one in annotators:
        one.is_active = one.name in request.annotators
        if one.is_active:
            one.capacity = request.capacity.get(one.name)
    Annotator.objects.bulk_update(annotators, ["is_active", "capacity"])
