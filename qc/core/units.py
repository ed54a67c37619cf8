"""Label units, `(person, keyframe)` of one group, and every figure of agreement on them.

Units come in blocks of clips that the same annotators had, so that a whole dataset is a few
arrays. A code is a place in `values`; ABSENT stands for an annotator who did not draw the
person, UNANSWERED for one who did and left the group unset. Figures of a clip and of a dataset
come from the same sums, and intervals from resampling persons: the keyframes of one person are
not independent, and resampling them gave intervals four times too narrow.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotation.core.labels import UNKNOWN
from qc.core.tables import (
    NO_PAIR,
    NOTHING,
    Codes,
    Coefficient,
    Floats,
    ac1_of,
    alpha_of,
    coincidences,
    confusion,
    fleiss_of,
    kappa_of,
    set_distances,
    unit_agreement,
)

ABSENT = -1
UNANSWERED = -2
CHUNK = 50  # resamples at a time, to bound memory
INTERVAL = (2.5, 97.5)

Value = str | frozenset[str]


class Block(NamedTuple):
    """Units that the same annotators were asked about."""

    annotators: tuple[str, ...]
    codes: Codes  # (annotators, units)
    persons: NDArray[np.int64]  # (units,), numbers of the persons over all blocks


class Asked(NamedTuple):
    """A group of actions, as far as agreement on it is measured."""

    name: str
    choice: str  # "one" or "many"
    actions: tuple[str, ...]


@dataclass
class Sums:
    """What the coefficients need of any number of units, added up."""

    units: int = 0
    asked: int = 0  # annotators who drew the person, summed over units
    answered: int = 0
    pairable: int = 0  # units with two answers or more
    agreement: float = 0.0  # raw agreement summed over those
    coincidences: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    tables: dict[tuple[str, str], Floats] = field(default_factory=dict)


def group_figures(
    blocks: Sequence[Block], values: Sequence[Value], asked: Asked, *, seed: int, resamples: int
) -> dict[str, Any]:
    """Every figure of one group, ready for JSON.

    For a choice of one the categories are the actions and `unknown`; for many, each set that
    was chosen. `touched` holds the figures of the units that at least one annotator changed
    from the pre-annotation, which leaves every group unanswered or empty.

    Args:
        blocks: The units.
        values: What the codes mean: actions, `unknown`, or sets of actions.
        asked: The group.
        seed: Of the resampling.
        resamples: How many; 0 for no interval.
    """
    sums = _sums(blocks, len(values))
    distances = _distances(values, asked)
    categories = _category_count(values, asked)
    interval = _ac1_interval(blocks, len(values), categories, seed=seed, resamples=resamples)
    pairs, mean = _kappas(sums.tables)
    return {
        "name": asked.name,
        "choice": asked.choice,
        **_common(blocks, sums, distances, categories),
        "ac1_interval": interval,
        "kappa": mean,
        "kappa_pairs": pairs,
        "fleiss": as_figure(_fleiss(blocks, len(values))),
        "actions": _actions(sums.tables, values, asked),
        "touched": _touched(blocks, values, distances, categories),
    }


def as_figure(coefficient: Coefficient) -> dict[str, Any]:
    """A coefficient as JSON.

    >>> as_figure(Coefficient(None, "nothing was rated", 0))
    {'value': None, 'reason': 'nothing was rated', 'units': 0}
    """
    value = coefficient.value
    return {
        "value": None if value is None else round(value, 6),
        "reason": coefficient.reason,
        "units": coefficient.units,
    }


def mean_of(coefficients: Iterable[Coefficient]) -> dict[str, Any]:
    """The mean of those that are defined, and how many are `left_out` because they are not.

    >>> mean_of([Coefficient(0.5, "", 4), Coefficient(None, "only one category was used", 3)])
    {'value': 0.5, 'reason': '', 'units': 4, 'left_out': 1}
    """
    given = list(coefficients)
    defined = [one for one in given if one.value is not None]
    if defined:
        value = float(np.mean([one.value for one in defined]))
        mean = Coefficient(value, "", sum(one.units for one in defined))
    else:
        mean = Coefficient(None, given[0].reason if given else NO_PAIR, 0)
    return as_figure(mean) | {"left_out": len(given) - len(defined)}


def _common(
    blocks: Sequence[Block], sums: Sums, distances: Floats, categories: int
) -> dict[str, Any]:
    """What is shown of all units and of the touched ones alike."""
    reason = "" if sums.pairable else NO_PAIR if sums.answered else NOTHING
    if reason:
        percent = alpha = ac1 = Coefficient(None, reason, 0)
    else:
        agreement = sums.agreement / sums.pairable
        percent = Coefficient(agreement, "", sums.pairable)
        alpha = alpha_of(sums.coincidences, distances, sums.pairable)
        shares = _padded(_shares(blocks, len(distances)), categories)
        ac1 = ac1_of(agreement, shares, sums.pairable)
    return {
        "units": sums.units,
        "rated_by_two": sums.pairable,
        "answered": round(sums.answered / sums.asked, 6) if sums.asked else None,
        "percent": as_figure(percent),
        "alpha": as_figure(alpha),
        "ac1": as_figure(ac1),
    }


def _sums(blocks: Sequence[Block], size: int) -> Sums:
    sums = Sums(coincidences=np.zeros((size, size)))
    for block in blocks:
        rated = (block.codes >= 0).sum(axis=0)
        sums.units += block.codes.shape[1]
        sums.asked += int((block.codes != ABSENT).sum())
        sums.answered += int(rated.sum())
        sums.pairable += int((rated >= 2).sum())
        sums.agreement += float(unit_agreement(block.codes).sum())
        sums.coincidences += coincidences(block.codes, size=size)
        for i, first in enumerate(block.annotators):
            for j in range(i + 1, len(block.annotators)):
                pair = (first, block.annotators[j])
                table = confusion(block.codes[i], block.codes[j], size=size)
                sums.tables[pair] = sums.tables.get(pair, 0) + table
    return sums


def _shares(blocks: Sequence[Block], size: int) -> Floats:
    """Each value's mean share of a unit's ratings, over units with any."""
    total, units = np.zeros(size), 0
    for block in blocks:
        rated = (block.codes >= 0).sum(axis=0)
        units += int((rated > 0).sum())
        for row in block.codes:
            seen = row >= 0
            total += np.bincount(row[seen], 1 / rated[seen], minlength=size)
    return total / max(units, 1)


def _padded(shares: Floats, categories: int) -> Floats:
    """The shares with those of the categories that nobody used."""
    return np.pad(shares, [(0, 0)] * (shares.ndim - 1) + [(0, categories - shares.shape[-1])])


def _ac1_interval(
    blocks: Sequence[Block], size: int, categories: int, *, seed: int, resamples: int
) -> list[float] | None:
    """The 95 % interval of AC1 by resampling persons; None for fewer than two of them."""
    agreement, pairable, shares, rated = _person_sums(blocks, size)
    persons = len(rated)
    if resamples < 1 or (pairable > 0).sum() < 2 or categories < 2:
        return None
    random = np.random.default_rng(seed)
    drawn: list[Floats] = []
    for start in range(0, resamples, CHUNK):
        count = min(CHUNK, resamples - start)
        times = random.multinomial(persons, np.full(persons, 1 / persons), size=count)
        times = times.astype(np.float64)
        weights = times @ pairable
        good = weights > 0  # a resample may hold no unit that two rated
        raw = (times @ agreement)[good] / weights[good]
        part = (times @ shares)[good] / (times @ rated)[good, None]
        chance = (part * (1 - part)).sum(axis=1) / (categories - 1)
        drawn.append(1 - (1 - raw) / (1 - chance))
    low, high = np.percentile(np.concatenate(drawn), INTERVAL)
    return [round(float(low), 6), round(float(high), 6)]


def _person_sums(blocks: Sequence[Block], size: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Of each person rated: agreement, pairable units, shares of values, rated units."""
    everyone = [block.persons[(block.codes >= 0).any(axis=0)] for block in blocks]
    numbers = np.unique(np.concatenate(everyone)) if everyone else np.empty(0, np.int64)
    count = len(numbers)
    agreement, pairable, units = np.zeros(count), np.zeros(count), np.zeros(count)
    shares = np.zeros(count * size)
    for block in blocks:
        rated = (block.codes >= 0).sum(axis=0)
        kept = rated > 0
        place = np.searchsorted(numbers, block.persons[kept])
        codes, rated = block.codes[:, kept], rated[kept]
        agreement += np.bincount(place, unit_agreement(codes), minlength=count)
        pairable += np.bincount(place, rated >= 2, minlength=count)
        units += np.bincount(place, minlength=count)
        for row in codes:
            seen = row >= 0
            spot = place[seen] * size + row[seen]
            shares += np.bincount(spot, 1 / rated[seen], minlength=count * size)
    return agreement, pairable, shares.reshape(count, size), units


