"""Agreement on labels: units `(person, keyframe)` of one group, and every figure on them.

Units come in blocks of clips that the same annotators had, so that a whole dataset is a few
arrays. A code is a place in `values`; ABSENT stands for an annotator who did not draw the
person, UNANSWERED for one who did and left the group unset. Figures of a clip, a pair, an
annotator and a dataset come from the same sums.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.core.action_groups import UNKNOWN, ActionGroupSpec
from qc.core.agreement.coefficient_counts import (
    Block,
    Floats,
    Pair,
    Parts,
    confusion,
    rated_clusters,
    rating_sums,
    set_distances,
    shared_clusters,
    unit_agreement,
)
from qc.core.agreement.coefficients import (
    FLEISS,
    KAPPA,
    OF_RATINGS,
    fleiss_of_counts,
    kappa_of_table,
)
from qc.core.agreement.figures import (
    DIGITS,
    NO_PAIR,
    NOTHING,
    Coefficient,
    Confusion,
    Disagreement,
    Figure,
    GroupFigures,
    LabelFigures,
    PairKappa,
)
from qc.core.agreement.jackknife import Estimate
from qc.core.agreement.kappa_intervals import KappaIntervals, fleiss_interval, kappa_intervals
from qc.core.agreement.per_action import action_figures, action_sums
from qc.core.agreement.rating_intervals import ClusterSums, rating_intervals

ABSENT = -1
UNANSWERED = -2
DISAGREEMENTS_KEPT = 30
OTHERS = "the others"
NO_THREE = "no unit was rated by three or more"

Value = str | frozenset[str]


@dataclass(frozen=True)
class Units:
    """The units of one group.

    Attributes:
        blocks: All of them.
        values: What the codes mean: actions, `unknown`, or sets of actions.
        group: The group.
        are_edited: Whether they are those that somebody changed from the pre-annotation.
    """

    blocks: Sequence[Block]
    values: Sequence[Value]
    group: ActionGroupSpec
    are_edited: bool = False

    @property
    def parts(self) -> Parts:
        return [(block.codes, block.clusters) for block in self.blocks]

    @cached_property
    def member(self) -> NDArray[np.bool_]:
        """Which value (row) holds which action (column)."""
        actions = self.group.actions
        rows = [
            [action == one if isinstance(one, str) else action in one for action in actions]
            for one in self.values
        ]
        return np.array(rows, dtype=bool).reshape(len(self.values), len(actions))

    @cached_property
    def sums(self) -> ClusterSums:
        """What the coefficients of ratings come from."""
        distances, categories = 1 - np.eye(len(self.values)), len(self.values)
        if self.group.choice == "many":
            sets = {n: one for n, one in enumerate(self.values) if not isinstance(one, str)}
            places = list(sets)  # all but `unknown`
            distances[np.ix_(places, places)] = set_distances(list(sets.values()), "masi")
        else:
            categories = len({UNKNOWN, *self.group.actions, *self.values})
        sums = rating_sums(self.parts, distances, categories=categories)
        counts = sums.values.sum(axis=0).tolist()
        order = [(-count, _text(self.values[one]), one) for one, count in enumerate(counts)]
        commonest = min(order)[2] if order else 0
        if self.are_edited and frozenset() in self.values:
            commonest = self.values.index(frozenset())
        shared = shared_clusters(self.parts, commonest)
        return ClusterSums(sums, rated_clusters(self.parts), shared, self.are_edited)

    @cached_property
    def edited(self) -> "Units":
        """Those that at least one annotator changed from the pre-annotation."""
        blocks = [edited_units(block, self.values) for block in self.blocks]
        return Units(blocks, self.values, self.group, are_edited=True)

    @property
    def edited_sums(self) -> ClusterSums:
        """That of the edited units: the same if whatever was answered was edited."""
        return self.edited.sums if frozenset() in self.values else self.sums


@dataclass
class Counts:
    """What there is to compare, and the answers of pairs of annotators."""

    units: int = 0
    asked: int = 0  # annotators who drew the person, summed over units
    answered: int = 0
    tables: dict[Pair, Floats] = field(default_factory=dict)

    @property
    def share(self) -> float | None:
        return round(self.answered / self.asked, DIGITS) if self.asked else None


def group_figures(units: Units, *, with_intervals: bool = True) -> GroupFigures:
    """Every figure of one group.

    For a choice of one the categories are the actions and `unknown`; for many, each set that
    was chosen. The pre-annotation leaves every group unanswered or empty.

    Args:
        units: Of the group.
        with_intervals: Whether there is more than one clip to compute them from.
    """
    counts, drawn = _counts(units), None
    sums = action_sums(units.parts, units.member)
    fleiss = _fleiss(units, with_intervals=with_intervals)
    if with_intervals:
        drawn = kappa_intervals(
            units.blocks, units.member, [units.sums.shared, *(sums.shared > 0).sum(axis=0)]
        )
    return _figures(
        units, counts, drawn,
        more={FLEISS.name: fleiss},
        actions=action_figures(
            counts.tables, units.member, units.group.actions, sums,
            drawn.actions if drawn else [],
        ),
        confusion=_confusion(counts, units),
        disagreements=_disagreements(counts, units.values),
    )  # fmt: skip


def brief_figures(units: Units, *, with_intervals: bool = True) -> GroupFigures:
    """The figures of `group_figures` without its actions, matrices and Fleiss' kappa."""
    drawn = None
    if with_intervals:
        drawn = kappa_intervals(units.blocks, units.member[:, :0], [units.sums.shared])
    return _figures(units, _counts(units), drawn, more={})


