"""Open questions in the order in which a reviewer decides them, and all that each one shows.

The order keeps what looks alike together: clip by clip, person by person, group by group, then
keyframe by keyframe. A question is named by a text that stays the same: `<clip>.<person>.
<group>.<second>`, where `~person` and `~box` stand for the group if it is asked whether there
is a person, or where.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from string import ascii_uppercase
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, QuerySet, Sum

from annotation.core.labels import UNKNOWN
from annotation.models import AnnotationTask
from avaproject.base.views import key_of
from avaproject.base.work import Stage
from datasets.core.clipping import FRAME_RATE
from datasets.models import ActionGroup, Dataset
from qc.models import Consensus, ConsensusBox, ConsensusLabel
from qc.selectors.clip_and_task_states import newest_consensuses
from qc.selectors.display_names import group_words

PERSON, BOX = "~person", "~box"
KINDS = ("open", "boxes")
LEAST_IOU = 0.75  # boxes that lie apart further are shown to a reviewer
CLIPS_AT_A_TIME = 20
DIGITS = 9


class Key(NamedTuple):
    """Names one question; ascending keys are the order of the queue."""

    clip: str
    person_id: int
    group: str  # or PERSON or BOX
    second: int

    def __str__(self) -> str:
        return f"{self.clip}.{self.person_id}.{self.group}.{self.second}"


def read_key(text: str) -> Key | None:
    """The key that `text` names; None if it names none.

    >>> read_key("aisle-c0000.3.~person.5")
    Key(clip='aisle-c0000', person_id=3, group='~person', second=5)
    >>> read_key("aisle-c0000.3") is None
    True
    """
    parts = text.split(".")
    if len(parts) != 4:
        return None
    person, second = key_of(parts[1]), key_of(parts[3])
    if person is None or second is None:
        return None
    return Key(parts[0], person, parts[2], second)


def asking(dataset: Dataset, kind: str = "open") -> QuerySet[Consensus]:
    """The consensuses that ask something, but for clips that wait for a third opinion."""
    awaited = (
        AnnotationTask.objects.counting()
        .with_latest_pull()
        .filter(  # type: ignore[misc]  # annotated
            clip=OuterRef("clip"), latest_pull_id=None
        )
    )
    found = newest_consensuses(dataset).filter(~Exists(awaited))
    if kind == "boxes":
        return found.filter(Exists(_far_apart().filter(consensus=OuterRef("pk"))))
    return found.filter(open_count__gt=0)


def question_keys(
    dataset: Dataset, *, kind: str = "open", after: Key | None = None, limit: int = 10
) -> list[Key]:
    """The next questions of the queue, at most `limit`; no more clips are read than needed."""
    found: list[Key] = []
    consensuses = asking(dataset, kind).order_by("clip__name")
    if after is not None:
        consensuses = consensuses.filter(clip__name__gte=after.clip)
    rows = list(consensuses.values_list("pk", flat=True))
    for start in range(0, len(rows), CLIPS_AT_A_TIME):
        some = rows[start : start + CLIPS_AT_A_TIME]
        keys = sorted(_keys_of(some, kind))
        found += [key for key in keys if after is None or key > after]
        if len(found) >= limit:
            break
    return found[:limit]


def question_count(dataset: Dataset, kind: str = "open") -> int:
    """How many questions wait."""
    if kind == "boxes":
        return _far_apart().filter(consensus__in=asking(dataset, kind)).count()
    count: int | None = asking(dataset).aggregate(sum=Sum("open_count"))["sum"]
    return count or 0


def _far_apart() -> QuerySet[ConsensusBox]:
    return ConsensusBox.objects.filter(
        status=ConsensusBox.Status.AGREED, least_iou__lt=LEAST_IOU, is_box_decided=False
    )


def _keys_of(consensuses: list[int], kind: str) -> Iterable[Key]:
    if kind == "boxes":
        apart = _far_apart().filter(consensus__in=consensuses)
        rows = apart.values_list("consensus__clip__name", "person_id", "second")
        return (Key(clip, person, BOX, second) for clip, person, second in rows)
    boxes = ConsensusBox.objects.filter(
        consensus__in=consensuses, status=ConsensusBox.Status.DISPUTED
    ).values_list("consensus__clip__name", "person_id", "second")
    labels = ConsensusLabel.objects.filter(
        box__consensus__in=consensuses, rule=ConsensusLabel.Rule.OPEN
    ).values_list("box__consensus__clip__name", "box__person_id", "group", "box__second")
    return [
        *(Key(clip, person, PERSON, second) for clip, person, second in boxes),
        *(Key(*row) for row in labels),
    ]


class Side(NamedTuple):
    """What one annotator says; the letter stands for the name, which is not to sway."""

    letter: str
    annotator: str
    answer: str


@dataclass
class Option:
    """One possible answer. `digit` is the key that gives it, empty if there is none left."""

    text: str
    value: str  # JSON, as the form posts it
    sides: list[Side]
    digit: str = ""


@dataclass
class Question:
    """One thing that a reviewer must say."""

    key: Key
    box: ConsensusBox
    group: ActionGroup | None  # None: whether there is a person, or where
    sides: list[Side]
    said: list[Option]  # the answers given, most votes first
    others: list[Option]  # answers that nobody gave
    alike: list[int]  # the keyframes right after it with the very same votes, still open

    @property
    def clip(self) -> Any:
        return self.box.consensus.clip

    @property
    def is_many(self) -> bool:
        return self.group is not None and self.group.choice == ActionGroup.Choice.MANY

    @property
    def is_on_box(self) -> bool:
        return self.key.group == BOX

    @property
    def ask(self) -> str:
        if self.group is not None:
            return group_words(self.group.name)
        return "Which box fits?" if self.is_on_box else "Is this a person?"

    @property
    def loop(self) -> tuple[int, int]:
        """The frames to look at, the last exclusive: 3 s round the keyframe."""
        middle, half = self.key.second * FRAME_RATE, 3 * FRAME_RATE // 2
        return max(0, middle - half), min(self.clip.frame_count, middle + half)


def questions(dataset: Dataset, keys: list[Key]) -> list[Question]:
    """The questions named by `keys` that are there; a fixed number of queries.

    One that was decided meanwhile is there still, so that a decision can be looked at again.
    """
    clips = {key.clip for key in keys}
    consensuses = newest_consensuses(dataset).filter(clip__name__in=clips)
    boxes = {
        (box.consensus.clip.name, box.person_id, box.second): box
        for box in ConsensusBox.objects.filter(
            consensus__in=consensuses,
            person_id__in={key.person_id for key in keys},
        )
        .select_related("consensus__clip__video")
        .prefetch_related("labels")
    }
    groups = {group.name: group for group in dataset.groups.prefetch_related("actions")}
    names = _annotators(clips, dataset)
    found = []
    for key in keys:
        box = boxes.get((key.clip, key.person_id, key.second))
        if box is None:
            continue
        letters = _letters(key.clip, names.get(key.clip, []))
        if key.group in (PERSON, BOX):
            make = _person_question if key.group == PERSON else _box_question
            found.append(make(key, box, letters))
        elif key.group in groups:
            alike = _alike(key, boxes)
            found.append(_label_question(key, box, groups[key.group], letters, alike))
    return found


def _annotators(clips: set[str], dataset: Dataset) -> dict[str, list[str]]:
    """Names of those who answered, by clip."""
    tasks = AnnotationTask.objects.of(dataset).counting()
    tasks = tasks.filter(clip__name__in=clips, pulls__stage=Stage.DONE)
    found: dict[str, list[str]] = {}
    for clip, name in tasks.distinct().values_list("clip__name", "annotator__name"):
        found.setdefault(clip, []).append(name)
    return found


def _letters(clip: str, names: Iterable[str]) -> dict[str, str]:
    """A letter for each annotator of a clip; which one says nothing about who it is.

    >>> sorted(_letters("a", ["kim", "lee"]).values())
    ['A', 'B']
    """
    drawn = sorted(names, key=lambda name: sha256(f"{clip}/{name}".encode()).digest())
    return {
        name: ascii_uppercase[place % 26] + "'" * (place // 26)
        for place, name in enumerate(drawn)
    }


def _label_of(box: ConsensusBox, group: str) -> ConsensusLabel | None:
    return next((label for label in box.labels.all() if label.group == group), None)


def _alike(key: Key, boxes: dict[tuple[str, int, int], ConsensusBox]) -> list[int]:
    first = _label_of(boxes[key.clip, key.person_id, key.second], key.group)
    found: list[int] = []
    second = key.second + 1
    while first is not None:
        box = boxes.get((key.clip, key.person_id, second))
        label = None if box is None else _label_of(box, key.group)
        if label is None or label.rule != "open" or label.votes != first.votes:
            break
        found.append(second)
        second += 1
    return found


def _person_question(key: Key, box: ConsensusBox, letters: dict[str, str]) -> Question:
    sides = [
        Side(letter, name, "drawn" if name in box.drawn_by else "not drawn")
        for name, letter in sorted(letters.items(), key=lambda one: one[1])
    ]
    said = [
        Option("A person", '["person"]', [one for one in sides if one.answer == "drawn"], "1"),
        Option(
            "Not a person", '["not-a-person"]',
            [one for one in sides if one.answer != "drawn"], "2",
        ),
    ]  # fmt: skip
    return Question(key, box, None, sides, said, [], [])


def _box_question(key: Key, box: ConsensusBox, letters: dict[str, str]) -> Question:
    sides = sorted(
        Side(letters.get(name, "?"), name, json.dumps(sidelines))
        for name, sidelines in box.drawn.items()
    )
    middle = json.dumps([box.x1, box.y1, box.x2, box.y2])
    word = "The mean of both" if len(sides) == 2 else "The median of all"
    said = [Option(word, middle, [])]
    said += [Option(f"That of {side.letter}", side.answer, [side]) for side in sides]
    return Question(key, box, None, sides, _numbered(said), [], [])


def _label_question(
    key: Key, box: ConsensusBox, group: ActionGroup, letters: dict[str, str], alike: list[int]
) -> Question:
    label = _label_of(box, group.name)
    votes = label.votes if label is not None else {}
    order = [action.name for action in group.actions.all()]
    by_answer: dict[tuple[str, ...] | None, list[Side]] = {}
    sides = []
    for name, letter in sorted(letters.items(), key=lambda one: one[1]):
        answer = _answer(votes.get(name), order) if name in votes else None
        side = Side(letter, name, text_of(votes[name]) if name in votes else "not drawn")
        sides.append(side)
        if answer is not None:
            by_answer.setdefault(answer, []).append(side)
    ranked = sorted(by_answer.items(), key=lambda one: (-len(one[1]), one[1][0].letter))
    said = [_option(answer, who) for answer, who in ranked if answer is not None]
    others = []
    if group.choice == ActionGroup.Choice.ONE:
        others = [_option((name,), []) for name in order if (name,) not in by_answer]
        if (UNKNOWN,) not in by_answer:
            others.append(_option((UNKNOWN,), []))
    elif () not in by_answer:
        others = [_option((), [])]
    numbered = _numbered([*said, *others])
    return Question(
        key, box, group, sides, numbered[: len(said)], numbered[len(said) :], alike
    )  # fmt: skip


def _numbered(options: list[Option]) -> list[Option]:
    """Give the first nine their digits; what is unknown or none is the digit 0."""
    place = 0
    for option in options:
        if option.value in (f'["{UNKNOWN}"]', "[]"):
            option.digit = "0"
        elif place < DIGITS:
            place += 1
            option.digit = str(place)
    return options


def _option(answer: tuple[str, ...], sides: list[Side]) -> Option:
    return Option(text_of(list(answer)), json.dumps(list(answer)), sides)


def _answer(vote: Any, order: list[str]) -> tuple[str, ...] | None:
    """A vote as actions in the group's order; None if nothing was answered."""
    if isinstance(vote, list):
        return tuple(name for name in order if name in vote)
    return (vote,) if vote in (UNKNOWN, *order) else None


def text_of(answer: Any) -> str:
    """An answer in words.

    >>> text_of(["walk", "wave"]), text_of([]), text_of(None), text_of("unset")
    ('walk, wave', 'none', 'no answer', 'no answer')
    """
    if isinstance(answer, list):
        return ", ".join(map(str, answer)) or "none"
    return "no answer" if answer in (None, "unset") else str(answer)