def _fleiss(blocks: Sequence[Block], size: int) -> Coefficient:
    """Fleiss' kappa of the units with the commonest number of answers, three or more."""
    rated = [(block.codes >= 0).sum(axis=0) for block in blocks]
    counts = np.bincount(np.concatenate(rated), minlength=4) if rated else np.zeros(4)
    if not counts[3:].any():
        return Coefficient(None, "no unit was rated by three or more", 0)
    raters = 3 + int(counts[3:].argmax())
    agreeing, ratings = 0.0, np.zeros(size)
    for block, number in zip(blocks, rated, strict=True):
        codes = block.codes[:, number == raters]
        agreeing += float(unit_agreement(codes).sum()) * raters * (raters - 1)
        ratings += np.bincount(codes[codes >= 0], minlength=size)
    return fleiss_of(agreeing=agreeing, ratings=ratings, raters=raters)


def _kappas(
    tables: Mapping[tuple[str, str], Floats],
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Cohen's kappa of each pair of annotators, and their mean."""
    kappas = {pair: kappa_of(table) for pair, table in sorted(tables.items())}
    pairs = [{"a": a, "b": b} | as_figure(kappa) for (a, b), kappa in kappas.items()]
    return pairs, mean_of(kappas.values())


def _actions(
    tables: Mapping[tuple[str, str], Floats], values: Sequence[Value], asked: Asked
) -> dict[str, dict[str, Any]]:
    """Cohen's kappa of each action alone, chosen or not: the mean over pairs of annotators."""
    figures = {}
    for action in asked.actions:
        chosen = np.array(
            [action == one if isinstance(one, str) else action in one for one in values],
            dtype=np.float64,
        )
        sides = np.stack([chosen, 1 - chosen])
        figures[action] = mean_of(
            kappa_of(sides @ table @ sides.T) for _, table in sorted(tables.items())
        ) | {"chosen": int(sum((table @ chosen).sum() for table in tables.values()))}
    return figures


def _touched(
    blocks: Sequence[Block], values: Sequence[Value], distances: Floats, categories: int
) -> dict[str, Any]:
    """The common figures of the units that somebody answered with more than nothing."""
    is_default = np.array([one == frozenset() for one in values] + [True, True])
    kept = []
    for block in blocks:
        changed = ~is_default[block.codes].all(axis=0)  # -1 and -2 are the last two places
        kept.append(Block(block.annotators, block.codes[:, changed], block.persons[changed]))
    return _common(kept, _sums(kept, len(values)), distances, categories)


def _distances(values: Sequence[Value], asked: Asked) -> Floats:
    if asked.choice == "many":
        return set_distances([one for one in values if isinstance(one, frozenset)], "masi")
    return 1 - np.eye(len(values))


def _category_count(values: Sequence[Value], asked: Asked) -> int:
    if asked.choice == "many":
        return len(values)
    return len({UNKNOWN, *asked.actions, *values})
