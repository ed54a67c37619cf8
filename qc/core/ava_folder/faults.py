"""Faults of a folder in AVA format: where, for which consumer, and what mends them.

What each consumer does with a file was read in its source: MMAction2 1.x
(`mmaction/datasets/ava_dataset.py`, `evaluation/functional/ava_utils.py`), SlowFast
(`slowfast/datasets/ava_helper.py`), pytorchvideo (`pytorchvideo/data/ava.py`) and the evaluator
of ActivityNet (`Evaluation/get_ava_performance.py`).
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

MMACTION2, SLOWFAST, PYTORCHVIDEO = "MMAction2", "SlowFast", "pytorchvideo"
EVALUATOR = "ActivityNet evaluator"
CONSUMERS = (MMACTION2, SLOWFAST, PYTORCHVIDEO, EVALUATOR)
TRAINERS = (MMACTION2, SLOWFAST, PYTORCHVIDEO)


class DatasetFault(NamedTuple):
    """One kind of fault in one file.

    `stops` are the consumers that stop at it, `misleads` those that go on with wrong data.
    """

    where: str  # the file, and the first row of it that has the fault
    text: str
    mend: str
    stops: tuple[str, ...]
    misleads: tuple[str, ...]
    times: int = 1

    def __str__(self) -> str:
        more = f" ({self.times} times)" if self.times > 1 else ""
        return f"{self.where}: {self.text}{more}"


class FaultLog:
    """Collects faults; of one kind in one file the first is kept, and how many there are."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], DatasetFault] = {}

    def add(
        self,
        kind: str,
        where: str,
        text: str,
        mend: str,
        *,
        row: int | None = None,
        stops: Collection[str] = (),
        misleads: Collection[str] = (),
    ) -> None:
        """Note a fault of `kind` in the file `where`, at the row `row` from 1 if it has one."""
        key = (kind, where)
        if before := self._found.get(key):
            self._found[key] = before._replace(times=before.times + 1)
            return
        place = where if row is None else f"{where} row {row}"
        self._found[key] = DatasetFault(place, text, mend, tuple(stops), tuple(misleads))

    def extend(self, other: "FaultLog") -> None:
        """Add all faults of another log."""
        self._found |= other._found

    def faults(self) -> list[DatasetFault]:
        """All faults; first those at which most consumers stop."""
        return sorted(
            self._found.values(), key=lambda one: (-len(one.stops), -len(one.misleads))
        )


def named(names: Iterable[str], most: int = 3) -> str:
    """The first few names in words.

    >>> named(["b", "a", "d", "c"])
    'a, b, c and 1 more'
    """
    ordered = sorted(names)
    more = len(ordered) - most
    return ", ".join(ordered[:most]) + (f" and {more} more" if more > 0 else "")
