"""Label units, `(person, keyframe)` of one group, and every figure of agreement on them.

Units come in blocks of clips that the same annotators had, so that a whole dataset is a few
arrays. A code is a place in `values`; ABSENT stands for an annotator who did not draw the
person, UNANSWERED for one who did and left the group unset. Figures of a clip, a pair, an
annotator and a dataset come from the same sums, and intervals from resampling persons: the
keyframes of one person are not independent, and resampling them gave intervals four times too
narrow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotation.core.labels import UNKNOWN
from qc.core.agreement.kappa_intervals import KappaIntervals, fleiss_interval, kappa_intervals
from qc.core.agreement.per_action import action_figures
from qc.core.agreement.resampling import Parts, Source, Sums, alpha_rows, intervals, source_of
from qc.core.agreement.tables import (
    NO_PAIR,
    NOTHING,
    ONE_CATEGORY,
    Codes,
    Coefficient,
    Floats,
    ac1_of,
    as_figure,
    confusion,
    fleiss_of,
    kappa_of,
    mean_of,
    set_distances,
    unit_agreement,
)

ABSENT = -1
UNANSWERED = -2
DIFFERENCES_KEPT = 30
PEERS = "the others"

Value = str | frozenset[str]
Pair = tuple[str, str]


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


@dataclass(frozen=True)
class Units:
    """The units of one group.

    Attributes:
        blocks: All of them.
        values: What the codes mean: actions, `unknown`, or sets of actions.
        asked: The group.
    """

    blocks: Sequence[Block]
    values: Sequence[Value]
    asked: Asked

    @property
    def parts(self) -> Parts:
        return [(block.codes, block.persons) for block in self.blocks]

    @cached_property
    def member(self) -> NDArray[np.bool_]:
        """Which value (row) holds which action (column)."""
        return members(self.values, self.asked)

    @cached_property
    def source(self) -> Source:
        """What alpha, AC1 and raw agreement come from."""
        if self.asked.choice == "many":
            sets = [one for one in self.values if isinstance(one, frozenset)]
            return source_of(
                self.parts, set_distances(sets, "masi"), categories=len(self.values)
            )
        categories = len({UNKNOWN, *self.asked.actions, *self.values})
        return source_of(self.parts, 1 - np.eye(len(self.values)), categories=categories)

    @cached_property
    def touched(self) -> "Units":
        """Those that at least one annotator changed from the pre-annotation."""
        blocks = [touched_units(block, self.values) for block in self.blocks]
        return Units(blocks, self.values, self.asked)

    @property
    def touched_source(self) -> Source:
        """That of the touched units: the same if whatever was answered was changed."""
        return self.touched.source if frozenset() in self.values else self.source


class Resampling(NamedTuple):
    """How intervals are drawn: the seed, and how many resamples; 0 for none."""

    seed: int
    resamples: int


@dataclass
class Counts:
    """What there is to compare, and what pairs of annotators said."""

    units: int = 0
    asked: int = 0  # annotators who drew the person, summed over units
    answered: int = 0
    tables: dict[Pair, Floats] = field(default_factory=dict)


def group_figures(units: Units, *, seed: int, resamples: int) -> dict[str, Any]:
    """Every figure of one group, ready for JSON.

    For a choice of one the categories are the actions and `unknown`; for many, each set that
    was chosen. `touched` holds the figures of the units that at least one annotator changed
    from the pre-annotation, which leaves every group unanswered or empty. `differences` counts
    what was said against what, the commonest first; `confusion` all of it for a choice of one.

    Args:
        units: Of the group.
        seed: Of the resampling.
        resamples: How many; 0 for no interval.
    """
    how = Resampling(seed, resamples)
    counts = _counts(units)
    drawn = kappa_intervals(units.blocks, units.member, **how._asdict())
    actions = action_figures(
        units.parts, counts.tables, units.member, units.asked.actions, **how._asdict()
    )
    for figure, interval in zip(actions.values(), drawn.actions, strict=True):
        figure["interval"] = interval if figure["value"] is not None else None
    return _brief(units, counts, drawn, how) | {
        **_fleiss(units.blocks, len(units.values), how),
        "actions": actions,
        "confusion": _confusion(counts, units),
        "differences": _differences(counts, units.values),
    }


def brief_figures(units: Units, *, seed: int, resamples: int) -> dict[str, Any]:
    """The figures of `group_figures` without its actions, matrices and Fleiss' kappa."""
    how = Resampling(seed, resamples)
    drawn = kappa_intervals(units.blocks, units.member[:, :0], **how._asdict())
    return _brief(units, _counts(units), drawn, how)


