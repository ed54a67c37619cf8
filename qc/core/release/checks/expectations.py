"""The result of a check of a release: one sentence, for what holds or the first faults."""

import csv
import struct
from collections.abc import Iterable

EXAMPLES = 3
ODD_CONTENT = (  # what reading a file raises that holds what none should
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
    RecursionError, csv.Error, struct.error,
)  # fmt: skip


class CheckFailedError(ValueError):
    """What a check found wrong, as a sentence."""


def expect(faults: Iterable[str], holds: str) -> str:
    """`holds` if there is no fault; else raises CheckFailedError with the first few of them."""
    first: list[str] = []
    count = 0
    for fault in faults:
        count += 1
        if count <= EXAMPLES:
            first.append(fault)
    if not count:
        return holds
    more = f"; and {count - EXAMPLES} more" if count > EXAMPLES else ""
    raise CheckFailedError(f"{'; '.join(first)}{more}.")
