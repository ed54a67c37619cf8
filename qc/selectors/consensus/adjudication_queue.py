"""The adjudication queue: items that need a reviewer's decision, and all that each item shows.

Items are ordered by clip, person, group and keyframe, so that similar items follow each other.
An item has a stable key, `<clip>.<person>.<group>.<second>`, where `~person` as the group
asks whether there is a person, and `~box` which box fits.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from string import ascii_uppercase
from typing import Any, NamedTuple

from django.db.models import Prefetch, Q, QuerySet, Sum
from django.utils.translation import gettext as _

from annotation.models import AnswerVersion
from avaproject.base.views import parse_key
from datasets.core.action_groups import UNKNOWN
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import ActionGroup, Dataset
from qc.core.consensus.clip_consensus import MIN_BOX_IOU, why_open
from qc.core.consensus.person_quorum import why_disputed
from qc.models import ClipStatus, Consensus, ConsensusBox, ConsensusLabel
from qc.selectors.clip_and_task_filters import narrowed, ordered
from qc.selectors.clip_and_task_states import newest_consensuses
from qc.selectors.consensus.decision_options import (
    AnnotatorAnswer,
    DecisionOption,
    answer_of,
    numbered,
    option_of,
)
from qc.selectors.display_names import (
    annotator_names,
    answer_text,
    group_title,
    name_annotators,
)
from qc.selectors.statuses import clip_statuses
from tracking.core.tracks_file import PERSON as PERSON_CLASS
from tracking.core.tracks_file import person_label
from tracking.person_classes import class_words, classes_of

PERSON, BOX = "~person", "~box"
ITEMS = {"open": "open_items", "boxes": "box_items"}  # of ClipStatus
KINDS = tuple(ITEMS)
CLIPS_AT_A_TIME = 20
# Orders of clips that no decision changes, so that a reviewer can go on where they were.
ORDERS = {
    "agreement": "lowest_alpha", "persons": "person_count", "findings": "findings",
    "length": "clip__frame_count",
}  # fmt: skip


class ItemKey(NamedTuple):
    """The key of an item; the queue is in ascending order of keys."""

    clip: str
    person_id: int
    group: str  # or PERSON or BOX
    second: int

    def __str__(self) -> str:
        return f"{self.clip}.{self.person_id}.{self.group}.{self.second}"


def parse_item_key(text: str) -> ItemKey | None:
    """The key in `text`; None if there is none.

    >>> parse_item_key("aisle-c0000.3.~person.5")
    ItemKey(clip='aisle-c0000', person_id=3, group='~person', second=5)
    >>> parse_item_key("aisle-c0000.3") is None
    True
    """
    parts = text.split(".")
    if len(parts) != 4:
        return None
    person, second = parse_key(parts[1]), parse_key(parts[3])
    if person is None or second is None:
        return None
    return ItemKey(parts[0], person, parts[2], second)


def clips_to_adjudicate(
    dataset: Dataset, kind: str = "open", query: Mapping[str, str] | None = None
) -> QuerySet[ClipStatus]:
    """Clips with items that fit the filters in `query`, by name.

    Those that wait for a third opinion are left out.
    """
    clips = narrowed(clip_statuses(dataset), query or {}).exclude(consensus=None)
    return clips.filter(**{f"{ITEMS[kind]}__gt": 0})


def item_keys(
    dataset: Dataset,
    *,
    kind: str = "open",
    after: ItemKey | None = None,
    query: Mapping[str, str] | None = None,
    limit: int = 10,
) -> list[ItemKey]:
    """The next items of the queue, at most `limit`; reads no more clips than needed."""
    found: list[ItemKey] = []
    clips = ordered(clips_to_adjudicate(dataset, kind, query), query or {}, ORDERS)
    if after is not None:
        clips = clips.filter(_from(dataset, after.clip, (query or {}).get("sort", "")))
    start = 0
    rows = clips.values_list("name", "consensus")
    while len(found) < limit and (some := list(rows[start : start + CLIPS_AT_A_TIME])):
        place = {name: number for number, (name, _) in enumerate(some)}
        keys = _keys_of([consensus for _, consensus in some], kind)
        found += [
            key for key in sorted(keys, key=lambda one: (place[one.clip], one))
            if after is None or key.clip != after.clip or key > after
        ]  # fmt: skip
        start += CLIPS_AT_A_TIME
    return found[:limit]


def _from(dataset: Dataset, name: str, sort: str) -> Q:
    """Clips from the one of this name on, in the order that `sort` names."""
    field = ORDERS.get(sort.removeprefix("-"))
    kept = ClipStatus.objects.filter(dataset=dataset, name=name)
    if field is None:
        return Q(name__gte=name)
    value = kept.values_list(field, flat=True).first()
    if value is None:
        return Q(**{f"{field}__isnull": True}, name__gte=name)
    later = "lt" if sort.startswith("-") else "gt"
    return (
        Q(**{f"{field}__{later}": value})
        | Q(**{field: value}, name__gte=name)
        | Q(**{f"{field}__isnull": True})
    )


def open_item_count(
    dataset: Dataset, kind: str = "open", query: Mapping[str, str] | None = None
) -> int:
    """The number of items in the queue that fit the filters in `query`."""
    clips = clips_to_adjudicate(dataset, kind, query).order_by()
    return clips.aggregate(sum=Sum(ITEMS[kind]))["sum"] or 0


def _disputed_boxes() -> QuerySet[ConsensusBox]:
    return ConsensusBox.objects.filter(
        status=ConsensusBox.Status.AGREED, min_iou__lt=MIN_BOX_IOU, is_box_decided=False
    )


def _keys_of(consensuses: list[int], kind: str) -> Iterable[ItemKey]:
    if kind == "boxes":
        disputed = _disputed_boxes().filter(consensus__in=consensuses)
        rows = disputed.order_by().values_list("consensus__clip__name", "person_id", "second")
        return (ItemKey(clip, person, BOX, second) for clip, person, second in rows)
    boxes = ConsensusBox.objects.filter(
        consensus__in=consensuses, status=ConsensusBox.Status.DISPUTED
    )
    labels = ConsensusLabel.objects.filter(
        box__consensus__in=consensuses, rule=ConsensusLabel.Rule.OPEN
    )
    persons = boxes.order_by().values_list("consensus__clip__name", "person_id", "second")
    fields = ("box__consensus__clip__name", "box__person_id", "group", "box__second")
    return [
        *(ItemKey(clip, person, PERSON, second) for clip, person, second in persons),
        *(ItemKey(*row) for row in labels.order_by().values_list(*fields)),
    ]


@dataclass
class AdjudicationItem:
    """One thing that needs a reviewer's decision."""

    key: ItemKey
    box: ConsensusBox
    group: ActionGroup | None  # None: whether there is a person, or which box fits
    answers: list[AnnotatorAnswer]
    given: list[DecisionOption]  # answers of annotators, most votes first
    others: list[DecisionOption]  # answers that no annotator gave
    same_votes: list[int]  # the keyframes that follow with the same votes, still open
    reason: str = ""  # why the question is open; empty if it is decided
    label: str = PERSON_CLASS  # what it is

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
    def title(self) -> str:
        if self.group is not None:
            return group_title(self.group.name)
        return _("Which box fits?") if self.is_on_box else class_words(self.label).question

    @property
    def person(self) -> str:
        return person_label(self.key.person_id, {self.key.person_id: self.label})

    @property
    def loop(self) -> tuple[int, int]:
        """The frames to play, the last exclusive: 3 s around the keyframe."""
        middle, half = self.key.second * FRAME_RATE, 3 * FRAME_RATE // 2
        return max(0, middle - half), min(self.clip.frame_count, middle + half)


