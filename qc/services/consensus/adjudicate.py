"""Adjudication: a reviewer decides an item of a consensus, or undoes a decision.

Decisions are rows that outlive the consensus; an undone decision is kept as withdrawn. The
consensus is rebuilt at once, only at the places decided on.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from datasets.accounts.activity import record, record_many
from datasets.core.action_groups import UNKNOWN
from datasets.core.roles import Act
from datasets.models import ActionGroup, Clip, Dataset
from qc.models import Adjudication, Consensus
from qc.services.consensus.build_consensus import (
    consensus_lock,
    newest_consensus,
    rebuild_boxes,
)
from tracking.core.tracks_file import PERSON
from tracking.models import VideoPerson
from tracking.person_classes import classes_in, number_in_sentence

MIN_SIDE = 2.0  # pixels


class AdjudicationError(ValueError):
    """A decision on something that does not exist, or with an invalid value."""


def adjudicate(
    clip: Clip,
    *,
    second: int,
    person_id: int,
    group: str = "",
    actions: Sequence[str] = (),
    is_person: bool = True,
    box: Sequence[float] | None = None,
    user: User,
    reason: str = "",
) -> Adjudication:
    """Save a reviewer's decision on one item and rebuild the consensus there.

    Args:
        clip: The clip.
        second: Keyframe.
        person_id: As in the clip's consensus.
        group: The action group; empty if the decision is on a box or on whether it is a person.
        actions: Names of the group's actions, or `unknown` alone; none for none.
        is_person: Whether it is a person.
        box: The person's box in pixels of the standard video; only without a group.
        user: The reviewer.
        reason: Optional.

    Raises:
        AdjudicationError: if the person, group or action does not exist, or the box is too
        small.
    """
    [made] = adjudicate_all(
        clip, seconds=[second], person_id=person_id, group=group, actions=actions,
        is_person=is_person, box=box, user=user, reason=reason,
    )  # fmt: skip
    return made


def adjudicate_all(
    clip: Clip,
    *,
    seconds: Collection[int],
    person_id: int,
    group: str = "",
    actions: Sequence[str] = (),
    is_person: bool = True,
    box: Sequence[float] | None = None,
    user: User,
    reason: str = "",
    decision_ms: int | None = None,
    operation: UUID | None = None,
) -> list[Adjudication]:
    """Save the same decision at several keyframes, all or none. See `adjudicate`.

    `decision_ms` is the time from shown to decided; the first keyframe has it. A second call
    with the same `operation` changes nothing, also when its decisions were undone meanwhile.
    """
    if group:
        if box is not None:
            raise AdjudicationError(_("a decision is on a box or on a group, not on both"))
        _check_actions(clip, group, actions)
    sides = (
        dict(zip(("x1", "y1", "x2", "y2"), _clipped_to_frame(clip, box), strict=True))
        if box
        else {}
    )
    with consensus_lock(clip):
        if operation and (made := list(clip.adjudications.filter(operation=operation))):
            return made
        newest = _consensus_with(clip, seconds, person_id)
        person = VideoPerson.objects.get(video=clip.video_id, person_id=person_id)
        made = [
            Adjudication.objects.create(
                clip=clip, second=second, video_person=person, group=group,
                actions=list(actions), is_person=is_person, decided_by=user, reason=reason,
                operation=operation, **sides,
            )
            for second in sorted(set(seconds))
        ]  # fmt: skip
        if decision_ms is not None:
            made[0].decision_ms = decision_ms
            made[0].save(update_fields=["decision_ms"])
        rebuild_boxes(newest, {(second, person_id) for second in seconds})
        where = _("%(person)s, second %(seconds)s") % {
            "person": number_in_sentence(person_id, person.label),
            "seconds": ", ".join(str(one.second) for one in made),
        }
        record("adjudicate", clip, dataset=clip.video.dataset, details=where)
    return made


def withdraw_decisions(
    dataset: Dataset, keys: Collection[int], *, user: User
) -> list[Adjudication]:
    """Withdraw decisions; those already withdrawn stay unchanged.

    Args:
        dataset: The dataset of the decisions.
        keys: Primary keys of the decisions.
        user: The reviewer who made them, or a manager of the dataset.

    Returns:
        The decisions that were in force until now.

    Raises:
        AdjudicationError: if a decision does not exist, or the user may not withdraw it.
    """
    found = list(Adjudication.objects.of(dataset).filter(pk__in=keys).select_related("clip"))
    if len(found) < len(set(keys)):
        raise AdjudicationError(_("%(dataset)s has no such decision") % {"dataset": dataset})
    others = [one for one in found if one.decided_by_id != user.pk]
    if (
        others
        and not Dataset.objects.permitting(user, Act.OVERRIDE).filter(pk=dataset.pk).exists()
    ):
        raise AdjudicationError(
            _("only %(decided_by)s or a manager of the dataset can undo this decision")
            % {"decided_by": others[0].decided_by}
        )
    withdrawn = [one for one in found if one.withdrawn_at is None]
    now = timezone.now()
    with transaction.atomic():
        Adjudication.objects.in_force().filter(pk__in=[one.pk for one in withdrawn]).update(
            withdrawn_at=now, withdrawn_by=user
        )
        for clip in sorted({one.clip for one in withdrawn}, key=lambda clip: clip.pk):
            mine = {(one.second, one.person_id) for one in withdrawn if one.clip == clip}
            with consensus_lock(clip):
                if newest := newest_consensus(clip):
                    rebuild_boxes(newest, mine)
        record_many("undo decision", withdrawn, "decisions", dataset=dataset)
    return withdrawn


def withdraw_operation(dataset: Dataset, operation: UUID, *, user: User) -> list[Adjudication]:
    """Withdraw the decisions of an operation, if it made any. See `withdraw_decisions`."""
    made = Adjudication.objects.of(dataset).filter(operation=operation)
    return withdraw_decisions(dataset, list(made.values_list("pk", flat=True)), user=user)


def _consensus_with(clip: Clip, seconds: Collection[int], person_id: int) -> Consensus:
    """The newest consensus. Raises AdjudicationError if the person is not at all seconds."""
    newest = newest_consensus(clip)
    if newest is None:
        raise AdjudicationError(
            _("%(clip)s has no consensus yet, because answers are missing") % {"clip": clip}
        )
    there = newest.boxes.filter(person_id=person_id).values_list("second", flat=True)
    for second in sorted(set(seconds) - set(there)):
        raise AdjudicationError(
            _("%(clip)s has no %(person)s at second %(second)s")
            % {"clip": clip, "person": _who(clip, person_id), "second": second}
        )
    return newest


def _who(clip: Clip, person_id: int) -> str:
    label = classes_in(clip.video_id).get(person_id, PERSON)
    return number_in_sentence(person_id, label)


def _check_actions(clip: Clip, name: str, actions: Sequence[str]) -> None:
    dataset = clip.video.dataset
    group = ActionGroup.objects.filter(dataset=dataset, name=name).first()
    if group is None:
        raise AdjudicationError(
            _("%(dataset)s has no action group %(name)s") % {"dataset": dataset, "name": name}
        )
    known = {action.name for action in group.actions.all()}
    if wrong := [action for action in actions if action not in known | {UNKNOWN}]:
        raise AdjudicationError(
            _("%(wrong)s is not an action of %(name)s") % {"wrong": wrong[0], "name": name}
        )
    if UNKNOWN in actions and len(actions) > 1:
        raise AdjudicationError(
            _("%(unknown)s cannot be combined with an action of %(name)s")
            % {"unknown": UNKNOWN, "name": name}
        )
    if group.choice == ActionGroup.Choice.ONE and len(actions) > 1:
        raise AdjudicationError(_("only one action of %(name)s can be chosen") % {"name": name})
    if len(actions) > group.max_per_person:
        raise AdjudicationError(
            _("at most %(max_per_person)s actions of %(name)s can be chosen")
            % {"max_per_person": group.max_per_person, "name": name}
        )
    if group.required and group.choice == ActionGroup.Choice.ONE and not actions:
        raise AdjudicationError(
            _("%(name)s needs an action or %(unknown)s") % {"name": name, "unknown": UNKNOWN}
        )


def _clipped_to_frame(clip: Clip, box: Sequence[float]) -> tuple[float, float, float, float]:
    """The box clipped to the frame. Raises AdjudicationError if it is too small then."""
    x1, y1, x2, y2 = box
    width, height = float(clip.video.width or 0), float(clip.video.height or 0)
    x1, x2 = max(0.0, min(x1, width)), max(0.0, min(x2, width))
    y1, y2 = max(0.0, min(y1, height)), max(0.0, min(y2, height))
    if x2 - x1 < MIN_SIDE or y2 - y1 < MIN_SIDE:
        raise AdjudicationError(
            _(
                "a box of %(width).0f by %(height).0f pixels is too small: draw it around "
                "the person"
            )
            % {"width": max(x2 - x1, 0), "height": max(y2 - y1, 0)}
        )
    return x1, y1, x2, y2
