"""Changes of a dataset's vocabulary: groups and actions are added, ordered, and limited.

Once tasks are assigned it can only grow (`datasets.core.vocabulary.refused_changes`); before,
everything can be changed. Ids are given once: a removal leaves a gap.
"""

from collections.abc import Sequence
from typing import NamedTuple

from django.db import transaction
from django.utils.translation import gettext as _

from datasets.accounts.activity import record
from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats.cvat_labels import LabelsError, attributes_of
from datasets.core.vocabulary import (
    MAX_ACTION_ID,
    Vocabulary,
    VocabularyAction,
    VocabularyError,
    VocabularyGroup,
    check_case,
    checked,
    refused_changes,
)
from datasets.models import Action, ActionGroup, Dataset
from datasets.selectors import vocabulary_of
from datasets.services.delete import shortest_paths


class WantedAction(NamedTuple):
    """An action as it shall be; without `pk` it is new."""

    name: str
    pk: int | None = None


class WantedGroup(NamedTuple):
    """A group as it shall be, its actions in the order that annotators see."""

    name: str
    choice: str
    required: bool
    label_type: str
    max_per_person: int
    scope: str
    actions: tuple[WantedAction, ...]
    pk: int | None = None  # None: new


def is_in_use(dataset: Dataset) -> bool:
    """Whether rows depend on the meaning of the actions, such as tasks of annotators."""
    return any(
        model._base_manager.filter(**{path: dataset.pk}).exists()
        for model, path in shortest_paths(Dataset).items()
        if getattr(model, "NEEDS_VOCABULARY", False)
    )


def change_vocabulary(dataset: Dataset, wanted: Sequence[WantedGroup]) -> int:
    """Make the vocabulary of `dataset` as `wanted`; return how many actions are new.

    New actions get the next ids, in their order. Raises VocabularyError, and changes nothing,
    if the result is no vocabulary, does not fit into CVAT, or would change the meaning of
    answers.
    """
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        groups = {group.pk: group for group in dataset.groups.all()}
        actions = {action.pk: action for action in dataset.actions.all()}
        _check_known(wanted, groups, actions)
        old = vocabulary_of(dataset)
        new = _vocabulary(wanted, _ids(wanted, actions))
        if is_in_use(dataset) and (refused := refused_changes(old, new)):
            raise VocabularyError(
                _("tasks are assigned, so the vocabulary can only grow: %(refused)s")
                % {"refused": "; ".join(refused)}
            )
        check_case(
            (one.name for group in new for one in group.actions),
            present={action.name for action in actions.values()},
        )
        _check_not_reused(new, actions)
        _check_fits(new)
        _store(dataset, wanted, new, groups, actions)
        record("change vocabulary", dataset=dataset)
    return sum(one.pk is None for group in wanted for one in group.actions)


def _check_known(
    wanted: Sequence[WantedGroup], groups: dict[int, ActionGroup], actions: dict[int, Action]
) -> None:
    asked = [group.pk for group in wanted if group.pk is not None]
    named = [one.pk for group in wanted for one in group.actions if one.pk is not None]
    is_twice = len(set(asked)) < len(asked) or len(set(named)) < len(named)
    if is_twice or not set(asked) <= set(groups) or not set(named) <= set(actions):
        raise VocabularyError(
            _("it was changed by somebody else meanwhile: load the page again")
        )


def _ids(wanted: Sequence[WantedGroup], known: dict[int, Action]) -> list[list[int]]:
    """The id of each wanted action: its own, or the next after all that there are."""
    of_known = {pk: action.action_id for pk, action in known.items()}
    following = iter(range(max(of_known.values(), default=0) + 1, MAX_ACTION_ID + 2))
    return [
        [next(following) if one.pk is None else of_known[one.pk] for one in group.actions]
        for group in wanted
    ]


def _vocabulary(wanted: Sequence[WantedGroup], ids: list[list[int]]) -> Vocabulary:
    return checked(
        tuple(
            VocabularyGroup(
                group.name, group.choice, group.required, group.label_type,
                1 if group.choice == "one" else group.max_per_person,
                tuple(
                    VocabularyAction(number, one.name)
                    for number, one in zip(numbers, group.actions, strict=True)
                ),
                group.scope,
            )
            for group, numbers in zip(wanted, ids, strict=True)
        )
    )  # fmt: skip


def _check_not_reused(vocabulary: Vocabulary, known: dict[int, Action]) -> None:
    """Raises VocabularyError for a name that answers have for another action."""
    ids = {one.action_id for group in vocabulary for one in group.actions}
    taken = {
        name
        for action in known.values()
        for name in (*action.former_names, *(() if action.action_id in ids else (action.name,)))
        if action.former_names or not action.is_offered
    }
    for group in vocabulary:
        for one in group.actions:
            if one.name in taken:
                raise VocabularyError(
                    _(
                        "%(one)r is the name of an action that is no longer offered, or "
                        "was the name of another one: choose another name"
                    )
                    % {"one": one.name}
                )


def _check_fits(vocabulary: Vocabulary) -> None:
    try:
        attributes_of(
            [
                ActionGroupSpec(
                    group.name, group.choice, group.required,
                    tuple(action.name for action in group.actions), group.max_per_person,
                    group.scope,
                )
                for group in vocabulary
            ]
        )  # fmt: skip
    except LabelsError as error:
        raise VocabularyError(
            _("it does not fit into packages and CVAT: %(error)s") % {"error": error}
        ) from error


def _store(
    dataset: Dataset,
    wanted: Sequence[WantedGroup],
    new: Vocabulary,
    groups: dict[int, ActionGroup],
    actions: dict[int, Action],
) -> None:
    kept = {one.pk for group in wanted for one in group.actions}
    offered = dataset.actions.filter(retired_at=None, merged_into=None)
    offered.exclude(pk__in=[pk for pk in kept if pk is not None]).delete()
    rows: list[Action] = []
    for place, (group, about) in enumerate(zip(wanted, new, strict=True)):
        row = groups.get(group.pk or 0) or ActionGroup(dataset=dataset)
        row.name, row.choice, row.required = about.name, about.choice, about.required
        row.label_type, row.scope = about.label_type, about.scope
        row.max_per_person, row.position = about.max_per_person, place
        row.save()
        for position, (one, action) in enumerate(
            zip(group.actions, about.actions, strict=True)
        ):
            found = actions.get(one.pk or 0) or Action(dataset=dataset)
            found.group, found.name, found.position = row, action.name, position
            found.action_id = action.action_id
            rows.append(found)
    dataset.groups.exclude(pk__in=[row.group_id for row in rows]).delete()
    for found in rows:
        found.save()
