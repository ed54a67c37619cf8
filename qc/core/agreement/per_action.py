"""Agreement on each action alone, chosen or not: the figures of `units`, action by action.

All actions of a group are reckoned at once, from how many of a unit's m raters chose each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from qc.core.agreement.resampling import (
    Parts,
    bounds,
    draws,
    in_parts,
    rated_persons,
    ratio,
)
from qc.core.agreement.tables import (
    NO_PAIR,
    NOTHING,
    ONE_CATEGORY,
    Codes,
    Coefficient,
    Floats,
    as_figure,
    kappa_of,
    mean_of,
)

Pair = tuple[str, str]


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


def action_figures(
    parts: Parts,
    tables: Mapping[Pair, Floats],
    member: NDArray[np.bool_],
    actions: Sequence[str],
    *,
    seed: int,
    resamples: int,
) -> dict[str, dict[str, Any]]:
    """Every figure of each action, ready for JSON.

    The figure itself is Cohen's kappa, the mean over pairs of annotators; beside it stand how
    many pairs of answers were `chosen` on either side or both, raw agreement, alpha and AC1.

    Args:
        parts: Codes `(raters, units)` and the person of each unit.
        tables: Confusion matrices of pairs of annotators.
        member: Which value (row) holds which action (column), shape `(V, K)`.
        actions: Names, in the order of the columns.
        seed: Of the resampling.
        resamples: How many; 0 for no intervals.
    """
    sums = _person_sums(parts, member)
    whole = sums.weighted(np.ones((1, len(sums.rated))))
    low_high = _intervals(sums, seed=seed, resamples=resamples)
    values = _rows(whole)
    figures = {}
    for place, action in enumerate(actions):
        sides = np.stack([member[:, place], ~member[:, place]]).astype(np.float64)
        binary = [sides @ table @ sides.T for _, table in sorted(tables.items())]
        figure = mean_of(kappa_of(table) for table in binary)
        figure["chosen"] = int(sum(table.sum() - table[1, 1] for table in binary))
        for name, rows in values.items():
            figure[name] = as_figure(_coefficient(whole, float(rows[0, place]), name, place))
            figure[f"{name}_interval"] = low_high[name][place] if low_high else None
            if figure[name]["value"] is None:
                figure[f"{name}_interval"] = None
        figure["share"] = _share(whole, place)
        figures[action] = figure
    return figures


def _share(whole: ActionSums, place: int) -> float | None:
    """The share of the answers that chose the action."""
    rated = float(whole.rated[0])
    return round(float(whole.share[0, place]) / rated, 6) if rated else None


def _coefficient(whole: ActionSums, value: float, name: str, place: int) -> Coefficient:
    units = int(whole.pairable[0])
    if units == 0:
        return Coefficient(None, NO_PAIR if whole.rated[0] else NOTHING, 0)
    return (
        Coefficient(None, ONE_CATEGORY, units)
        if np.isnan(value)
        else Coefficient(value, "", units)
    )


def _rows(sums: ActionSums) -> dict[str, Floats]:
    """Each figure of each row and action; nan where it is not defined."""
    percent = ratio(sums.agreement, sums.pairable[:, None])
    total = sums.ratings[:, None]
    expected = 2 * sums.chosen * (total - sums.chosen)
    share = ratio(sums.share, sums.rated[:, None])
    chance = 2 * share * (1 - share)
    used = (share > 0) & (share < 1)
    return {
        "percent": percent,
        "alpha": 1 - ratio(sums.apart * (total - 1), expected),
        "ac1": np.where(used, 1 - (1 - percent) / (1 - chance), np.nan),
    }


def _intervals(
    sums: ActionSums, *, seed: int, resamples: int
) -> dict[str, list[list[float] | None]] | None:
    if resamples < 1 or (sums.pairable > 0).sum() < 2:
        return None
    found: dict[str, list[Floats]] = {"percent": [], "alpha": [], "ac1": []}
    for times in draws(len(sums.rated), seed=seed, resamples=resamples):
        for name, rows in _rows(sums.weighted(times)).items():
            found[name].append(rows)
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
