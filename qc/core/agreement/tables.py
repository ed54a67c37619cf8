"""Coefficients of agreement from tables of counts: what they are once ratings are numbers.

A code is the place of a rating's value among all V values; a code below 0 is a missing rating.
Codes have the shape `(raters, units)`. The formulas and their sources stand in `agreement`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Weights = Literal["linear", "quadratic"]

NOTHING = "nothing was rated"
FEW_RATERS = "fewer than two raters"
NO_PAIR = "no unit was rated by two or more"
NOT_BOTH = "no unit was rated by both"
ONE_CATEGORY = "only one category was used"


@dataclass(frozen=True)
class Coefficient:
    """A figure of agreement, or why there is none.

    Attributes:
        value: None exactly when `reason` is not empty.
        reason: Why the figure is not defined, in words.
        units: Units that two or more raters rated: what the figure rests on.
    """

    value: float | None
    reason: str
    units: int

    def __post_init__(self) -> None:
        is_told = self.value is not None and self.value == self.value  # nan tells nothing
        if is_told == bool(self.reason):
            raise ValueError(f"a value {self.value} with the reason {self.reason!r}")


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


def share_of(part: float, whole: int, reason: str) -> dict[str, Any]:
    """A share as a figure; `reason` says why there is none if the whole is 0.

    >>> share_of(1, 4, "nobody drew a box")
    {'value': 0.25, 'reason': '', 'units': 4}
    """
    if whole == 0:
        return as_figure(Coefficient(None, reason, 0))
    return as_figure(Coefficient(part / whole, "", whole))


def mean_of(coefficients: Iterable[Coefficient]) -> dict[str, Any]:
    """The mean of those that are defined, and how many are `left_out` because they are not.

    If none is, the reason is the commonest one.

    >>> mean_of([Coefficient(0.5, "", 4), Coefficient(None, "only one category was used", 3)])
    {'value': 0.5, 'reason': '', 'units': 4, 'left_out': 1}
    """
    given = list(coefficients)
    defined = [one for one in given if one.value is not None]
    if defined:
        value = float(np.mean([one.value for one in defined]))
        mean = Coefficient(value, "", sum(one.units for one in defined))
    else:
        reasons = Counter(one.reason for one in given).most_common()
        commonest = min(reasons, key=lambda one: (-one[1], one[0]), default=(NO_PAIR, 0))
        mean = Coefficient(None, commonest[0], 0)
    return as_figure(mean) | {"left_out": len(given) - len(defined)}


def confusion(a: Codes, b: Codes, *, size: int) -> Floats:
    """How often rater a said i where rater b said j; codes below 0 are missing.

    >>> confusion(np.array([0, 1, -1]), np.array([0, 0, 1]), size=2)
    array([[1., 0.],
           [1., 0.]])
    """
    both = (a >= 0) & (b >= 0)
    flat = np.bincount(a[both] * size + b[both], minlength=size * size)
    return flat.reshape(size, size).astype(np.float64)


def kappa_of(table: Floats, *, weights: Weights | None = None) -> Coefficient:
    """Cohen's kappa from a confusion matrix.

    >>> kappa_of(np.array([[45.0, 15], [25, 15]])).value  # doctest: +ELLIPSIS
    0.1304...
    """
    units = table.sum()
    if units == 0:
        return Coefficient(None, NOT_BOTH if table.size else NOTHING, 0)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    apart = _disagreement(len(table), weights)
    expected = rows @ apart @ columns
    if expected <= 0:
        return Coefficient(None, ONE_CATEGORY, int(units))
    observed = units * (table * apart).sum()
    return Coefficient(float(1 - observed / expected), "", int(units))


def fleiss_of(*, agreeing: float, ratings: Floats, raters: int) -> Coefficient:
    """Fleiss' kappa from sums over units.

    Args:
        agreeing: Ordered pairs of raters that agree, summed over units.
        ratings: How many ratings each category got.
        raters: Of every unit.

    >>> fleiss_of(agreeing=14, ratings=np.array([5.0, 4]), raters=3).value
    0.55
    """
    if raters < 2:
        return Coefficient(None, FEW_RATERS, 0)
    total = ratings.sum()
    expected = total**2 - (ratings**2).sum()  # ordered pairs that differ by chance
    units = int(total) // raters
    if expected <= 0:
        return Coefficient(None, ONE_CATEGORY, units)
    observed = 1 - agreeing / (total * (raters - 1))
    return Coefficient(float(1 - observed * total**2 / expected), "", units)


def alpha_of(together: Floats, distances: Floats, units: int) -> Coefficient:
    """Krippendorff's alpha from coincidences and distances of values, both `(V, V)`.

    >>> alpha_of(np.array([[4.0, 1], [1, 2]]), 1 - np.eye(2), 4).value  # doctest: +ELLIPSIS
    0.533...
    """
    totals = together.sum(axis=1)
    expected = totals @ distances @ totals
    if expected <= 0:
        return Coefficient(None, ONE_CATEGORY, units)
    observed = (together * distances).sum() * (totals.sum() - 1)
    return Coefficient(float(1 - observed / expected), "", units)


def ac1_of(agreement: float, shares: Floats, units: int) -> Coefficient:
    """Gwet's AC1 from the raw agreement and each category's mean share of the ratings.

    The formula would give 1 where only one of several categories was used; nothing can be told
    from that, so it counts as not defined.

    >>> ac1_of(0.75, np.array([0.875, 0.125]), 4).value  # doctest: +ELLIPSIS
    0.679...
    """
    if (shares > 0).sum() < 2:
        return Coefficient(None, ONE_CATEGORY, units)
    chance = (shares * (1 - shares)).sum() / (len(shares) - 1)
    return Coefficient(float(1 - (1 - agreement) / (1 - chance)), "", units)


def coincidences(codes: Codes, *, size: int) -> Floats:
    """How often two values meet in a unit, each unit weighing as many pairs as ratings.

    A unit of m ratings adds `1 / (m - 1)` for each ordered pair of its ratings; a unit of fewer
    than two adds nothing.

    >>> coincidences(np.array([[0, 0], [0, 1]]), size=2)
    array([[2., 1.],
           [1., 0.]])
    """
    weight = 1 / np.maximum((codes >= 0).sum(axis=0) - 1, 1)
    flat = np.zeros(size * size)
    for i, first in enumerate(codes):
        for second in codes[i + 1 :]:
            both = (first >= 0) & (second >= 0)
            pair = first[both] * size + second[both]
            flat += np.bincount(pair, weight[both], minlength=size * size)
    half = flat.reshape(size, size)
    return half + half.T


def unit_agreement(codes: Codes) -> Floats:
    """The share of the pairs of ratings of each unit that are the same; 0 without a pair.

    >>> unit_agreement(np.array([[0, 1, 0], [0, 1, 1], [0, 0, -1]]))
    array([1.        , 0.33333333, 0.        ])
    """
    same = np.zeros(codes.shape[1])
    for i, first in enumerate(codes):
        for second in codes[i + 1 :]:
            same += (first == second) & (first >= 0)
    rated = (codes >= 0).sum(axis=0)
    return same / np.maximum(rated * (rated - 1) / 2, 1)


def set_distances(
    values: Sequence[AbstractSet[Any]], metric: Literal["jaccard", "masi"]
) -> Floats:
    """Distances of every set to every set, shape `(V, V)`.

    >>> set_distances([frozenset(), frozenset({"wave"})], "masi")
    array([[0., 1.],
           [1., 0.]])
    """
    elements = {one: i for i, one in enumerate(dict.fromkeys(e for v in values for e in v))}
    members = np.zeros((len(values), len(elements)))
    for row, value in enumerate(values):
        members[row, [elements[one] for one in value]] = 1
    common, sizes = members @ members.T, members.sum(axis=1)
    union = sizes[:, None] + sizes[None, :] - common
    index = np.divide(common, union, out=np.ones_like(common), where=union > 0)
    if metric == "jaccard":
        return 1 - index
    smaller = np.minimum(sizes[:, None], sizes[None, :])
    weight = np.where(union == common, 1.0, np.where(common == smaller, 2 / 3, 1 / 3))
    return 1 - index * weight


def _disagreement(size: int, weights: Weights | None) -> Floats:
    if weights not in (None, "linear", "quadratic"):
        raise ValueError(f"weights must be None, 'linear' or 'quadratic', not {weights!r}")
    places = np.arange(size, dtype=np.float64)
    apart = np.abs(places[:, None] - places[None, :])
    if weights is None:
        return (apart > 0).astype(np.float64)
    return apart if weights == "linear" else apart**2
