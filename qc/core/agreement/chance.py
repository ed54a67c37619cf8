"""Agreement of structured answers beyond chance: alpha and sigma of any distance.

An answer may be a set of boxes or a list of segments; a distance from 0 to 1 says how far two
of them are apart. What chance gives is the distance of answers to different clips.

Sources: Krippendorff 2013, chapter 12 (alpha of a distance); Braylan, Alonso & Lease 2022,
"Measuring Annotator Agreement Generally across Complex Structured, Multi-object, and Free-text
Annotation Tasks" (sigma).
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qc.core.agreement.coefficient_counts import Floats, ratio
from qc.core.agreement.figures import NO_PAIR, Coefficient, Figure
from qc.core.agreement.jackknife import estimates, share_estimates

MAX_ANSWERS = 400  # of which chance is computed
CLOSE = 0.05  # the share of pairs by chance that are closer than what sigma counts as agreed
NO_CHANCE = "there are no answers to two clips to tell chance from"
ALL_SAME = "answers to different clips are the same"


class Apart(NamedTuple):
    """How far answers are apart, summed over pairs of answers; a row for each of G clusters.

    Attributes:
        clusters: Their numbers, ascending, shape `(G,)`.
        parts: Distance of the pairs that a cluster has a part in, summed, shape `(G,)`.
        wholes: What it is a share of, likewise: the number of pairs.
        part: Over all pairs, of which one by chance has a part in two clusters.
        whole: Likewise.
    """

    clusters: NDArray[np.int64]
    parts: Floats
    wholes: Floats
    part: float
    whole: float

    @classmethod
    def of(cls, clusters: ArrayLike, parts: ArrayLike, wholes: ArrayLike = 1.0) -> Self:
        """Of P pairs.

        Args:
            clusters: Of each pair, shape `(P,)`; or both of a pair by chance, `(2, P)`.
            parts: Distances, or sums of them, shape `(P,)`.
            wholes: What they are shares of.

        >>> Apart.of([[1, 1], [2, 3]], [0.5, 1.0]).parts
        array([1.5, 0.5, 1. ])
        """
        of_pairs, part = np.asarray(clusters, np.int64), np.asarray(parts, np.float64)
        whole = np.broadcast_to(np.asarray(wholes, np.float64), part.shape)
        numbers, places = np.unique(of_pairs, return_inverse=True)
        times = of_pairs.size // len(part) if len(part) else 1
        sums = np.zeros((2, len(numbers)))
        for row, one in zip(sums, (part, whole), strict=True):
            np.add.at(row, places.ravel(), np.tile(one, times))
        return cls(numbers, sums[0], sums[1], float(part.sum()), float(whole.sum()))

    def without(self, numbers: NDArray[np.int64]) -> Floats:
        """The share without each of some clusters."""
        spent = np.zeros((2, len(numbers)))
        here = np.isin(numbers, self.clusters)
        place = np.searchsorted(self.clusters, numbers[here])
        spent[:, here] = self.parts[place], self.wholes[place]
        return ratio(self.part - spent[0], self.whole - spent[1])


def chance_pairs(clusters: NDArray[np.int64], *, limit: int) -> NDArray[np.int64]:
    """Places of pairs of answers to different clusters, shape `(2, P)`, evenly spread.

    All pairs where these are at most `limit`, else about so many of MAX_ANSWERS answers.

    >>> chance_pairs(np.array([7, 7, 9]), limit=10).T.tolist()
    [[0, 2], [1, 2]]
    """
    count = len(clusters)
    if count * (count - 1) // 2 <= limit:
        first, second = np.triu_indices(count, 1)
    else:
        kept = np.unique(np.linspace(0, count - 1, MAX_ANSWERS).round().astype(np.int64))
        size = len(kept)
        times = max(limit // size, 1)
        steps = (2 * np.arange(times) + 1) * size // (4 * times)  # none below half, none twice
        places = np.arange(size)
        first = np.tile(kept, len(steps))
        second = np.concatenate([kept[(places + step) % size] for step in steps])
    apart = clusters[first] != clusters[second]
    return np.array([first[apart], second[apart]])


def alpha_of(observed: Apart, chance: Apart) -> Figure:
    """`1 - observed / expected distance`, with its interval.

    >>> alpha_of(Apart.of([1, 2], [0.1, 0.1]), Apart.of([[1], [2]], [0.4])).value
    0.75
    """
    units = round(observed.whole)
    if reason := _undefined(observed, chance):
        return Figure(None, reason, units)
    value = 1 - (observed.part / observed.whole) / (chance.part / chance.whole)
    left_out = 1 - ratio(observed.without(observed.clusters), chance.without(observed.clusters))
    [around] = estimates(
        value,
        left_out[:, None],
        has_units=observed.wholes[:, None] > 0,
        is_rate=False,
        is_mean=True,
    )
    return Figure.of(Coefficient(value, "", units), *around)


def sigma_of(clusters: ArrayLike, observed: ArrayLike, chance: ArrayLike) -> Figure:
    """The share of pairs of answers that are closer than 95 % of those by chance.

    Args:
        clusters: Of each pair of answers to the same unit, shape `(P,)`.
        observed: Their distances.
        chance: Distances of answers to different clips, shape `(Q,)`.

    >>> sigma_of([1, 1], [0.0, 0.5], [0.4, 0.5, 0.6]).value
    0.5
    """
    distances, by_chance = np.asarray(observed, np.float64), np.asarray(chance, np.float64)
    limit = float(np.quantile(by_chance, CLOSE)) if len(by_chance) else 1.0
    close = Apart.of(clusters, distances < limit)
    reason = _undefined(close, Apart.of(np.zeros(len(by_chance)), by_chance))
    if limit <= 0:
        reason = reason or ALL_SAME
    if reason:
        return Figure(None, reason, len(distances))
    [around] = share_estimates(close.parts[:, None], close.wholes[:, None])
    return Figure.share(close.part, len(distances), NO_PAIR, *around)


def _undefined(observed: Apart, chance: Apart) -> str:
    """Why there is no figure; empty if there is one."""
    if not observed.whole:
        return NO_PAIR
    if not chance.whole:
        return NO_CHANCE
    return "" if chance.part > 0 else ALL_SAME
