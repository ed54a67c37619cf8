"""Agreement as sums over persons, so that persons can be drawn again for intervals.

Everything that percent agreement, alpha and AC1 need of a unit is how many of its m ratings
have each value. Added up over the units of a person and then over persons they give the figure;
added up over persons drawn with replacement they give one resample of it. The formulas and
their sources stand in `agreement`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from qc.core.agreement.tables import Codes, Floats, unit_agreement

Parts = Sequence[tuple[Codes, NDArray[np.int64]]]  # codes, and the person of each unit

DENSE = 16  # values, above which most of the sums of a person are 0
UNITS_AT_ONCE = 20_000  # to bound memory
CHUNK = 50  # resamples at a time, likewise
INTERVAL = (0.025, 0.975)
KEPT_CELLS = 5_000_000  # of draws that are kept for the next figure


@dataclass(frozen=True)
class Sums:
    """Sums over units; each array has a row for each person, or for each resample.

    Attributes:
        rated: Units with a rating, shape `(n,)`.
        pairable: Units with two or more.
        agreement: Raw agreement of those, summed.
        apart: Distance of the ordered pairs of a unit over m - 1, summed.
        shares: Each value's share of a unit's ratings, summed over `rated`, shape `(n, V)`.
        values: Ratings of each value in `pairable` units, shape `(n, V)`.
    """

    rated: Floats
    pairable: Floats
    agreement: Floats
    apart: Floats
    shares: Floats
    values: Floats

    def weighted(self, times: Any) -> "Sums":
        """The sums of each row of `times`, shape `(resamples, n)`."""
        return Sums(**{name: times @ one for name, one in vars(self).items()})

    def together(self) -> "Sums":
        """One row of everything."""
        return self.weighted(np.ones((1, len(self.rated))))


@dataclass(frozen=True, eq=False)
class Source:
    """What the figures of one group are drawn from.

    Attributes:
        sums: Of each person.
        persons: Their numbers, ascending.
        distances: Of the values of the group, shape `(V, V)`.
        categories: How many there are, in use or not.
        kept: What was drawn already.
    """

    sums: Sums
    persons: NDArray[np.int64]
    distances: Floats
    categories: int
    kept: dict[tuple[int, int], Floats] = field(default_factory=dict, repr=False)

    def drawn(self, *, seed: int, resamples: int) -> Floats:
        """`[percent, alpha, ac1]` of each resample of all its persons; reckoned once."""
        if (seed, resamples) not in self.kept:
            figures = _resampled(self)
            times = draws(len(self.persons), seed=seed, resamples=resamples)
            self.kept[seed, resamples] = np.concatenate([figures(some) for some in times])
        return self.kept[seed, resamples]


class Intervals(NamedTuple):
    """95 % intervals; None where there is too little to draw from."""

    percent: list[float] | None
    alpha: list[float] | None
    ac1: list[float] | None


def source_of(parts: Parts, distances: Floats, *, categories: int) -> Source:
    """The sums of each person that was rated at all.

    Args:
        parts: Codes `(raters, units)` and the person of each unit.
        distances: Of the values that codes are places of.
        categories: As in Source.
    """
    size, numbers = len(distances), rated_persons(parts)
    count = len(numbers)
    narrow = np.zeros((4, count))
    cells, shares, values = [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0)]
    for codes, persons in parts:
        kept = (codes >= 0).any(axis=0)
        codes, place = codes[:, kept], np.searchsorted(numbers, persons[kept])
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
    sums = Sums(rated, pairs, agreement, apart, wide[0], wide[1])
    return Source(sums, numbers, distances, categories)


def _apart(codes: Codes, distances: Floats) -> Floats:
    """Distance of the ordered pairs of ratings of each unit, over m - 1."""
    total = np.zeros(codes.shape[1])
    for i, first in enumerate(codes):
        for second in codes[i + 1 :]:
            both = (first >= 0) & (second >= 0)
            total[both] += 2 * distances[first[both], second[both]]
    apart: Floats = total / np.maximum((codes >= 0).sum(axis=0) - 1, 1)
    return apart


def rated_persons(parts: Parts) -> NDArray[np.int64]:
    """Numbers of the persons of whom anything was said, ascending."""
    rated = [persons[(codes >= 0).any(axis=0)] for codes, persons in parts]
    numbers = np.concatenate([np.empty(0, np.int64), *rated])
    if numbers.max(initial=0) > len(numbers):  # numbers of a clip may be far apart
        return np.unique(numbers)
    return np.flatnonzero(np.bincount(numbers))


def percent_rows(sums: Sums) -> Floats:
    """Raw agreement of each row; nan where no unit is pairable."""
    return ratio(sums.agreement, sums.pairable)


def alpha_rows(sums: Sums, distances: Floats) -> Floats:
    """Krippendorff's alpha of each row; nan where only one value was used."""
    expected = ((sums.values @ distances) * sums.values).sum(axis=1)
    total = sums.values.sum(axis=1)
    return 1 - ratio(sums.apart * (total - 1), expected)


def ac1_rows(sums: Sums, *, categories: int) -> Floats:
    """Gwet's AC1 of each row; nan where only one category was used."""
    shares = ratio(sums.shares, sums.rated[:, None])
    chance = (shares * (1 - shares)).sum(axis=1) / max(categories - 1, 1)
    several = ((sums.shares > 0).sum(axis=1) >= 2) & (categories >= 2)
    return np.where(several, 1 - ratio(1 - percent_rows(sums), 1 - chance), np.nan)


