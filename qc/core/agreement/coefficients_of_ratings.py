"""Coefficients of agreement on plain ratings, by their names: kappa, alpha, AC1, raw agreement.

Ratings are a sequence of raters, each a sequence with one rating per unit. A rating that is
None, nan or the answer `unset` is missing: it is no value, and never counts as agreement. The
formulas are those of `coefficients`, which the pages use. MASI is Passonneau 2006.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from math import isinf
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from datasets.core.action_groups import UNSET
from qc.core.agreement.coefficient_counts import (
    Codes,
    Floats,
    confusion,
    rating_sums,
    set_distances,
)
from qc.core.agreement.coefficients import (
    AC1,
    ALPHA,
    PERCENT,
    CoefficientSpec,
    Weights,
    fleiss_of_counts,
    kappa_of_table,
)
from qc.core.agreement.figures import FEW_RATERS, NO_PAIR, NOTHING, Coefficient

Metric = Literal["nominal", "ordinal", "interval", "ratio", "jaccard", "masi"]
METRICS = ("nominal", "ordinal", "interval", "ratio", "jaccard", "masi")
Name = TypeVar("Name", bound=Hashable)

MISSING = -1


def cohen_kappa(
    a: Sequence[Any],
    b: Sequence[Any],
    *,
    categories: Sequence[Hashable] | None = None,
    weights: Weights | None = None,
) -> Coefficient:
    """Cohen's kappa of two raters: `1 - observed / expected disagreement`.

    Disagreement is 1 for two different categories; with `weights` it is the distance of their
    places in `categories` ("linear"), or its square ("quadratic").

    Args:
        a: One rater's ratings.
        b: The other's, of the same units in the same order.
        categories: All there are, in order; without them, those in use, sorted.
        weights: None if categories have no order.

    Raises:
        ValueError: for unequal lengths, or a rating that is not one of `categories`.

    >>> cohen_kappa(["walk", "walk", "sit", "sit"], ["walk", "sit", "sit", None])
    Coefficient(value=0.4, reason='', units=3)
    >>> cohen_kappa(["walk", "walk"], ["walk", "walk"]).reason
    'only one category was used'
    """
    values, codes = _encoded([a, b], categories, ordered=weights is not None)
    return kappa_of_table(confusion(codes[0], codes[1], size=len(values)), weights=weights)


def fleiss_kappa(counts: ArrayLike) -> Coefficient:
    """Fleiss' kappa of as many raters for every unit, not always the same ones.

    With `P` the mean share of pairs of raters that agree on a unit and `p_j` the share of all
    ratings in category j, kappa is `(P - sum p_j^2) / (1 - sum p_j^2)`.

    Args:
        counts: How many raters put a unit into a category, shape `(units, categories)`.

    Raises:
        ValueError: for rows of unequal sum, or counts that are not whole or negative.

    >>> round(fleiss_kappa([[3, 0], [0, 3], [2, 1]]).value, 9)
    0.55
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.size == 0:
        return Coefficient(None, NOTHING, 0)
    if table.ndim != 2 or not (np.isfinite(table) & (table >= 0) & (table % 1 == 0)).all():
        raise ValueError("counts must be whole numbers from 0 of shape (units, categories)")
    raters = table.sum(axis=1)
    if (raters != raters[0]).any():
        raise ValueError(
            f"{raters.min():.0f} to {raters.max():.0f} ratings a unit: "
            "Fleiss' kappa needs as many for every unit"
        )
    m = int(raters[0])
    agreeing = float((table * (table - 1)).sum())  # ordered pairs of raters
    return fleiss_of_counts(
        agreement=agreeing / max(m * (m - 1), 1), ratings=table.sum(axis=0), raters=m
    )


