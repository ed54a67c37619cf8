"""What a reviewer says of a question that annotators left open; it can be taken back.

A decision is a row that stays: it outlives the consensus, and one that was undone is kept as
withdrawn. The consensus is computed again at once, at the places decided on alone.
"""

from collections.abc import Collection, Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from annotation.core.labels import UNKNOWN
from datasets.models import ActionGroup, Clip, Dataset
from qc.models import Adjudication, Consensus
from qc.services.consensus.build_consensus import newest_consensus, settle_again, settling

SMALLEST_SIDE = 2.0  # pixels


class AdjudicationError(ValueError):
    """A decision on something that is not there, or that no one could have meant."""


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
    """Keep a reviewer's decision on one question, and compute the clip's consensus again.

    Args:
        clip: The clip.
        second: Keyframe.
        person_id: As in the clip's consensus.
        group: The group decided; empty for the question whether there is such a person.
        actions: Names of the group's actions, or `unknown` alone; none for none.
        is_person: The answer to the question whether.
        box: Where the person is, pixels of the standard video; without a group.
        user: Who decided.
        reason: Why.

    Raises:
        AdjudicationError: if there is no such person, group or action, or the box is no box.
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
) -> list[Adjudication]:
    """The same decision at several keyframes; all or none is kept. See `adjudicate`."""
    if group:
        if box is not None:
            raise AdjudicationError("a decision is on a box or on a group, not on both")
        _check_actions(clip, group, actions)
    sides = dict(zip(("x1", "y1", "x2", "y2"), _inside(clip, box), strict=True)) if box else {}
    with settling(clip):
        newest = _consensus_with(clip, seconds, person_id)
        made = [
            Adjudication.objects.create(
                clip=clip, second=second, person_id=person_id, group=group,
                actions=list(actions), is_person=is_person, decided_by=user, reason=reason,
                **sides,
            )
            for second in sorted(set(seconds))
        ]  # fmt: skip
        settle_again(newest, {(second, person_id) for second in seconds})
    return made


def withdraw(dataset: Dataset, keys: Collection[int], *, user: User) -> list[Adjudication]:
    """Take decisions back; one that is withdrawn already stays as it is.

    Args:
        dataset: Where they were made.
        keys: Of the decisions.
        user: Who takes them back: who made them, or an admin of the dataset.

    Returns:
        The decisions that were standing until now.

    Raises:
        AdjudicationError: if one is not there, or not the user's to take back.
    """
    found = list(Adjudication.objects.of(dataset).filter(pk__in=keys).select_related("clip"))
    if len(found) < len(set(keys)):
        raise AdjudicationError(f"{dataset} has no such decision")
    others = [one for one in found if one.decided_by_id != user.pk]
    if others and not Dataset.objects.run_by(user).filter(pk=dataset.pk).exists():
        raise AdjudicationError(
            f"that was decided by {others[0].decided_by}: only {others[0].decided_by} or an "
            "admin of the dataset can undo it"
        )
    taken_back = [one for one in found if one.withdrawn_at is None]
    now = timezone.now()
    with transaction.atomic():
        Adjudication.objects.standing().filter(pk__in=[one.pk for one in taken_back]).update(
            withdrawn_at=now, withdrawn_by=user
        )
        for clip in sorted({one.clip for one in taken_back}, key=lambda clip: clip.pk):
            mine = {(one.second, one.person_id) for one in taken_back if one.clip == clip}
            with settling(clip):
                if newest := newest_consensus(clip):
                    settle_again(newest, mine)
    return taken_back


def _consensus_with(clip: Clip, seconds: Collection[int], person_id: int) -> Consensus:
    """The newest consensus, which has the person at each of the seconds."""
    newest = newest_consensus(clip)
    if newest is None:
        raise AdjudicationError(f"{clip} has no consensus yet: its answers are not all here")
    there = newest.boxes.filter(person_id=person_id).values_list("second", flat=True)
    for second in sorted(set(seconds) - set(there)):
        raise AdjudicationError(f"{clip} has no person {person_id} at second {second}")
    return newest


def _check_actions(clip: Clip, name: str, actions: Sequence[str]) -> None:
    dataset = clip.video.dataset
    group = ActionGroup.objects.filter(dataset=dataset, name=name).first()
    if group is None:
        raise AdjudicationError(f"{dataset} has no group of actions called {name}")
    known = {action.name for action in group.actions.all()}
    if wrong := [action for action in actions if action not in known | {UNKNOWN}]:
        raise AdjudicationError(f"{wrong[0]} is not an action of {name}")
    if UNKNOWN in actions and len(actions) > 1:
        raise AdjudicationError(f"{name} is unknown or known, not both")
    if group.choice == ActionGroup.Choice.ONE and len(actions) > 1:
        raise AdjudicationError(f"only one action of {name} can be true")
    if len(actions) > group.max_per_person:
        raise AdjudicationError(f"{name} has {group.max_per_person} actions a person at most")
    if group.required and group.choice == ActionGroup.Choice.ONE and not actions:
        raise AdjudicationError(f"{name} needs an answer: an action of it, or {UNKNOWN}")


def _inside(clip: Clip, box: Sequence[float]) -> tuple[float, float, float, float]:
    """The box cut to the picture. Raises AdjudicationError if nothing to speak of is left."""
    x1, y1, x2, y2 = box
    width, height = float(clip.video.width or 0), float(clip.video.height or 0)
    x1, x2 = max(0.0, min(x1, width)), max(0.0, min(x2, width))
    y1, y2 = max(0.0, min(y1, height)), max(0.0, min(y2, height))
    if x2 - x1 < SMALLEST_SIDE or y2 - y1 < SMALLEST_SIDE:
        raise AdjudicationError(
            f"a box of {max(x2 - x1, 0):.0f} by {max(y2 - y1, 0):.0f} pixels shows nobody: "
            "draw it around the person"
        )
    return x1, y1, x2, y2
