"""The kinds of background work of a dataset, and how pages speak of them."""

from typing import NamedTuple

from django.utils.translation import gettext as _

from annotation.models import AnnotationTask, AnswerVersion, LabelImport
from avaproject.base.work import StagedQuerySet
from datasets.models import BundleImport, Clip, Dataset, Fingerprint, Upload, Video
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
        WorkKind("upload", "datasets", _("Unpacking {}"), _("{} unpacked"),
            _("uploads unpacked"),
            "file-archive", Upload.objects.filter(dataset=dataset), "original_name"),
        WorkKind("import", "datasets", _("Importing clips of {}"), _("Clips of {} imported"),
             _("bundles imported"), "package",
             BundleImport.objects.filter(upload__dataset=dataset), "upload__original_name"),
        WorkKind("video", "datasets", _("Standardising {}"), _("{} standardised"),
            _("videos standardised"), "film", Video.objects.filter(dataset=dataset), "name"),
        WorkKind("clip", "datasets", _("Cutting {}"), _("{} cut"), _("clips cut"), "scissors",
            Clip.objects.of(dataset), "name", "pk"),
        WorkKind("footage", "datasets", _("Comparing footage of {}"),
            _("Footage of {} compared"),
            _("videos compared"), "git-compare",
            Fingerprint.objects.filter(video__dataset=dataset), "video__name"),
        WorkKind("track-import", "tracking", _("Importing tracks of {}"),
            _("Tracks of {} imported"),
             _("bundles with tracks imported"), "package",
             TrackImport.objects.filter(bundle_import__upload__dataset=dataset),
             "bundle_import__upload__original_name"),
        WorkKind("run", "tracking", _("Tracking {}"), _("{} tracked"), _("clips tracked"),
            "scan-search", TrackingRun.objects.of(dataset), "clip__name", "clip"),
        WorkKind("identities", "tracking", _("Identifying people in {}"),
            _("People in {} identified"), _("videos with people identified"), "users",
            IdentityRun.objects.filter(video__dataset=dataset), "video__name"),
        WorkKind("bundle", "tracking", _("Creating bundle {}"), _("Bundle {} created"),
            _("bundles created"), "package", Bundle.objects.filter(dataset=dataset), "pk"),
        WorkKind("task", "annotation", _("Creating the CVAT package of {}"),
            _("CVAT package of {} created"), _("CVAT packages created"), "package-check",
            AnnotationTask.objects.of(dataset), "clip__name", "clip"),
        WorkKind("label-import", "annotation", _("Reading {}"), _("{} read"),
            _("files of labels read"),
            "file-check", LabelImport.objects.filter(dataset=dataset), "original_name"),
        WorkKind("version", "annotation", _("Importing answers for {}"),
            _("Answers for {} imported"), _("answer files imported"), "file-check",
            AnswerVersion.objects.filter(
                task__clip__video__dataset=dataset).without_history(),
            "task__clip__name", "task__clip"),
        WorkKind("report", "qc", _("Comparing annotators of {}"),
            _("Annotators of {} compared"),
            _("clips compared"), "git-compare", AgreementReport.objects.filter(**of_clips),
            "clip__name", "clip"),
        WorkKind("summary", "qc", _("Updating agreement {}"), _("Agreement updated {}"),
            _("agreement updates"), "git-compare",
            AgreementSummary.objects.filter(dataset=dataset), "period"),
        WorkKind("score", "qc", _("Scoring {}"), _("{} scored"),
            _("answers scored"), "user-check",
            Score.objects.filter(version__task__clip__video__dataset=dataset),
            "version__task__clip__name", "version__task__clip"),
        WorkKind("consensus", "qc", _("Building consensus of {}"), _("Consensus of {} built"),
            _("consensuses built"), "scale", Consensus.objects.filter(**of_clips), "clip__name",
            "clip"),
        WorkKind("opinion", "qc", _("Requesting a third opinion on {}"),
            _("Third opinion on {} requested"), _("third opinions requested"), "users",
            ThirdOpinion.objects.filter(**of_clips), "clip__name", "clip"),
        WorkKind("release", "qc", _("Creating release {}"), _("Release {} created"),
            _("releases created"), "database", Release.objects.filter(dataset=dataset),
            "number"),
    ]  # fmt: skip
