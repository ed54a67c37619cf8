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
import workers.imports
import workers.opinions
from annotation.models import (
    AnnotationTask,
    CvatJob,
    CvatProject,
    CvatServer,
    Delivery,
    JobMove,
    Pull,
    Reconciliation,
)
from annotation.services.connect import ensure_environment_server
from annotation.services.moves import Verdict, order_moves
from annotation.services.projects import plan_projects
from annotation.services.reconcile import plan_reconciliations
from avaproject.base.storage import forget_old_work
from avaproject.base.work import StagedQuerySet
from datasets.models import Clip, Upload, Video
from datasets.services.clip import plan_clips
from datasets.services.delete import remove_leftovers
from datasets.services.transfer import forget_old_transfers
from datasets.services.upload import forget_unpacked
from datasets.services.watch import take_watched
from qc.models import (
    AgreementReport,
    AgreementSummary,
    ClipExport,
    Consensus,
    Release,
    ReleaseSync,
    Score,
    ThirdOpinion,
)
from qc.selectors.review import verdicts_for_cvat
from qc.services.agree import plan_reports, plan_summaries
from qc.services.measure import plan_scores
from qc.services.release_store import remove_withdrawn
from qc.services.settle import plan_consensuses
from tracking.models import Bundle, BundleImport, Linking, TrackingRun
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
    remove_withdrawn()


def plan_moves() -> int:
    """Hand the verdicts of reviewers over to the room that knows CVAT."""
    given = verdicts_for_cvat()
    return order_moves(Verdict(one.pk, one.pull_id, one.verdict, one.reason) for one in given)


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
    Step("import", workers.imports.plan, BundleImport, workers.imports.import_bundle),
    Step("bundle", nothing, Bundle, tracking.tasks.make_bundle),
    Step("write packages", nothing, AnnotationTask, annotation.tasks.write_package),
    Step("connect", ensure_environment_server, CvatServer, annotation.tasks.check_connection),
    Step("set up project", plan_projects, CvatProject, annotation.tasks.set_up_project),
    Step("send tasks", nothing, CvatJob, annotation.tasks.send_tasks),
    Step("move jobs", plan_moves, JobMove, annotation.tasks.move_job),
    Step("look into deliveries", nothing, Delivery, annotation.tasks.look_into),
    Step("reconcile", plan_reconciliations, Reconciliation, annotation.tasks.reconcile),
    Step("read answers", nothing, Pull, annotation.tasks.read_answers),
    Step("agree", plan_reports, AgreementReport, qc.tasks.report_agreement),
    Step("summarise", plan_summaries, AgreementSummary, qc.tasks.summarise_agreement),
    Step("measure", plan_scores, Score, qc.tasks.measure_answers),
    Step("settle", plan_consensuses, Consensus, qc.tasks.settle_clip),
    Step("pictures", nothing, ClipExport, qc.tasks.export_clip),
    Step("third opinion", nothing, ThirdOpinion, workers.opinions.give_third_opinion),
    Step("release", nothing, Release, qc.tasks.make_release),
    Step("sync", nothing, ReleaseSync, qc.tasks.sync_release),
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
