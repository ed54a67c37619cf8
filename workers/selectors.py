"""State of the queues: the number of rows of each step by stage."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avaproject.base.views import Text
from avaproject.base.work import Stage
from workers.pipeline import STEPS
from workers.planning import open_steps

MAX_WAITS = 5  # faults of one step

# What the queues are for; detection runs on the CPU where there is no GPU.
QUEUE_TITLES = {"gpu": gettext_lazy("Detection"), "cpu": gettext_lazy("Other work")}


@dataclass
class StepState:
    name: str
    queue: str
    waiting: int
    running: int
    failed: int
    done: int

    @property
    def queue_title(self) -> Text:
        return QUEUE_TITLES[self.queue]


@dataclass
class QueueState:
    title: Text
    waiting: int
    running: int
    failed: int

    @property
    def sentence(self) -> str:
        parts = [
            _("%(running)s running") % {"running": self.running} if self.running else "",
            _("%(waiting)s waiting") % {"waiting": self.waiting} if self.waiting else "",
            _("%(failed)s failed") % {"failed": self.failed} if self.failed else "",
        ]
        return " · ".join(part for part in parts if part) or _("idle")


def steps() -> list[StepState]:
    """Every step of the pipeline with its row counts over all datasets."""
    found = []
    for step in STEPS:
        counts = step.rows.counts()
        found.append(
            StepState(
                step.name, step.queue, counts[Stage.WAITING], counts[Stage.RUNNING],
                counts[Stage.FAILED], counts[Stage.DONE],
            )
        )  # fmt: skip
    return found


@dataclass
class Wait:
    """Rows of a step that wait because of the same fault; `until` is None for now."""

    step: str
    message: str
    rows: int
    until: datetime | None

    @property
    def subject(self) -> str:
        return ngettext("%d row waits", "%d rows wait", self.rows) % self.rows


def waits() -> list[Wait]:
    """What keeps rows waiting, by step and fault, most rows first."""
    found = []
    for step in open_steps(STEPS):
        faults = (
            step.rows.held_up()
            .order_by()
            .values_list("error")
            .annotate(rows=Count("pk"), not_before=Min("not_before"), lease=Min("lease_until"))
        )
        for message, rows, not_before, lease in faults.order_by("-rows")[:MAX_WAITS]:
            found.append(Wait(step.name, message, rows, not_before or lease))
    return found


def queues(rows: list[StepState]) -> list[QueueState]:
    """The two queues, `gpu` first, with the sums of their steps."""
    return [
        QueueState(
            title,
            sum(row.waiting for row in rows if row.queue == name),
            sum(row.running for row in rows if row.queue == name),
            sum(row.failed for row in rows if row.queue == name),
        )
        for name, title in QUEUE_TITLES.items()
    ]
