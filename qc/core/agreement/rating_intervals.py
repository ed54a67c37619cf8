"""Jackknife intervals of the coefficients of ratings, of one group and of means over groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qc.core.agreement.coefficient_counts import Floats, RatingSums, mean_of_defined
from qc.core.agreement.coefficients import ALPHA, OF_RATINGS
from qc.core.agreement.jackknife import Estimate, estimates

NAMES = np.array([spec.name for spec in OF_RATINGS])
IS_RATE = np.array([not spec.is_chance_corrected for spec in OF_RATINGS])


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """What the figures of one group come from.

    Attributes:
        sums: Of each cluster.
        clusters: Their numbers, ascending.
        shared: Those in which two annotators gave the same answer, other than the commonest.
        are_edited: Whether units are those that somebody edited: what they are depends on the
            answers, so that nothing holds without shared ones.
    """

    sums: RatingSums
    clusters: NDArray[np.int64]
    shared: int
    are_edited: bool = False

    @cached_property
    def value(self) -> Floats:
        """The coefficients OF_RATINGS, shape `(1, 3)`."""
        return _figures(self.sums.total())

    @cached_property
    def left_out(self) -> Floats:
        """The same without each cluster, shape `(clusters, 3)`."""
        return _figures(self.sums.left_out())


def rating_intervals(sources: Sequence[ClusterSums]) -> Mapping[str, Estimate]:
    """The 95 % interval of each coefficient by its name: of one group, or of means over groups.

    A cluster is left out of all groups at once, since the answers about one person in several
    groups are not independent. A mean is over the groups in which the coefficient is defined.
    """
    none = np.empty(0, np.int64)
    clusters = np.unique(np.concatenate([none, *(one.clusters for one in sources)]))
    has_units = np.zeros((len(clusters), 1), dtype=bool)
    values, left_out = np.empty((1, 0, 3)), np.empty((len(clusters), 0, 3))
    for one in sources:
        place = np.searchsorted(clusters, one.clusters)
        has_units[place, 0] |= one.sums.pairable > 0
        without = np.repeat(one.value, len(clusters), axis=0)
        without[place] = one.left_out
        values = np.concatenate([values, one.value[:, None]], axis=1)
        left_out = np.concatenate([left_out, without[:, None]], axis=1)
    shared = np.max([np.zeros(3), *(_shared(one) for one in sources)], axis=0)
    found = estimates(
        mean_of_defined(values)[0],
        mean_of_defined(left_out),
        has_units=has_units,
        is_rate=IS_RATE,
        is_mean=any(one.are_edited for one in sources),  # else too narrow in few clips
        shared=shared,
    )
    return {spec.name: one for spec, one in zip(OF_RATINGS, found, strict=True)}


def _figures(sums: RatingSums) -> Floats:
    return np.stack([spec.formula(sums) for spec in OF_RATINGS], axis=1)


def _shared(source: ClusterSums) -> Floats:
    """The shared clusters that matter to each coefficient: alpha hangs on rare answers most."""
    matters = source.are_edited | (ALPHA.name == NAMES)
    return np.where(matters, source.shared, np.inf)