def _figures(
    units: Units,
    counts: Counts,
    drawn: KappaIntervals | None,
    *,
    more: dict[str, Figure],
    **parts: Any,
) -> GroupFigures:
    kappas = {pair: kappa_of_table(table) for pair, table in sorted(counts.tables.items())}
    label = _label_figures(units, counts, with_intervals=drawn is not None)
    mean = Figure.mean(kappas.values(), *(drawn.mean if drawn else ()))
    values = vars(label) | {"coefficients": label.coefficients | {KAPPA.name: mean} | more}
    return GroupFigures(
        name=units.group.name,
        choice=units.group.choice,
        required=units.group.required,
        kappa_pairs=[PairKappa(a, b, Figure.of(kappa)) for (a, b), kappa in kappas.items()],
        edited=_edited(units, label, with_intervals=drawn is not None),
        **values,
        **parts,
    )


def of_pair(blocks: Sequence[Block], a: str, b: str) -> list[Block]:
    """The units of blocks that both annotators had, with the answers of these two only."""
    return [
        block._replace(
            annotators=(a, b),
            codes=block.codes[[block.annotators.index(a), block.annotators.index(b)]],
        )
        for block in blocks if a in block.annotators and b in block.annotators
    ]  # fmt: skip


def against_others(blocks: Sequence[Block], who: str) -> list[Block]:
    """An annotator's units, once against the answers of each other annotator who had them.

    >>> codes = np.array([[0], [1], [0]])
    >>> block = Block(("ann", "bob", "eve"), codes, np.array([4]), np.array([0]))
    >>> [one.codes.tolist() for one in against_others([block], "ann")]
    [[[0], [1]], [[0], [0]]]
    """
    found = []
    for block in blocks:
        if who not in block.annotators:
            continue
        first = block.annotators.index(who)
        for other in range(len(block.annotators)):
            if other != first:
                codes = block.codes[[first, other]]
                found.append(block._replace(annotators=(who, OTHERS), codes=codes))
    return found


def edited_units(block: Block, values: Sequence[Value]) -> Block:
    """The units that somebody answered with more than nothing."""
    is_default = np.array([one == frozenset() for one in values] + [True, True])
    edited = ~is_default[block.codes].all(axis=0)  # -1 and -2 are the last two places
    return Block(
        block.annotators, block.codes[:, edited], block.persons[edited], block.clusters[edited]
    )


def _label_figures(units: Units, counts: Counts, *, with_intervals: bool) -> LabelFigures:
    """The coefficients of ratings of all units, or of the edited ones."""
    source = units.sums
    total = source.sums.total()
    around: Mapping[str, Estimate | tuple[()]] = dict.fromkeys(
        (spec.name for spec in OF_RATINGS), ()
    )
    if with_intervals:
        around = rating_intervals([source])
    pairable = int(total.pairable[0])
    unrated = NO_PAIR if counts.answered else NOTHING
    return LabelFigures(
        units=counts.units,
        rated_by_two=pairable,
        persons=_persons(units.blocks),
        asked=counts.asked,
        answered=counts.share,
        coefficients={
            spec.name: Figure.of(
                spec.of(total, units=pairable, unrated=unrated), *around[spec.name]
            )
            for spec in OF_RATINGS
        },
    )


