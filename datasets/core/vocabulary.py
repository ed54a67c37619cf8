"""Vocabularies: action groups with AVA action ids, parsed from YAML.

Ids are 1 to 32 767, with gaps or without. They are stored in the file, so sorting or adding
lines never renumbers an action. Names are of any script; consumers that read ASCII alone get
`ascii_names`. Other forms are read by `vocabulary_lists`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from datasets.core.action_groups import RESERVED, SCOPES
from datasets.core.translation import gettext as _
from datasets.core.untrusted import (
    UntrustedDataError,
    read_yaml,
    shown,
)

MAX_ACTIONS = 1000
MAX_ACTION_ID = 32_767  # of a small integer in the database
MAX_CHOSEN = 80  # actions of a group at once
SLOWFAST_ACTIONS = 80  # it asserts that no id is higher
MAX_LENGTH = 80
CHOICES = ("one", "many")
LABEL_TYPES = ("PERSON_MOVEMENT", "OBJECT_MANIPULATION", "PERSON_INTERACTION")
GROUP_KEYS = {
    "name", "choice", "required", "label_type", "max_per_person", "scope", "actions"
}  # fmt: skip


class VocabularyError(UntrustedDataError):
    """The text is not a valid vocabulary; the message says where and why."""


class VocabularyAction(NamedTuple):
    action_id: int
    name: str


class VocabularyGroup(NamedTuple):
    """A group of actions, in the order that annotators see: one question about a person."""

    name: str
    choice: str
    required: bool
    label_type: str
    max_per_person: int
    actions: tuple[VocabularyAction, ...]
    scope: str = "keyframe"  # asked at every keyframe, once a person or once a clip


Vocabulary = tuple[VocabularyGroup, ...]


def parse_yaml(text: str) -> Vocabulary:
    """The groups in `text`, in its order. Raises VocabularyError.

    >>> parse_yaml("groups: [{name: posture, choice: one, required: true, "
    ...            "label_type: PERSON_MOVEMENT, actions: {1: stand, 2: sit}}]")[0].actions
    (VocabularyAction(action_id=1, name='stand'), VocabularyAction(action_id=2, name='sit'))
    """
    try:
        content = read_yaml(text)
    except UntrustedDataError as error:
        raise VocabularyError(str(error)) from error
    if not isinstance(content, dict) or not isinstance(content.get("groups"), list):
        raise VocabularyError(_("a vocabulary has a list 'groups'"))
    return checked(tuple(_group(raw) for raw in content["groups"]))


def _group(raw: Any) -> VocabularyGroup:
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str):
        raise VocabularyError(_("a group without a name: %(shown)s") % {"shown": shown(raw)})
    name = raw["name"]
    if strange := sorted(map(str, set(raw) - GROUP_KEYS)):
        raise VocabularyError(
            _("group %(name)r has an unknown entry %(strange)r")
            % {"name": name, "strange": strange[0]}
        )
    actions, choice = raw.get("actions"), raw.get("choice")
    if not isinstance(actions, dict) or not actions:
        raise VocabularyError(
            _("group %(name)r has no actions; write 'id: name' lines") % {"name": name}
        )
    if not all(isinstance(a, str) and isinstance(n, int) for n, a in actions.items()):
        raise VocabularyError(
            _("group %(name)r: an action is 'id: name', a number and a text") % {"name": name}
        )
    most = raw.get("max_per_person", 1 if choice == "one" else 3)
    if not isinstance(most, int) or not 1 <= most <= MAX_CHOSEN:
        raise VocabularyError(
            _("group %(name)r: max_per_person must be 1 to %(max_chosen)s")
            % {"name": name, "max_chosen": MAX_CHOSEN}
        )
    return VocabularyGroup(
        name=name,
        choice=str(choice),
        required=raw.get("required", False) is True,
        label_type=str(raw.get("label_type")),
        max_per_person=1 if choice == "one" else most,
        actions=tuple(VocabularyAction(n, name) for n, name in actions.items()),
        scope=str(raw.get("scope", "keyframe")),
    )


def checked(groups: Vocabulary) -> Vocabulary:
    """`groups` themselves. Raises VocabularyError if they break a rule of names or ids."""
    for group in groups:
        _check_group(group)
        if not group.actions:
            raise VocabularyError(
                _("group %(group)r has no actions; add at least one") % {"group": group.name}
            )
    _check_all_differ([group.name for group in groups], "group")
    actions = [action for group in groups for action in group.actions]
    for action in actions:
        _check_action(action)
    _check_all_differ([action.name for action in actions], "action")
    ids = sorted(action.action_id for action in actions)
    if not ids:
        raise VocabularyError(_("a vocabulary needs at least one action"))
    if len(ids) > MAX_ACTIONS:
        raise VocabularyError(
            _("%(count)s actions; at most %(max_actions)s are allowed")
            % {"count": len(ids), "max_actions": MAX_ACTIONS}
        )
    if not 1 <= ids[0] <= ids[-1] <= MAX_ACTION_ID:
        wrong = ids[0] if ids[0] < 1 else ids[-1]
        raise VocabularyError(
            _(
                "the action id %(wrong)s is not 1 to %(max_action_id)s: number actions "
                "from 1, as AVA"
            )
            % {"wrong": wrong, "max_action_id": MAX_ACTION_ID}
        )
    _check_all_differ([str(number) for number in ids], "action id")
    return groups


def warnings_of(vocabulary: Vocabulary) -> list[str]:
    """What consumers of a release do not take of a vocabulary, as sentences.

    >>> from datasets.core.vocabulary import VocabularyAction as A, VocabularyGroup as G
    >>> group = G("pose", "one", True, "PERSON_MOVEMENT", 1, (A(1, "sit"), A(90, "gehört")))
    >>> len(warnings_of((group,)))
    2
    """
    actions = [action for group in vocabulary for action in group.actions]
    found = []
    high = [one for one in actions if one.action_id > SLOWFAST_ACTIONS]
    if high:
        found.append(
            _(
                "SlowFast stops at action ids above %(slowfast_actions)s (%(count)s here, "
                "such as %(high)s). MMAction2, pytorchvideo and the ActivityNet evaluator "
                "take them."
            )
            % {"slowfast_actions": SLOWFAST_ACTIONS, "count": len(high), "high": high[0].name}
        )
    names = ascii_names(actions)
    renamed = [one for one in actions if names[one.action_id] != one.name]
    if renamed:
        shown_names = ", ".join(f"{one.name} = {names[one.action_id]}" for one in renamed[:3])
        more = (
            _(" and %(count)s more") % {"count": len(renamed) - 3} if len(renamed) > 3 else ""
        )
        found.append(
            _(
                "MMAction2, SlowFast and the ActivityNet evaluator read names in ASCII: "
                "their action lists say %(shown_names)s%(more)s."
            )
            % {"shown_names": shown_names, "more": more}
        )
    return found


def ascii_names(actions: Iterable[VocabularyAction]) -> dict[int, str]:
    """A name in ASCII for every action, by id: its own without accents, or by its number.

    >>> ascii_names([VocabularyAction(1, "gehört"), VocabularyAction(2, "歩く")])
    {1: 'gehort', 2: 'action 2'}
    """
    listed = list(actions)
    found = {one.action_id: _ascii_name(one) for one in listed}
    counts = Counter(found.values())
    own = {one.action_id for one in listed if one.name.isascii()}
    return {
        key: name if key in own or counts[name] == 1 else f"action {key}"
        for key, name in found.items()
    }


def _ascii_name(action: VocabularyAction) -> str:
    if action.name.isascii():
        return action.name
    decomposed = unicodedata.normalize("NFKD", action.name)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    is_known = plain.isascii() and plain.strip() and '"' not in plain
    return plain if is_known else f"action {action.action_id}"


def refused_changes(old: Vocabulary, new: Vocabulary) -> list[str]:
    """Why `new` may not replace `old` once there may be answers; empty if it may.

    A vocabulary in use can only grow: answers that were given keep their meaning, and a task
    that is finished stays finished.

    >>> old = parse_yaml("groups: [{name: posture, choice: one, label_type: PERSON_MOVEMENT, "
    ...                  "actions: {1: stand, 2: sit}}]")
    >>> refused_changes(old, (old[0]._replace(actions=old[0].actions[:1]),))
    ['posture: sit must keep its name, its id and its group']
    """
    groups = {group.name: group for group in new}
    found = []
    for before in old:
        after = groups.get(before.name)
        if after is None:
            found.append(_("the group %(before)s must keep its name") % {"before": before.name})
            continue
        found += [
            _("%(before)s: %(what)s can't be changed") % {"before": before.name, "what": what}
            for what, changed in {
                _("the choice of one or many"): before.choice != after.choice,
                _("the scope"): before.scope != after.scope,
                _("the label type"): before.label_type != after.label_type,
            }.items()
            if changed
        ]
        if after.required and not before.required:
            found.append(
                _("%(before)s: can't become required, as finished tasks would lack answers")
                % {"before": before.name}
            )
        if after.max_per_person < before.max_per_person:
            found.append(
                _("%(before)s: the limit can only be raised") % {"before": before.name}
            )
        found += [
            _("%(before)s: %(action)s must keep its name, its id and its group")
            % {"before": before.name, "action": action.name}
            for action in before.actions
            if action not in after.actions
        ]
    return found


def _check_group(group: VocabularyGroup) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,50}", group.name):
        raise VocabularyError(
            _("group %(group)r: use letters, digits, '_' and '-' only") % {"group": group.name}
        )
    if group.choice not in CHOICES:
        raise VocabularyError(
            _("group %(group)r: choice must be one of %(choices)s")
            % {"group": group.name, "choices": CHOICES}
        )
    if group.scope not in SCOPES:
        raise VocabularyError(
            _("group %(group)r: scope must be one of %(scopes)s")
            % {"group": group.name, "scopes": SCOPES}
        )
    if group.label_type not in LABEL_TYPES:
        raise VocabularyError(
            _("group %(group)r: label_type must be one of %(label_types)s")
            % {"group": group.name, "label_types": LABEL_TYPES}
        )


def _check_action(action: VocabularyAction) -> None:
    name = action.name
    if name.lower() in RESERVED:
        raise VocabularyError(
            _("action %(name)r: this name is reserved for missing answers") % {"name": name}
        )
    printable = name.isprintable() and '"' not in name
    if not printable or name != name.strip() or not 1 <= len(name) <= MAX_LENGTH:
        raise VocabularyError(
            _("action %(name)r: use 1 to %(max_length)s characters without double quotes")
            % {"name": name, "max_length": MAX_LENGTH}
        )


def check_case(names: Iterable[str], *, present: Collection[str] = ()) -> None:
    """Raises VocabularyError for a name that differs from another only in case.

    Args:
        present: Names that are there already; they stay, whatever they are.

    >>> check_case(["walk", "Walk"], present=["walk", "Walk"])
    """
    known: dict[str, str] = {}
    for name in sorted(names, key=lambda one: one not in present):
        other = known.setdefault(name.casefold(), name)
        if other != name and name not in present:
            raise VocabularyError(
                _("%(one)r differs from %(other)r only in case: choose another name")
                % {"one": name, "other": other}
            )


def _check_all_differ(names: list[str], what: str) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise VocabularyError(
                _("%(what)s %(name)r occurs twice") % {"what": what, "name": name}
            )
