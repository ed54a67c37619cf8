"""When persons of a video are seen, and who of them may be the same."""

from collections.abc import Mapping
from typing import NamedTuple


class PersonSpan(NamedTuple):
    """When a person of a video is seen, in seconds of the video."""

    number: int
    first: int
    last: int


def nearest_in_time(
    spans: dict[int, PersonSpan], number: int, *, labels: Mapping[int, str], count: int
) -> list[int]:
    """Who is seen just before or after a person and never at the same time, nearest first.

    Args:
        labels: What each person is, by number; only who is the same is named.

    >>> spans = {n: PersonSpan(n, *at) for n, at in {1: (0, 4), 2: (9, 9), 3: (5, 8)}.items()}
    >>> nearest_in_time(spans, 1, labels=dict.fromkeys(spans, "person"), count=2)
    [3, 2]
    >>> nearest_in_time(spans, 1, labels={1: "person", 2: "person", 3: "car"}, count=2)
    [2]
    """
    if (own := spans.get(number)) is None:
        return []
    gaps = [
        (max(other.first - own.last, own.first - other.last), other.number)
        for other in spans.values()
        if other.number != number and labels.get(other.number) == labels.get(number)
    ]
    return [other for gap, other in sorted(gaps) if gap > 0][:count]
