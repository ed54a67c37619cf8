"""Demo run: from a zip of videos to a release, with simulated annotators and reviewer.

Every step does only what is missing, so a run can be repeated, and resumed after a crash.
Annotators and reviewer are simulated and marked as such; everything else is the product itself.
"""

import hashlib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet

from annotation.models import AnnotationTask
from annotation.selectors.tasks import group_specs
from annotation.services.answer_files import import_answers
from annotation.services.assign_tasks import plan_tasks
from avaproject.base.storage import local_path
from avaproject.base.work import Stage, StagedModel, StagedQuerySet
from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats.cvat_xml import load
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.zip_writer import new_zip
from datasets.models import Clip, Dataset, Video
from datasets.services.delete import rows_of
from datasets.services.upload import receive_zip
from demo.label_page_annotator import account_of, label_on_page
from demo.simulated_annotators import ANNOTATORS, SAME_PERSON, annotate_package, true_actions
from demo.world.renderer import GroundTruth, TruthBox
from qc.core.box_matching import match_boxes
from qc.models import Consensus, ConsensusBox, ConsensusLabel, Release, Review
from qc.selectors.clip_and_task_states import with_verdict
from qc.services.consensus.adjudicate import adjudicate
from qc.services.release.make_release import request_release
from qc.services.review.verdicts import approve, reject
from tracking.models import Bundle
from tracking.services.export_bundle import request_bundle

OVERLAP = 0.6  # fraction of the clips assigned to all three annotators
LEFT_OPEN = 5  # one in so many open items is left undecided, and not released
REVIEWER = "simulated-reviewer"
ON_LABEL_PAGE = "simulated-1"  # the annotator who works on the label page
REASON = "Decided by the simulated reviewer, who knows what was rendered."

Work = Callable[[], object]


class IncompleteError(RuntimeError):
    """Rows of the dataset have failed or wait, so the release would lack them."""


