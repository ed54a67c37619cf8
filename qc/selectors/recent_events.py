"""Recent events of a dataset: finished and failed work, reviews."""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from avaproject.base.work import Stage
from datasets.models import Dataset
from qc.models import Review
from qc.selectors.statuses import clip_statuses
from qc.selectors.work_kinds import WorkKind

EVENTS_READ = 40
EVENTS_SHOWN = 7


class Activity(NamedTuple):
    """An entry of the activity list: one event, or several of the same kind in a row."""

    moment: datetime
    icon: str
    tone: str
    sentence: str
    many: str  # after a number, when it happened several times in a row


def recent_activity(
    dataset: Dataset, all_kinds: Iterable[WorkKind], *, with_names: bool
) -> list[Activity]:
    """Recent events, newest first; equal events in a row are merged into one entry.

    Of work on single clips, only that on the clips that changed last is looked at.
    """
    statuses = clip_statuses(dataset).order_by("-active_at")
    clips = list(statuses.values_list("pk", flat=True)[:EVENTS_READ])
    found = [one for kind in all_kinds for one in _finished_work(kind, clips)]
    if with_names:
        found += _reviewed(clips)
    found.sort(key=lambda one: one.moment, reverse=True)
    rows = [list(group) for _, group in groupby(found, key=lambda one: one.many)]
    return [_merged(row) for row in rows[:EVENTS_SHOWN]]


def _finished_work(kind: WorkKind, clips: list[int]) -> list[Activity]:
    rows = kind.rows
    if kind.clip:  # without the join to the dataset: a database might begin there
        rows = rows.model._default_manager.filter(**{f"{kind.clip}__in": clips})
        rows = rows.without_history() if kind.key == "version" else rows
    rows = rows.exclude(finished_at=None).filter(stage__in=(Stage.DONE, Stage.FAILED))
    values = rows.order_by("-finished_at").values_list("finished_at", "stage", kind.name)
    tone = "ok" if kind.key == "release" else "info"
    return [
        Activity(moment, "circle-alert", "bad", f"{kind.doing.format(name)} failed",
                 f"failures: {kind.doing.format('…')}")
        if stage == Stage.FAILED
        else Activity(moment, kind.icon, tone, kind.done.format(name), kind.many_done)
        for moment, stage, name in values[:EVENTS_READ]
    ]  # fmt: skip


def _reviewed(clips: list[int]) -> list[Activity]:
    reviews = Review.objects.filter(task__clip__in=clips).order_by("-pk")
    values = reviews.values_list(
        "reviewed_at", "verdict", "task__clip__name", "task__annotator__name"
    )
    sentences = {
        "approved": gettext_noop("%(clip)s by %(annotator)s approved"),
        "rejected": gettext_noop("%(clip)s by %(annotator)s rejected"),
    }
    looks = {"approved": ("user-check", "ok"), "rejected": ("rotate-ccw", "violet")}
    return [
        Activity(moment, *looks[verdict],
                 _(sentences[verdict]) % {"clip": clip, "annotator": annotator},
                 f"tasks {verdict}")
        for moment, verdict, clip, annotator in values[:EVENTS_READ]
    ]  # fmt: skip


def _merged(row: list[Activity]) -> Activity:
    if len(row) == 1:
        return row[0]
    count = f"{len(row)}+" if len(row) >= EVENTS_READ else str(len(row))
    return row[0]._replace(sentence=f"{count} {row[0].many}")
