"""Kept states of clips and tasks, brought up to date by whoever reads them.

Lists and counts of 10 000 clips cannot look at the answers of each: rows of ClipStatus and
TaskStatus say what they need. `refresh` computes again those of clips of which any row has
changed since the last time. Every reader calls it first, so no page shows an old state; the
pipeline calls it in every round, so that pages find little to do.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar

from django.core.cache import cache
from django.db import IntegrityError, models, transaction
from django.db.models import Count, Exists, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from annotation.models import AnnotationTask, AnswerVersion
from avaproject.base.work import Stage, changed_at, changed_models
from datasets.models import Clip, Dataset
from qc.models import (
    AgreementReport,
    ClipStatus,
    Consensus,
    Review,
    Score,
    StatusClock,
    TaskStatus,
    ThirdOpinion,
)
from tracking.models import IdentityRun, TrackingRun

MARGIN = timedelta(minutes=1)  # a transaction may commit that long after its changes
FULL_INTERVAL = timedelta(days=1)
CACHE_SECONDS = 24 * 3600
GOLD = AnnotationTask.Purpose.GOLD
CLIPS_AT_ONCE = 500
Value = TypeVar("Value")
MISSING: Any = object()
_is_fresh: ContextVar[bool | None] = ContextVar("is_fresh", default=None)  # None: always look
# Models whose changes concern a clip, and the way to it.
CLIP_OF: dict[type[models.Model], str] = {
    Clip: "pk",
    TrackingRun: "clip",
    IdentityRun: "video__clips",
    AnnotationTask: "clip",
    AnswerVersion: "task__clip",
    Review: "task__clip",
    Consensus: "clip",
    AgreementReport: "clip",
    Score: "version__task__clip",
    ThirdOpinion: "clip",
}


def clip_statuses(dataset: Dataset) -> QuerySet[ClipStatus]:
    """The states of the clips of `dataset`, by name."""
    refresh()
    return ClipStatus.objects.filter(dataset=dataset).order_by("name")


def task_statuses(dataset: Dataset) -> QuerySet[TaskStatus]:
    """The states of the tasks of `dataset`, by the names of clips, then by annotator."""
    refresh()
    return TaskStatus.objects.filter(dataset=dataset).order_by("name", "annotator__name")


def cached(name: str, statuses: QuerySet[ClipStatus], compute: Callable[[], Value]) -> Value:
    """What `compute` gives for the clips of `statuses`, kept until one of them changes.

    Args:
        statuses: Of `clip_statuses`, narrowed down to the clips that it depends on.
    """
    of = statuses.order_by().aggregate(count=Count("pk"), last=Max("active_at"))
    moment = of["last"].isoformat() if of["last"] else ""
    key = sha256(f"{name} {of['count']} {moment}".encode()).hexdigest()
    found: Value = cache.get(key, MISSING)
    if found is MISSING:
        found = compute()
        cache.set(key, found, CACHE_SECONDS)
    return found


@contextmanager
def refreshed_once() -> Iterator[None]:
    """Inside, the states are brought up to date when they are first read, and not again."""
    token = _is_fresh.set(False)
    try:
        yield
    finally:
        _is_fresh.reset(token)


def refresh(*, everything: bool = False) -> int:
    """Compute the states again where something has changed; return how many clips' were.

    Args:
        everything: Of all clips, if that is long ago.
    """
    if _is_fresh.get():
        return 0
    count = _refresh(everything=everything)
    if _is_fresh.get() is False:
        _is_fresh.set(True)
    return count


def _refresh(*, everything: bool) -> int:
    clock: Any = StatusClock.objects.annotate(now=Now()).first()
    if clock is None:
        clock = StatusClock(pk=1)
        clock.now = Dataset.objects.order_by().values_list(Now()).first()
        if clock.now is None:
            return 0
        [clock.now] = clock.now
        everything = True
    else:
        everything = everything and clock.now - clock.checked_at > FULL_INTERVAL
    changed = _changed_clips(None if everything else clock.as_of - MARGIN)
    if not changed and not everything:
        return 0
    written = 0
    keys = sorted(changed)
    for start in range(0, len(keys), CLIPS_AT_ONCE):
        written += _keep({pk: changed[pk] for pk in keys[start : start + CLIPS_AT_ONCE]})
    if everything or written or clock.now - clock.as_of > MARGIN:
        clock.as_of = clock.now
        clock.checked_at = clock.now if everything else clock.checked_at
        fields = {"as_of": clock.as_of, "checked_at": clock.checked_at}
        StatusClock.objects.update_or_create(pk=clock.pk, defaults=fields)
    return len(changed)


def _changed_clips(since: datetime | None) -> dict[int, datetime]:
    """Clips of which a row has changed since then, and when the last one did."""
    changed: dict[int, datetime] = {}
    for model in CLIP_OF if since is None else changed_models(CLIP_OF, since):
        rows = model._default_manager.order_by().filter(**{f"{CLIP_OF[model]}__isnull": False})
        if since is not None:
            rows = rows.filter(**{f"{changed_at(model)}__gte": since})
        last = rows.values_list(CLIP_OF[model]).annotate(last=Max(changed_at(model)))
        for clip, moment in last:
            changed[clip] = max(moment, changed.get(clip, moment))
    return changed


def _keep(changed: dict[int, datetime]) -> int:
    """Write the states of these clips and their tasks that are not as kept; return how many."""
    tasks, clips = _computed(changed)
    try:
        with transaction.atomic():
            return _write(TaskStatus, "task_id", tasks) + _write(ClipStatus, "clip_id", clips)
    except IntegrityError:  # a clip was deleted meanwhile, and its rows with it
        return 0


def _write(model: type[models.Model], key: str, rows: dict[int, dict[str, Any]]) -> int:
    if not rows:
        return 0
    fields = [name for name in next(iter(rows.values())) if name != key]
    kept = {
        pk: dict(zip(fields, values, strict=True))
        for pk, *values in model._default_manager.filter(pk__in=rows)
        .order_by()
        .values_list(key, *fields)
    }
    different = [
        model(**row) for pk, row in sorted(rows.items()) if kept.get(pk) != _without(row, key)
    ]
    model._default_manager.bulk_create(
        different, update_conflicts=True, unique_fields=[key], update_fields=fields
    )
    return len(different)


def _without(row: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != key}


class _Task(NamedTuple):
    pk: int
    clip: int
    annotator: int
    stage: str
    purpose: str
    is_unassigned: bool
    newest_stage: str | None  # of its newest answers
    version: int | None  # the newest answers read
    verdict: str  # on these
    is_revised: bool  # by a task that is answered

    @property
    def is_counting(self) -> bool:
        """As in `AnnotationTaskQuerySet.counting`."""
        if self.purpose == AnnotationTask.Purpose.CHECK or self.is_revised:
            return False
        return not self.is_unassigned or self.version is not None

    @property
    def state(self) -> str:
        """A key of TASK_STATES."""
        if Stage.FAILED in (self.stage, self.newest_stage):
            return "failed"
        if self.is_unassigned and self.newest_stage is None:
            return "withdrawn"
        if self.stage != Stage.DONE:
            return "writing"
        if self.newest_stage is None:
            return "given"
        if self.newest_stage != Stage.DONE:
            return "reading"
        if self.purpose == AnnotationTask.Purpose.CHECK:
            return "checked"
        return self.verdict or "review"


Rows = dict[int, dict[str, Any]]


def _computed(changed: dict[int, datetime]) -> tuple[Rows, Rows]:
    """The fields of the states of these clips' tasks, and of the clips, by their keys."""
    tasks: dict[int, list[_Task]] = defaultdict(list)
    for task in _tasks_of(changed):
        tasks[task.clip].append(task)
    consensuses: dict[int, list[Consensus]] = defaultdict(list)
    fields = ("clip", "versions", "open_count", "box_count", "single_count")
    done = Consensus.objects.done().filter(clip__in=changed).order_by("pk").only(*fields)
    for consensus in done:
        consensuses[consensus.clip_id].append(consensus)
    reports: dict[int, list[Any]] = {}
    measured = AgreementReport.objects.done().filter(clip__in=changed).order_by("pk")
    parts = ("figures__lowest", "figures__box_pairs", "figures__findings")
    for clip, *figures in measured.values_list("clip", *parts):
        reports[clip] = figures
    of_tasks: Rows = {}
    of_clips: Rows = {}
    for clip in _clips(changed):
        its = tasks[clip.pk]
        dataset = clip.video.dataset_id
        for task in its:
            of_tasks[task.pk] = {
                "task_id": task.pk, "dataset_id": dataset, "annotator_id": task.annotator,
                "name": clip.name, "state": task.state, "is_counting": task.is_counting,
                "is_pending": task.is_counting and bool(task.version) and not task.verdict,
                "version_id": task.version, "verdict": task.verdict,
            }  # fmt: skip
        of_clips[clip.pk] = {
            "clip_id": clip.pk, "dataset_id": dataset, "name": clip.name,
            "active_at": changed[clip.pk],
            **_clip_fields(clip, its, consensuses[clip.pk]),
            **_agreement_fields(*reports.get(clip.pk, (None, None, None))),
        }  # fmt: skip
    return of_tasks, of_clips


