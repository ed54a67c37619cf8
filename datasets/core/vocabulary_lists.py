"""Vocabularies out of lists of actions: pbtxt, `label_map.txt`, the label JSON of CVAT.

Comments (`#`, and `//` on lines of their own) may stand anywhere, pasted or uploaded alike. Ids
are kept, with their gaps: a subset of AVA stays a subset of AVA. Lists without label types get
those of AVA where all of their ids and names are AVA's, else one group of many.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from datasets.core.translation import gettext as _
from datasets.core.untrusted import (
    MAX_YAML_BYTES,
    UntrustedDataError,
    check_size,
    read_json,
    shown,
)
from datasets.core.vocabulary import (
    LABEL_TYPES,
    Vocabulary,
    VocabularyAction,
    VocabularyError,
    VocabularyGroup,
    check_case,
    checked,
    parse_yaml,
)

PBTXT_TOKEN = re.compile(
    r"(?P<space>\s++|#[^\n]*+|//[^\n]*+)|(?P<begin>\w++\s*+(?::\s*+)?\{)|(?P<end>\}[;,]?)"
    r"|(?P<key>\w++)\s*+:\s*+(?:\"(?P<text>[^\"\n]*+)\"|'(?P<single>[^'\n]*+)'|(?P<word>\w++))"
    r"\s*+[;,]?"
)
_MAP_ROW = re.compile(
    r"(?:\s*+(?P<id>\d{1,9}+)(?:\s++|\s*+[:,;]\s*+))?(?P<name>[^\s:#][^\n]*+)"
)
_CHECKBOX = re.compile(r"(?P<group>[^:]+): (?P<action>.+)")
NO_ANSWERS = ("", "as before", "unknown", "unset", "none", "n/a", "undefined", "not set", "-")
PBTXT_MARK = re.compile(r"^[ \t]*+(item|label)\s*+:?\s*+\{", re.MULTILINE)


class ListedAction(NamedTuple):
    """One action of a list; `label_type` is empty if the list has none."""

    action_id: int
    name: str
    label_type: str = ""


def parse_vocabulary(text: str, *, ava: Vocabulary = ()) -> Vocabulary:
    """The groups in `text`, whichever of the known formats it is in. Raises VocabularyError.

    No two names may differ only in case.

    Args:
        ava: AVA's own vocabulary, by which lists without label types are recognised.

    >>> parse_vocabulary("# ours\\n3: walk\\n7: sit  # on a chair\\n")[0].actions
    (VocabularyAction(action_id=3, name='walk'), VocabularyAction(action_id=7, name='sit'))
    """
    _check(text)
    found = _parse(text, ava)
    check_case(action.name for group in found for action in group.actions)
    return found


def _parse(text: str, ava: Vocabulary) -> Vocabulary:
    bare = "\n".join(line for line in text.splitlines() if not _is_comment(line)).strip()
    if bare[:1] in ("[", "{") and '"' in bare:
        return parse_cvat_labels(bare)
    if PBTXT_MARK.search(text):
        return groups_of_list(parse_action_list(text), ava=ava)
    if re.search(r"^groups\s*:", bare, re.MULTILINE):
        return parse_yaml(text)
    if _MAP_ROW.fullmatch(bare.partition("\n")[0]) and re.match(r"\s*+\d++[\s:,;]", bare):
        return groups_of_list(parse_action_list(text), ava=ava)
    if _are_names(bare):
        return groups_of_list(parse_action_list(text), ava=ava)
    return parse_yaml(text)  # which says what a vocabulary is


def _are_names(bare: str) -> bool:
    """Whether lines are names alone, as label maps of MMAction2 have them."""
    lines = [line.strip() for line in bare.splitlines() if line.strip()]
    return len(lines) > 1 and not any(":" in one or one[0] in "-[{" for one in lines)


def parse_action_list(content: str | bytes) -> list[ListedAction]:
    """The actions of a pbtxt or a `label_map.txt`, by id. Raises VocabularyError."""
    text = content.decode("utf-8-sig", "replace") if isinstance(content, bytes) else content
    _check(text)
    found = list(_pbtxt_actions(text) if PBTXT_MARK.search(text) else _map_actions(text))
    return sorted(found)


def groups_of_list(actions: Iterable[ListedAction], *, ava: Vocabulary = ()) -> Vocabulary:
    """One group a label type; of a list without types AVA's, or one group "action" of many.

    Movements become a required choice of one, the other types a choice of up to three.
    """
    listed = list(actions)
    types = {
        (action.action_id, action.name): group.label_type
        for group in ava
        for action in group.actions
    }
    if listed and all((one.action_id, one.name) in types for one in listed):
        listed = [one._replace(label_type=types[one.action_id, one.name]) for one in listed]
    kinds: dict[str, list[VocabularyAction]] = {}
    for one in sorted(listed):
        kinds.setdefault(one.label_type, []).append(VocabularyAction(one.action_id, one.name))
    in_order = sorted(kinds, key=lambda kind: min(kinds[kind]))
    return checked(tuple(_group_of_type(kind, kinds[kind]) for kind in in_order))


def parse_cvat_labels(text: str) -> Vocabulary:
    """The groups that CVAT's label JSON asks. Raises VocabularyError.

    Of labels with attributes each select or radio is a group of one, and checkboxes called
    `group: action` one of many; labels without attributes are actions themselves.

    >>> text = '[{"name": "person", "attributes": [{"name": "pose", "values": ["sit"]}]}]'
    >>> parse_cvat_labels(text)[0].name
    'pose'
    """
    try:
        labels = read_json(text, max_bytes=MAX_YAML_BYTES)
    except UntrustedDataError as error:
        raise VocabularyError(str(error)) from error
    if isinstance(labels, dict):
        labels = labels.get("labels", [labels])
    if not isinstance(labels, list) or not all(map(_is_label, labels)):
        raise VocabularyError(_("CVAT's label JSON is a list of labels with their names"))
    return _groups_of_labels(labels)


def _is_label(label: object) -> bool:
    return isinstance(label, dict) and isinstance(label.get("name"), str)


def _groups_of_labels(labels: Iterable[Mapping[str, Any]]) -> Vocabulary:
    groups: dict[str, list[str]] = {}
    several: set[str] = set()
    classes = []
    for label in labels:
        attributes = label.get("attributes")
        listed = attributes if isinstance(attributes, list) else []
        if not listed:
            classes.append(_word(label.get("name")))
        for attribute in listed:
            if isinstance(attribute, dict):
                _add_attribute(attribute, groups, several)
    if not groups:
        groups, several = {"action": classes}, {"action"}
    return _numbered(groups, several)


def _add_attribute(
    attribute: Mapping[str, Any], groups: dict[str, list[str]], several: set[str]
) -> None:
    name, kind = _word(attribute.get("name")), str(attribute.get("input_type", "select"))
    values = [_word(one) for one in attribute.get("values") or []]
    if kind == "checkbox":
        match = _CHECKBOX.fullmatch(name)
        group, action = (match["group"], match["action"]) if match else ("doing", name)
        several.add(group)
        groups.setdefault(group, []).append(action)
    elif kind in ("select", "radio"):
        base = re.sub(r" \d+$", "", name)
        if base != name and base in groups:  # "doing 2" of our own
            several.add(base)
            return
        kept = [one for one in values if one.lower() not in NO_ANSWERS]
        if kept:
            groups.setdefault(name, []).extend(kept)
        if any(one.lower() == "none" for one in values):
            several.add(name)


def _numbered(groups: Mapping[str, list[str]], several: set[str]) -> Vocabulary:
    """Groups whose actions are numbered from 1 in their order."""
    number = 0
    found = []
    for name, actions in groups.items():
        its = list(dict.fromkeys(actions))
        rows = tuple(VocabularyAction(number + place, one) for place, one in enumerate(its, 1))
        number += len(its)
        many = name in several
        found.append(
            VocabularyGroup(
                group_name(name),
                "many" if many else "one",
                False,
                LABEL_TYPES[0],
                min(3, max(len(its), 1)) if many else 1,
                rows,
            )
        )
    return checked(tuple(found))


def group_name(text: str) -> str:
    """A name that a group may have.

    >>> group_name("How fast?"), group_name("姿勢")
    ('How_fast', 'group')
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[:50] or "group"


