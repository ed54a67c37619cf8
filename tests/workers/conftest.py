import signal

import pytest


@pytest.fixture
def handlers_kept():
    """Puts the signal handlers back that a test installs."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