@dataclass(frozen=True)
class DemoRun:
    """The demo on one dataset.

    Attributes:
        dataset: The dataset to fill.
        folder: Folder for the exports of the annotators who get packages.
        work: Does all waiting background work, and returns.
        log: Gets the title of each stage.
        truth_at: The ground truth; None for videos without one.
    """

    dataset: Dataset
    folder: Path
    work: Work
    log: Callable[[str], object]
    truth_at: GroundTruth | None

    def run(self, zip_file: Path) -> Release:
        """Run all stages from the zip to a release, done or failed.

        Raises IncompleteError before the release if it would lack a clip: then run it again.
        """
        self.log("Videos: unpack, standardise, cut, detect and track people")
        for rows in self._failed():
            rows.retry()
        receive_zip(self.dataset, zip_file, original_name=zip_file.name)
        self._work()
        self.log("Bundle, and task packages for three simulated annotators")
        if not Bundle.objects.filter(dataset=self.dataset).exists():
            request_bundle(self.dataset)
        names = [annotator.name for annotator in ANNOTATORS]
        plan_tasks(self.dataset, annotators=names, overlap=OVERLAP, simulated=True)
        self._work()
        self.log("Answers of the simulated annotators, agreement and consensus")
        self.annotate()
        self.log("Review: one task is rejected, open items are decided, the rest is approved")
        self.reject_one()
        self.annotate()
        self.adjudicate_open_items()
        self.approve_all()
        self.log("Release")
        return self.release()

    def annotate(self) -> None:
        """Annotate every open task: one annotator on the label page, the others in packages."""
        self.label_tasks()
        self._work()
        self.export_answers()
        import_answers(self.dataset, self.folder)
        self._work()

    def label_tasks(self) -> None:
        """Label the open tasks of one annotator on the label page."""
        user = account_of(self.dataset, ON_LABEL_PAGE)
        tasks = self._tasks().filter(stage=Stage.DONE, annotator__name=ON_LABEL_PAGE)
        for task in with_verdict(tasks):
            is_rejected = task.verdict == Review.Verdict.REJECTED  # type: ignore[attr-defined]
            if is_rejected or not task.versions.exists():
                answers = self._export_of(task, complete=is_rejected)
                label_on_page(task, user, load(answers))

    def export_answers(self) -> None:
        """Write the export of every open package to the folder, as annotators do in CVAT."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for task in with_verdict(self._tasks().filter(stage=Stage.DONE)):
            is_rejected = task.verdict == Review.Verdict.REJECTED  # type: ignore[attr-defined]
            if task.latest_version_id is None or is_rejected:  # type: ignore[attr-defined]
                export = self._export_of(task, complete=is_rejected)
                target = self.folder / f"{task}.zip"
                with new_zip(target) as answers:
                    answers.add("annotations.xml", export)

    def reject_one(self) -> None:
        """Reject, once, the task with most unset answers."""
        tasks = self._tasks()
        if Review.objects.filter(task__in=tasks).exists():
            return
        worst = (
            tasks.filter(versions__unfinished__gt=0)
            .order_by("-versions__unfinished", "pk")
            .first()
        )
        if worst is not None:
            reject([worst], reviewer=reviewer(), reason="Required answers were left unset.")

    def adjudicate_open_items(self) -> None:
        """Decide most items that the votes left open, and boxes that one annotator removed."""
        if self.truth_at is None:
            return
        groups = {group.name: group for group in group_specs(self.dataset)}
        for clip in Clip.objects.of(self.dataset).select_related("video__dataset"):
            consensus = Consensus.objects.filter(clip=clip, stage=Stage.DONE).last()
            if consensus is not None:
                self._decide(clip, consensus, groups)

    def approve_all(self) -> None:
        """Approve every newest version."""
        pending = list(with_verdict(self._tasks()).filter(verdict=""))  # type: ignore[misc]  # annotated
        overrides = dict.fromkeys(
            (task.pk for task in pending), "The annotators are simulated."
        )
        approve(pending, reviewer=reviewer(), overrides=overrides)

    def release(self) -> Release:
        """The newest release; the first one is made if there is none."""
        if not Release.objects.filter(dataset=self.dataset).exists():
            request_release(self.dataset)
        self.work()
        return Release.objects.filter(dataset=self.dataset).latest("number")

    def _work(self) -> None:
        """Do all waiting work. Raises IncompleteError if rows have failed or still wait."""
        self.work()
        for rows in self._failed():
            if row := rows.first():
                raise IncompleteError(
                    f"The {row._meta.verbose_name} {row} has failed: {row.error} "
                    "Run the demo again to try it again."
                )
        for rows in self._staged_rows():
            if row := rows.held_up().first():
                raise IncompleteError(
                    f"The {row._meta.verbose_name} {row} waits: {row.error} "
                    "Run the demo again later."
                )

    def _failed(self) -> Iterator[StagedQuerySet]:
        """The failed rows of each step, without videos that are refused."""
        for rows in self._staged_rows():
            failed = rows.filter(stage=Stage.FAILED)
            yield failed.given_up() if rows.model is Video else failed

    def _staged_rows(self) -> Iterator[StagedQuerySet]:
        for model, rows in rows_of(self.dataset).items():
            if issubclass(model, StagedModel):
                staged: StagedQuerySet = model._default_manager.all()  # type: ignore[assignment]
                yield staged.filter(pk__in=rows.values("pk"))

    def _tasks(self) -> QuerySet[AnnotationTask]:
        tasks = AnnotationTask.objects.of(self.dataset)
        return tasks.select_related("clip__video__dataset", "annotator")

    def _export_of(self, task: AnnotationTask, *, complete: bool) -> bytes:
        """The XML that the annotator of `task` exports from CVAT."""
        annotator = next(one for one in ANNOTATORS if one.name == task.annotator.name)
        with local_path(str(task.package)) as path, zipfile.ZipFile(path) as package:
            return annotate_package(
                package.read("annotations.xml"),
                annotator=annotator.without_unset() if complete else annotator,
                truth=self._truth_by_second(task.clip),
                groups=group_specs(self.dataset),
                annotation_fps=self.dataset.annotation_fps,
            )

    def _truth_by_second(self, clip: Clip) -> Callable[[int], list[TruthBox]] | None:
        truth_at = self.truth_at
        if truth_at is None:
            return None
        name, start = clip.video.original_name, clip.start_frame
        return lambda second: truth_at(name, start + FRAME_RATE * second)

    def _decide(
        self, clip: Clip, consensus: Consensus, groups: dict[str, ActionGroupSpec]
    ) -> None:
        truth_by_second = self._truth_by_second(clip)
        if truth_by_second is None:
            return
        annotators = clip.tasks.count()
        for box in consensus.boxes.prefetch_related("labels"):
            open_groups = [
                groups[label.group]
                for label in box.labels.all()
                if label.rule == ConsensusLabel.Rule.OPEN
            ]
            is_kept = box.status != ConsensusBox.Status.DROPPED
            if open_groups or (is_kept and len(box.drawn_by) < annotators):
                self._decide_box(clip, box, truth_by_second(box.second), open_groups)

    def _decide_box(
        self,
        clip: Clip,
        box: ConsensusBox,
        truth: list[TruthBox],
        groups: list[ActionGroupSpec],
    ) -> None:
        def decide(**answer: Any) -> None:
            adjudicate(
                clip, second=box.second, person_id=box.person_id,
                user=reviewer(), reason=REASON, **answer,
            )  # fmt: skip

        shown = normalised_box(box, clip)
        there = match_boxes([shown], [one.box for one in truth], threshold=SAME_PERSON).pairs
        if box.status == ConsensusBox.Status.DISPUTED or not there:
            decide(is_person=bool(there))
        if there and not _is_left_open(clip, box):
            for group in groups:
                actions = true_actions(truth, shown, group)
                decide(group=group.name, actions=actions)


def reviewer() -> User:
    """The simulated reviewer, an account that cannot log in."""
    user, is_new = User.objects.get_or_create(username=REVIEWER, defaults={"is_active": False})
    if is_new:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def normalised_box(box: ConsensusBox, clip: Clip) -> tuple[float, float, float, float]:
    width, height = clip.video.width or 1, clip.video.height or 1
    return box.x1 / width, box.y1 / height, box.x2 / width, box.y2 / height


def _is_left_open(clip: Clip, box: ConsensusBox) -> bool:
    place = hashlib.sha256(f"{clip.name} {box.second} {box.person_id}".encode()).digest()
    return place[0] % LEFT_OPEN == 0
