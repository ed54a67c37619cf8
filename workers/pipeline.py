"""The pipeline: every step from upload to release, in data-flow order.

This is the only module that imports from all apps. `workers/planning.py` plans the steps,
`workers/broker.py` enqueues the rows that are ready, `workers/loop.py` works without a broker.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
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
    IssueComment,
    JobStateChange,
    LabelImport,
    Reconciliation,
    WebhookDelivery,
)
from annotation.services.cvat.connection import ensure_environment_server
from annotation.services.cvat.projects import plan_projects
from annotation.services.cvat.reconciliation import plan_reconciliations
from annotation.services.cvat.state_changes import Verdict, request_state_changes
from avaproject.base.temporary import remove_stale
from avaproject.base.work import StagedQuerySet
from datasets.models import BundleImport, Clip, Fingerprint, OutgoingMessage, Upload, Video
from datasets.services.compare_footage import plan_fingerprints
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
    Review,
    Score,
    ThirdOpinion,
)
from qc.selectors.review.review_queue import unsent_verdicts
from qc.selectors.statuses import CLIP_OF, refresh
from qc.services.agreement.gold_scores import plan_scores
from qc.services.agreement.reports import plan_reports, plan_summaries
from qc.services.consensus.build_consensus import plan_consensuses
from qc.services.release.release_storage import remove_withdrawn
from tracking.models import Bundle, IdentityRun, TrackImport, TrackingRun
from tracking.services.assign_identities import plan_identity_runs
from tracking.services.import_tracks import plan_track_imports
from tracking.services.track import plan_runs
from workers.log_in_retention import delete_ended_sessions
from workers.order_third_opinions import assign_third_opinion
from workers.team.email_and_webhooks import send_message
from workers.team.failures import plan_failures

Queue = Literal["cpu", "gpu"]
QUEUES: tuple[Queue, ...] = ("cpu", "gpu")
SECONDS_BETWEEN_CVAT_PLANS = 5.0
SECONDS_BETWEEN_FAILURE_PLANS = 60.0


Plan = Callable[[datetime | None], object]  # gets the time since which to look for changes


def no_plan(since: datetime | None) -> None:
    """The plan of a step whose rows are created by users."""


def ingest_watched_and_clean(since: datetime | None) -> None:
    """Import zips from the watched folder, and delete files that are no longer needed."""
    if since is None:
        remove_stale()
        delete_stale_transfers()
        delete_ended_sessions()
    delete_unpacked_zips(since)
    delete_pending_files()
    remove_withdrawn(since)
    ingest_watched()


def plan_state_changes(since: datetime | None) -> int:
    """Turn the verdicts of reviewers into state changes of CVAT jobs."""
    given = unsent_verdicts(since)
    return request_state_changes(
        Verdict(one.pk, one.version_id, one.verdict, one.reason) for one in given
    )


def keep_statuses(since: datetime | None) -> int:
    """Bring the kept states of clips up to date, by which pages list what can be released."""
    return refresh(everything=since is None)


@dataclass(frozen=True)
class Step:
    """One step: `plan` creates the missing rows, `task` does the work of one of `rows`.

    `reads` are the models whose changes call for a plan; None plans in every round. `interval`
    is the least time between two plans, in seconds. With `moves_files` the plan copies or
    removes files, which can take long.
    """

    name: str
    plan: Plan
    model: type[Model]
    task: Task
    queue: Queue = "cpu"
    interval: float = 0.0
    reads: tuple[type[Model], ...] | None = None
    moves_files: bool = False

    @property
    def rows(self) -> StagedQuerySet:
        return self.model._default_manager.all()  # type: ignore[return-value]


ANSWERS = (AnnotationTask, AnswerVersion)
STEPS = (
    Step(
        "unpack",
        ingest_watched_and_clean,
        Upload,
        datasets.tasks.unpack_upload,
        moves_files=True,
    ),
    Step("standardise", no_plan, Video, datasets.tasks.standardise_video, reads=()),
    Step("cut", plan_clips, Clip, datasets.tasks.cut_clip, reads=(Video,)),
    Step(
        "compare footage",
        plan_fingerprints,
        Fingerprint,
        datasets.tasks.compare_footage,
        reads=(Video,),
    ),
    Step(
        "import clips",
        plan_bundle_imports,
        BundleImport,
        datasets.tasks.import_bundle_clips,
        reads=(Upload, BundleImport),
    ),
    Step(
        "import tracks",
        plan_track_imports,
        TrackImport,
        tracking.tasks.import_bundle_tracks,
        reads=(BundleImport,),
    ),
    Step("track", plan_runs, TrackingRun, tracking.tasks.track_clip, queue="gpu"),
    Step(
        "assign identities",
        plan_identity_runs,
        IdentityRun,
        tracking.tasks.assign_video_identities,
        reads=(TrackingRun,),
    ),
    Step("bundle", no_plan, Bundle, tracking.tasks.make_bundle, reads=()),
    Step("write packages", no_plan, AnnotationTask, annotation.tasks.write_package, reads=()),
    Step(
        "check servers",
        lambda since: ensure_environment_server(),
        CvatServer,
        annotation.tasks.check_connection,
    ),
    Step(
        "set up project",
        lambda since: plan_projects(),
        CvatProject,
        annotation.tasks.set_up_project,
        interval=SECONDS_BETWEEN_CVAT_PLANS,
    ),
    Step("send tasks", no_plan, CvatJob, annotation.tasks.send_tasks, reads=()),
    Step(
        "change job states",
        plan_state_changes,
        JobStateChange,
        annotation.tasks.apply_state_change,
        reads=(Review,),
    ),
    Step("send comments", no_plan, IssueComment, annotation.tasks.send_comment, reads=()),
    Step(
        "process deliveries",
        no_plan,
        WebhookDelivery,
        annotation.tasks.process_delivery,
        reads=(),
    ),
    Step(
        "reconcile",
        lambda since: plan_reconciliations(),
        Reconciliation,
        annotation.tasks.reconcile,
        interval=SECONDS_BETWEEN_CVAT_PLANS,
    ),
    Step("import labels", no_plan, LabelImport, annotation.tasks.import_labels, reads=()),
    Step("read answers", no_plan, AnswerVersion, annotation.tasks.read_answers, reads=()),
    Step("agreement", plan_reports, AgreementReport, qc.tasks.report_agreement, reads=ANSWERS),
    Step(
        "agreement summary",
        plan_summaries,
        AgreementSummary,
        qc.tasks.summarise_agreement,
        reads=(AgreementReport, Score),
    ),
    Step("score gold clips", plan_scores, Score, qc.tasks.measure_answers, reads=ANSWERS),
    Step(
        "consensus", plan_consensuses, Consensus, qc.tasks.build_clip_consensus, reads=ANSWERS
    ),
    Step("export clips", no_plan, ClipExport, qc.tasks.export_clip, reads=()),
    Step(
        "assign third opinions",
        no_plan,
        ThirdOpinion,
        assign_third_opinion,
        reads=(),
    ),
    Step("release", keep_statuses, Release, qc.tasks.make_release, reads=tuple(CLIP_OF)),
    Step("sync", no_plan, ReleaseSync, qc.tasks.sync_release, reads=()),
    Step(
        "send messages",
        plan_failures,
        OutgoingMessage,
        send_message,
        interval=SECONDS_BETWEEN_FAILURE_PLANS,
    ),
)
