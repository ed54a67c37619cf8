"""Classes that a dataset follows: a detector's own names, and words for several of them.

`vehicle` and `animal` stand for the classes of COCO that are one (Lin et al., "Microsoft COCO",
2014); every other name must be a class of the detector, written as the detector does.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from tracking.core.tracks_file import PERSON

GROUPS = {
    "vehicle": ("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    "animal": (
        "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe",
    ),
}  # fmt: skip
# The first of the 80 classes of COCO without gaps, in order; all others are things.
COCO = (PERSON, *GROUPS["vehicle"], *(
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench",
), *GROUPS["animal"])  # fmt: skip
COCO_COUNT = 80
COCO_BY_NUMBER = dict(enumerate(COCO))
COCO_IDS = {number + 1 + (number >= 11): name for number, name in enumerate(COCO)}  # no 12


class UnknownClassError(ValueError):
    """A detector does not know a class; the message says what it knows and what to do.

    Args:
        name: The class.
        known: The classes of the detector.
    """

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(
            _(
                "It knows no class %(name)s, only %(known)s: change the dataset's classes or "
                "weights."
            )
            % {"name": name, "known": ", ".join(sorted(set(known)))}
        )


def class_positions(wanted: Sequence[str], known: Mapping[int, str]) -> dict[int, int]:
    """For each class number of a detector its position in `wanted`; others are left out.

    Args:
        wanted: Names of classes or groups.
        known: The detector's classes by number.

    Raises:
        UnknownClassError: A name is no class of the detector, nor a group that has one.

    >>> class_positions(["person", "vehicle"], {0: "person", 1: "car", 2: "dog"})
    {0: 0, 1: 1}
    """
    for name in wanted:
        if not {name, *GROUPS.get(name, ())} & set(known.values()):
            raise UnknownClassError(name, known.values())
    return known_positions(wanted, known)


def known_positions(wanted: Sequence[str], known: Mapping[int, str]) -> dict[int, int]:
    """As `class_positions`; not all that is wanted need be known.

    >>> known_positions(["person", "drone"], {0: "person", 1: "car"})
    {0: 0}
    """
    found: dict[int, int] = {}
    for position, name in enumerate(wanted):
        names = {name, *GROUPS.get(name, ())}
        for number, one in known.items():
            if one in names:
                found.setdefault(number, position)
    return found


def positions_of(numbers: NDArray[np.int64], positions: Mapping[int, int]) -> NDArray[np.int64]:
    """The position of each class number, shape `(N,)`; -1 for classes that are not followed.

    >>> positions_of(np.array([0, 2, 1]), {0: 0, 1: 1})
    array([ 0, -1,  1])
    """
    found = np.full(len(numbers), -1, np.int64)
    for number, position in positions.items():
        found[numbers == number] = position
    return found
