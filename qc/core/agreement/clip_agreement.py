"""Agreement on one clip: which answers of its annotators count, and figures that add up."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.core.action_groups import ActionGroupSpec, Answers, counts_as_vote
from qc.core.agreement.box_agreement import box_counts, box_figures
from qc.core.agreement.box_sets import keyframe_boxes
from qc.core.agreement.coefficient_counts import Block, Codes, unit_agreement
from qc.core.agreement.figures import (
    ClipFigures,
    ClipUnits,
    Figure,
    GroupFigures,
    GroupOverTime,
    GroupUnits,
    LowestAlpha,
    PairBoxFigures,
)
from qc.core.agreement.label_agreement import (
    ABSENT,
    UNANSWERED,
    Units,
    Value,
    against_others,
    edited_units,
    group_figures,
)
from qc.core.agreement.labels_over_time import (
    NO_CONSECUTIVE,
    NO_SEGMENT,
    label_flicker,
    over_time,
)
from qc.core.consensus.identity import DrawnBoxes, MatchedPerson, identify_persons, numbered


def compare_clip(
    drawn: DrawnBoxes,
    answers: Sequence[Answers],
    annotators: Sequence[str],
    groups: Sequence[ActionGroupSpec],
    *,
    first_id: int = 1_000,
    longest_side: float = 1.0,
) -> ClipFigures:
    """Box agreement, the figures of every group, and the label units they come from.

    Args:
        drawn: Every box.
        answers: Of each box.
        annotators: Names, in the order of their numbers in `drawn`.
        groups: Of the dataset.
        first_id: Of the first person that annotators drew, counted on from there.
        longest_side: Of the frame in pixels, to compare boxes with those of other clips.
    """
    found = identify_persons(drawn)
    persons = numbered(
        found, {one.person_id: first_id - 1 - one.person_id for one in found if one.is_drawn}
    )
    units = unit_table(persons, drawn, answers, groups, annotators=len(annotators))
    others = {name: np.zeros(2, dtype=np.int64) for name in annotators}
    figures, in_time = [], {}
    for group in groups:
        block = Block(
            tuple(annotators),
            np.array(units.groups[group.name].codes, dtype=np.int64).reshape(
                len(annotators), -1
            ),
            np.array(units.persons, dtype=np.int64),
            np.zeros(len(units.persons), dtype=np.int64),
        )
        values = [as_value(one) for one in units.groups[group.name].values]
        its, in_time[group.name] = _compare_group(Units([block], values, group), units.seconds)
        figures.append(its)
        for name, counts in _same_answers(block, values).items():
            others[name] += counts
    boxes = box_counts(drawn, annotators, _person_of_each(persons, len(answers)))
    return ClipFigures(
        annotators=list(annotators),
        boxes=box_figures(boxes.values(), with_intervals=False),
        box_pairs=[
            PairBoxFigures(a, b, box_figures([one], with_intervals=False))
            for (a, b), one in sorted(boxes.items())
        ],
        box_units=[
            [a, b, person, *one]
            for (a, b), by_person in boxes.items()
            for person, one in by_person.items()
        ],
        groups=figures,
        lowest=LowestAlpha.of(figures),
        over_time=in_time,
        others={name: counts.tolist() for name, counts in others.items()},
        units=units,
        keyframes=keyframe_boxes(drawn, len(annotators), scale=longest_side),
    )


def _compare_group(units: Units, seconds: Sequence[int]) -> tuple[GroupFigures, GroupOverTime]:
    """The figures of one group of a clip."""
    [(annotators, codes, persons, _)] = units.blocks
    at = np.array(seconds, dtype=np.int64)
    flicker = label_flicker(codes, persons, at)
    pairs = {
        (annotators[i], annotators[j]): one.summed()
        for (i, j), one in over_time(codes, persons, at, units.member).items()
    }
    figures = replace(
        group_figures(units, with_intervals=False),
        flicker=Figure.share(
            sum(one.changed for one in flicker),
            sum(one.consecutive for one in flicker),
            NO_CONSECUTIVE,
        ),
        segment_iou=Figure.share(
            sum(iou for iou, *_ in pairs.values()),
            round(sum(count for _, count, *_ in pairs.values())),
            NO_SEGMENT,
        ),
    )
    return figures, GroupOverTime(
        {name: list(one) for name, one in zip(annotators, flicker, strict=True)},
        [[a, b, *sums] for (a, b), sums in pairs.items()],
    )


def _person_of_each(persons: Sequence[MatchedPerson], boxes: int) -> NDArray[np.int64]:
    """The person that each box is taken for, shape `(boxes,)`."""
    numbers = np.zeros(boxes, dtype=np.int64)
    for person in persons:
        numbers[list(person.rows)] = person.person_id
    return numbers


def unit_table(
    persons: Sequence[MatchedPerson],
    drawn: DrawnBoxes,
    answers: Sequence[Answers],
    groups: Sequence[ActionGroupSpec],
    *,
    annotators: int,
) -> ClipUnits:
    """For each group a code for every annotator and unit."""
    rows = [
        (int(drawn.annotators[row]), unit, answers[row])
        for unit, person in enumerate(persons)
        for row in person.rows
    ]
    return ClipUnits(
        [person.person_id for person in persons],
        [person.second for person in persons],
        {one.name: _codes(rows, one.name, shape=(annotators, len(persons))) for one in groups},
    )


def as_value(answer: Any) -> Value:
    """An answer, or a value out of JSON, as what is compared.

    >>> as_value("walk"), as_value(["wave"])
    ('walk', frozenset({'wave'}))
    """
    return answer if isinstance(answer, str) else frozenset(answer)


def _codes(
    rows: Sequence[tuple[int, int, Answers]], group: str, *, shape: tuple[int, int]
) -> GroupUnits:
    given: dict[tuple[int, int], Value | None] = {}
    for who, unit, answers in rows:
        answer = answers.get(group)
        given[who, unit] = as_value(answer) if counts_as_vote(answer) else None
    values = sorted({one for one in given.values() if one is not None}, key=_order)
    places = {value: place for place, value in enumerate(values)}
    codes: Codes = np.full(shape, ABSENT, dtype=np.int64)
    for place, value in given.items():
        codes[place] = UNANSWERED if value is None else places[value]
    return GroupUnits(
        [one if isinstance(one, str) else sorted(one) for one in values], codes.tolist()
    )


def _same_answers(block: Block, values: Sequence[Value]) -> Mapping[str, tuple[int, int]]:
    """Of each annotator: comparisons with another's answer that were the same, and all."""
    edited = edited_units(block, values)
    found = {}
    for name in block.annotators:
        same = compared = 0
        for pair in against_others([edited], name):
            same += int(unit_agreement(pair.codes).sum())
            compared += int((pair.codes >= 0).all(axis=0).sum())
        found[name] = (same, compared)
    return found


def _order(value: Value) -> tuple[int, list[str]]:
    return (0, [value]) if isinstance(value, str) else (1, sorted(value))
