"""Counts that coefficients of agreement are computed from: confusion matrices and rating sums.

A code is the place of a rating's value among all V values; a code below 0 is a missing rating.
Codes have the shape `(raters, units)`.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Parts = Sequence[tuple[Codes, NDArray[np.int64]]]  # codes, and the cluster of each unit
Pair = tuple[str, str]  # names of two annotators
UNITS_AT_ONCE = 20_000  # to bound memory


class Block(NamedTuple):
    """Units that the same annotators were asked about."""

    annotators: tuple[str, ...]
    codes: Codes  # (annotators, units)
    persons: NDArray[np.int64]  # (units,), numbers of the persons over all blocks
    clusters: NDArray[np.int64]  # (units,), numbers of their clips or source videos


SUMS = ("rated", "pairable", "agreement", "apart", "shares", "values")


@dataclass(frozen=True)
class RatingSums:
    """Sums over units of which each has m ratings; a row for each cluster.

    The arrays may have one more axis for K actions, of which each is rated apart.

    Attributes:
        rated: Units with a rating, shape `(n,)`; with actions `(n, 1)`.
        pairable: Units with two or more, likewise.
        agreement: Raw agreement of those, summed, `(n,)`; with actions `(n, K)`.
        apart: Distance of the ordered pairs of a unit over m - 1, summed, likewise.
        shares: Each value's share of a unit's ratings, summed over `rated`, shape `(n, V)`;
            with actions `(n, K, V)`.
        values: Ratings of each value in `pairable` units, likewise.
        distances: Of the values, shape `(V, V)`.
        categories: How many there are, in use or not.
    """

    rated: Floats
    pairable: Floats
    agreement: Floats
    apart: Floats
    shares: Floats
    values: Floats
    distances: Floats
    categories: int

    def total(self) -> Self:
        """One row of everything."""
        return replace(self, **{one: getattr(self, one).sum(axis=0)[None] for one in SUMS})

    def left_out(self) -> Self:
        """A row of everything but each cluster."""
        total = self.total()
        return replace(self, **{one: getattr(total, one) - getattr(self, one) for one in SUMS})


class PairSums(NamedTuple):
    """Of two raters: units, summed disagreement, and that by chance times units."""

    units: Floats
    apart: Floats
    expected: Floats


class CategorySums(NamedTuple):
    """Of units that as many raters rated: raw agreement summed, and ratings `(n, V)`."""

    agreement: Floats
    ratings: Floats
    raters: int


def rating_sums(parts: Parts, distances: Floats, *, categories: int) -> RatingSums:
    """The sums of each cluster that was rated at all, in the order of `rated_clusters`.

    Args:
        parts: Codes and the cluster of each unit.
        distances: Of the values that codes are places of.
        categories: How many there are, in use or not.
    """
    size, numbers = len(distances), rated_clusters(parts)
    count = len(numbers)
    narrow = np.zeros((4, count))
    cells, shares, values = [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0)]
    for codes, clusters in parts:
        kept = (codes >= 0).any(axis=0)
        codes, place = codes[:, kept], np.searchsorted(numbers, clusters[kept])
        ratings = (codes >= 0).sum(axis=0)
        pairable = ratings >= 2
        columns = (
            np.ones(len(place)),
            pairable,
            unit_agreement(codes),
            _apart(codes, distances),
        )
        for row, column in zip(narrow, columns, strict=True):
            row += np.bincount(place, column, minlength=count)
        who, unit = np.nonzero(codes >= 0)
        cells.append(place[unit] * size + codes[who, unit])
        shares.append(1 / ratings[unit])
        values.append(pairable[unit].astype(np.float64))
    flat = np.concatenate(cells)
    wide: list[Floats] = [
        np.bincount(flat, np.concatenate(one), minlength=count * size)
        .astype(np.float64)
        .reshape(count, size)
        for one in (shares, values)
    ]
    rated, pairs, agreement, apart = narrow
    return RatingSums(rated, pairs, agreement, apart, wide[0], wide[1], distances, categories)


def _apart(codes: Codes, distances: Floats) -> Floats:
    """Distance of the ordered pairs of ratings of each unit, over m - 1."""
    total = np.zeros(codes.shape[1])
    for i, first in enumerate(codes):
        for second in codes[i + 1 :]:
            both = (first >= 0) & (second >= 0)
            total[both] += 2 * distances[first[both], second[both]]
    apart: Floats = total / np.maximum((codes >= 0).sum(axis=0) - 1, 1)
    return apart


def rated_clusters(parts: Parts) -> NDArray[np.int64]:
    """Numbers of the clusters with a rating, ascending."""
    rated = [np.unique(clusters[(codes >= 0).any(axis=0)]) for codes, clusters in parts]
    return np.unique(np.concatenate([np.empty(0, np.int64), *rated]))


def shared_clusters(parts: Parts, commonest: int) -> int:
    """Clusters in which two raters gave a unit the same value, other than the commonest."""
    found = [np.empty(0, np.int64)]
    for codes, clusters in parts:
        for i, first in enumerate(codes):
            for second in codes[i + 1 :]:
                same = (first == second) & (first >= 0) & (first != commonest)
                found.append(np.unique(clusters[same]))
    return len(np.unique(np.concatenate(found)))


def in_parts(parts: Parts) -> Iterator[tuple[Codes, NDArray[np.int64]]]:
    """The same units, a bounded number of them at a time."""
    for codes, clusters in parts:
        for start in range(0, codes.shape[1], UNITS_AT_ONCE):
            here = slice(start, start + UNITS_AT_ONCE)
            yield codes[:, here], clusters[here]


def confusion(a: Codes, b: Codes, *, size: int) -> Floats:
    """How often rater a said i where rater b said j; codes below 0 are missing.

    >>> confusion(np.array([0, 1, -1]), np.array([0, 0, 1]), size=2)
    array([[1., 0.],
           [1., 0.]])
    """
    both = (a >= 0) & (b >= 0)
    flat = np.bincount(a[both] * size + b[both], minlength=size * size)
    return flat.reshape(size, size).astype(np.float64)


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


def ratio(part: Floats, whole: Floats) -> Floats:
    """`part / whole`, nan where `whole` is not above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def mean_of_defined(figures: Floats, axis: int = 1) -> Floats:
    """Over an axis, where the figure is defined; nan where it is nowhere."""
    defined = ~np.isnan(figures)
    return ratio(np.where(defined, figures, 0).sum(axis=axis), defined.sum(axis=axis))
