"""The order of the house: which room works after which.

This is the only module that knows all rooms. It looks for rows that are ready for a step and
hands their numbers to that step's task. It may run as often as you like: a row handed out twice
is claimed once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from celery import Task
from django.db.models import Model

import annotation.tasks
import datasets.tasks
import qc.tasks
import tracking.tasks
from annotation.models import AnnotationTask, Pull
from datasets.files import forget_old_work
from datasets.models import Clip, Upload, Video
from datasets.services.clip import plan_clips
from datasets.services.delete import remove_leftovers
from datasets.services.transfer import forget_old_transfers
from datasets.services.upload import forget_unpacked
from datasets.services.watch import take_watched
from datasets.stages import StagedQuerySet
from qc.models import AgreementReport, Consensus, Release
from qc.services.agree import plan_reports
from qc.services.settle import plan_consensuses
from tracking.models import Bundle, Linking, TrackingRun
from tracking.services.link import plan_linkings
from tracking.services.track import plan_runs

Queue = Literal["cpu", "gpu"]
QUEUES: tuple[Queue, ...] = ("cpu", "gpu")


def nothing() -> None:
    """The plan of a stage whose work orders are written by people."""


def take_and_clear() -> None:
    """Take what lies in the watched folder; remove files that are of no more use."""
    take_watched()
    forget_unpacked()
    remove_leftovers()


@dataclass(frozen=True)
class Step:
    """One stage: `plan` writes the missing work orders, `task` carries out one of `rows`."""

    name: str
    plan: Callable[[], object]
    model: type[Model]
    task: Task
    queue: Queue = "cpu"

    @property
    def rows(self) -> StagedQuerySet:
        return self.model._default_manager.all()  # type: ignore[return-value]


STEPS = (
    Step("unpack", take_and_clear, Upload, datasets.tasks.unpack_upload),
    Step("standardise", nothing, Video, datasets.tasks.standardise_video),
    Step("cut", plan_clips, Clip, datasets.tasks.cut_clip),
    Step("track", plan_runs, TrackingRun, tracking.tasks.track_clip, queue="gpu"),
    Step("link", plan_linkings, Linking, tracking.tasks.link_video),
    Step("bundle", nothing, Bundle, tracking.tasks.make_bundle),
    Step("write packages", nothing, AnnotationTask, annotation.tasks.write_package),
    Step("read answers", nothing, Pull, annotation.tasks.read_answers),
    Step("agree", plan_reports, AgreementReport, qc.tasks.report_agreement),
    Step("settle", plan_consensuses, Consensus, qc.tasks.settle_clip),
    Step("release", nothing, Release, qc.tasks.make_release),
)

Send = Callable[[Task, int], object]


def by_queue(task: Task, pk: int) -> object:
    return task.delay(pk)


def advance(send: Send = by_queue, *, limit: int = 100) -> int:
    """Hand out at most `limit` rows of each step, oldest first; return how many in all."""
    handed_out = 0
    for step in STEPS:
        step.plan()
        step.rows.give_up()
        for pk in step.rows.hand_out(limit):
            send(step.task, pk)
            handed_out += 1
    return handed_out


def sweep() -> int:
    """Clear up behind workers that died: leases on this host, left work folders and transfers.

    Returns how many rows can be claimed again.
    """
    forget_old_work()
    forget_old_transfers()
    return sum(step.rows.take_back_from_the_dead() for step in STEPS)
