"""Who annotates what: the plan is drawn up, looked at, and only then given out.

What was given out is never changed: a later plan adds tasks for new clips, for annotators who
came, and for clips of annotators who left. `annotation.core.draft` says how it is drawn.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Exists, OuterRef
from django.utils import timezone

from annotation.core.assignment import AssignmentError, Copy, in_any_order
from annotation.core.draft import Draft, Purpose, Standing, Task, Wishes, draft
from annotation.core.forecast import PACE
from annotation.models import AnnotationTask, Annotator, AnswerVersion, Plan
from annotation.selectors.tasks import ready_clips
from annotation.services.cvat.reconciliation import reconcile_soon
from avaproject.base.work import Stage
from datasets.models import Clip, Dataset
from tracking.models import Person, TrackingRun

__all__ = [
    "PlanChangedError",
    "PlanError",
    "Wishes",
    "assign_gold_tasks",
    "draw_up",
    "give_back",
    "give_clip",
    "give_out",
    "mark_gold",
    "plan_tasks",
    "standing_of",
    "take_back",
    "unmark_gold",
]

KEY, WORK, CHECK = (
    AnnotationTask.Purpose.KEY, AnnotationTask.Purpose.WORK, AnnotationTask.Purpose.CHECK,
)  # fmt: skip


class PlanError(ValueError):
    """The work cannot be given out like this."""


class PlanChangedError(PlanError):
    """What would be given out now is not what was looked at."""


def draw_up(dataset: Dataset, wishes: Wishes) -> tuple[Standing, Draft]:
    """Where `dataset` stands, and what would be given out; nothing is written.

    Raises PlanError with a message if the wishes cannot be met.
    """
    standing = standing_of(dataset)
    try:
        return standing, draft(standing, wishes)
    except AssignmentError as error:
        raise PlanError(str(error)) from error


def give_out(
    dataset: Dataset, wishes: Wishes, *, digest: str = "", simulated: bool = False
) -> int:
    """Give out what `draw_up` shows, and remember the wishes; return how many tasks are new.

    A second call adds nothing. Raises PlanChangedError if `digest` is not that of the draft,
    PlanError if the wishes cannot be met.
    """
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)  # one planner at a time
        _, found = draw_up(dataset, wishes)
        if digest and digest != found.digest:
            raise PlanChangedError(
                "clips, answers or annotators have changed since this plan was shown; look at "
                "the new one below, then give it out"
            )
        people = _annotators(dataset, wishes, simulated=simulated)
        _remember(dataset, wishes)
        clips = {task.clip for task in found.tasks}
        runs = _runs(dataset, clips)
        keys = dict(Clip.objects.of(dataset).filter(name__in=clips).values_list("name", "pk"))
        AnnotationTask.objects.bulk_create(
            AnnotationTask(
                clip_id=keys[task.clip], run_id=runs[task.clip],
                annotator=people[task.annotator], purpose=task.purpose, is_blind=task.is_blind,
            )
            for task in found.tasks
        )  # fmt: skip
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
    """`give_out` for callers that look at nothing first: commands and the demonstration.

    Capacity in hours and pace are those of the last plan unless given.
    """
    if capacity is None:
        named = dataset.annotators.filter(name__in=annotators).values_list("name", "capacity")
        capacity = {name: most for name, most in named if most is not None}
    if pace is None:
        pace = Plan.objects.filter(dataset=dataset).values_list("pace", flat=True).first()
    wishes = Wishes(
        tuple(annotators), overlap, per_clip=per_clip, seed=seed, blind=blind, gold=gold,
        capacity=capacity, pace=pace or PACE,
    )  # fmt: skip
    return give_out(dataset, wishes, simulated=simulated)


def take_back(annotator: Annotator) -> int:
    """Take back all that `annotator` has not answered; return how many tasks.

    The tasks stay on record, and should answers come after all, they count. In CVAT the jobs
    become nobody's. The next plan gives the clips to others.
    """
    with transaction.atomic():
        Annotator.objects.filter(pk=annotator.pk).update(is_active=False)
        unanswered = annotator.tasks.filter(unassigned_at=None).exclude(
            Exists(AnswerVersion.objects.filter(task=OuterRef("pk")))
        )
        unanswered.filter(purpose=KEY).update(purpose=WORK)
        reconcile_soon(annotator.dataset)
        return unanswered.update(unassigned_at=timezone.now())


def give_clip(clip: Clip, annotator: Annotator) -> AnnotationTask:
    """Give one clip to one more annotator, who starts from what the others started from.

    A task that is there already stays. Raises PlanError if nobody has the clip, or if the
    annotator has it as a task that does not count.
    """
    first = AnnotationTask.objects.filter(clip=clip).order_by("pk").first()
    if first is None:
        raise PlanError(f"nobody has {clip} yet: give it out first")
    task, _ = AnnotationTask.objects.get_or_create(
        clip=clip, annotator=annotator, defaults={"run_id": first.run_id}
    )
    if task.purpose == CHECK or task.unassigned_at is not None:
        raise PlanError(
            f"{annotator} has {clip} as a gold check, or had it taken back: ask somebody else"
        )
    return task


def give_back(annotator: Annotator) -> int:
    """Undo `take_back` where nobody else got the clip meanwhile; return how many tasks."""
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=annotator.dataset_id)
        lost = Counter(_lost(_rows(annotator.dataset)))
        restored = []
        gone = annotator.tasks.exclude(unassigned_at=None).select_related("clip").order_by("pk")
        for task in gone:
            if task.purpose == CHECK or lost[task.clip.name] > 0:
                lost[task.clip.name] -= task.purpose != CHECK
                restored.append(task.pk)
        Annotator.objects.filter(pk=annotator.pk).update(is_active=True)
        reconcile_soon(annotator.dataset)
        return AnnotationTask.objects.filter(pk__in=restored).update(unassigned_at=None)


def mark_gold(task: AnnotationTask) -> None:
    """Take the answers of `task` for known: its clip is gold from now on.

    Raises PlanError if there are none, or somebody else's answers are known already.
    """
    if not task.versions.filter(stage=Stage.DONE).exists():
        raise PlanError(f"{task} has no answers yet: they must be read in first")
    if task.purpose == CHECK:
        raise PlanError(f"{task} is a gold check itself: choose the task whose answers count")
    other = AnnotationTask.objects.filter(clip=task.clip, purpose=KEY).exclude(pk=task.pk)
    if known := other.first():
        raise PlanError(f"{task.clip} has known answers already, those of {known.annotator}")
    AnnotationTask.objects.filter(pk=task.pk).update(purpose=KEY)


def unmark_gold(task: AnnotationTask) -> None:
    """Let the answers of `task` be like any others; checks on them are measured no more."""
    AnnotationTask.objects.filter(pk=task.pk, purpose=KEY).update(purpose=WORK)


def assign_gold_tasks(dataset: Dataset, *, annotator: str, count: int, seed: int = 0) -> int:
    """Give `annotator`, who knows best, `count` new clips whose answers will be known ones.

    Nobody else gets these clips but as gold checks. Returns how many there were to give; fewer
    if fewer clips are ready and not given out.
    """
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        taken = set(AnnotationTask.objects.of(dataset).values_list("clip", flat=True))
        free = {
            clip.name: AnnotationTask(clip=clip, run_id=run, purpose=KEY)
            for clip, run in ready_clips(dataset)
            if clip.pk not in taken
        }
        drawn = in_any_order((Copy(clip, "") for clip in free), seed=seed)[:count]
        wishes = Wishes((annotator,), 0)
        person = _annotators(dataset, wishes, simulated=False, is_active=False)[annotator]
        for copy in drawn:
            free[copy.clip].annotator = person
        AnnotationTask.objects.bulk_create(free[copy.clip] for copy in drawn)
    return len(drawn)


def standing_of(dataset: Dataset) -> Standing:
    """Everything that planning has to know of `dataset`."""
    rows = _rows(dataset)
    runs = _runs(dataset)
    tasks = tuple(
        Task(
            row["clip__name"], row["annotator__name"], _purpose(row["purpose"]),
            row["is_blind"], row["is_answered"], row["unassigned_at"] is not None,
        )
        for row in rows
    )  # fmt: skip
    boxes = dict(
        TrackingRun.objects.filter(pk__in=runs.values())
        .annotate(count=Count("proposals"))
        .values_list("pk", "count")
    )
    people: dict[int, set[tuple[int, int]]] = defaultdict(set)
    named = Person.objects.filter(run__in=runs.values())
    for run, video, person in named.values_list("run", "run__clip__video", "person_id"):
        people[run].add((video, person))
    return Standing(
        # One second to look at a clip in which nobody may be.
        weights={clip: 1.0 + boxes.get(run, 0) for clip, run in runs.items()},
        persons={clip: frozenset(people[run]) for clip, run in runs.items()},
        tasks=tasks,
        lost=_lost(rows),
        gold=frozenset(task.clip for task in tasks if task.purpose == KEY and task.is_answered),
    )


def _rows(dataset: Dataset) -> list[Any]:
    """The tasks, in the order in which they were given out."""
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


def _purpose(name: str) -> Purpose:
    return "key" if name == KEY else "check" if name == CHECK else "work"


def _runs(dataset: Dataset, clips: Collection[str] | None = None) -> dict[str, int]:
    """The run that each clip is annotated from: what was given out stays with its run."""
    runs = {clip.name: run for clip, run in ready_clips(dataset)}
    given = AnnotationTask.objects.of(dataset).order_by("pk")
    runs |= dict(given.values_list("clip__name", "run_id"))
    return runs if clips is None else {clip: runs[clip] for clip in clips}


def _lost(rows: list[Any]) -> dict[str, int]:
    """How many tasks of each clip were taken back and not given to somebody else since."""
    gone: Counter[str] = Counter()
    since: dict[str, datetime] = {}
    for row in rows:
        if row["purpose"] != CHECK and row["unassigned_at"] and not row["is_answered"]:
            clip = row["clip__name"]
            gone[clip] += 1
            since[clip] = min(since.get(clip, row["unassigned_at"]), row["unassigned_at"])
    for row in rows:
        clip = row["clip__name"]
        if clip in since and row["purpose"] != CHECK and row["created_at"] > since[clip]:
            gone[clip] -= 1
    return {clip: count for clip, count in gone.items() if count > 0}


def _annotators(
    dataset: Dataset, wishes: Wishes, *, simulated: bool, is_active: bool = True
) -> dict[str, Annotator]:
    people = [
        Annotator(dataset=dataset, name=name, is_simulated=simulated, is_active=is_active)
        for name in wishes.annotators
    ]
    for person in people:
        try:
            person.clean_fields()
        except ValidationError as error:
            raise PlanError(
                f'"{person.name}" cannot be an annotator: a name has letters, digits and the '
                "signs @ . + - _ only, and 150 of them at most"
            ) from error
    Annotator.objects.bulk_create(people, ignore_conflicts=True)
    found = Annotator.objects.filter(dataset=dataset, name__in=wishes.annotators)
    return {person.name: person for person in found}


def _remember(dataset: Dataset, wishes: Wishes) -> None:
    """Keep the wishes for next time: the form begins with them, and reports quote them."""
    Plan.objects.update_or_create(
        dataset=dataset,
        defaults={
            "overlap": wishes.overlap,
            "per_clip": wishes.per_clip,
            "blind": wishes.blind,
            "gold": wishes.gold,
            "seed": wishes.seed,
            "pace": wishes.pace,
        },
    )
    people = list(Annotator.objects.filter(dataset=dataset))
    for person in people:
        person.is_active = person.name in wishes.annotators
        if person.is_active:
            person.capacity = wishes.capacity.get(person.name)
    Annotator.objects.bulk_update(people, ["is_active", "capacity"])
