from typing import Any

import pytest

from qc.core.quality.acceptance import Acceptance, TimedOperation, acceptance


def keeping(
    first: Any, last: Any, shown: Any = None, *, person: Any = "7", ms: int = 5000
) -> TimedOperation:
    content = {"kind": "keep", "person": person, "first": first, "last": last, "answers": {}}
    return TimedOperation(content if shown is None else {**content, "shown": shown}, ms)


def answer(second: int, shown: Any, *, person: Any = "7", ms: int = 5000) -> TimedOperation:
    content = {"kind": "set", "person": person, "second": second, "answers": {}, "shown": shown}
    return TimedOperation(content, ms)


LEFT = {(7, second) for second in range(4)} | {(8, 0)}


def test_every_box_of_a_segment_kept_within_a_second_was_accepted_at_once() -> None:
    found = acceptance([keeping(0, 2, 999)], LEFT)
    assert (found.boxes_kept, found.boxes_kept_at_once) == (3, 3)
    assert (found.kept, found.kept_at_once) == (1, 1)


def test_a_segment_that_was_looked_at_was_not() -> None:
    found = acceptance([keeping(0, 2, 1000), answer(3, 300)], LEFT)
    assert (found.boxes_kept, found.boxes_kept_at_once) == (4, 1)


def test_whoever_came_back_has_looked_longer() -> None:
    found = acceptance([answer(0, 300), answer(0, 2300), answer(1, 300), answer(1, 900)], LEFT)
    assert (found.boxes_kept, found.boxes_kept_at_once) == (2, 1)


def test_a_box_that_was_moved_or_drawn_is_not_counted() -> None:
    """Only those in `left` are, and a drawn person has no number."""
    log = [keeping(0, 9, 300), keeping(0, 9, 300, person="d-1"), keeping(0, 0, 300, person="9")]
    assert acceptance(log, {(7, 2)}).boxes_kept == 1
    assert acceptance(log, set()).boxes_kept == 0


def test_operations_without_a_time_of_display_count_by_the_time_since_the_one_before() -> None:
    found = acceptance([keeping(0, 3, ms=999), keeping(0, 3, ms=1000)], LEFT)
    assert found == Acceptance(decisions=2, decision_ms=1999, kept=2, kept_at_once=1)


def test_time_since_the_operation_before_does_not_hide_a_quick_acceptance() -> None:
    """Somebody else was looked at meanwhile."""
    found = acceptance([keeping(0, 3, 200, ms=30_000)], LEFT)
    assert (found.kept_at_once, found.boxes_kept_at_once) == (1, 4)


@pytest.mark.parametrize("shown", ["300", -1, float("nan"), True, None, [300], {}])
def test_what_is_no_time_is_none(shown: Any) -> None:
    log = [TimedOperation({**keeping(0, 3).content, "shown": shown}, 5000)]
    assert acceptance(log, LEFT) == Acceptance(1, 5000, 1, 0, 0, 0)


@pytest.mark.parametrize(
    "place",
    [{"person": 7}, {"person": "7" * 5000}, {"first": None}, {"first": "0"}, {"last": [3]},
     {"first": 3, "last": 0}],
)  # fmt: skip
def test_what_names_no_keyframes_accepts_nothing(place: dict[str, Any]) -> None:
    log = [TimedOperation({**keeping(0, 3, 300).content, **place}, 5000)]
    assert acceptance(log, LEFT).boxes_kept == 0


def test_nothing_done_nothing_counted() -> None:
    assert acceptance([], LEFT) == Acceptance()
    assert acceptance([TimedOperation({"kind": "box", "shown": 1}, 9)], LEFT) == Acceptance()
