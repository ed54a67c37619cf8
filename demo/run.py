"""The whole main job on one machine: a zip goes in, a release comes out.

Every step looks at what is there already, so the road may be walked again, or taken up where a
killed process left it, and does only what is missing. The annotators and the reviewer are
simulated and marked so; everything else is the product itself.
"""

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet

from annotation.core.labels import UNKNOWN, GroupSpec
from annotation.models import AnnotationTask
from annotation.selectors.tasks import group_specs
from annotation.services.answers import import_answers
from annotation.services.plan import plan_tasks
from avaproject.base.storage import local_path
from avaproject.base.work import Stage
from datasets.core.clipping import FRAME_RATE
from datasets.core.zipping import new_zip
from datasets.models import Clip, Dataset
from datasets.services.upload import receive_zip
from demo.annotators import PERSONAS, SAME_PERSON, fill_in, right_actions
from demo.world.scene import TruthBox
from qc.core.matching import match_boxes
from qc.models import Consensus, ConsensusBox, ConsensusLabel, Release, Review
from qc.selectors.states import judged
from qc.services.adjudicate import adjudicate
from qc.services.release import order_release
from qc.services.review import approve, reject
from tracking.models import Bundle
from tracking.services.bundle import order_bundle

OVERLAP = 0.6  # share of the clips that all three annotators have
LEFT_OPEN = 5  # one open question in so many is left to a person, and leaves the release
REVIEWER = "simulated-reviewer"
REASON = "Decided by the simulated reviewer, who knows what was rendered."

TruthAt = Callable[[str, int], list[TruthBox]]  # (original name of a video, standard frame)
Work = Callable[[], object]


@dataclass(frozen=True)
class Journey:
    """One dataset on the road.

    Attributes:
        dataset: Where it happens.
        folder: Where the simulated annotators keep their files.
        work: Does all background work that waits, and returns.
        say: Tells what comes next.
        truth_at: What is really to be seen; None for footage that nobody knows.
    """

    dataset: Dataset
    folder: Path
    work: Work
    say: Callable[[str], object]
    truth_at: TruthAt | None

    def walk(self, zip_file: Path) -> Release:
        """From the zip to a release, done or failed."""
        self.say("Videos: unpack, standardise, cut, find and follow the people")
        receive_zip(self.dataset, zip_file, original_name=zip_file.name)
        self.work()
        self.say("Bundle, and packages for three simulated annotators")
        if not Bundle.objects.filter(dataset=self.dataset).exists():
            order_bundle(self.dataset)
        names = [persona.name for persona in PERSONAS]
        plan_tasks(self.dataset, annotators=names, overlap=OVERLAP, simulated=True)
        self.work()
        self.say("Answers of the simulated annotators, agreement and consensus")
        self.answer()
        self.say("Review: one task goes back, the open questions are decided, then approval")
        self.send_one_back()
        self.answer()
        self.decide_open_questions()
        self.approve_all()
        self.say("Release")
        return self.release()

    def answer(self) -> None:
        """Fill in every package that waits for its annotator, and read the answers in."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for task in judged(self._tasks().filter(stage=Stage.DONE)):
            is_rejected = task.verdict == Review.Verdict.REJECTED  # type: ignore[attr-defined]
            if task.latest_pull_id is None or is_rejected:  # type: ignore[attr-defined]
                export = self._export_of(task, complete=is_rejected)
                target = self.folder / f"{task}.zip"
                with new_zip(target) as answers:
                    answers.add("annotations.xml", export)
        import_answers(self.dataset, self.folder)
        self.work()

    def send_one_back(self) -> None:
        """The reviewer rejects, once, the answers with most left unset."""
        tasks = self._tasks()
        if Review.objects.filter(task__in=tasks).exists():
            return
        worst = (
            tasks.filter(pulls__unfinished__gt=0).order_by("-pulls__unfinished", "pk").first()
        )
        if worst is not None:
            reject([worst], reviewer=reviewer(), reason="Required answers were left unset.")

    def decide_open_questions(self) -> None:
        """Settle what the votes left open, but for a few questions that wait for a person.

        Boxes that somebody removed are looked at too, though the others kept them.
        """
        if self.truth_at is None:
            return
        groups = {group.name: group for group in group_specs(self.dataset)}
        for clip in Clip.objects.of(self.dataset).select_related("video__dataset"):
            consensus = Consensus.objects.filter(clip=clip, stage=Stage.DONE).last()
            if consensus is not None:
                self._decide(clip, consensus, groups)

    def approve_all(self) -> None:
        """Approve every newest version, what is still open having been seen."""
        pending = judged(self._tasks()).filter(verdict="")  # type: ignore[misc]  # annotated
        approve(pending, reviewer=reviewer(), despite_findings=True)

    def release(self) -> Release:
        """The newest release if there is one, or else the first, made now."""
        if not Release.objects.filter(dataset=self.dataset).exists():
            order_release(self.dataset)
        self.work()
        return Release.objects.filter(dataset=self.dataset).latest("number")

    def _tasks(self) -> QuerySet[AnnotationTask]:
        tasks = AnnotationTask.objects.of(self.dataset)
        return tasks.select_related("clip__video__dataset", "annotator")

    def _export_of(self, task: AnnotationTask, *, complete: bool) -> bytes:
        """What the annotator of `task` would export from CVAT."""
        persona = next(one for one in PERSONAS if one.name == task.annotator.name)
        with local_path(str(task.package)) as path, zipfile.ZipFile(path) as package:
            return fill_in(
                package.read("annotations.xml"),
                persona=persona.carefully() if complete else persona,
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

    def _decide(self, clip: Clip, consensus: Consensus, groups: dict[str, GroupSpec]) -> None:
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
        self, clip: Clip, box: ConsensusBox, truth: list[TruthBox], groups: list[GroupSpec]
    ) -> None:
        def decide(**answer: Any) -> None:
            adjudicate(
                clip, second=box.second, person_id=box.person_id,
                user=reviewer(), reason=REASON, **answer,
            )  # fmt: skip

        shown = normalised(box, clip)
        there = match_boxes([shown], [one.box for one in truth], threshold=SAME_PERSON).pairs
        if box.status == ConsensusBox.Status.DISPUTED or not there:
            decide(is_person=bool(there))
        if there and not _is_left_open(clip, box):
            for group in groups:
                actions = right_actions(truth, shown, group)
                nothing = [UNKNOWN] if group.choice == "one" else []
                decide(group=group.name, actions=actions or nothing)


def reviewer() -> User:
    """The simulated reviewer, who cannot log in."""
    user, is_new = User.objects.get_or_create(username=REVIEWER, defaults={"is_active": False})
    if is_new:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def normalised(box: ConsensusBox, clip: Clip) -> tuple[float, float, float, float]:
    width, height = clip.video.width or 1, clip.video.height or 1
    return box.x1 / width, box.y1 / height, box.x2 / width, box.y2 / height


def _is_left_open(clip: Clip, box: ConsensusBox) -> bool:
    place = hashlib.sha256(f"{clip.name} {box.second} {box.person_id}".encode()).digest()
    return place[0] % LEFT_OPEN == 0
