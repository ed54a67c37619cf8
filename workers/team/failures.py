"""Notifications of failed work: one sentence for a dataset, however many rows have failed."""

from collections import defaultdict
from datetime import datetime, timedelta

from django.db.models import Max, Model
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext

from annotation.models import AnnotationTask, AnswerVersion, CvatJob, CvatProject
from avaproject.base.work import exist
from datasets.accounts.notifications import Kind, members_with, notify
from datasets.core.roles import Act
from datasets.models import (
    BundleImport,
    Clip,
    Dataset,
    Fingerprint,
    Notification,
    Upload,
    Video,
)
from qc.models import (
    AgreementReport,
    AgreementSummary,
    ClipExport,
    Consensus,
    Release,
    ReleaseSync,
)
from tracking.models import Bundle, IdentityRun, TrackImport, TrackingRun

DATASET_OF: dict[type[Model], str] = {
    Upload: "dataset",
    Video: "dataset",
    Clip: "video__dataset",
    BundleImport: "upload__dataset",
    Fingerprint: "video__dataset",
    TrackImport: "bundle_import__upload__dataset",
    TrackingRun: "clip__video__dataset",
    IdentityRun: "video__dataset",
    Bundle: "dataset",
    AnnotationTask: "clip__video__dataset",
    AnswerVersion: "task__clip__video__dataset",
    CvatProject: "dataset",
    CvatJob: "project__dataset",
    AgreementReport: "clip__video__dataset",
    AgreementSummary: "dataset",
    Consensus: "clip__video__dataset",
    ClipExport: "clip__video__dataset",
    Release: "dataset",
    ReleaseSync: "release__dataset",
}
AT_FIRST = timedelta(days=1)  # how far a process looks back when it starts


def plan_failures(since: datetime | None) -> int:
    """Notify those who can retry work that has failed since then; return of how many datasets.

    What was told already is not told again, also after a restart.
    """
    since = since or timezone.now() - AT_FIRST
    failed = exist({model: model._default_manager.failed() for model in DATASET_OF})  # type: ignore[attr-defined]
    latest: dict[int, datetime] = {}
    counts: dict[int, int] = defaultdict(int)
    for model in failed:
        path = DATASET_OF[model]
        rows = model._default_manager.failed().filter(modified_at__gte=since)  # type: ignore[attr-defined]
        rows = rows.exclude(finished_at=None).order_by()
        for dataset, finished in rows.values_list(path, "finished_at")[:1000]:
            latest[dataset] = max(latest.get(dataset, finished), finished)
            counts[dataset] += 1
    told = dict(
        Notification.objects.filter(kind=Kind.FAILURE, dataset__in=latest)
        .order_by()
        .values_list("dataset")
        .annotate(Max("created_at"))
    )
    new = [key for key, at in latest.items() if key not in told or told[key] < at]
    for dataset in Dataset.objects.filter(pk__in=new):
        count = counts[dataset.pk]
        sentence = ngettext(
            "%(count)s step of the work on %(dataset)s failed.",
            "%(count)s steps of the work on %(dataset)s failed.",
            count,
        )
        notify(
            dataset, Kind.FAILURE, users=members_with(dataset, Act.CONFIGURE),
            text=sentence % {"count": count, "dataset": dataset},
            url=reverse("qc:overview", args=[dataset.name]),
        )  # fmt: skip
    return len(new)
