from datetime import UTC, datetime, timedelta

import pytest

from annotation.core.cvat_times import WorkTimes, event_time, work_times

Event = dict[str, str]
START = datetime(2026, 11, 29, 12, tzinfo=UTC)
ANSWER = "change:attribute"


def event(scope: str, second: float, *, by: str = "ann", duration: str = "0") -> Event:
    at = START + timedelta(seconds=second)
    return {
        "scope": scope, "user_name": by, "duration": duration,
        "timestamp": f"{at:%Y-%m-%d %H:%M:%S.%f}",
    }  # fmt: skip


def test_an_answer_took_the_time_since_the_act_before() -> None:
    log = [event("load:job", 0), event(ANSWER, 4), event("draw:object", 10), event(ANSWER, 11)]
    assert work_times(log, "ann") == WorkTimes(answers=2, answer_ms=5000)


def test_what_changes_nothing_is_no_act() -> None:
    log = [event("load:job", 0), event("zoom:image", 2), event("change:frame", 3),
           event("click:element", 3.5), event(ANSWER, 4)]  # fmt: skip
    assert work_times(log, "ann") == WorkTimes(answers=1, answer_ms=4000)


def test_a_pause_counts_with_a_minute() -> None:
    log = [event("load:job", 0), event(ANSWER, 3600)]
    assert work_times(log, "ann") == WorkTimes(answers=1, answer_ms=60_000)


def test_an_answer_without_an_act_before_has_no_time() -> None:
    assert work_times([event(ANSWER, 5)], "ann") == WorkTimes()


def test_working_time_is_the_sum_that_cvat_sends() -> None:
    log = [
        event("send:working_time", at, duration=ms) for at, ms in ((0, "90000"), (95, "1500"))
    ]
    assert work_times(log, "ann") == WorkTimes(working_ms=91_500)


def test_others_and_other_times_are_left_out() -> None:
    mine = [event("load:job", 0), event(ANSWER, 3), event("load:job", 60), event(ANSWER, 62)]
    log = [*mine, event(ANSWER, 63, by="bob"), event("load:job", 120), event(ANSWER, 129)]
    since, until = START + timedelta(seconds=30), START + timedelta(seconds=90)
    found = work_times(log, "ann", since=since, until=until)
    assert found == WorkTimes(answers=1, answer_ms=2000)


def test_events_that_went_back_in_time_take_none() -> None:
    log = [event("load:job", 10), event(ANSWER, 4), event(ANSWER, 12)]
    assert work_times(log, "ann") == WorkTimes(answers=2, answer_ms=2000)


@pytest.mark.parametrize(
    "log",
    [[], [event("update:job", 0)], [event(ANSWER, 0, by="bob")],
     [event(ANSWER, 0) | {"timestamp": "yesterday"}]],
)  # fmt: skip
def test_where_nothing_is_told_there_are_no_times(log: list[Event]) -> None:
    assert work_times(log, "ann") is None


@pytest.mark.parametrize("duration", ["", "-5", "1.5", "NaN", "²", "9" * 5000])
def test_a_duration_that_is_none_counts_nothing(duration: str) -> None:
    assert work_times([event("send:working_time", 0, duration=duration)], "ann") == WorkTimes()


def test_times_are_bounded() -> None:
    log = [event("send:working_time", 0, duration="9" * 19)]
    assert work_times(log, "ann") == WorkTimes(working_ms=10**12)


@pytest.mark.parametrize(
    "text", ["2026-11-29 12:00:00", "2026-11-29 12:00:00+00:00", "2026-11-29T12:00:00Z"]
)
def test_times_of_all_exports_are_read(text: str) -> None:
    assert event_time({"timestamp": text}) == START
    assert event_time({}) is None