def adjudication_items(dataset: Dataset, keys: list[ItemKey]) -> list[AdjudicationItem]:
    """The items of `keys` that exist; a fixed number of queries.

    Items that are decided already are included, so that a decision can be reviewed.
    """
    clips = {key.clip for key in keys}
    consensuses = (
        newest_consensuses(dataset, clips=clips)
        .select_related("clip__video")
        .order_by()
        .in_bulk()
    )
    boxes = {}
    asked = ConsensusLabel.objects.filter(group__in={key.group for key in keys}).order_by()
    rows = ConsensusBox.objects.filter(
        consensus__in=consensuses, person_id__in={key.person_id for key in keys}
    )
    for one in rows.order_by().prefetch_related(Prefetch("labels", asked)):
        one.consensus = consensuses[one.consensus_id]
        boxes[one.consensus.clip.name, one.person_id, one.second] = one
    name_annotators(boxes.values(), annotator_names(dataset))
    groups = {group.name: group for group in dataset.groups.prefetch_related("actions")}
    names = _authors({box.consensus for box in boxes.values()})
    classes = classes_of({one.clip.video_id for one in consensuses.values()})
    found = []
    for key in keys:
        box = boxes.get((key.clip, key.person_id, key.second))
        if box is None:
            continue
        letters = _letters(key.clip, names.get(key.clip, []))
        label = classes.get((box.consensus.clip.video_id, key.person_id), PERSON_CLASS)
        if key.group == PERSON:
            item = _person_item(key, box, letters, label)
        elif key.group == BOX:
            item = _box_item(key, box, letters)
        elif key.group in groups:
            item = _label_item(key, box, groups[key.group], letters, _same_votes(key, boxes))
        else:
            continue
        item.label = label
        found.append(item)
    return found


