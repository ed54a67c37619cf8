"""Agreement on each action alone, chosen or not: the figures of `units`, action by action.

All actions of a group are computed at once, from how many of a unit's m raters chose each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from qc.core.agreement.coefficients import KAPPA, OF_RATINGS, kappa_of_table
from qc.core.agreement.figures import (
    DIGITS,
    NO_PAIR,
    NOTHING,
    ActionFigures,
    Figure,
    Interval,
)
from qc.core.agreement.resampling import bounds, draws, in_parts
from qc.core.agreement.tables import Codes, Floats, Pair, Parts, RatingSums, rated_persons


@dataclass(frozen=True)
class ActionSums:
    """Sums over units; a row for each person or resample, a column for each of K actions.

    Attributes:
        rated: Units with a rating, shape `(n,)`.
        pairable: Units with two or more.
        ratings: In those.
        agreement: Raw agreement on each action, summed over `pairable`, shape `(n, K)`.
        apart: Ordered pairs of ratings that differ, over m - 1.
        share: Of a unit's ratings that chose the action, summed over `rated`.
        chosen: Ratings that chose it in `pairable` units.
    """

    rated: Floats
    pairable: Floats
    ratings: Floats
    agreement: Floats
    apart: Floats
    share: Floats
    chosen: Floats

    def weighted(self, times: Any) -> "ActionSums":
        """The sums of each row of `times`, shape `(resamples, n)`."""
        return ActionSums(**{name: times @ one for name, one in vars(self).items()})

    def plus(self, more: "ActionSums") -> "ActionSums":
        return ActionSums(
            **{name: one + getattr(more, name) for name, one in vars(self).items()}
        )

    def binary(self) -> RatingSums:
        """The same as sums of two values, chosen and not, of each action apart."""
        whole, total = self.rated[:, None], self.ratings[:, None]
        return RatingSums(
            rated=whole,
            pairable=self.pairable[:, None],
            agreement=self.agreement,
            apart=self.apart,
            shares=np.stack([self.share, whole - self.share], axis=-1),
            values=np.stack([self.chosen, total - self.chosen], axis=-1),
            distances=1 - np.eye(2),
            categories=2,
        )


def action_figures(
    parts: Parts,
    tables: Mapping[Pair, Floats],
    member: NDArray[np.bool_],
    actions: Sequence[str],
    kappa_intervals: Sequence[Interval | None],
    *,
    seed: int,
    resamples: int,
) -> dict[str, ActionFigures]:
    """Every figure of each action; kappa is the mean over pairs of annotators.

    Args:
        parts: Codes `(raters, units)` and the person of each unit.
        tables: Confusion matrices of pairs of annotators.
        member: Which value (row) holds which action (column), shape `(V, K)`.
        actions: Names, in the order of the columns.
        kappa_intervals: Of each action.
        seed: Of the resampling.
        resamples: How many; 0 for no intervals.
    """
    sums = _person_sums(parts, member)
    total = sums.weighted(np.ones((1, len(sums.rated))))
    low_high = _intervals(sums, seed=seed, resamples=resamples)
    values = {spec.name: spec.formula(total.binary())[0] for spec in OF_RATINGS}
    units, rated = int(total.pairable[0]), float(total.rated[0])
    figures = {}
    for place, action in enumerate(actions):
        sides = np.stack([member[:, place], ~member[:, place]]).astype(np.float64)
        binary = [sides @ table @ sides.T for _, table in sorted(tables.items())]
        kappa = Figure.mean(map(kappa_of_table, binary), kappa_intervals[place])
        coefficients = {KAPPA.name: kappa}
        for spec in OF_RATINGS:
            value = spec.defined(
                float(values[spec.name][place]),
                units=units,
                unrated=NO_PAIR if rated else NOTHING,
            )
            interval = low_high[spec.name][place] if low_high else None
            coefficients[spec.name] = Figure.of(value, interval)
        figures[action] = ActionFigures(
            coefficients,
            chosen=int(sum(table.sum() - table[1, 1] for table in binary)),
            share=round(float(total.share[0, place]) / rated, DIGITS) if rated else None,
        )
    return figures


def _intervals(
    sums: ActionSums, *, seed: int, resamples: int
) -> dict[str, list[Interval | None]] | None:
    if resamples < 1 or (sums.pairable > 0).sum() < 2:
        return None
    found: dict[str, list[Floats]] = {spec.name: [] for spec in OF_RATINGS}
    for times in draws(len(sums.rated), seed=seed, resamples=resamples):
        binary = sums.weighted(times).binary()
        for spec in OF_RATINGS:
            found[spec.name].append(spec.formula(binary))
    return {name: bounds(np.concatenate(rows)) for name, rows in found.items()}


def _person_sums(parts: Parts, member: NDArray[np.bool_]) -> ActionSums:
    numbers = rated_persons(parts)
    count, actions = len(numbers), member.shape[1]
    narrow, wide = np.zeros(count), np.zeros((count, actions))
    total = ActionSums(narrow, narrow, narrow, wide, wide, wide, wide)
    for codes, persons in in_parts(parts):
        kept = (codes >= 0).any(axis=0)
        places = np.searchsorted(numbers, persons[kept])
        members = csr_array(
            (np.ones(len(places)), (places, np.arange(len(places)))), shape=(count, len(places))
        )
        total = total.plus(_unit_sums(codes[:, kept], member).weighted(members))
    return total


def _unit_sums(codes: Codes, member: NDArray[np.bool_]) -> ActionSums:
    ratings = (codes >= 0).sum(axis=0)[:, None]
    held = np.vstack([member, np.zeros((2, member.shape[1]), dtype=bool)])
    chosen = sum(
        (held[row] for row in codes), start=np.zeros((codes.shape[1], member.shape[1]))
    )
    pairable = ratings >= 2
    pairs = np.where(pairable, ratings * (ratings - 1), 1)
    differ = 2 * chosen * (ratings - chosen)
    return ActionSums(
        rated=(ratings[:, 0] > 0).astype(np.float64),
        pairable=pairable[:, 0].astype(np.float64),
        ratings=(ratings * pairable)[:, 0],
        agreement=(1 - differ / pairs) * pairable,
        apart=differ / np.maximum(ratings - 1, 1),
        share=chosen / np.maximum(ratings, 1),
        chosen=chosen * pairable,
    )