def _tasks_of(clips: Collection[int]) -> Iterator[_Task]:
    answers = AnswerVersion.objects.filter(task=OuterRef("pk"), withdrawn_at=None)
    answers = answers.order_by("-number")
    reviews = Review.objects.filter(version=OuterRef("latest"), task=OuterRef("pk"))
    rows = AnnotationTask.objects.filter(clip__in=clips).order_by()
    rows = rows.annotate(
        newest_stage=Subquery(answers.values("stage")[:1]),
        latest=Subquery(answers.filter(stage=Stage.DONE).values("pk")[:1]),
        is_revised=Exists(
            AnswerVersion.objects.filter(task__revises=OuterRef("pk"), stage=Stage.DONE)
        ),
    ).annotate(verdict=Subquery(reviews.order_by("-pk").values("verdict")[:1]))
    fields = ("pk", "clip_id", "annotator_id", "stage", "purpose", "unassigned_at",
              "newest_stage", "latest", "verdict", "is_revised")  # fmt: skip
    for pk, clip, who, stage, purpose, unassigned_at, *answered in rows.values_list(*fields):
        newest, latest, verdict, is_revised = answered
        yield _Task(
            pk, clip, who, stage, purpose, unassigned_at is not None, newest, latest,
            verdict or "", is_revised,
        )  # fmt: skip


