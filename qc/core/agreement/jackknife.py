"""Intervals by a cluster jackknife: each figure again without one clip, or one source video.

The keyframes of a person are alike, and so are the people of a clip for an annotator who
misread it: units are left out clip by clip. The spread of these figures gives a variance, the
variance an effective number of independent judgements, and that an interval of Clopper and
Pearson, which stays inside the range of the figure and leans where its distribution does.

Sources: Efron & Stein 1981 (jackknife variance); Korn & Graubard 1998 (effective number and
degrees of freedom in Clopper and Pearson's interval); Satterthwaite 1946 (degrees of freedom of
an uneven sum of squares). `./ava bench intervals` measures how often they cover the truth.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, stdtrit

from qc.core.agreement.coefficient_counts import Floats, ratio
from qc.core.agreement.figures import DIGITS, Interval

MIN_CLUSTERS = 8  # with fewer the spread says too little
MIN_CLUSTERS_OF_MEAN = 20  # of IoU and edited units: a rare clip is in none of a few
MIN_VIDEOS = 10  # from here on source videos are left out instead of clips
MIN_SHARED = 5  # clips in which two annotators gave the same answer, the commonest left out
NORMAL, TAIL = 1.959964, 0.025
NO_SPREAD = 1e-12

FEW_CLUSTERS = f"fewer than {MIN_CLUSTERS} clips to compare"
FEW_FOR_MEAN = f"fewer than {MIN_CLUSTERS_OF_MEAN} clips to compare"
FEW_SHARED = f"two annotators share a rare answer in fewer than {MIN_SHARED} clips"
ALL_ALIKE = "no clip differs from the others"
ON_ONE_CLIP = "undefined without one of its clips"


class Estimate(NamedTuple):
    """A 95 % interval, or why there is none."""

    interval: Interval | None
    reason: str


def estimates(
    values: ArrayLike,
    left_out: Floats,
    *,
    has_units: NDArray[np.bool_],
    is_rate: bool | NDArray[np.bool_],
    is_mean: bool | NDArray[np.bool_] = False,
    shared: ArrayLike = np.inf,
    alike_is_one: bool = False,
) -> list[Estimate]:
    """The interval of each of k figures.

    Args:
        values: Of all clusters together, shape `(k,)`; nan where undefined.
        left_out: The figures without each of G clusters, shape `(G, k)`.
        has_units: Whether a cluster has units of the figure at all, shape `(G, k)` or `(G, 1)`.
        is_rate: Whether a figure lies between 0 and 1; else between -1 and 1.
        is_mean: Whether it is a mean of values between 0 and 1, not a share.
        shared: Clusters in which two annotators gave the same answer other than the commonest,
            for figures that mean nothing without, shape `(k,)`; the degrees of freedom are
            fewer.
        alike_is_one: Whether, if no cluster differs, each is taken for one judgement: at least
            so much is known of a share that is not corrected for chance.

    >>> one = np.array([[0.8], [0.7], [0.75], [0.8], [0.78], [0.72], [0.76], [0.77]])
    >>> estimates([0.76], one, has_units=one > 0, is_rate=True)[0].interval
    (0.48582, 0.933208)
    """
    value = np.atleast_1d(np.asarray(values, dtype=np.float64))
    present = np.broadcast_to(has_units, left_out.shape)
    clusters = present.sum(axis=0)
    size = np.maximum(clusters, 1)
    mean = np.where(present, left_out, 0).sum(axis=0) / size
    squares = np.where(present, (left_out - mean) ** 2, 0)
    total = squares.sum(axis=0)
    variance = (size - 1) / size * total
    freedom = np.clip(2 * ratio(total**2, (squares**2).sum(axis=0)), 1, size - 1)
    freedom = np.minimum(freedom, np.maximum(shared, 2) - 1)  # a rare answer rests on these
    scale = np.broadcast_to(np.where(is_rate, 1.0, 2.0), value.shape)
    if alike_is_one:
        is_alike = variance < NO_SPREAD
        variance = np.where(is_alike, _share(value, scale)[1] * scale**2 / size, variance)
        freedom = np.where(is_alike, np.inf, freedom)
    reasons = np.select(
        [
            clusters < MIN_CLUSTERS,
            (clusters < MIN_CLUSTERS_OF_MEAN) & is_mean,
            ~np.isfinite(total),
            np.broadcast_to(shared, value.shape) < MIN_SHARED,
            variance < NO_SPREAD,
        ],
        [FEW_CLUSTERS, FEW_FOR_MEAN, ON_ONE_CLIP, FEW_SHARED, ALL_ALIKE],
        default="",
    )
    good = (reasons == "") & np.isfinite(value)
    low, high = np.zeros((2, len(value)))
    low[good], high[good] = _clopper_pearson(
        value[good], variance[good], freedom=freedom[good], scale=scale[good]
    )
    return [
        Estimate((one_low, one_high) if is_good else None, str(reason))
        for one_low, one_high, is_good, reason in zip(
            low.round(DIGITS).tolist(), high.round(DIGITS).tolist(), good, reasons, strict=True
        )
    ]


def share_estimates(
    parts: Floats,
    wholes: Floats,
    *,
    is_mean: bool | NDArray[np.bool_] = False,
    alike_is_one: bool = False,
) -> list[Estimate]:
    """The interval of each of k shares or means, the sum of `parts` over that of `wholes`.

    Args:
        parts: Of each cluster, shape `(G, k)`.
        wholes: Likewise.
        is_mean: Whether `parts` are sums of values between 0 and 1, not of counts.
        alike_is_one: As of `estimates`.

    >>> share_estimates(np.array([[1.0], [2.0]]), np.array([[2.0], [2.0]]))[0].reason
    'fewer than 8 clips to compare'
    """
    part, whole = parts.sum(axis=0), wholes.sum(axis=0)
    left_out = ratio(part - parts, whole - wholes)
    return estimates(
        ratio(part, whole), left_out, has_units=wholes > 0, is_rate=True, is_mean=is_mean,
        alike_is_one=alike_is_one,
    )  # fmt: skip


def difference_estimate(parts: Floats, wholes: Floats) -> Estimate:
    """The interval of one share less another, of the same clusters or of different ones.

    Args:
        parts: Of both in each cluster, shape `(G, 2)`.
        wholes: Likewise; 0 where a cluster has no part in a share.

    >>> difference_estimate(np.ones((3, 2)), np.ones((3, 2))).reason
    'fewer than 8 clips to compare'
    """
    part, whole = parts.sum(axis=0), wholes.sum(axis=0)
    one, other = ratio(part, whole)
    left_out = ratio(part - parts, whole - wholes)
    [found] = estimates(
        one - other,
        left_out[:, :1] - left_out[:, 1:],
        has_units=np.atleast_1d((wholes > 0).any(axis=1))[:, None],
        is_rate=False,
        alike_is_one=True,
    )
    return found


def _clopper_pearson(
    value: Floats, variance: Floats, *, freedom: Floats, scale: Floats
) -> tuple[Floats, Floats]:
    """Of the disagreement `(1 - value) / scale`, a share of independent judgements."""
    share, spread = _share(value, scale)
    judgements = spread * scale**2 / variance
    judgements = judgements * (NORMAL / stdtrit(freedom, 1 - TAIL)) ** 2
    wrong = share * judgements
    right = judgements - wrong
    least, most = betaincinv(wrong, right + 1, TAIL), betaincinv(wrong + 1, right, 1 - TAIL)
    return np.minimum(1 - scale * most, value), np.maximum(1 - scale * least, value)


def _share(value: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """The disagreement as a share, never quite 0 or 1, and its variance of one judgement."""
    share = np.clip((1 - value) / scale, 1e-9, 1 - 1e-9)
    return share, share * (1 - share)
