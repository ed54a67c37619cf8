"""One clip: what its annotators said, compared in every way that adds up over clips."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.core.labels import Answers, counts_as_vote
from qc.core.agreement.boxes import box_counts, box_figures
from qc.core.agreement.segments import NO_PAIR_OF_KEYFRAMES, NO_STRETCH, flips, overlaps
from qc.core.agreement.tables import Codes, share_of, unit_agreement
from qc.core.agreement.units import (
    ABSENT,
    UNANSWERED,
    Asked,
    Block,
    Units,
    Value,
    group_figures,
    touched_units,
    with_peers,
)
from qc.core.consensus.clip_consensus import Question
from qc.core.consensus.identity import Drawn, PersonAt, gather_persons

SEED = 20
CLIP_RESAMPLES = 200
DIGITS = 6


def compare_clip(
    drawn: Drawn,
    answers: Sequence[Answers],
    annotators: Sequence[str],
    questions: Sequence[Question],
    *,
    first_id: int,
) -> dict[str, Any]:
    """Box agreement, the figures of every group, and the label units they come from.

    `peers` tells of each annotator how many of the comparisons with another one's answer came
    out the same, over the units of all groups that somebody changed. `over_time` has of each
    group the flips of each annotator, `[changed, consecutive]`, and the segments of each pair,
    `[a, b, IoU, stretches]`. `box_units` are the rows that box agreement of a dataset is put
    together from: two annotators, a person, and the fields of `BoxCounts`.

    Args:
        drawn: Every box.
        answers: Of each box.
        annotators: Names, in the order of their numbers in `drawn`.
        questions: The groups of the dataset.
        first_id: Of the persons that annotators drew, see `identity`.
    """
    persons = gather_persons(drawn, first_id=first_id)
    units = unit_table(persons, drawn, answers, questions, annotators=len(annotators))
    numbers = np.array(units["persons"], dtype=np.int64)
    seconds = np.array(units["seconds"], dtype=np.int64)
    peers = {name: np.zeros(2, dtype=np.int64) for name in annotators}
    groups, over_time = [], {}
    for question in questions:
        table = units["groups"][question.name]
        codes = np.array(table["codes"], dtype=np.int64).reshape(len(annotators), -1)
        values = [as_value(one) for one in table["values"]]
        block = Block(tuple(annotators), codes, numbers)
        group = Units([block], values, asked_of(question))
        figures = group_figures(group, seed=SEED, resamples=CLIP_RESAMPLES)
        changed = dict(zip(annotators, flips(codes, numbers, seconds), strict=True))
        stretches = overlaps(codes, numbers, seconds, group.member)
        over_time[question.name] = {
            "flips": {name: list(one) for name, one in changed.items()},
            "segments": [
                [annotators[i], annotators[j], round(one.iou, DIGITS), one.stretches]
                for (i, j), one in stretches.items()
            ],
        }
        figures |= {
            "required": question.required,
            "flips": share_of(
                sum(one.changed for one in changed.values()),
                sum(one.consecutive for one in changed.values()),
                NO_PAIR_OF_KEYFRAMES,
            ),
            "segments": share_of(
                sum(one.iou for one in stretches.values()),
                sum(one.stretches for one in stretches.values()),
                NO_STRETCH,
            ),
        }
        groups.append(figures)
        for name, counts in _alike(block, values).items():
            peers[name] += counts
    boxes = box_counts(drawn, annotators, _person_of_each(persons, len(answers)))
    return {
        "annotators": list(annotators),
        "boxes": box_figures(boxes, seed=SEED, resamples=CLIP_RESAMPLES),
        "box_units": [
            [a, b, person, *one]
            for (a, b), by_person in boxes.items()
            for person, one in by_person.items()
        ],
        "groups": groups,
        "over_time": over_time,
        "peers": {name: counts.tolist() for name, counts in peers.items()},
        "units": units,
    }


def _person_of_each(persons: Sequence[PersonAt], boxes: int) -> NDArray[np.int64]:
    """The person that each box is held for, shape `(boxes,)`."""
    numbers = np.zeros(boxes, dtype=np.int64)
    for person in persons:
        numbers[list(person.rows)] = person.person_id
    return numbers


def unit_table(
    persons: Sequence[PersonAt],
    drawn: Drawn,
    answers: Sequence[Answers],
    questions: Sequence[Question],
    *,
    annotators: int,
) -> dict[str, Any]:
    """Who said what of whom: for each group a code for every annotator and unit."""
    rows = [
        (int(drawn.annotators[row]), unit, answers[row])
        for unit, person in enumerate(persons)
        for row in person.rows
    ]
    return {
        "persons": [person.person_id for person in persons],
        "seconds": [person.second for person in persons],
        "groups": {
            one.name: _codes(rows, one.name, shape=(annotators, len(persons)))
            for one in questions
        },
    }


def asked_of(question: Question) -> Asked:
    return Asked(question.name, question.choice, question.actions)


def as_value(answer: Any) -> Value:
    """An answer, or a value out of JSON, as what is compared.

    >>> as_value("walk"), as_value(["wave"])
    ('walk', frozenset({'wave'}))
    """
    return answer if isinstance(answer, str) else frozenset(answer)


def _codes(
    rows: Sequence[tuple[int, int, Answers]], group: str, *, shape: tuple[int, int]
) -> dict[str, Any]:
    said: dict[tuple[int, int], Value | None] = {}
    for who, unit, answers in rows:
        answer = answers.get(group)
        said[who, unit] = as_value(answer) if counts_as_vote(answer) else None
    given = {value for value in said.values() if value is not None}
    values = sorted(given, key=_order)
    places = {value: place for place, value in enumerate(values)}
    codes: Codes = np.full(shape, ABSENT, dtype=np.int64)
    for place, value in said.items():
        codes[place] = UNANSWERED if value is None else places[value]
    return {
        "values": [one if isinstance(one, str) else sorted(one) for one in values],
        "codes": codes.tolist(),
    }


def _alike(block: Block, values: Sequence[Value]) -> Mapping[str, tuple[int, int]]:
    """Of each annotator: comparisons with another's answer that came out the same, and all."""
    touched = touched_units(block, values)
    found = {}
    for name in block.annotators:
        same = compared = 0
        for pair in with_peers([touched], name):
            same += int(unit_agreement(pair.codes).sum())
            compared += int((pair.codes >= 0).all(axis=0).sum())
        found[name] = (same, compared)
    return found


def _order(value: Value) -> tuple[int, list[str]]:
    return (0, [value]) if isinstance(value, str) else (1, sorted(value))