def _persons(blocks: Sequence[Block]) -> int:
    """Persons with a unit that two or more answered."""
    rated = [block.persons[(block.codes >= 0).sum(axis=0) >= 2] for block in blocks]
    return len(np.unique(np.concatenate([np.empty(0, np.int64), *rated])))


def _edited(units: Units, label: LabelFigures, *, with_intervals: bool) -> LabelFigures:
    """The same of the edited units."""
    counts = _coverage(units.edited.blocks)
    if units.edited_sums is units.sums:  # only coverage differs
        return replace(label, units=counts.units, asked=counts.asked, answered=counts.share)
    return _label_figures(units.edited, counts, with_intervals=with_intervals)


def _counts(units: Units) -> Counts:
    counts, size = _coverage(units.blocks), len(units.values)
    for block in units.blocks:
        rows = zip(block.annotators, block.codes, strict=True)
        for (a, first), (b, second) in combinations(rows, 2):
            table = confusion(first, second, size=size)
            counts.tables[a, b] = counts.tables.get((a, b), 0) + table
    return counts


def _coverage(blocks: Sequence[Block]) -> Counts:
    """How much there is to compare, without the answers."""
    return Counts(
        units=sum(block.codes.shape[1] for block in blocks),
        asked=sum(int((block.codes != ABSENT).sum()) for block in blocks),
        answered=sum(int((block.codes >= 0).sum()) for block in blocks),
    )


def _fleiss(units: Units, *, with_intervals: bool) -> Figure:
    """Fleiss' kappa of the units with the most frequent number of answers, three or more."""
    blocks, size, shared = units.blocks, len(units.values), units.sums.shared
    rated = [(block.codes >= 0).sum(axis=0) for block in blocks]
    counts = np.bincount(np.concatenate(rated), minlength=4) if rated else np.zeros(4)
    if not counts[3:].any():
        return Figure.of(Coefficient(None, NO_THREE, 0))
    raters = 3 + int(counts[3:].argmax())
    agreement, ratings = 0.0, np.zeros(size)
    for block, number in zip(blocks, rated, strict=True):
        codes = block.codes[:, number == raters]
        agreement += float(unit_agreement(codes).sum())
        ratings += np.bincount(codes[codes >= 0], minlength=size)
    found = fleiss_of_counts(agreement=agreement, ratings=ratings, raters=raters)
    around = fleiss_interval(blocks, raters, size=size, shared=shared) if with_intervals else ()
    return Figure.of(found, *around)


def _confusion(counts: Counts, units: Units) -> Confusion | None:
    """How often each value met each other, either way round; None for a choice of many."""
    values, group = units.values, units.group
    if group.choice == "many":
        return None
    order = {name: place for place, name in enumerate((*group.actions, UNKNOWN))}
    places = sorted(range(len(values)), key=lambda one: order.get(str(values[one]), -1))
    table = _both_ways(counts, len(values))[np.ix_(places, places)]
    return Confusion([str(values[one]) for one in places], table.astype(int).tolist())


def _disagreements(counts: Counts, values: Sequence[Value]) -> list[Disagreement]:
    """Which two different values met how often, the most frequent first."""
    table = np.triu(_both_ways(counts, len(values)), k=1)
    found = sorted(
        (-int(table[i, j]), _text(values[i]), _text(values[j]), i, j)
        for i, j in zip(*np.nonzero(table), strict=True)
    )
    return [
        Disagreement(_plain(values[i]), _plain(values[j]), -count)
        for count, _, _, i, j in found[:DISAGREEMENTS_KEPT]
    ]


def _both_ways(counts: Counts, size: int) -> Floats:
    table = sum(counts.tables.values(), start=np.zeros((size, size)))
    return table + table.T


def _plain(value: Value) -> str | list[str]:
    return value if isinstance(value, str) else sorted(value)


def _text(value: Value) -> str:
    return str(_plain(value))
