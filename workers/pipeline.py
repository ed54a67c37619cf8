"""The pipeline: every step from upload to release, in data-flow order.

This is the only module that imports from all apps. `advance` enqueues the rows that are ready
for each step. It may run at any time and in parallel: a row enqueued twice is claimed once.
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
from annotation.models import (
    AnnotationTask,
    AnswerVersion,
    CvatJob,
    CvatProject,
    CvatServer,
    JobStateChange,
    Reconciliation,
    WebhookDelivery,
)
from annotation.services.cvat.connection import ensure_environment_server
from annotation.services.cvat.projects import plan_projects
from annotation.services.cvat.reconciliation import plan_reconciliations
from annotation.services.cvat.state_changes import Verdict, request_state_changes
from avaproject.base.storage import remove_stale_work_folders
from avaproject.base.work import StagedQuerySet
from datasets.models import BundleImport, Clip, Upload, Video
from datasets.services.cut_clips import plan_clips
from datasets.services.delete import delete_pending_files
from datasets.services.import_clips import plan_bundle_imports
from datasets.services.resumable_upload import delete_stale_transfers
from datasets.services.upload import delete_unpacked_zips
from datasets.services.watched_folder import ingest_watched
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
from qc.selectors.review.review_queue import unsent_verdicts
from qc.services.agreement.gold_scores import plan_scores
from qc.services.agreement.reports import plan_reports, plan_summaries
from qc.services.consensus.build_consensus import plan_consensuses
from qc.services.release.release_storage import remove_withdrawn
from tracking.models import Bundle, IdentityRun, TrackImport, TrackingRun
from tracking.services.identities import plan_identity_runs
from tracking.services.import_tracks import plan_track_imports
from tracking.services.track import plan_runs
from workers.third_opinion import assign_third_opinion

Queue = Literal["cpu", "gpu"]
QUEUES: tuple[Queue, ...] = ("cpu", "gpu")


def no_plan() -> None:
    """The plan of a step whose rows are created by users."""


def ingest_watched_and_clean() -> None:
    """Import zips from the watched folder, and delete files that are no longer needed."""
    ingest_watched()
    delete_unpacked_zips()
    delete_pending_files()
    remove_withdrawn()


def plan_state_changes() -> int:
    """Turn the verdicts of reviewers into state changes of CVAT jobs."""
    given = unsent_verdicts()
    return request_state_changes(
        Verdict(one.pk, one.version_id, one.verdict, one.reason) for one in given
    )


@dataclass(frozen=True)
class Step:
    """One step: `plan` creates the missing rows, `task` does the work of one of `rows`."""

    name: str
    plan: Callable[[], object]
    model: type[Model]
    task: Task
    queue: Queue = "cpu"

    @property
    def rows(self) -> StagedQuerySet:
        return self.model._default_manager.all()  # type: ignore[return-value]


STEPS = (
    Step("unpack", ingest_watched_and_clean, Upload, datasets.tasks.unpack_upload),
    Step("standardise", no_plan, Video, datasets.tasks.standardise_video),
    Step("cut", plan_clips, Clip, datasets.tasks.cut_clip),
    Step("import clips", plan_bundle_imports, BundleImport, datasets.tasks.import_bundle_clips),
    Step("import tracks", plan_track_imports, TrackImport, tracking.tasks.import_bundle_tracks),
    Step("track", plan_runs, TrackingRun, tracking.tasks.track_clip, queue="gpu"),
    Step(
        "assign identities",
        plan_identity_runs,
        IdentityRun,
        tracking.tasks.assign_video_identities,
    ),
    Step("bundle", no_plan, Bundle, tracking.tasks.make_bundle),
    Step("write packages", no_plan, AnnotationTask, annotation.tasks.write_package),
    Step(
        "check servers",
        ensure_environment_server,
        CvatServer,
        annotation.tasks.check_connection,
    ),
    Step("set up project", plan_projects, CvatProject, annotation.tasks.set_up_project),
    Step("send tasks", no_plan, CvatJob, annotation.tasks.send_tasks),
    Step(
        "change job states",
        plan_state_changes,
        JobStateChange,
        annotation.tasks.apply_state_change,
    ),
    Step("process deliveries", no_plan, WebhookDelivery, annotation.tasks.process_delivery),
    Step("reconcile", plan_reconciliations, Reconciliation, annotation.tasks.reconcile),
    Step("read answers", no_plan, AnswerVersion, annotation.tasks.read_answers),
    Step("agreement", plan_reports, AgreementReport, qc.tasks.report_agreement),
    Step("agreement summary", plan_summaries, AgreementSummary, qc.tasks.summarise_agreement),
    Step("score gold clips", plan_scores, Score, qc.tasks.measure_answers),
    Step("consensus", plan_consensuses, Consensus, qc.tasks.build_clip_consensus),
    Step("export clips", no_plan, ClipExport, qc.tasks.export_clip),
    Step(
        "assign third opinions",
        no_plan,
        ThirdOpinion,
        assign_third_opinion,
    ),
    Step("release", no_plan, Release, qc.tasks.make_release),
    Step("sync", no_plan, ReleaseSync, qc.tasks.sync_release),
)

Send = Callable[[Task, int], object]


def advance(send: Send = Task.delay, *, limit: int = 100) -> int:
    """Enqueue at most `limit` rows of each step, oldest first; return how many in all."""
    enqueued = 0
    for step in STEPS:
        step.plan()
        step.rows.fail_exhausted()
        for pk in step.rows.enqueue(limit):
            send(step.task, pk)
            enqueued += 1
    return enqueued


def sweep() -> int:
    """Clean up after dead workers: their leases on this host, work folders and transfers.

    Returns how many rows can be claimed again.
    """
    remove_stale_work_folders()
    delete_stale_transfers()
    return sum(step.rows.expire_dead_workers() for step in STEPS)