def krippendorff_alpha(
    ratings: Sequence[Sequence[Any]], *, metric: Metric = "nominal"
) -> Coefficient:
    """Krippendorff's alpha: `1 - observed / expected disagreement` of all pairs of ratings.

    Args:
        ratings: Shape `(raters, units)`; any may be missing.
        metric: How far two values are apart: "nominal"; "ordinal", "interval" (numbers),
            "ratio" (numbers from 0); "jaccard", "masi" (sets, also empty).

    Raises:
        ValueError: for rows of unequal length, an unknown metric, or values it cannot compare.

    >>> krippendorff_alpha([[1, 2, 3, None], [1, 2, 2, 4]]).units
    3
    >>> round(krippendorff_alpha([[1, 2, 3, 3], [1, 2, 2, 3]], metric="interval").value, 3)
    0.821
    """
    if metric not in METRICS:
        raise ValueError(f"there is no metric {metric!r}")
    rows = [list(row) for row in ratings]
    if metric in ("jaccard", "masi"):
        rows = [[_as_set(rating) for rating in row] for row in rows]
    if metric in ("ordinal", "interval", "ratio"):
        rows = [[_as_number(rating) for rating in row] for row in rows]
    values, codes = _encoded(rows, None, ordered=False)
    return _of_codes(ALPHA, codes, _distances(values, metric, codes))


def gwet_ac1(
    ratings: Sequence[Sequence[Any]], *, categories: Sequence[Hashable] | None = None
) -> Coefficient:
    """Gwet's AC1, which stays steady where nearly all ratings are the same.

    With `A` the raw agreement, `p_k` the mean share of a unit's ratings in category k, and q
    categories, chance agreement is `E = sum p_k (1 - p_k) / (q - 1)`, AC1 `(A - E) / (1 - E)`.

    Args:
        ratings: Shape `(raters, units)`; any may be missing.
        categories: All there are, whether in use or not; without them, those in use.

    Raises:
        ValueError: for rows of unequal length, or a rating that is not one of `categories`.

    >>> round(gwet_ac1([["no", "no", "no", "yes"], ["no", "no", "no", "no"]]).value, 9)
    0.68
    """
    values, codes = _encoded(ratings, categories, ordered=False)
    return _of_codes(AC1, codes, 1 - np.eye(len(values)))


def percent_agreement(ratings: Sequence[Sequence[Any]]) -> Coefficient:
    """Raw agreement: the share of pairs of ratings that are the same, averaged over units.

    >>> percent_agreement([["walk", "sit"], ["walk", "walk"], ["walk", None]])
    Coefficient(value=0.5, reason='', units=2)
    """
    values, codes = _encoded(ratings, None, ordered=False)
    return _of_codes(PERCENT, codes, 1 - np.eye(len(values)))


def per_action_kappa(
    a: Mapping[Any, Iterable[Hashable] | None],
    b: Mapping[Any, Iterable[Hashable] | None],
    *,
    actions: Iterable[Name],
) -> dict[Name, Coefficient]:
    """Cohen's kappa of each action alone: chosen or not, over the units that both rated.

    >>> per_action_kappa({1: {"wave"}, 2: set()}, {1: {"wave"}, 2: set()}, actions=["wave"])
    {'wave': Coefficient(value=1.0, reason='', units=2)}
    """
    both = [unit for unit in a if unit in b]
    pairs = [(_as_set(a[unit]), _as_set(b[unit])) for unit in both]
    rated = [(one, other) for one, other in pairs if one is not None and other is not None]
    return {
        action: cohen_kappa(
            [action in one for one, _ in rated],
            [action in other for _, other in rated],
            categories=[False, True],
        )
        for action in actions
    }


def jaccard_distance(a: Iterable[Hashable], b: Iterable[Hashable]) -> float:
    """One minus the share of the elements of both sets that they have in common.

    >>> jaccard_distance({"wave", "carry"}, {"wave"}), jaccard_distance(set(), set())
    (0.5, 0.0)
    """
    return float(set_distances([_set_of(a), _set_of(b)], "jaccard")[0, 1])


