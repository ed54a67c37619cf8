"""Vocabularies: action groups with AVA action ids, parsed from YAML or an AVA pbtxt.

Ids run from 1 to K without gaps, K <= 80 (the limit of SlowFast). They are stored in the file,
so sorting or adding lines never renumbers an action.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from datasets.core.action_groups import RESERVED, SCOPES
from datasets.core.untrusted import (
    MAX_YAML_BYTES,
    UntrustedDataError,
    check_size,
    read_yaml,
    shown,
)

MAX_ACTIONS = 80
MAX_LENGTH = 80
CHOICES = ("one", "many")
LABEL_TYPES = ("PERSON_MOVEMENT", "OBJECT_MANIPULATION", "PERSON_INTERACTION")
PBTXT_TOKEN = re.compile(
    r"(?P<space>\s++|#[^\n]*+)|(?P<begin>\w++\s*+(?::\s*+)?\{)|(?P<end>\})"
    r'|(?P<key>\w++)\s*+:\s*+(?:"(?P<text>[^"\n]*+)"|(?P<word>\w++))\s*+[;,]?'
)
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
        raise VocabularyError("a vocabulary has a list 'groups'")
    return checked(tuple(_group(raw) for raw in content["groups"]))


def parse_pbtxt(text: str) -> Vocabulary:
    """The groups of an AVA action list with label types, one a type. Raises VocabularyError.

    Movements become a required choice of one, the other types a choice of up to three.

    >>> text = 'label {name: "stand" label_id: 1 label_type: PERSON_MOVEMENT}'
    >>> [(group.name, group.choice) for group in parse_pbtxt(text)]
    [('person_movement', 'one')]
    """
    try:
        check_size(text, max_bytes=MAX_YAML_BYTES)
    except UntrustedDataError as error:
        raise VocabularyError(str(error)) from error
    found: dict[str, list[VocabularyAction]] = {}
    for entry in _pbtxt_entries(text):
        number, name = entry.get("label_id", entry.get("id", "")), entry.get("name")
        kind = entry.get("label_type")
        if name is None or kind is None or not re.fullmatch(r"\d{1,9}", number):
            raise VocabularyError(
                f"an entry lacks its name, id or label_type: {shown(entry)}; "
                "use the AVA list with label types"
            )
        found.setdefault(kind, []).append(VocabularyAction(int(number), name))
    in_order = sorted(found, key=lambda kind: min(found[kind]))
    return checked(tuple(_group_of_type(kind, found[kind]) for kind in in_order))


def _pbtxt_entries(text: str) -> list[dict[str, str]]:
    """The fields of each `label {...}`, in one pass. Raises VocabularyError."""
    entries: list[dict[str, str]] = []
    is_open = False
    for token in _pbtxt_tokens(text):
        if token["key"] and is_open:
            entries[-1][token["key"]] = token["text"] or token["word"] or ""
        elif token["begin"] and not is_open:
            entries.append({})
            is_open = True
        elif token["end"] and is_open:
            is_open = False
        elif not token["space"]:
            raise VocabularyError("its braces do not match, or a field is outside of them")
    if is_open:
        raise VocabularyError("its last entry has no closing brace")
    return entries


def _pbtxt_tokens(text: str) -> Iterator[re.Match[str]]:
    place = 0
    while place < len(text):
        token = PBTXT_TOKEN.match(text, place)
        if token is None:
            line = text.count("\n", 0, place) + 1
            raise VocabularyError(f"line {line} is not that of an action list: use AVA's form")
        place = token.end()
        yield token


def _group_of_type(label_type: str, actions: list[VocabularyAction]) -> VocabularyGroup:
    movement = label_type == "PERSON_MOVEMENT"
    return VocabularyGroup(
        name=label_type.lower(),
        choice="one" if movement else "many",
        required=movement,
        label_type=label_type,
        max_per_person=1 if movement else 3,
        actions=tuple(sorted(actions)),
    )


def _group(raw: Any) -> VocabularyGroup:
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str):
        raise VocabularyError(f"a group without a name: {shown(raw)}")
    name = raw["name"]
    if strange := sorted(map(str, set(raw) - GROUP_KEYS)):
        raise VocabularyError(f"group {name!r} has an unknown entry {strange[0]!r}")
    actions, choice = raw.get("actions"), raw.get("choice")
    if not isinstance(actions, dict) or not actions:
        raise VocabularyError(f"group {name!r} has no actions; write 'id: name' lines")
    if not all(isinstance(a, str) and isinstance(n, int) for n, a in actions.items()):
        raise VocabularyError(f"group {name!r}: an action is 'id: name', a number and a text")
    most = raw.get("max_per_person", 1 if choice == "one" else 3)
    if not isinstance(most, int) or not 1 <= most <= MAX_ACTIONS:
        raise VocabularyError(f"group {name!r}: max_per_person must be 1 to {MAX_ACTIONS}")
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
            raise VocabularyError(f"group {group.name!r} has no actions; add at least one")
    _check_all_differ([group.name for group in groups], "group")
    actions = [action for group in groups for action in group.actions]
    for action in actions:
        _check_action(action)
    _check_all_differ([action.name for action in actions], "action")
    ids = sorted(action.action_id for action in actions)
    if not ids:
        raise VocabularyError("a vocabulary needs at least one action")
    if len(ids) > MAX_ACTIONS:
        raise VocabularyError(f"{len(ids)} actions; AVA's readers know at most {MAX_ACTIONS}")
    if ids != list(range(1, len(ids) + 1)):
        wrong = next(n for n, i in enumerate(ids, start=1) if n != i)
        raise VocabularyError(
            f"action ids must be 1 to {len(ids)} without gaps; see id {wrong}"
        )
    return groups


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
            found.append(f"the group {before.name} must keep its name")
            continue
        found += [
            f"{before.name}: {what} can't be changed"
            for what, changed in {
                "the choice of one or many": before.choice != after.choice,
                "the scope": before.scope != after.scope,
                "the label type": before.label_type != after.label_type,
            }.items()
            if changed
        ]
        if after.required and not before.required:
            found.append(
                f"{before.name}: can't become required, as finished tasks would lack answers"
            )
        if after.max_per_person < before.max_per_person:
            found.append(f"{before.name}: the limit can only be raised")
        found += [
            f"{before.name}: {action.name} must keep its name, its id and its group"
            for action in before.actions
            if action not in after.actions
        ]
    return found


def _check_group(group: VocabularyGroup) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,50}", group.name):
        raise VocabularyError(f"group {group.name!r}: use letters, digits, '_' and '-' only")
    if group.choice not in CHOICES:
        raise VocabularyError(f"group {group.name!r}: choice must be one of {CHOICES}")
    if group.scope not in SCOPES:
        raise VocabularyError(f"group {group.name!r}: scope must be one of {SCOPES}")
    if group.label_type not in LABEL_TYPES:
        raise VocabularyError(f"group {group.name!r}: label_type must be one of {LABEL_TYPES}")


def _check_action(action: VocabularyAction) -> None:
    name = action.name
    if name.lower() in RESERVED:
        raise VocabularyError(f"action {name!r}: this name is reserved for missing answers")
    printable = name.isascii() and name.isprintable() and '"' not in name
    if not printable or name != name.strip() or not 1 <= len(name) <= MAX_LENGTH:
        raise VocabularyError(
            f"action {name!r}: use 1 to {MAX_LENGTH} ASCII characters without double quotes"
        )


def _check_all_differ(names: list[str], what: str) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise VocabularyError(f"{what} {name!r} occurs twice")
