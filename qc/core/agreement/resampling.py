"""Bootstrap intervals: persons are drawn with replacement, figures computed from their sums.

The keyframes of one person are alike; drawing them apart gave intervals four times too narrow.
Sums over the units of a person, added up over the persons drawn, give one resample of a figure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from qc.core.agreement.coefficients import OF_RATINGS
from qc.core.agreement.figures import Interval
from qc.core.agreement.tables import Codes, Floats, Parts, RatingSums, ratio

DENSE = 16  # values, above which most of the sums of a person are 0
UNITS_AT_ONCE = 20_000  # to bound memory
CHUNK = 50  # resamples at a time, likewise
QUANTILES = (0.025, 0.975)
CACHED_CELLS = 5_000_000  # of draws that are kept for the next figure

Intervals = Mapping[str, Interval | None]


@dataclass(frozen=True, eq=False)
class PersonSums:
    """What the figures of one group are drawn from: `sums` of each of `persons`, ascending."""

    sums: RatingSums
    persons: NDArray[np.int64]
    cached: dict[tuple[int, int], Floats] = field(default_factory=dict, repr=False)

    def drawn(self, *, seed: int, resamples: int) -> Floats:
        """The coefficients OF_RATINGS of each resample of all its persons; computed once."""
        if (seed, resamples) not in self.cached:
            figures = _resampled(self.sums)
            times = draws(len(self.persons), seed=seed, resamples=resamples)
            self.cached[seed, resamples] = np.concatenate([figures(some) for some in times])
        return self.cached[seed, resamples]


def intervals(source: PersonSums, *, seed: int, resamples: int) -> Intervals:
    """The 95 % interval of each coefficient by its name; None with fewer than two persons.

    Resamples in which a coefficient is undefined are left out of its interval.
    """
    return mean_intervals([source], seed=seed, resamples=resamples)


def mean_intervals(sources: Sequence[PersonSums], *, seed: int, resamples: int) -> Intervals:
    """The same of the means over groups, whose persons are drawn together.

    Each resample draws from the persons of all groups, and has the mean over the groups in
    which the coefficient is defined.
    """
    persons = np.unique(
        np.concatenate([np.empty(0, np.int64), *(one.persons for one in sources)])
    )
    places = [np.searchsorted(persons, one.persons) for one in sources]
    compared = np.zeros(len(persons), dtype=bool)
    for one, place in zip(sources, places, strict=True):
        compared[place] |= one.sums.pairable > 0
    if resamples < 1 or compared.sum() < 2:
        return dict.fromkeys(one.name for one in OF_RATINGS)
    each = [
        one.drawn(seed=seed, resamples=resamples)
        if len(place) == len(persons)
        else _drawn_at(one, place, len(persons), seed=seed, resamples=resamples)
        for one, place in zip(sources, places, strict=True)
    ]
    found = bounds(mean_of_defined(np.stack(each, axis=1)))
    return {spec.name: interval for spec, interval in zip(OF_RATINGS, found, strict=True)}


def _drawn_at(
    source: PersonSums, place: NDArray[np.int64], count: int, *, seed: int, resamples: int
) -> Floats:
    """As `PersonSums.drawn`, where its persons have their places among `count`."""
    figures = _resampled(source.sums)
    times = draws(count, seed=seed, resamples=resamples)
    return np.concatenate([figures(some[:, place]) for some in times])


def _resampled(sums: RatingSums) -> Callable[[Floats], Floats]:
    """The coefficients OF_RATINGS of each row of times that persons are drawn."""
    shares, values = _products(sums.shares), _products(sums.values)
    narrow = np.stack([sums.rated, sums.pairable, sums.agreement, sums.apart], axis=1)

    def figures(times: Floats) -> Floats:
        rated, pairable, agreement, apart = (times @ narrow).T
        part = replace(
            sums, rated=rated, pairable=pairable, agreement=agreement, apart=apart,
            shares=shares(times), values=values(times),
        )  # fmt: skip
        return np.stack([spec.formula(part) for spec in OF_RATINGS], axis=1)

    return figures


def mean_of_defined(figures: Floats) -> Floats:
    """Over axis 1, where the figure is defined; nan where it is nowhere."""
    defined = ~np.isnan(figures)
    return ratio(np.where(defined, figures, 0).sum(axis=1), defined.sum(axis=1))


def _products(wide: Floats) -> Callable[[Floats], Floats]:
    """`times @ wide` as a function of times; most persons have few of many values."""
    if wide.shape[1] <= DENSE:
        return lambda times: times @ wide
    sparse = csr_array(wide.T)
    return lambda times: np.asarray(sparse @ times.T).T


def draws(count: int, *, seed: int, resamples: int) -> Iterator[Floats]:
    """How often each of `count` persons is drawn, some resamples at a time: `(k, count)`."""
    is_small = count * resamples <= CACHED_CELLS
    chunks = (
        _cached_draws(count, seed, resamples) if is_small else _draws(count, seed, resamples)
    )
    for times in chunks:
        yield times.astype(np.float64)


@lru_cache(maxsize=4)
def _cached_draws(count: int, seed: int, resamples: int) -> list[NDArray[np.uint32]]:
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


def bounds(values: Floats) -> list[Any]:
    """The 95 % interval of each column of resamples, nan left out; None if nothing is left."""
    columns = np.ascontiguousarray(values.T)
    last = np.count_nonzero(~np.isnan(columns), axis=1) - 1
    # As np.percentile does it, for all columns whatever is missing; nan come last.
    places = [share * np.maximum(last, 0) for share in QUANTILES]
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
        (low, high) if count >= 0 else None
        for low, high, count in zip(*sides, last.tolist(), strict=True)
    ]
