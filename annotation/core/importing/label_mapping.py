"""What a label of a file means here: an action, a person without one, or nothing.

A mapping is `{text of the label: meaning}`; a meaning is `group: action`, `group: none`,
`group: unknown`, PERSON or LEFT_OUT. A box whose class is left out is no person.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from datasets.core.action_groups import NONE, UNKNOWN, ActionGroupSpec
from datasets.core.formats.external.document import ImportedDocument, ImportedLabel
from datasets.core.untrusted import UntrustedDataError, shown

PERSON = "person"
LEFT_OUT = "left out"
PEOPLE = (
    "person", "persons", "people", "pedestrian", "human", "man", "woman", "child", "boy",
    "girl", "actor", "face and body", "player", "adult", "worker", "static person",
    "person on vehicle", "customer", "staff", "student", "teacher",
)  # fmt: skip


class MappingError(UntrustedDataError):
    """A mapping names an action that the vocabulary does not have."""


class MappedAnswers(NamedTuple):
    """What labels say of one person at one keyframe."""

    answers: dict[str, Any]  # of the groups that are answered
    conflicts: list[str]  # sentences on what could not be kept


def meanings(groups: Sequence[ActionGroupSpec]) -> list[str]:
    """All meanings of a vocabulary, in its order, PERSON and LEFT_OUT first."""
    found = [PERSON, LEFT_OUT]
    for group in groups:
        found += [f"{group.name}: {action}" for action in group.actions]
        if group.choice == "many":
            found.append(f"{group.name}: {NONE}")
        found.append(f"{group.name}: {UNKNOWN}")
    return found


def checked_mapping(
    mapping: Mapping[str, str], groups: Sequence[ActionGroupSpec]
) -> dict[str, str]:
    """The mapping itself. Raises MappingError for a meaning that there is not."""
    known = set(meanings(groups))
    for label, meaning in mapping.items():
        if meaning not in known:
            raise MappingError(
                f"{shown(label)} cannot mean {shown(meaning)}: the vocabulary has no such "
                "action; write `group: action`, `person` or `left out`"
            )
    return dict(mapping)


def suggested_mapping(
    document: ImportedDocument, groups: Sequence[ActionGroupSpec], ids: Mapping[int, str]
) -> dict[str, str]:
    """A meaning for every label: by its name, else by its AVA id, else left out.

    Args:
        ids: Names of our actions by their ids, for labels that are ids alone.

    A class is a person if it is called so, or if the file has people only.
    """
    by_name: dict[str, list[str]] = {}
    for group in groups:
        for action in group.actions:
            by_name.setdefault(_plain(action), []).append(f"{group.name}: {action}")
    group_of = {action: group.name for group in groups for action in group.actions}
    by_id = {str(key): f"{group_of[name]}: {name}" for key, name in ids.items()}
    found = {}
    for label in document.labels():
        meaning = _suggestion(label, by_name, by_id)
        if not meaning and not label.attribute:
            is_person = document.is_of_persons or _plain(label.value) in PEOPLE
            meaning = PERSON if is_person else LEFT_OUT
        found[str(label)] = meaning or LEFT_OUT
    return found


def _suggestion(
    label: ImportedLabel, by_name: Mapping[str, list[str]], by_id: Mapping[str, str]
) -> str:
    group = _plain(re.sub(r" \d+$", "", label.attribute))  # "doing 2" of our own labels
    names = [_plain(label.value)]
    if label.value == "yes":  # an attribute that is ticked
        names.append(_plain(label.attribute))
    for name in names:
        fitting = by_name.get(name, [])
        own = [one for one in fitting if _plain(one.partition(":")[0]) == group]
        if len(own or fitting) == 1:
            return (own or fitting)[0]
    for one in by_id.values():
        its = one.partition(":")[0]
        if label.value in (NONE, UNKNOWN) and _plain(its) == group:
            return f"{its}: {label.value}"
    return by_id.get(label.value, "") if label.attribute == "action" else ""


def _plain(text: str) -> str:
    """Letters and digits alone; of AVA's names without their examples in brackets.

    >>> _plain("Carry/Hold (an object)") == _plain("carry_hold")
    True
    """
    short = re.sub(r"\(.*?\)", " ", text)
    return " ".join(re.findall(r"\w+", (short or text).lower().replace("_", " ")))


def is_person(labels: Iterable[ImportedLabel], mapping: Mapping[str, str]) -> bool:
    """Whether a box shows a person: none of its classes is left out."""
    return all(
        mapping.get(str(label), LEFT_OUT) != LEFT_OUT for label in labels if not label.attribute
    )


def answers_of(
    labels: Iterable[ImportedLabel],
    mapping: Mapping[str, str],
    groups: Sequence[ActionGroupSpec],
    *,
    is_complete: bool,
) -> MappedAnswers:
    """The answers that labels give to the groups, one of each or a list of many.

    Args:
        is_complete: A group of many that some label could answer is answered `none` otherwise.
    """
    chosen: dict[str, list[str]] = {}
    for label in labels:
        name, _, action = mapping.get(str(label), LEFT_OUT).partition(": ")
        if action and action not in chosen.setdefault(name, []):
            chosen[name].append(action)
    answers: dict[str, Any] = {}
    conflicts: list[str] = []
    covered = {meaning.partition(": ")[0] for meaning in mapping.values()}
    for group in groups:
        its = chosen.get(group.name, [])
        if its:
            answers[group.name] = _answer(group, its, conflicts)
        elif is_complete and group.choice == "many" and group.name in covered:
            answers[group.name] = []
    return MappedAnswers(answers, conflicts)


def _answer(group: ActionGroupSpec, chosen: list[str], conflicts: list[str]) -> Any:
    actions = [action for action in group.actions if action in chosen]
    if not actions:
        return UNKNOWN if UNKNOWN in chosen else []
    most = 1 if group.choice == "one" else group.max_per_person
    if len(actions) > most:
        conflicts.append(
            f"{group.name} takes {most} of {', '.join(actions)}: the first "
            f"{'is' if most == 1 else 'are'} kept"
        )
    return actions[0] if group.choice == "one" else actions[:most]


def counted(sentences: Iterable[str]) -> list[str]:
    """Sentences, each once with how often it occurs; the most frequent first."""
    return [
        f"{text} ({count} times)" if count > 1 else text
        for text, count in Counter(sentences).most_common()
    ]