def _brief(
    units: Units, counts: Counts, drawn: KappaIntervals, how: Resampling
) -> dict[str, Any]:
    pairs, mean = _kappas(counts.tables, drawn)
    common = _common(units, counts, how)
    return {
        "name": units.asked.name,
        "choice": units.asked.choice,
        **common,
        "kappa": mean,
        "kappa_interval": drawn.mean if mean["value"] is not None else None,
        "kappa_pairs": pairs,
        "touched": _touched(units, common, how),
    }


def of_pair(blocks: Sequence[Block], a: str, b: str) -> list[Block]:
    """The units of blocks that both annotators had, with the answers of these two only."""
    return [
        Block((a, b), block.codes[[block.annotators.index(a), block.annotators.index(b)]],
              block.persons)
        for block in blocks if a in block.annotators and b in block.annotators
    ]  # fmt: skip


def with_peers(blocks: Sequence[Block], who: str) -> list[Block]:
    """An annotator's units, once against the answers of each other annotator who had them.

    >>> block = Block(("ann", "bob", "eve"), np.array([[0], [1], [0]]), np.array([4]))
    >>> [one.codes.tolist() for one in with_peers([block], "ann")]
    [[[0], [1]], [[0], [0]]]
    """
    found = []
    for block in blocks:
        if who not in block.annotators:
            continue
        mine = block.annotators.index(who)
        for other in range(len(block.annotators)):
            if other != mine:
                codes = block.codes[[mine, other]]
                found.append(Block((who, PEERS), codes, block.persons))
    return found


def touched_units(block: Block, values: Sequence[Value]) -> Block:
    """The units that somebody answered with more than nothing."""
    is_default = np.array([one == frozenset() for one in values] + [True, True])
    changed = ~is_default[block.codes].all(axis=0)  # -1 and -2 are the last two places
    return Block(block.annotators, block.codes[:, changed], block.persons[changed])


def members(values: Sequence[Value], asked: Asked) -> NDArray[np.bool_]:
    """Which value (row) holds which action (column)."""
    rows = [
        [action == one if isinstance(one, str) else action in one for action in asked.actions]
        for one in values
    ]
    return np.array(rows, dtype=bool).reshape(len(values), len(asked.actions))


def _common(units: Units, counts: Counts, how: Resampling) -> dict[str, Any]:
    """What is shown of all units and of the touched ones alike."""
    sums = units.source.sums
    low_high = intervals(units.source, **how._asdict())._asdict()
    figures: dict[str, Any] = {
        "units": counts.units,
        "rated_by_two": int(sums.pairable.sum()),
        "persons": int((sums.pairable > 0).sum()),
        "asked": counts.asked,
        "answered": round(counts.answered / counts.asked, 6) if counts.asked else None,
    }
    for name, coefficient in _coefficients(units.source, counts).items():
        figures[name] = as_figure(coefficient)
        is_defined = coefficient.value is not None
        figures[f"{name}_interval"] = low_high[name] if is_defined else None
    return figures


def _coefficients(source: Source, counts: Counts) -> dict[str, Coefficient]:
    whole: Sums = source.sums.together()
    pairable = int(whole.pairable[0])
    if not pairable:
        none = Coefficient(None, NO_PAIR if counts.answered else NOTHING, 0)
        return {"percent": none, "alpha": none, "ac1": none}
    agreement = float(whole.agreement[0]) / pairable
    shares = whole.shares[0] / whole.rated[0]
    shares = np.pad(shares, (0, max(source.categories - len(shares), 0)))
    found = float(alpha_rows(whole, source.distances)[0])
    is_defined = not np.isnan(found)
    alpha = Coefficient(
        found if is_defined else None, "" if is_defined else ONE_CATEGORY, pairable
    )
    return {
        "percent": Coefficient(agreement, "", pairable),
        "alpha": alpha,
        "ac1": ac1_of(agreement, shares, pairable),
    }