def _pbtxt_actions(text: str) -> Iterator[ListedAction]:
    for entry in _pbtxt_entries(text):
        number = entry.get("label_id", entry.get("id", ""))
        # `name` is a number of another list where there is a name to show.
        name, kind = entry.get("display_name", entry.get("name")), entry.get("label_type", "")
        if not name or not re.fullmatch(r"\d{1,9}", number):
            raise VocabularyError(
                _("an entry lacks its name or id: %(shown)s") % {"shown": shown(entry)}
            )
        yield ListedAction(int(number), name.strip(), kind)


def _pbtxt_entries(text: str) -> list[dict[str, str]]:
    """The fields of each `label {...}`, in one pass. Raises VocabularyError."""
    entries: list[dict[str, str]] = []
    is_open = False
    for token in _pbtxt_tokens(text):
        if token["key"] and is_open:
            said = token["text"] or token["single"] or token["word"] or ""
            entries[-1][token["key"]] = said
        elif token["begin"] and not is_open:
            entries.append({})
            is_open = True
        elif token["end"] and is_open:
            is_open = False
        elif not token["space"]:
            raise VocabularyError(_("its braces do not match, or a field is outside of them"))
    if is_open:
        raise VocabularyError(_("its last entry has no closing brace"))
    return entries


def _pbtxt_tokens(text: str) -> Iterator[re.Match[str]]:
    place = 0
    while place < len(text):
        token = PBTXT_TOKEN.match(text, place)
        if token is None:
            line = text.count("\n", 0, place) + 1
            raise VocabularyError(
                _("line %(line)s is not that of an action list: use AVA's form")
                % {"line": line}
            )
        place = token.end()
        yield token


def _map_actions(text: str) -> Iterator[ListedAction]:
    """Rows of `id: name`; names alone are numbered from 1."""
    rows = [
        (number, re.split(r"\s#", line)[0].strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not _is_comment(line)
    ]
    for place, (number, line) in enumerate(rows, start=1):
        match = _MAP_ROW.fullmatch(line)
        if match is None:
            raise VocabularyError(
                _("line %(number)s is not `id: name`: %(line)r")
                % {"number": number, "line": line[:60]}
            )
        yield ListedAction(int(match["id"] or place), match["name"].strip())


def _group_of_type(label_type: str, actions: list[VocabularyAction]) -> VocabularyGroup:
    movement = label_type == LABEL_TYPES[0]
    return VocabularyGroup(
        name=label_type.lower() or "action",
        choice="one" if movement else "many",
        required=movement,
        label_type=label_type or LABEL_TYPES[0],
        max_per_person=1 if movement else 3,
        actions=tuple(sorted(actions)),
    )


def _check(text: str) -> None:
    try:
        check_size(text, max_bytes=MAX_YAML_BYTES)
    except UntrustedDataError as error:
        raise VocabularyError(str(error)) from error


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(("#", "//"))


def _word(value: object) -> str:
    return (
        " ".join(str(value).split())
        if isinstance(value, str | int | float)
        else json.dumps(value)[:80]
    )
