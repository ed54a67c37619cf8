"""What a plan is going to cost and to tell: hours of work, and how sure a kappa will be."""

import math
from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from typing import NamedTuple

from annotation.core.assignment import Given

PACE = 10.0  # seconds of work for each person and second of footage; a pilot tells better
BLIND_EFFORT = 2.0  # of a clip whose boxes must be drawn first, against one that has them
LIKELY_KAPPA = 0.7
LIKELY_CHANCE = 0.5  # agreement by chance of two answers that are equally common
CONFIDENCE = 1.96  # standard errors either way of a 95 % interval

Persons = Mapping[str, Collection[object]]


class Meeting(NamedTuple):
    """What two annotators have in common."""

    first: str
    second: str
    clips: int
    persons: int
    margin: float | None  # see `kappa_margin`


def hours(weight: float, *, pace: float = PACE) -> float:
    """Hours that work of `weight` person-seconds takes.

    >>> hours(720, pace=10)
    2.0
    """
    return weight * pace / 3600


def kappa_margin(
    persons: int, *, kappa: float = LIKELY_KAPPA, chance: float = LIKELY_CHANCE
) -> float | None:
    """How far a 95 % interval of kappa is going to reach either way; None for no two persons.

    `1.96 * sqrt(p * (1 - p) / n) / (1 - chance)` with the raw agreement `p` (Cohen 1960). `n`
    is the number of persons, not of keyframes: the keyframes of one person resemble each other,
    and an interval that takes them for independent is several times too narrow.

    Args:
        persons: Persons that two annotators have both.
        kappa: What is hoped for.
        chance: Agreement by chance.

    >>> round(kappa_margin(100), 2), kappa_margin(1)
    (0.14, None)
    """
    if persons < 2:
        return None
    agreement = kappa * (1 - chance) + chance
    error = math.sqrt(agreement * (1 - agreement) / persons) / (1 - chance)
    return min(CONFIDENCE * error, 1.0)


def meetings_of(teams: Given, persons: Persons, annotators: Iterable[str]) -> list[Meeting]:
    """Every pair of `annotators`, sorted by name, also those that never meet.

    Args:
        teams: Who has each clip.
        persons: Who is to be seen in each clip; a person may be in several.
        annotators: Names.

    >>> meetings_of({"a": ("ann", "bob")}, {"a": {1, 2}}, ["ann", "bob", "cem"])[0][:4]
    ('ann', 'bob', 1, 2)
    """
    shared: dict[tuple[str, str], list[str]] = {}
    for clip, team in teams.items():
        for pair in combinations(sorted(team), 2):
            shared.setdefault(pair, []).append(clip)
    found = []
    for pair in combinations(sorted(set(annotators)), 2):
        clips = shared.get(pair, [])
        count = len({person for clip in clips for person in persons.get(clip, ())})
        found.append(Meeting(*pair, len(clips), count, kappa_margin(count)))
    return found


def shared_persons(teams: Given, persons: Persons) -> int:
    """How many persons two annotators or more are going to look at.

    >>> shared_persons({"a": ("ann", "bob"), "b": ("ann",)}, {"a": {1, 2}, "b": {3}})
    2
    """
    seen = {
        person for clip, team in teams.items() if len(team) > 1
        for person in persons.get(clip, ())
    }  # fmt: skip
    return len(seen)