def _counts(units: Units) -> Counts:
    counts, size = _coverage(units.blocks), len(units.values)
    for block in units.blocks:
        for i, first in enumerate(block.annotators):
            for j in range(i + 1, len(block.annotators)):
                pair = (first, block.annotators[j])
                table = confusion(block.codes[i], block.codes[j], size=size)
                counts.tables[pair] = counts.tables.get(pair, 0) + table
    return counts


def _coverage(blocks: Sequence[Block]) -> Counts:
    """How much there is to compare, without what was said."""
    return Counts(
        units=sum(block.codes.shape[1] for block in blocks),
        asked=sum(int((block.codes != ABSENT).sum()) for block in blocks),
        answered=sum(int((block.codes >= 0).sum()) for block in blocks),
    )


def _fleiss(blocks: Sequence[Block], size: int, how: Resampling) -> dict[str, Any]:
    """Fleiss' kappa of the units with the commonest number of answers, three or more."""
    rated = [(block.codes >= 0).sum(axis=0) for block in blocks]
    counts = np.bincount(np.concatenate(rated), minlength=4) if rated else np.zeros(4)
    if not counts[3:].any():
        nothing = Coefficient(None, "no unit was rated by three or more", 0)
        return {"fleiss": as_figure(nothing), "fleiss_interval": None}
    raters = 3 + int(counts[3:].argmax())
    agreeing, ratings = 0.0, np.zeros(size)
    for block, number in zip(blocks, rated, strict=True):
        codes = block.codes[:, number == raters]
        agreeing += float(unit_agreement(codes).sum()) * raters * (raters - 1)
        ratings += np.bincount(codes[codes >= 0], minlength=size)
    found = fleiss_of(agreeing=agreeing, ratings=ratings, raters=raters)
    interval = fleiss_interval(blocks, raters, size=size, **how._asdict())
    return {
        "fleiss": as_figure(found),
        "fleiss_interval": interval if found.value is not None else None,
    }


def _kappas(
    tables: Mapping[Pair, Floats], drawn: KappaIntervals
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Cohen's kappa of each pair of annotators, and their mean."""
    kappas = {pair: kappa_of(table) for pair, table in sorted(tables.items())}
    pairs = [
        {"a": a, "b": b} | as_figure(kappa)
        | {"interval": drawn.pairs[a, b] if kappa.value is not None else None}
        for (a, b), kappa in kappas.items()
    ]  # fmt: skip
    return pairs, mean_of(kappas.values())


def _touched(units: Units, common: dict[str, Any], how: Resampling) -> dict[str, Any]:
    """The common figures of the touched units."""
    counts = _coverage(units.touched.blocks)
    if units.touched_source is units.source:  # only coverage differs
        share = round(counts.answered / counts.asked, 6) if counts.asked else None
        return common | {"units": counts.units, "asked": counts.asked, "answered": share}
    return _common(units.touched, counts, how)


def _confusion(counts: Counts, units: Units) -> dict[str, Any] | None:
    """How often each value met each other, either way round; None for a choice of many."""
    values, asked = units.values, units.asked
    if asked.choice == "many":
        return None
    order = {name: place for place, name in enumerate((*asked.actions, UNKNOWN))}
    places = sorted(range(len(values)), key=lambda one: order.get(str(values[one]), -1))
    table = _both_ways(counts, len(values))[np.ix_(places, places)]
    return {"values": [values[one] for one in places], "table": table.astype(int).tolist()}


def _differences(counts: Counts, values: Sequence[Value]) -> list[dict[str, Any]]:
    """Which two different values met how often, the commonest first."""
    table = np.triu(_both_ways(counts, len(values)), k=1)
    found = sorted(
        (-int(table[i, j]), str(_plain(values[i])), str(_plain(values[j])), i, j)
        for i, j in zip(*np.nonzero(table), strict=True)
    )
    return [
        {"a": _plain(values[i]), "b": _plain(values[j]), "count": -count}
        for count, _, _, i, j in found[:DIFFERENCES_KEPT]
    ]


def _both_ways(counts: Counts, size: int) -> Floats:
    table = sum(counts.tables.values(), start=np.zeros((size, size)))
    return table + table.T


def _plain(value: Value) -> str | list[str]:
    return value if isinstance(value, str) else sorted(value)
