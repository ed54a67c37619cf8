"""One dataset with something behind every address, and an account of every role."""

from typing import Any

from django.contrib.auth.models import User

from annotation.models import (
    AnnotationTask,
    CvatJob,
    CvatProject,
    CvatServer,
    Guideline,
    GuidelineImage,
    LabelImport,
)
from annotation.services.packages import write_package
from datasets.models import Clip, Dataset, Member, OutgoingWebhook, Transfer
from datasets.services.members import invite
from qc.models import AgreementReport, AgreementSummary, Consensus, Release
from qc.services.agreement.reports import (
    plan_reports,
    plan_summaries,
    report_agreement,
    summarise,
)
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from tests.make import (
    make_annotator,
    make_dataset,
    make_task,
    make_user,
    make_version,
)
from tests.stored_files import make_bundled_video, put
from tracking.models import Bundle, Experiment, TrackingRun

ROLES = ("owner", "manager", "reviewer", "annotator", "viewer")


class World:
    """A dataset `shop`; `accounts` by role, with `stranger`; a task of the annotator."""

    def __init__(self) -> None:
        self.dataset: Dataset = make_dataset("shop")
        self.accounts: dict[str, User] = {"stranger": make_user("stranger")}
        for role in ROLES:
            self.accounts[role] = make_user(role)
            Member.objects.create(dataset=self.dataset, user=self.accounts[role], role=role)
        self.video = make_bundled_video(self.dataset, name="aisle")
        self.clip: Clip = self.video.clips.order_by("pk")[0]
        self.clip.poster.name = put("shop/clip.jpg", b"a poster")
        self.clip.save()
        self.video.clips.update(poster=self.clip.poster.name)
        self.run = TrackingRun.objects.get(clip=self.clip)
        self._make_answers()
        self._make_outputs()

    def _make_answers(self) -> None:
        self.annotator = make_annotator(
            self.dataset, "annotator", user=self.accounts["annotator"]
        )
        later = TrackingRun.objects.exclude(pk=self.run.pk)[0]
        self.task, self.open_task = (
            self._packaged(make_task(run, self.annotator, stage="waiting"))
            for run in (self.run, later)
        )
        other = make_task(self.run, make_annotator(self.dataset, "kim"))
        self.version = make_version(self.task, {"posture": "walk", "doing": []})
        make_version(other, {"posture": "sit", "doing": []})
        plan_reports()
        for report in AgreementReport.objects.all():
            report_agreement(report.pk)
        plan_summaries()
        for summary in AgreementSummary.objects.all():
            summarise(summary.pk)
        plan_consensuses()
        for consensus in Consensus.objects.all():
            build_clip_consensus(consensus.pk)

    def _packaged(self, task: AnnotationTask) -> AnnotationTask:
        written = write_package(task.pk)
        assert written is not None
        assert written.stage == "done", written.error
        return written

    def _make_outputs(self) -> None:
        put("shop/bundle/manifest.json", b"{}")
        self.bundle = Bundle.objects.create(
            dataset=self.dataset, folder="shop/bundle", stage="done", config_key="test/1",
            files={"manifest.json": {"size": 2, "sha256": "0" * 64}},
        )  # fmt: skip
        put("shop/release-2/card.html", b"<p>A card</p>")
        Release.objects.create(
            dataset=self.dataset, number=2, stage="done", folder="shop/release-2"
        )
        archive = put("shop/release.zip", b"a release")
        self.release = Release.objects.create(
            dataset=self.dataset, number=1, stage="done", archive=archive
        )
        self.action = self.dataset.actions.order_by("pk")[0]
        guideline = Guideline.objects.create(dataset=self.dataset, action=self.action)
        self.image = GuidelineImage.objects.create(
            guideline=guideline, kind="yes", file=put("shop/guidelines/a.jpg", b"an image")
        )
        self.invitation, self.token = invite(
            self.dataset, by=self.accounts["owner"], role="annotator", max_uses=9
        )
        self.hook = OutgoingWebhook.objects.create(
            dataset=self.dataset, url="https://example.org/hook"
        )
        self.viewer = Member.objects.get(role="viewer")
        self.transfer = Transfer.objects.create(
            dataset=self.dataset, user=self.accounts["owner"], original_name="a.zip", size=9
        )
        self.server = CvatServer.objects.create(
            name="our-cvat", url="http://127.0.0.1:9", stage="done"
        )
        self.project = CvatProject.objects.create(
            dataset=self.dataset, server=self.server, stage="done"
        )
        CvatJob.objects.create(task=self.task, project=self.project, job_id=1, stage="done")
        self.label_import = LabelImport.objects.create(
            dataset=self.dataset, source_name="elsewhere", original_name="labels.csv", size=9,
            file=put("shop/label-imports/labels.csv", b"labels"), stage="done",
        )  # fmt: skip
        self.experiment = Experiment.objects.create(
            dataset=self.dataset, detector="onnx", threshold=0.5
        )

    def arguments(self, template: dict[str, Any]) -> dict[str, Any]:
        """The arguments of an address; a function is called with this world."""
        return {
            name: value(self) if callable(value) else value for name, value in template.items()
        }