def masi_distance(a: Iterable[Hashable], b: Iterable[Hashable]) -> float:
    """One minus the Jaccard index, weighted by how the sets lie: MASI of Passonneau 2006.

    The weight is 1 for equal sets, 2/3 if one holds the other, 1/3 if they overlap, else 0.

    >>> round(masi_distance({"wave", "carry"}, {"wave"}), 4), masi_distance(set(), set())
    (0.6667, 0.0)
    """
    return float(set_distances([_set_of(a), _set_of(b)], "masi")[0, 1])


def _of_codes(spec: CoefficientSpec, codes: Codes, distances: Floats) -> Coefficient:
    """The coefficient of units that are all of one person."""
    persons = np.zeros(codes.shape[1], dtype=np.int64)
    sums = rating_sums([(codes, persons)], distances, categories=len(distances)).total()
    rated = (codes != MISSING).any(axis=1).sum()
    unrated = NOTHING if rated == 0 else FEW_RATERS if rated < 2 else NO_PAIR
    return spec.of(sums, units=int(sums.pairable[0]), unrated=unrated)


def _distances(values: Sequence[Any], metric: Metric, codes: Codes) -> Floats:
    if metric == "jaccard" or metric == "masi":
        return set_distances(values, metric)
    if metric == "nominal":
        return 1 - np.eye(len(values))
    scale = np.array(values, dtype=np.float64)
    if metric == "ordinal":  # the ratings between two ranks, half of those at the ends
        pairable = codes[:, (codes != MISSING).sum(axis=0) >= 2]
        totals = np.bincount(pairable[pairable != MISSING], minlength=len(values))
        scale = np.cumsum(totals) - totals / 2
    apart = scale[:, None] - scale[None, :]
    if metric == "ratio":
        if (scale < 0).any():
            raise ValueError(f"{scale.min():g} is below 0, where a ratio scale begins")
        both = scale[:, None] + scale[None, :]
        apart = np.divide(apart, both, out=np.zeros_like(apart), where=both > 0)
    return apart**2


def _encoded(
    rows: Sequence[Sequence[Any]], categories: Sequence[Hashable] | None, *, ordered: bool
) -> tuple[list[Any], Codes]:
    """The values in use (or `categories`), and each rating as its place among them."""
    cells = [[_hashable(rating) for rating in row] for row in rows]
    for row in cells[1:]:
        if len(row) != len(cells[0]):
            raise ValueError(f"{len(cells[0])} ratings against {len(row)}")
    used = dict.fromkeys(rating for row in cells for rating in row if rating is not None)
    if categories is None:
        values = _in_order(list(used), ordered=ordered)
    else:
        values = [one for one in map(_hashable, dict.fromkeys(categories)) if one is not None]
    places = {value: place for place, value in enumerate(values)}
    if unknown := [value for value in used if value not in places]:
        raise ValueError(f"{unknown[0]!r} is not one of the categories")
    codes = [[MISSING if one is None else places[one] for one in row] for row in cells]
    width = len(cells[0]) if cells else 0
    return values, np.array(codes, dtype=np.int64).reshape(len(cells), width)


def _in_order(values: list[Any], *, ordered: bool) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        if ordered:
            raise ValueError("weights need an order: pass the categories in theirs") from None
        return values


def _hashable(rating: Any) -> Any:
    """The rating as a value; None if it is missing."""
    if isinstance(rating, AbstractSet | list | np.ndarray):
        return frozenset(rating)
    if rating is None or rating != rating or (isinstance(rating, str) and rating == UNSET):
        return None
    return rating


def _as_set(rating: Any) -> frozenset[Any] | None:
    return None if _hashable(rating) is None else _set_of(rating)


def _set_of(actions: Any) -> frozenset[Any]:
    if isinstance(actions, str) or not isinstance(actions, Iterable):
        raise ValueError(f"{actions!r} is not a set")
    return frozenset(actions)


def _as_number(rating: Any) -> float | None:
    if _hashable(rating) is None:
        return None
    try:
        number = float(rating)
    except (TypeError, ValueError):
        raise ValueError(f"{rating!r} is not a number, which the metric compares") from None
    if isinf(number):
        raise ValueError(f"{rating!r} is infinitely far from every number")
    return number
