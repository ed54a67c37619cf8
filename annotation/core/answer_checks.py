"""Whether answers can be those to a clip: their persons lie where the clip's persons were.

Places are `(second, person id)`; boxes are pixels of the standard video.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tracking.core.boxes import pairwise_iou

OWN_IOU = 0.3  # answers that fit less, and another clip well, are those to the other clip
OTHER_IOU = 0.7

Places = Mapping[tuple[int, int], Sequence[float]]


class Fit(NamedTuple):
    """How well the persons of an answer lie where they were given."""

    places: int  # of persons that were given and are in the answer
    mean: float  # IoU, 0 without places
    best: float


def fit(answered: Places, given: Places) -> Fit:
    """Compare the boxes of the same persons at the same seconds.

    >>> fit({(0, 1): (0, 0, 10, 10)}, {(0, 1): (0, 0, 10, 5), (0, 2): (0, 0, 1, 1)})
    Fit(places=1, mean=0.5, best=0.5)
    """
    ious = [
        float(pairwise_iou(np.array([answered[place]]), np.array([given[place]]))[0, 0])
        for place in answered.keys() & given.keys()
    ]
    return Fit(len(ious), sum(ious) / len(ious), max(ious)) if ious else Fit(0, 0.0, 0.0)


def is_of_another_clip(own: Fit, others: Mapping[str, Fit]) -> tuple[bool, str]:
    """Whether answers are hardly those to their clip, and to which clip they seem to belong.

    Args:
        own: With the clip that the answers are said to be of.
        others: With other clips, by name.

    Returns:
        False for answers whose persons overlap with the given ones, unless another clip fits
        much better; the name is empty if no clip fits.

    >>> is_of_another_clip(Fit(9, 0.0, 0.0), {"yard": Fit(9, 0.9, 1.0)})
    (True, 'yard')
    >>> is_of_another_clip(Fit(9, 0.6, 0.9), {"yard": Fit(9, 0.9, 1.0)})
    (False, '')
    """
    if not own.places or own.mean >= OWN_IOU:
        return False, ""
    name, best = max(
        sorted(others.items()), key=lambda one: one[1].mean, default=("", Fit(0, 0.0, 0.0))
    )
    if best.mean >= OTHER_IOU:
        return True, name
    return own.best == 0, ""
