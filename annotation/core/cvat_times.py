"""Times of work in CVAT, from the events of a job: working time, and how long answers took.

CVAT's pages log what a user does (source "client"): `change:attribute` each time an answer is
set. From these the server sums up working time (`send:working_time`), with every pause that is
shorter than 100 seconds. How long an answer took is counted as on the label page: since the act
before, a pause with a minute at most.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

WORKING_TIME = "send:working_time"
ANSWER = "change:attribute"
ACTS = frozenset(
    {
        "load:job", ANSWER, "change:label", "draw:object", "paste:object", "propagate:object",
        "drag:object", "resize:object", "delete:object", "merge:objects", "split:objects",
        "slice:object", "join:objects", "action:undo", "action:redo",
    }
)  # fmt: skip
MAX_PAUSE_MS = 60_000
MAX_MS = 10**12  # of a sum; more is no time


class WorkTimes(NamedTuple):
    """What the events of a job tell of one user."""

    working_ms: int = 0  # by CVAT's own count
    answers: int = 0  # set after another act, so that their time is known
    answer_ms: int = 0  # of these


def work_times(
    events: Iterable[Mapping[str, str]],
    user: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> WorkTimes | None:
    """The times of `user` in the events of one job; None if these tell none.

    Args:
        events: By time, as CVAT exports them: scope, user_name, timestamp, duration (ms).
            Events whose timestamp is no time are left out.
        since, until: Only events after the one and up to the other, by CVAT's clock.

    >>> seen = {"user_name": "ann", "duration": "0", "timestamp": "2026-11-29 12:00:00"}
    >>> said = seen | {"timestamp": "2026-11-29 12:00:04.500000"}
    >>> work_times([seen | {"scope": "load:job"}, said | {"scope": ANSWER}], "ann")
    WorkTimes(working_ms=0, answers=1, answer_ms=4500)
    """
    working = answers = answer_ms = 0
    before: datetime | None = None
    is_told = False
    for one in events:
        scope = one.get("scope")
        if one.get("user_name") != user or (scope != WORKING_TIME and scope not in ACTS):
            continue
        at = event_time(one)
        if at is None or (since and at <= since) or (until and at > until):
            continue
        is_told = True
        if scope == WORKING_TIME:
            working += _milliseconds(one.get("duration"))
            continue
        if scope == ANSWER and before is not None:
            answers += 1
            answer_ms += min(max(round((at - before).total_seconds() * 1000), 0), MAX_PAUSE_MS)
        before = at if before is None else max(before, at)
    return WorkTimes(min(working, MAX_MS), answers, answer_ms) if is_told else None


def event_time(event: Mapping[str, str]) -> datetime | None:
    """When an event happened; None if it does not say. Without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00"))
    except (KeyError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _milliseconds(text: str | None) -> int:
    if not text or not text.isascii() or not text.isdecimal() or len(text) > 19:
        return 0
    return min(int(text), MAX_MS)