def intervals(source: Source, *, seed: int, resamples: int) -> Intervals:
    """95 % of the figures of persons drawn again with replacement lie in these.

    Resamples in which a figure is not defined are left out of its interval.
    """
    return mean_intervals([source], seed=seed, resamples=resamples)


def mean_intervals(sources: Sequence[Source], *, seed: int, resamples: int) -> Intervals:
    """The same of the means over groups, whose persons are drawn together.

    Each resample draws from the persons of all groups, and has the mean over the groups in
    which the figure is defined.
    """
    persons = np.unique(
        np.concatenate([np.empty(0, np.int64), *(one.persons for one in sources)])
    )
    places = [np.searchsorted(persons, one.persons) for one in sources]
    compared = np.zeros(len(persons), dtype=bool)
    for one, place in zip(sources, places, strict=True):
        compared[place] |= one.sums.pairable > 0
    if resamples < 1 or compared.sum() < 2:
        return Intervals(None, None, None)
    each = [
        one.drawn(seed=seed, resamples=resamples)
        if len(place) == len(persons)
        else _drawn_at(one, place, len(persons), seed=seed, resamples=resamples)
        for one, place in zip(sources, places, strict=True)
    ]
    return Intervals(*bounds(mean_of_defined(np.stack(each, axis=1))))


def _drawn_at(
    source: Source, place: NDArray[np.int64], count: int, *, seed: int, resamples: int
) -> Floats:
    """As `Source.drawn`, where its persons have their places among `count`."""
    figures = _resampled(source)
    times = draws(count, seed=seed, resamples=resamples)
    return np.concatenate([figures(some[:, place]) for some in times])


def _resampled(source: Source) -> Callable[[Floats], Floats]:
    """`[percent, alpha, ac1]` of each row of times that persons are drawn."""
    sums = source.sums
    shares, values = _thin(sums.shares), _thin(sums.values)
    narrow = np.stack([sums.rated, sums.pairable, sums.agreement, sums.apart], axis=1)

    def figures(times: Floats) -> Floats:
        rated, pairable, agreement, apart = (times @ narrow).T
        part = Sums(rated, pairable, agreement, apart, shares(times), values(times))
        return np.stack(
            [
                percent_rows(part),
                alpha_rows(part, source.distances),
                ac1_rows(part, categories=source.categories),
            ],
            axis=1,
        )

    return figures


def mean_of_defined(figures: Floats) -> Floats:
    """Over axis 1, where the figure is defined; nan where it is nowhere."""
    defined = ~np.isnan(figures)
    return ratio(np.where(defined, figures, 0).sum(axis=1), defined.sum(axis=1))


def _thin(wide: Floats) -> Callable[[Floats], Floats]:
    """`times @ wide` as a function of times; most persons have few of many values."""
    if wide.shape[1] <= DENSE:
        return lambda times: times @ wide
    sparse = csr_array(wide.T)
    return lambda times: np.asarray(sparse @ times.T).T


def draws(count: int, *, seed: int, resamples: int) -> Iterator[Floats]:
    """How often each of `count` persons is drawn, some resamples at a time: `(k, count)`."""
    is_small = count * resamples <= KEPT_CELLS
    chunks = _kept_draws(count, seed, resamples) if is_small else _draws(count, seed, resamples)
    for times in chunks:
        yield times.astype(np.float64)


@lru_cache(maxsize=4)
def _kept_draws(count: int, seed: int, resamples: int) -> list[NDArray[np.uint32]]:
    """Every figure of the same persons draws the same."""
    return list(_draws(count, seed, resamples))


def _draws(count: int, seed: int, resamples: int) -> Iterator[NDArray[np.uint32]]:
    random = np.random.default_rng(seed)
    for start in range(0, resamples, CHUNK):
        rows = min(CHUNK, resamples - start)
        who = random.integers(count, size=(rows, count))
        who += np.arange(rows)[:, None] * count
        times = np.bincount(who.ravel(), minlength=rows * count)
        yield times.reshape(rows, count).astype(np.uint32)


def in_parts(parts: Parts) -> Iterator[tuple[Codes, NDArray[np.int64]]]:
    """The same units, a bounded number of them at a time."""
    for codes, persons in parts:
        for start in range(0, codes.shape[1], UNITS_AT_ONCE):
            here = slice(start, start + UNITS_AT_ONCE)
            yield codes[:, here], persons[here]


def bounds(values: Floats) -> list[list[float] | None]:
    """The 95 % interval of each column of resamples, nan left out; None if nothing is left."""
    columns = np.ascontiguousarray(values.T)
    last = np.count_nonzero(~np.isnan(columns), axis=1) - 1
    # As np.percentile does it, for all columns whatever is missing; nan come last.
    places = [share * np.maximum(last, 0) for share in INTERVAL]
    near = [
        (place.astype(np.int64), np.minimum(place.astype(np.int64) + 1, np.maximum(last, 0)))
        for place in places
    ]
    if columns.size:
        columns.partition(np.unique(near), axis=1)
    sides, row = [], np.arange(len(columns))
    for place, (before, after) in zip(places, near, strict=True):
        low, high = columns[row, before], columns[row, after]
        sides.append((low + (high - low) * (place - before)).round(6).tolist())
    return [
        [low, high] if count >= 0 else None
        for low, high, count in zip(*sides, last.tolist(), strict=True)
    ]


def ratio(part: Floats, whole: Floats) -> Floats:
    """`part / whole`, nan where `whole` is not above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)
