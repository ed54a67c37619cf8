"""What of a dataset may leave the house, from rows to the content of each clip.

A clip may leave when the newest answers of all its tasks are approved and there is a consensus
of exactly these versions. A keyframe with a question still open stays behind as excluded.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from annotation.models import AnnotationTask
from datasets.core import ava
from datasets.core.clipping import export_window, timestamp
from datasets.models import Action, ActionGroup, Clip, Dataset
from qc.core.consensus import counts_as_vote
from qc.core.release_files import (
    ANNOTATED,
    EXCLUDED,
    PersonAt,
    ProposedBox,
    ReleaseClip,
)
from qc.models import Consensus, ConsensusBox, ConsensusLabel, Review
from tracking.models import Proposal

CLIPS_AT_A_TIME = 10
NO_ACTION = ("unknown", "unset")


class UnknownActionError(ValueError):
    """The consensus believes in an action that the vocabulary does not have."""


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


class ContentReader:
    """Reads approved clips, a few at a time, with the vocabulary of their dataset."""

    def __init__(self, dataset: Dataset) -> None:
        groups = ActionGroup.objects.filter(dataset=dataset)
        self._required = {group.name for group in groups if group.required}
        self._ids = {
            (group, name): action_id
            for group, name, action_id in Action.objects.filter(dataset=dataset).values_list(
                "group__name", "name", "action_id"
            )
        }

    def read(self, approved: list[ApprovedClip]) -> Iterator[ReleaseClip]:
        """The content of each clip, in order, without a split."""
        for first in range(0, len(approved), CLIPS_AT_A_TIME):
            some = approved[first : first + CLIPS_AT_A_TIME]
            consensuses = Consensus.objects.prefetch_related("boxes__labels").in_bulk(
                [each.consensus_id for each in some]
            )
            proposals: dict[int, list[Proposal]] = defaultdict(list)
            for proposal in Proposal.objects.filter(run__in=[each.run_id for each in some]):
                proposals[proposal.run_id].append(proposal)
            for each in some:
                boxes = list(consensuses[each.consensus_id].boxes.all())
                yield self._clip(each.clip, boxes, proposals[each.run_id])

    def _clip(
        self, clip: Clip, boxes: list[ConsensusBox], proposals: list[Proposal]
    ) -> ReleaseClip:
        width, height = clip.video.width or 0, clip.video.height or 0
        window = export_window(
            clip.start_frame, clip.frame_count, video_frame_count=clip.video.frame_count or 0
        )
        at_second = {k: timestamp(k, pad_seconds=window.pad_seconds) for k in clip.keyframes()}
        boxes_at: dict[int, list[ConsensusBox]] = defaultdict(list)
        for box in boxes:
            boxes_at[box.second].append(box)
        keyframes: dict[int, str] = {}
        persons: list[PersonAt] = []
        for second, at in at_second.items():
            here = [
                self._person(clip, box, at, (width, height))
                for box in sorted(boxes_at[second], key=lambda each: each.person_id)
                if box.status == ConsensusBox.Status.AGREED
            ]
            is_open = any(self._is_open(box) for box in boxes_at[second])
            is_double = len({person.box for person in here}) < len(here)
            keyframes[at] = EXCLUDED if is_open or is_double else ANNOTATED
            persons.extend(here if keyframes[at] == ANNOTATED else [])
        return ReleaseClip(
            clip.name, "", clip.video.name, width, height, window, keyframes, persons,
            _proposed(proposals, at_second, keyframes, (width, height)),
        )  # fmt: skip

    def _person(
        self, clip: Clip, box: ConsensusBox, at: int, size: tuple[int, int]
    ) -> PersonAt:
        text = _text(box, size)
        ids = {
            self._id(clip, label.group, name)
            for label in box.labels.all()
            for name in label.actions
            if name not in NO_ACTION
        }
        return PersonAt(at, box.person_id, text, tuple(sorted(ids)))

    def _id(self, clip: Clip, group: str, name: str) -> int:
        try:
            return self._ids[group, name]
        except KeyError:
            raise UnknownActionError(
                f"{clip.name} is believed to show {group}: {name}, which the dataset's "
                "vocabulary does not have; settle the clip again."
            ) from None

    def _is_open(self, box: ConsensusBox) -> bool:
        """Whether something about `box` waits for a reviewer."""
        if box.status != ConsensusBox.Status.AGREED:
            return box.status == ConsensusBox.Status.DISPUTED
        labels = list(box.labels.all())
        if self._required - {label.group for label in labels}:
            return True
        return any(
            label.group in self._required or any(map(counts_as_vote, label.votes.values()))
            for label in labels
            if label.rule == ConsensusLabel.Rule.OPEN
        )


def _proposed(
    proposals: list[Proposal],
    at_second: dict[int, int],
    keyframes: dict[int, str],
    size: tuple[int, int],
) -> dict[int, list[ProposedBox]]:
    """What the tracker saw at annotated keyframes, the best score first."""
    found: dict[int, list[ProposedBox]] = defaultdict(list)
    for proposal in proposals:
        at = at_second.get(proposal.second, 0)
        if keyframes.get(at) == ANNOTATED:
            found[at].append(ProposedBox(_text(proposal, size), proposal.score))
    return {
        at: sorted(boxes, key=lambda each: (-float(ava.format_score(each.score)), each.box))
        for at, boxes in sorted(found.items())
    }


def _text(box: ConsensusBox | Proposal, size: tuple[int, int]) -> str:
    return ava.format_box([box.x1, box.y1, box.x2, box.y2], width=size[0], height=size[1])
