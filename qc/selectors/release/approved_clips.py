"""Which clips of a dataset may leave the house, and why the others may not.

A clip may leave when the newest answers of all its tasks are approved and there is a consensus
of exactly these versions.
"""

from collections import defaultdict
from typing import NamedTuple

from annotation.models import AnnotationTask
from datasets.models import Clip, Dataset
from qc.models import Consensus, Review


class ApprovedClip(NamedTuple):
    clip: Clip
    versions: str  # as in Consensus
    consensus_id: int
    run_id: int
    annotators: int


class _Task(NamedTuple):
    pk: int
    run_id: int
    pull_id: int | None  # the newest answers read


class Selection(NamedTuple):
    approved: list[ApprovedClip]  # sorted by name
    left_out: dict[str, str]  # clip -> why


def select_clips(dataset: Dataset) -> Selection:
    """The clips of `dataset` that may be released now, and why the others may not."""
    tasks_of: dict[int, list[_Task]] = defaultdict(list)
    tasks = AnnotationTask.objects.of(dataset).counting().with_latest_pull().order_by("pk")
    fields = ("clip_id", "pk", "run_id", "latest_pull_id")
    for clip_id, *task in tasks.values_list(*fields):  # type: ignore[misc]  # annotated
        tasks_of[clip_id].append(_Task(*task))
    reviews = Review.objects.filter(task__clip__video__dataset=dataset).order_by("pk")
    verdicts = {
        (task, pull): verdict
        for task, pull, verdict in reviews.values_list("task_id", "pull_id", "verdict")
    }
    settled = {
        (clip, versions): pk
        for clip, versions, pk in Consensus.objects.of(dataset)
        .done()
        .values_list("clip_id", "versions", "pk")
    }
    selection = Selection([], {})
    clips = Clip.objects.of(dataset).select_related("video__dataset")
    for clip in sorted(clips, key=lambda each: each.name):
        its_tasks = tasks_of[clip.pk]
        pulls = [task.pull_id for task in its_tasks if task.pull_id is not None]
        versions = ",".join(map(str, sorted(pulls)))
        consensus = settled.get((clip.pk, versions))
        reason = _reason_against(its_tasks, verdicts, is_settled=consensus is not None)
        if reason or consensus is None:
            selection.left_out[clip.name] = reason
            continue
        run = max(task.run_id for task in its_tasks)
        selection.approved.append(ApprovedClip(clip, versions, consensus, run, len(pulls)))
    return selection


def _reason_against(
    tasks: list[_Task], verdicts: dict[tuple[int, int], str], *, is_settled: bool
) -> str:
    """Why a clip may not be released; empty if it may."""
    if not tasks:
        return "nobody was asked to annotate it"
    approved = sum(
        task.pull_id is not None
        and verdicts.get((task.pk, task.pull_id)) == Review.Verdict.APPROVED
        for task in tasks
    )
    if approved < len(tasks):
        return f"{approved} of {len(tasks)} answers are approved"
    return "" if is_settled else "its consensus is not computed yet"
