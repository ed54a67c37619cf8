"""Changes of actions that answers have: renamed, merged into another, retired.

Stored files of answers never change. An action remembers what it was called, or which action it
was merged into; the answers that have the old name are read again from their files, in the
background, and agreement and consensus follow. Ids are never used again.
"""

import json
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.models import Annotation, AnswerDraft, AnswerVersion, CvatProject
from avaproject.base.work import Stage
from datasets.accounts.activity import record
from datasets.core.vocabulary import VocabularyError, check_case, checked
from datasets.models import Action, Dataset
from datasets.selectors import vocabulary_of


class ActionChangeError(ValueError):
    """A change that can't be made; the message says why."""


class ActionUse(NamedTuple):
    """How much there is of an action; `answers` are people at keyframes."""

    answers: int
    versions: int
    annotators: int
    open_drafts: int
    is_in_cvat: bool


def action_use(action: Action) -> ActionUse:
    """What a change of `action` concerns; every answer of the dataset is looked at."""
    rows = _rows_with(action).values_list("version", "version__author", "version__stage")
    counts = list(rows.annotate(Count("pk")))
    authors = [author for _, author, stage, _ in counts if stage == Stage.DONE]
    drafts = AnswerDraft.objects.filter(
        task__clip__video__dataset=action.dataset_id, version=None
    )
    cvat = CvatProject.objects.filter(dataset=action.dataset_id).exclude(project_id=None)
    return ActionUse(
        sum(count for *_, count in counts),
        len(authors),
        len(set(authors)),
        drafts.count(),
        cvat.exists(),
    )


def rename_action(action: Action, name: str) -> int:
    """Give `action` another name; return how many answer versions are read again.

    Raises ActionChangeError for a name that it can't have.
    """
    with transaction.atomic():
        action = _locked(action)
        old, new = action.name, " ".join(name.split())
        _check_name(action, new)
        versions = _keys(_versions_with(action))
        action.former_names = [one for one in (*action.former_names, old) if one != new]
        action.name = new
        action.save(update_fields=["name", "former_names"])
        record("rename action", old, dataset=action.dataset, details=f"to {new}")
        return _read_again(versions)


def check_new_name(action: Action, name: str) -> None:
    """Raises ActionChangeError for a name that `action` can't have."""
    _check_name(action, " ".join(name.split()))


def merge_action(action: Action, into: Action) -> int:
    """Let all answers with `action` count as `into`; return how many are read again.

    Raises ActionChangeError unless both are offered actions of one group.
    """
    with transaction.atomic():
        action = _locked(action)
        into = Action.objects.get(pk=into.pk)
        if action.group_id != into.group_id or action.pk == into.pk:
            raise ActionChangeError(
                _("only another action of the same group takes its answers")
            )
        if not into.is_offered or action.merged_into_id is not None:
            raise ActionChangeError(
                _("%(into)s is not offered, or %(action)s is merged already")
                % {"into": into, "action": action}
            )
        versions = _keys(_versions_with(action))
        action.merged_into = into
        action.save(update_fields=["merged_into"])
        record("merge action", action, dataset=action.dataset, details=f"into {into}")
        return _read_again(versions)


def retire_action(action: Action) -> None:
    """Offer `action` no longer; answers keep it. Raises ActionChangeError for the last one."""
    with transaction.atomic():
        action = _locked(action)
        others = action.group.actions.filter(retired_at=None, merged_into=None)
        if not others.exclude(pk=action.pk).exists():
            raise ActionChangeError(
                _("%(action)s is the last action of %(group)s")
                % {"action": action, "group": action.group}
            )
        Action.objects.filter(pk=action.pk).update(retired_at=timezone.now())
        record("retire action", action, dataset=action.dataset)


def restore_action(action: Action) -> None:
    """Offer a retired action again."""
    with transaction.atomic():
        retired = Action.objects.filter(pk=action.pk, merged_into=None)
        if retired.exclude(retired_at=None).update(retired_at=None):
            record("offer action again", action, dataset=action.dataset)


def _locked(action: Action) -> Action:
    Dataset.objects.select_for_update().get(pk=action.dataset_id)
    return Action.objects.select_related("group__dataset").get(pk=action.pk)


def _check_name(action: Action, name: str) -> None:
    """Raises ActionChangeError unless the vocabulary with the new name is one."""
    others = action.dataset.actions.exclude(pk=action.pk)
    taken = {one.name for one in others} | {name for one in others for name in one.former_names}
    if name == action.name:
        raise ActionChangeError(_("it is called so already"))
    if name in taken:
        raise ActionChangeError(
            _('"%(name)s" is or was the name of another action') % {"name": name}
        )
    renamed = tuple(
        group._replace(
            actions=tuple(
                one._replace(name=name) if one.action_id == action.action_id else one
                for one in group.actions
            )
        )
        for group in vocabulary_of(action.dataset)
    )
    try:
        checked(renamed)
        check_case([name, *(one.name for one in others)], present={one.name for one in others})
    except VocabularyError as error:
        raise ActionChangeError(str(error)) from error


def _rows_with(action: Action) -> QuerySet[Annotation]:
    """The people at keyframes of read answers that have `action`."""
    of_group = Cast(KeyTextTransform(action.group.name, "answers"), TextField())
    names = (json.dumps(action.name), json.dumps(action.name, ensure_ascii=False))
    is_said = Q(said=action.name) | Q(said__contains=names[0]) | Q(said__contains=names[1])
    rows = Annotation.objects.filter(
        version__task__clip__video__dataset=action.dataset_id, version__withdrawn_at=None
    )
    return rows.annotate(said=of_group).filter(is_said).order_by()


def _versions_with(action: Action) -> QuerySet[AnswerVersion]:
    rows = _rows_with(action).filter(version=OuterRef("pk"))
    versions = AnswerVersion.objects.filter(task__clip__video__dataset=action.dataset_id).done()
    return versions.filter(Exists(rows))


def _keys(versions: QuerySet[AnswerVersion]) -> list[int]:
    return list(versions.order_by("pk").values_list("pk", flat=True))


def _read_again(versions: list[int]) -> int:
    return AnswerVersion.objects.filter(pk__in=versions).done().start_over()