def _authors(consensuses: Iterable[Consensus]) -> dict[str, list[str]]:
    """Names of the annotators whose answers a consensus is built from, by clip."""
    keys = [key for one in consensuses for key in one.versions]
    rows = AnswerVersion.objects.filter(pk__in=keys).order_by()
    found: dict[str, list[str]] = {}
    for clip, name in rows.values_list("task__clip__name", "author__name").distinct():
        found.setdefault(clip, []).append(name)
    return found


def _letters(clip: str, names: Iterable[str]) -> dict[str, str]:
    """A letter for each annotator of a clip, in an order that does not reveal the names.

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


def _same_votes(key: ItemKey, boxes: dict[tuple[str, int, int], ConsensusBox]) -> list[int]:
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


def _person_item(
    key: ItemKey, box: ConsensusBox, letters: dict[str, str], label: str
) -> AdjudicationItem:
    answers = [
        AnnotatorAnswer(letter, name, _("drawn") if name in box.drawn_by else _("not drawn"))
        for name, letter in sorted(letters.items(), key=lambda one: one[1])
    ]
    drawn = [one for one in answers if one.answer == "drawn"]
    not_drawn = [one for one in answers if one.answer != "drawn"]
    words = class_words(label)
    given = [
        DecisionOption(words.yes, '["person"]', drawn, "1"),
        DecisionOption(words.no, '["not-a-person"]', not_drawn, "2"),
    ]
    reason = ""
    if box.status == ConsensusBox.Status.DISPUTED:
        reason = why_disputed(len(drawn), len(answers), label)
    return AdjudicationItem(key, box, None, answers, given, [], [], reason)


def _box_item(key: ItemKey, box: ConsensusBox, letters: dict[str, str]) -> AdjudicationItem:
    answers = sorted(
        AnnotatorAnswer(letters.get(name, "?"), name, json.dumps(box_sides))
        for name, box_sides in box.drawn.items()
    )
    middle = json.dumps([box.x1, box.y1, box.x2, box.y2])
    word = _("Mean of both boxes") if len(answers) == 2 else _("Median of all boxes")
    given = [DecisionOption(word, middle, [])]
    given += [
        DecisionOption(_("Box of %(letter)s") % {"letter": one.letter}, one.answer, [one])
        for one in answers
    ]
    reason = _("The boxes overlap with an IoU of %(value).2f.") % {"value": box.min_iou or 0}
    return AdjudicationItem(key, box, None, answers, numbered(given), [], [], reason)


def _label_item(
    key: ItemKey,
    box: ConsensusBox,
    group: ActionGroup,
    letters: dict[str, str],
    same_votes: list[int],
) -> AdjudicationItem:
    label = _label_of(box, group.name)
    votes = label.votes if label is not None else {}
    order = [action.name for action in group.actions.all()]
    by_answer: dict[tuple[str, ...] | None, list[AnnotatorAnswer]] = {}
    answers = []
    for name, letter in sorted(letters.items(), key=lambda one: one[1]):
        answer = answer_of(votes.get(name), order) if name in votes else None
        one = AnnotatorAnswer(
            letter, name, answer_text(votes[name]) if name in votes else _("not drawn")
        )
        answers.append(one)
        if answer is not None:
            by_answer.setdefault(answer, []).append(one)
    ranked = sorted(by_answer.items(), key=lambda one: (-len(one[1]), one[1][0].letter))
    # More actions than can be chosen are no decision.
    given = [
        option_of(answer, who)
        for answer, who in ranked
        if answer is not None and len(answer) <= group.max_per_person
    ]
    others = []
    if group.choice == ActionGroup.Choice.ONE:
        others = [option_of((name,), []) for name in order if (name,) not in by_answer]
        if (UNKNOWN,) not in by_answer:
            others.append(option_of((UNKNOWN,), []))
    elif () not in by_answer:
        others = [option_of((), [])]
    options = numbered([*given, *others])
    reason = ""
    if label is not None and label.rule == ConsensusLabel.Rule.OPEN:
        reason = why_open(votes, group.spec(), annotators=len(answers))
    return AdjudicationItem(
        key, box, group, answers, options[: len(given)], options[len(given) :], same_votes,
        reason,
    )  # fmt: skip
