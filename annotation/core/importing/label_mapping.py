"""What a label of a file means here: an action, a person without one, or nothing.

A mapping is `{text of the label: meaning}`; a meaning is `group: action`, `group: none`,
`group: unknown`, LEFT_OUT, or a class that the dataset follows: somebody of it, without an
answer. ANY is somebody of whichever class. A box whose class is left out is nobody.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from datasets.core.action_groups import NONE, UNKNOWN, ActionGroupSpec
from datasets.core.formats.cvat_labels import PERSON
from datasets.core.formats.external.document import ImportedDocument, ImportedLabel
from datasets.core.untrusted import UntrustedDataError, shown

LEFT_OUT = "left out"
ANY = "any class"
PEOPLE = (
    "person", "persons", "people", "pedestrian", "human", "man", "woman", "child", "boy",
    "girl", "actor", "face and body", "player", "adult", "worker", "static person",
    "person on vehicle", "customer", "staff", "student", "teacher",
)  # fmt: skip


VEHICLES = (  # what tools call them besides the classes of COCO
    "bike", "motorbike", "scooter", "moped", "van", "lorry", "pickup", "suv", "taxi", "cab",
    "automobile", "trailer", "tram", "tractor", "vehicles", "cars", "non motorized vehicle",
)  # fmt: skip
CLASS_ATTRIBUTES = ("class", "category", "label", "type", "kind", "object", "object type")

Classes = Mapping[str, Collection[str]]  # a class that is followed -> words that mean it
PERSONS: Classes = {PERSON: PEOPLE}


class MappingError(UntrustedDataError):
    """A mapping names an action that the vocabulary does not have."""


class MappedAnswers(NamedTuple):
    """What labels say of one person at one keyframe."""

    answers: dict[str, Any]  # of the groups that are answered
    conflicts: list[str]  # sentences on what could not be kept


def meanings(
    groups: Sequence[ActionGroupSpec], classes: Collection[str] = (PERSON,)
) -> list[str]:
    """All meanings of a vocabulary, in its order; classes and LEFT_OUT first.

    Args:
        classes: Those that the dataset follows.
    """
    found = [*classes, *([] if is_of_persons(classes) else [ANY]), LEFT_OUT]
    for group in groups:
        found += [f"{group.name}: {action}" for action in group.actions]
        if group.choice == "many":
            found.append(f"{group.name}: {NONE}")
        found.append(f"{group.name}: {UNKNOWN}")
    return found


def is_of_persons(classes: Collection[str]) -> bool:
    """Whether a dataset follows persons alone."""
    return list(classes) == [PERSON]


def checked_mapping(
    mapping: Mapping[str, str],
    groups: Sequence[ActionGroupSpec],
    classes: Collection[str] = (PERSON,),
) -> dict[str, str]:
    """The mapping itself. Raises MappingError for a meaning that there is not."""
    known = {*meanings(groups, classes), PERSON}
    for label, meaning in mapping.items():
        if meaning not in known:
            words = ", ".join(f"`{name}`" for name in classes)
            raise MappingError(
                f"{shown(label)} cannot mean {shown(meaning)}: the vocabulary has no such "
                f"action; write `group: action`, {words} or `left out`"
            )
    return dict(mapping)


def suggested_mapping(
    document: ImportedDocument,
    groups: Sequence[ActionGroupSpec],
    ids: Mapping[int, str],
    classes: Classes = PERSONS,
) -> dict[str, str]:
    """A meaning for every label: by its name, else by its AVA id, else left out.

    Args:
        ids: Names of our actions by their ids, for labels that are ids alone.
        classes: Those that the dataset follows, each with the words that mean it.

    A class of the file is one of these if it is called so. If the file has people only, and
    persons alone are followed, every class is a person.
    """
    every = PERSON if document.is_of_persons and is_of_persons(classes) else LEFT_OUT
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
            meaning = _class_called(label.value, classes) or every
        elif not meaning and not is_of_persons(classes):
            is_class = _plain(label.attribute) in CLASS_ATTRIBUTES
            meaning = _class_called(label.value, classes) if is_class else ""
        found[str(label)] = meaning or LEFT_OUT
    return found


def _class_called(text: str, classes: Classes) -> str:
    """The class that a word means, by its name or by another word for it; empty for none."""
    word = _plain(text)
    by_name = [name for name in classes if _plain(name) == word]
    by_word = [name for name, words in classes.items() if word in map(_plain, words)]
    return next(iter([*by_name, *by_word]), "")


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


class ClassMapping:
    """Which class a box is of, by its labels.

    Args:
        mapping: Text of a label -> meaning.
        classes: Those that the dataset follows.
    """

    def __init__(
        self,
        labels: Iterable[ImportedLabel],
        mapping: Mapping[str, str],
        classes: Sequence[str] = (PERSON,),
    ) -> None:
        """Take the mapping of a file that has these `labels`."""
        self._mapping, self._classes = mapping, classes
        # An attribute with a value that means a class says it of every box that has it.
        self._attributes = {""}
        if not is_of_persons(classes):
            self._attributes |= {
                one.attribute for one in labels if mapping.get(str(one)) in classes
            }

    def is_followed(self, labels: Iterable[ImportedLabel]) -> bool:
        """Whether a box shows somebody who is followed: none of its classes is left out."""
        return all(
            self._mapping.get(str(label), LEFT_OUT) != LEFT_OUT
            for label in labels
            if label.attribute in self._attributes
        )

    def class_of(self, labels: Iterable[ImportedLabel]) -> str | None:
        """The class that labels name; None if they name none.

        PERSON is the first class where persons are not followed.
        """
        for label in labels:
            meaning = self._mapping.get(str(label), LEFT_OUT)
            if meaning in self._classes:
                return meaning
            if meaning == PERSON:
                return self._classes[0]
        return None


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
