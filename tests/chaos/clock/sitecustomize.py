"""For programs under libfaketime: it breaks clock_nanosleep, so sleep is a select."""

import select
import time


def sleep(seconds: float) -> None:
    select.select([], [], [], max(seconds, 0.0))


time.sleep = sleep
