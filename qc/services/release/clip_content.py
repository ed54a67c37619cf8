"""The content of a release: consensus, decisions and proposals of approved clips.

A keyframe with an undecided item is excluded. Consensus and decisions are read under a lock, so
that they belong to one moment.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotation.models import Annotator, AnswerVersion
from datasets.core.formats import ava
from datasets.core.media.clips_and_keyframes import timestamp
from datasets.models import Action, ActionGroup, Clip, Dataset
from qc.core.annotator_keys import annotator_key
from qc.core.consensus.answer_votes import counts_as_vote
from qc.core.release.records import (
    ANNOTATED,
    EXCLUDED,
    PERSON,
    Origin,
    ReleaseAnswer,
    ReleaseClip,
    ReleasedPerson,
    ReleasedProposal,
    coarse_box,
)
from qc.models import Adjudication, Consensus, ConsensusBox, ConsensusLabel
from qc.selectors.release.approved_clips import ApprovedClip, window_of
from tracking.models import Proposal, VideoPerson
from tracking.person_classes import classes_of

CLIPS_PER_READ = 10
NO_ACTION = ("unknown", "unset")

Decisions = dict[tuple[int, int, int, str], Adjudication]  # clip, second, person, group


class UnknownActionError(ValueError):
    """The consensus has an action that is not in the vocabulary."""


class ContentReader:
    """Reads approved clips, a few at a time, with the vocabulary of their dataset."""

    def __init__(self, dataset: Dataset) -> None:
        groups = ActionGroup.objects.filter(dataset=dataset)
        self._classes: dict[tuple[int, int], str] = {}
        self._required = {group.name for group in groups if group.required}
        annotators = _numbered(Annotator.objects.filter(dataset=dataset), "pk")
        self._annotators = {annotator_key(pk): number for pk, number in annotators.items()}
        self._reviewers = _numbered(Adjudication.objects.of(dataset), "decided_by")
        self._ids = {
            (group, name): action_id
            for group, name, action_id in Action.objects.filter(
                dataset=dataset, merged_into=None
            ).values_list("group__name", "name", "action_id")
        }
        # A decision keeps the name that an action had; answers are read again, it is not.
        for group in groups.prefetch_related("actions"):
            for old, new in group.former_names().items():
                self._ids.setdefault((group.name, old), self._ids[group.name, new])

    def read(self, approved: list[ApprovedClip]) -> Iterator[ReleaseClip]:
        """The content of each clip, in order, without a split."""
        for first in range(0, len(approved), CLIPS_PER_READ):
            some = approved[first : first + CLIPS_PER_READ]
            boxes, decisions = _consensus_of(some)
            self._classes = classes_of(each.clip.video_id for each in some)
            proposals: dict[int, list[Proposal]] = defaultdict(list)
            for proposal in Proposal.objects.filter(run__in=[each.run_id for each in some]):
                proposals[proposal.run_id].append(proposal)
            versions = self._versions(some)
            for each in some:
                its = boxes[each.consensus_id]
                clip = self._clip(each.clip, its, proposals[each.run_id], decisions)
                yield replace(clip, versions=versions[each.clip.pk])

    def _versions(self, some: list[ApprovedClip]) -> dict[int, tuple[ReleaseAnswer, ...]]:
        """The answer versions that the consensus of each clip was built from."""
        keys = [key for each in some for key in each.versions]
        found: dict[int, list[ReleaseAnswer]] = defaultdict(list)
        rows = AnswerVersion.objects.filter(pk__in=keys).values_list(
            "task__clip", "author", "number", "sha256"
        )
        for clip, author, number, digest in rows:
            annotator = self._annotators[annotator_key(author)]
            found[clip].append(ReleaseAnswer(annotator, number, digest))
        return {each.clip.pk: tuple(sorted(found[each.clip.pk])) for each in some}

    def _clip(
        self,
        clip: Clip,
        boxes: list[ConsensusBox],
        proposals: list[Proposal],
        decisions: Decisions,
    ) -> ReleaseClip:
        width, height = clip.video.width or 0, clip.video.height or 0
        window = window_of(clip)
        at_second = {k: timestamp(k, pad_seconds=window.pad_seconds) for k in clip.keyframes()}
        at_keyframe: dict[int, list[ConsensusBox]] = defaultdict(list)
        for box in boxes:
            at_keyframe[box.second].append(box)
        keyframes: dict[int, str] = {}
        persons: list[ReleasedPerson] = []
        for second, at in at_second.items():
            here = [
                self._person(clip, box, at, (width, height), decisions)
                for box in sorted(at_keyframe[second], key=lambda each: each.person_id)
                if box.status == ConsensusBox.Status.AGREED
            ]
            is_open = any(self._is_open(box) for box in at_keyframe[second])
            is_double = len({coarse_box(person.box) for person in here}) < len(here)
            keyframes[at] = EXCLUDED if is_open or is_double else ANNOTATED
            persons.extend(here if keyframes[at] == ANNOTATED else [])
        return ReleaseClip(
            clip.name, "", clip.video.name, width, height, window, keyframes, persons,
            _proposed(proposals, at_second, keyframes, (width, height)),
        )  # fmt: skip

    def _person(
        self,
        clip: Clip,
        box: ConsensusBox,
        at: int,
        size: tuple[int, int],
        decisions: Decisions,
    ) -> ReleasedPerson:
        origins = tuple(
            self._origin(clip, box, label, decisions)
            for label in sorted(box.labels.all(), key=lambda each: each.group)
        )
        ids = {action_id for origin in origins for action_id in origin.action_ids}
        drawn_by = sorted(
            (self._annotators[name], name) for name in box.drawn_by if name in self._annotators
        )
        drawn = [box.drawn.get(name) for _, name in drawn_by]
        is_whole = all(drawn) and len(drawn) == len(box.drawn)
        return ReleasedPerson(
            at, box.person_id, _text(box, size), tuple(sorted(ids)),
            tuple(number for number, _ in drawn_by), origins,
            tuple(map(tuple, drawn)) if is_whole else (), box.is_box_decided,
            self._classes.get((clip.video_id, box.person_id), PERSON),
        )  # fmt: skip

    def _origin(
        self, clip: Clip, box: ConsensusBox, label: ConsensusLabel, decisions: Decisions
    ) -> Origin:
        """The origin of the answer to one group: votes, rule, decision."""
        ids = sorted(
            {
                self._id(clip, label.group, name)
                for name in label.actions
                if name not in NO_ACTION
            }
        )
        votes = sorted(
            (self._annotators[name], answer)
            for name, answer in label.votes.items()
            if name in self._annotators
        )
        origin = Origin(label.group, tuple(ids), label.rule, tuple(votes))
        decision = decisions.get((clip.pk, box.second, box.person_id, label.group))
        if label.rule != ConsensusLabel.Rule.ADJUDICATED or decision is None:
            return origin
        return origin._replace(
            # A first decision may be newer than this reader.
            reviewer=self._reviewers.setdefault(
                decision.decided_by_id, len(self._reviewers) + 1
            ),
            decided_at=decision.decided_at.astimezone(UTC).isoformat(timespec="seconds"),
            reason=decision.reason,
        )

    def _id(self, clip: Clip, group: str, name: str) -> int:
        try:
            return self._ids[group, name]
        except KeyError:
            raise UnknownActionError(
                _(
                    "The consensus of %(clip)s has %(group)s: %(name)s, which is not in "
                    "the vocabulary; build the consensus again."
                )
                % {"clip": clip.name, "group": group, "name": name}
            ) from None

    def _is_open(self, box: ConsensusBox) -> bool:
        """Whether an item of `box` waits for adjudication."""
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


def labels_of(dataset: Dataset) -> list[str]:
    """The classes that a release may hold: those that are followed, then those of bundles."""
    rows = VideoPerson.objects.filter(video__dataset=dataset).order_by()
    found = set(rows.values_list("label", flat=True).distinct())
    return [*dataset.class_names, *sorted(found - set(dataset.class_names))]


def _numbered(rows: QuerySet[Any], field: str) -> dict[Any, int]:
    """Number the values of a field from 1, in the order in which rows were created."""
    values = dict.fromkeys(rows.order_by("pk").values_list(field, flat=True))
    return {value: number for number, value in enumerate(values, start=1)}


def _consensus_of(some: list[ApprovedClip]) -> tuple[dict[int, list[ConsensusBox]], Decisions]:
    """The boxes of each consensus, with their labels, and the decisions on these clips.

    A decision rewrites boxes and labels, so the consensus rows are locked while both are read,
    in the order of `qc.services.consensus.build_consensus.consensus_lock`.
    """
    found: dict[int, list[ConsensusBox]] = defaultdict(list)
    clips = [each.clip for each in some]
    with transaction.atomic(savepoint=False):
        locked = Consensus.objects.select_for_update().filter(clip__in=clips)
        list(locked.order_by("clip_id", "pk").values_list("pk"))
        keys = [each.consensus_id for each in some]
        boxes = ConsensusBox.objects.filter(consensus__in=keys).prefetch_related("labels")
        for box in boxes:
            found[box.consensus_id].append(box)
        rows = Adjudication.objects.in_force().filter(clip__in=clips).order_by("pk")
        newest = {(one.clip_id, one.second, one.person_id, one.group): one for one in rows}
        return found, newest


def _proposed(
    proposals: list[Proposal],
    at_second: dict[int, int],
    keyframes: dict[int, str],
    size: tuple[int, int],
) -> dict[int, list[ReleasedProposal]]:
    """The proposals at annotated keyframes, highest score first."""
    found: dict[int, list[ReleasedProposal]] = defaultdict(list)
    for proposal in proposals:
        at = at_second.get(proposal.second, 0)
        if keyframes.get(at) == ANNOTATED:
            found[at].append(
                ReleasedProposal(_text(proposal, size), proposal.score, proposal.person_id)
            )
    return {
        at: sorted(boxes, key=lambda each: (-float(ava.format_score(each.score)), each.box))
        for at, boxes in sorted(found.items())
    }


def _text(box: ConsensusBox | Proposal, size: tuple[int, int]) -> str:
    return ava.format_box([box.x1, box.y1, box.x2, box.y2], width=size[0], height=size[1])