def _clips(keys: Collection[int]) -> QuerySet[Any]:
    """Clips with what is known of their tracking runs."""
    identified = IdentityRun.objects.done().filter(
        video=OuterRef("clip__video"), config_key=OuterRef("config_key")
    )
    scores = Score.objects.filter(version__task__clip=OuterRef("pk"))
    all_runs = TrackingRun.objects.filter(clip=OuterRef("pk"))
    runs = TrackingRun.objects.in_use().filter(clip=OuterRef("pk"))
    return Clip.objects.filter(pk__in=keys).select_related("video").order_by().annotate(
        run_stage=Subquery(runs.values("stage")[:1]),
        has_run=Exists(runs.done()),
        is_tracked=Exists(all_runs.done()),
        has_scores=Exists(scores),
        is_identified=Exists(runs.done().filter(Exists(identified))),
        run_persons=Subquery(runs.done().values("track_count")[:1]),
    )  # fmt: skip


def _clip_fields(clip: Any, tasks: list[_Task], consensuses: list[Consensus]) -> dict[str, Any]:
    """What a ClipStatus says of a clip, from its tasks and finished consensuses, by age."""
    counting = [task for task in tasks if task.is_counting]
    newest = consensuses[-1] if consensuses else None
    is_answered = all(task.version is not None for task in counting)
    is_approved = all(task.verdict == Review.Verdict.APPROVED for task in counting)
    versions = sorted(task.version for task in counting if task.version is not None)
    open_items = (newest.open_count or 0) if newest and is_answered else 0
    work = [task for task in tasks if task.purpose != AnnotationTask.Purpose.CHECK]
    return {
        "state": _clip_state(clip, tasks, is_open=open_items > 0),
        "is_tracked": clip.is_tracked,
        "person_count": clip.run_persons or 0,
        "is_ready": clip.stage == Stage.DONE and clip.is_identified and bool(clip.keyframes()),
        "task_count": len(counting),
        "is_unanswered": any(task.version is None for task in work),
        "is_releasable": bool(counting) and is_approved
        and any(one.versions == versions for one in consensuses),
        "consensus_id": newest.pk if newest else None,
        "open_items": open_items,
        "box_items": (newest.box_count or 0) if newest and is_answered else 0,
        "is_measured": clip.has_scores or any(task.purpose == GOLD for task in tasks),
        "single_labels": (newest.single_count or 0) if newest else 0,
    }  # fmt: skip


def _agreement_fields(lowest: Any, pairs: Any, findings: Any) -> dict[str, Any]:
    """What a ClipStatus says of the newest report of a clip; None if it has none."""
    alpha = (lowest or {}).get("alpha") or {}
    f1 = [one.get("boxes", {}).get("f1", {}).get("value") for one in pairs or []]
    return {
        "lowest_alpha": alpha.get("value"),
        "lowest_box_f1": min((one for one in f1 if one is not None), default=None),
        "findings": len(findings or []),
    }


def _clip_state(clip: Any, tasks: list[_Task], *, is_open: bool) -> str:
    """A key of CLIP_STATES."""
    counting = [task for task in tasks if task.is_counting]
    has_failed = any(task.state == "failed" for task in tasks)
    if has_failed or Stage.FAILED in (clip.stage, clip.run_stage):
        return "failed"
    if clip.stage != Stage.DONE:
        return "cutting"
    if not clip.has_run:
        return "detecting"
    if not counting:
        return "tracked"
    if any(task.version is None or task.verdict == "rejected" for task in counting):
        return "annotating"
    if any(task.verdict != Review.Verdict.APPROVED for task in counting):
        return "review"
    return "open" if is_open else "approved"
