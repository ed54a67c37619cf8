"""The clips of a dataset that can be released, and why the others can not.

A clip can be released if the newest answers of all its tasks are approved and there is a
consensus of exactly these versions.
"""

from collections import defaultdict
from typing import NamedTuple

from django.db.models import Exists, OuterRef

from annotation.models import AnnotationTask, AnswerVersion
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import ExportWindow, export_window
from datasets.models import Clip, Dataset
from qc.models import Consensus, ConsensusBox, Review, TakenOut
from tracking.models import Proposal


class ApprovedClip(NamedTuple):
    """A clip that can be released, with its consensus and tracking run."""

    clip: Clip
    versions: tuple[int, ...]  # as in Consensus
    consensus_id: int
    run_id: int
    annotators: int


class _Task(NamedTuple):
    pk: int
    run_id: int
    version_id: int | None  # the newest answers read


def window_of(clip: Clip) -> ExportWindow:
    """Which frames of the standard video a release shows of `clip`."""
    return export_window(
        clip.start_frame, clip.frame_count, video_frame_count=clip.video.frame_count or 0
    )


def unanswered_clips(dataset: Dataset) -> set[str]:
    """Names of clips that somebody else was assigned as well and did not answer."""
    answered = AnswerVersion.objects.filter(task=OuterRef("pk"), stage=Stage.DONE)
    tasks = AnnotationTask.objects.of(dataset).exclude(purpose=AnnotationTask.Purpose.CHECK)
    return set(tasks.exclude(Exists(answered)).values_list("clip__name", flat=True))


def clips_taken_out(dataset: Dataset) -> dict[str, str]:
    """The clips that no release may hold any more, and why; those of a person, where it is."""
    found: dict[str, str] = {}
    for one in TakenOut.objects.filter(dataset=dataset).order_by("pk"):
        clips = Clip.objects.filter(video__dataset=dataset, video__name=one.video)
        if one.clip:
            clips = clips.filter(name=one.clip)
        names = set(clips.values_list("name", flat=True))
        if one.person_id:
            names &= clips_showing(dataset, one.video, one.person_id)
        for name in names:
            found.setdefault(name, f"taken out ({one.what}): {one.reason}")
    return found


def clips_showing(dataset: Dataset, video: str, person_id: int) -> set[str]:
    """Names of the clips in which the tracker or an annotator saw a person of a video."""
    boxes = ConsensusBox.objects.filter(
        consensus__clip__video__dataset=dataset, consensus__clip__video__name=video,
        person_id=person_id,
    ).order_by()  # fmt: skip
    tracked = Proposal.objects.filter(
        run__clip__video__dataset=dataset, run__clip__video__name=video, person_id=person_id
    ).order_by()
    return {
        *boxes.values_list("consensus__clip__name", flat=True).distinct(),
        *tracked.values_list("run__clip__name", flat=True).distinct(),
    }


class Selection(NamedTuple):
    """The clips of a release, and those left out."""

    approved: list[ApprovedClip]  # sorted by name
    left_out: dict[str, str]  # clip -> why


def select_clips(dataset: Dataset) -> Selection:
    """The clips of `dataset` that can be released now, and why the others can not."""
    tasks_of: dict[int, list[_Task]] = defaultdict(list)
    tasks = AnnotationTask.objects.of(dataset).counting().with_latest_version().order_by("pk")
    fields = ("clip_id", "pk", "run_id", "latest_version_id")
    for clip_id, *task in tasks.values_list(*fields):  # type: ignore[misc]  # annotated
        tasks_of[clip_id].append(_Task(*task))
    reviews = Review.objects.filter(task__clip__video__dataset=dataset).order_by("pk")
    verdicts = {
        (task, version): verdict
        for task, version, verdict in reviews.values_list("task_id", "version_id", "verdict")
    }
    consensus_of = {
        (clip, tuple(versions)): pk
        for clip, versions, pk in Consensus.objects.of(dataset)
        .done()
        .values_list("clip_id", "versions", "pk")
    }
    selection = Selection([], {})
    taken_out = clips_taken_out(dataset)
    clips = Clip.objects.of(dataset).select_related("video__dataset")
    for clip in sorted(clips, key=lambda each: each.name):
        its_tasks = tasks_of[clip.pk]
        keys = [task.version_id for task in its_tasks if task.version_id is not None]
        versions = tuple(sorted(keys))
        consensus = consensus_of.get((clip.pk, versions))
        reason = taken_out.get(clip.name) or _reason_against(
            its_tasks, verdicts, has_consensus=consensus is not None
        )
        if reason or consensus is None:
            selection.left_out[clip.name] = reason
            continue
        run = max(task.run_id for task in its_tasks)
        selection.approved.append(ApprovedClip(clip, versions, consensus, run, len(keys)))
    return selection


def _reason_against(
    tasks: list[_Task], verdicts: dict[tuple[int, int], str], *, has_consensus: bool
) -> str:
    """Why a clip can not be released; empty if it can."""
    if not tasks:
        return "not assigned to an annotator"
    approved = sum(
        task.version_id is not None
        and verdicts.get((task.pk, task.version_id)) == Review.Verdict.APPROVED
        for task in tasks
    )
    if approved < len(tasks):
        return f"{approved} of {len(tasks)} tasks are approved"
    return "" if has_consensus else "consensus not built yet"
