"""Agreement on each action alone, chosen or not: the figures of label agreement, one by one.

All actions of a group are computed at once, from how many of a unit's m raters chose each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from qc.core.agreement.coefficient_counts import (
    Codes,
    Floats,
    Pair,
    PairSums,
    Parts,
    RatingSums,
    in_parts,
    rated_clusters,
)
from qc.core.agreement.coefficients import KAPPA, OF_RATINGS
from qc.core.agreement.figures import (
    DIGITS,
    NO_PAIR,
    NOT_BOTH,
    NOTHING,
    ActionFigures,
    Figure,
)
from qc.core.agreement.jackknife import Estimate, estimates


@dataclass(frozen=True)
class ActionSums:
    """Sums over units; a row for each cluster, a column for each of K actions.

    Attributes:
        rated: Units with a rating, shape `(n,)`.
        pairable: Units with two or more.
        ratings: In those.
        agreement: Raw agreement on each action, summed over `pairable`, shape `(n, K)`.
        apart: Ordered pairs of ratings that differ, over m - 1.
        share: Of a unit's ratings that chose the action, summed over `rated`.
        chosen: Ratings that chose it in `pairable` units.
        shared: Units in which two or more chose it.
    """

    rated: Floats
    pairable: Floats
    ratings: Floats
    agreement: Floats
    apart: Floats
    share: Floats
    chosen: Floats
    shared: Floats

    def weighted(self, times: Any) -> "ActionSums":
        """The sums of each row of `times`, shape `(rows, n)`."""
        return ActionSums(**{name: times @ one for name, one in vars(self).items()})

    def left_out(self) -> "ActionSums":
        """A row of everything but each cluster."""
        return ActionSums(**{name: one.sum(axis=0) - one for name, one in vars(self).items()})

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
    tables: Mapping[Pair, Floats],
    member: NDArray[np.bool_],
    actions: Sequence[str],
    sums: ActionSums,
    kappas: Sequence[Estimate],
) -> dict[str, ActionFigures]:
    """Every figure of each action; kappa is the mean over pairs of annotators.

    Args:
        tables: Confusion matrices of pairs of annotators.
        member: Which value (row) holds which action (column), shape `(V, K)`.
        actions: Names, in the order of the columns.
        sums: Of the clusters, from `action_sums`.
        kappas: The interval of the kappa of each action; empty for none.
    """
    total = sums.weighted(np.ones((1, len(sums.rated))))
    values = {spec.name: spec.formula(total.binary())[0] for spec in OF_RATINGS}
    around = _intervals(sums, values) if kappas else {}
    units, rated = int(total.pairable[0]), float(total.rated[0])
    compared, kappa_values, either = _pair_kappas(tables, member)
    figures = {}
    for place, action in enumerate(actions):
        of_pairs = [
            KAPPA.defined(value, units=count, unrated=NOT_BOTH)
            for value, count in zip(kappa_values[:, place].tolist(), compared, strict=True)
        ]
        kappa = Figure.mean(of_pairs, *(kappas[place] if kappas else ()))
        coefficients = {KAPPA.name: kappa}
        for spec in OF_RATINGS:
            value = spec.defined(
                float(values[spec.name][place]),
                units=units,
                unrated=NO_PAIR if rated else NOTHING,
            )
            around_it = around[spec.name][place] if around else ()
            coefficients[spec.name] = Figure.of(value, *around_it)
        figures[action] = ActionFigures(
            coefficients,
            chosen=int(either[:, place].sum()),
            share=round(float(total.share[0, place]) / rated, DIGITS) if rated else None,
        )
    return figures


def _pair_kappas(
    tables: Mapping[Pair, Floats], member: NDArray[np.bool_]
) -> tuple[list[int], Floats, Floats]:
    """Units of each pair of annotators; kappa, and how often either chose, of each action."""
    size, _ = member.shape
    every = np.array([table for _, table in sorted(tables.items())])
    every = every.reshape(len(tables), size, size)
    holds = member.astype(np.float64)
    units = every.sum(axis=(1, 2))[:, None]
    first, second = every.sum(axis=2) @ holds, every.sum(axis=1) @ holds
    both = ((every @ holds) * holds).sum(axis=1)
    expected = first * (units - second) + (units - first) * second
    apart = first + second - 2 * both
    kappas = KAPPA.formula(PairSums(units, apart, expected))
    return units[:, 0].astype(int).tolist(), kappas, first + second - both


def _intervals(sums: ActionSums, values: Mapping[str, Floats]) -> dict[str, list[Estimate]]:
    left_out = sums.left_out().binary()
    return {
        spec.name: estimates(
            values[spec.name],
            spec.formula(left_out),
            has_units=sums.pairable[:, None] > 0,
            is_rate=not spec.is_chance_corrected,
            shared=(sums.shared > 0).sum(axis=0),
        )
        for spec in OF_RATINGS
    }


def action_sums(parts: Parts, member: NDArray[np.bool_]) -> ActionSums:
    """The sums of each cluster.

    Args:
        parts: Codes `(raters, units)` and the cluster of each unit.
        member: Which value (row) holds which action (column), shape `(V, K)`.
    """
    numbers = rated_clusters(parts)
    count, actions = len(numbers), member.shape[1]
    narrow, wide = np.zeros(count), np.zeros((count, actions))
    total = ActionSums(narrow, narrow, narrow, wide, wide, wide, wide, wide)
    for codes, clusters in in_parts(parts):
        kept = (codes >= 0).any(axis=0)
        places = np.searchsorted(numbers, clusters[kept])
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
        shared=(chosen >= 2).astype(np.float64),
    )
