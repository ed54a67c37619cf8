"""The kinds of background work of a dataset, and how pages speak of them."""

from typing import NamedTuple

from annotation.models import AnnotationTask, AnswerVersion
from avaproject.base.work import StagedQuerySet
from datasets.models import BundleImport, Clip, Dataset, Upload, Video
from qc.models import (
    AgreementReport,
    AgreementSummary,
    Consensus,
    Release,
    Score,
    ThirdOpinion,
)
from tracking.models import Bundle, IdentityRun, TrackImport, TrackingRun


class WorkKind(NamedTuple):
    """One kind of background work of a dataset; {} in a phrase is the name of a row."""

    key: str
    app: str  # the one with the retry page
    doing: str
    done: str
    many_done: str  # after a number
    icon: str
    rows: StagedQuerySet
    name: str  # lookup
    clip: str = ""  # lookup of the clip, of work on single clips

    @property
    def retry_page(self) -> str:
        return f"{self.app}:retry"


def work_kinds(dataset: Dataset) -> list[WorkKind]:
    """All background work of `dataset`, in pipeline order."""
    of_clips = {"clip__video__dataset": dataset}
    return [
        WorkKind("upload", "datasets", "Unpacking {}", "{} unpacked", "uploads unpacked",
            "file-archive", Upload.objects.filter(dataset=dataset), "original_name"),
        WorkKind("import", "datasets", "Importing clips of {}", "Clips of {} imported",
             "bundles imported", "package",
             BundleImport.objects.filter(upload__dataset=dataset), "upload__original_name"),
        WorkKind("video", "datasets", "Standardising {}", "{} standardised",
            "videos standardised", "film", Video.objects.filter(dataset=dataset), "name"),
        WorkKind("clip", "datasets", "Cutting {}", "{} cut", "clips cut", "scissors",
            Clip.objects.of(dataset), "name", "pk"),
        WorkKind("track-import", "tracking", "Importing tracks of {}", "Tracks of {} imported",
             "bundles with tracks imported", "package",
             TrackImport.objects.filter(bundle_import__upload__dataset=dataset),
             "bundle_import__upload__original_name"),
        WorkKind("run", "tracking", "Tracking {}", "{} tracked", "clips tracked",
            "scan-search", TrackingRun.objects.of(dataset), "clip__name", "clip"),
        WorkKind("identities", "tracking", "Identifying people in {}",
            "People in {} identified", "videos with people identified", "users",
            IdentityRun.objects.filter(video__dataset=dataset), "video__name"),
        WorkKind("bundle", "tracking", "Creating bundle {}", "Bundle {} created",
            "bundles created", "package", Bundle.objects.filter(dataset=dataset), "pk"),
        WorkKind("task", "annotation", "Creating the CVAT package of {}",
            "CVAT package of {} created", "CVAT packages created", "package-check",
            AnnotationTask.objects.of(dataset), "clip__name", "clip"),
        WorkKind("version", "annotation", "Importing answers for {}",
            "Answers for {} imported", "answer files imported", "file-check",
            AnswerVersion.objects.filter(
                task__clip__video__dataset=dataset).without_history(),
            "task__clip__name", "task__clip"),
        WorkKind("report", "qc", "Comparing annotators of {}", "Annotators of {} compared",
            "clips compared", "git-compare", AgreementReport.objects.filter(**of_clips),
            "clip__name", "clip"),
        WorkKind("summary", "qc", "Updating agreement {}", "Agreement updated {}",
            "agreement updates", "git-compare",
            AgreementSummary.objects.filter(dataset=dataset), "period"),
        WorkKind("score", "qc", "Scoring {}", "{} scored", "answers scored", "user-check",
            Score.objects.filter(version__task__clip__video__dataset=dataset),
            "version__task__clip__name", "version__task__clip"),
        WorkKind("consensus", "qc", "Building consensus of {}", "Consensus of {} built",
            "consensuses built", "scale", Consensus.objects.filter(**of_clips), "clip__name",
            "clip"),
        WorkKind("opinion", "qc", "Requesting a third opinion on {}",
            "Third opinion on {} requested", "third opinions requested", "users",
            ThirdOpinion.objects.filter(**of_clips), "clip__name", "clip"),
        WorkKind("release", "qc", "Creating release {}", "Release {} created",
            "releases created", "database", Release.objects.filter(dataset=dataset),
            "number"),
    ]  # fmt: skip
