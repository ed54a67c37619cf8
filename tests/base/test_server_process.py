"""Servers that tests start end with the tests, also when these are killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.server_process import ServerProcess, wait_until

SLEEP = ["sleep", "1000"]
STARTS_A_SERVER = """
from tests.server_process import ServerProcess
server = ServerProcess(["sleep", "1000"])
print(server.pid, flush=True)
server.wait()
"""


@pytest.mark.parametrize("to_group", [False, True])
def test_a_server_ends_with_tests_that_are_killed(to_group):
    tests = subprocess.Popen(
        [sys.executable, "-c", STARTS_A_SERVER], cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    with tests:
        pid = int(tests.stdout.readline())
        assert psutil.pid_exists(pid)
        kill = os.killpg if to_group else os.kill
        kill(tests.pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(pid), seconds=20)


@pytest.mark.parametrize("how", ["wait", "poll"])
def test_nothing_is_left_of_a_server_that_has_ended(how):
    before = set(psutil.Process().children())
    server = ServerProcess(SLEEP)
    assert len(set(psutil.Process().children()) - before) == 2
    server.kill()
    if how == "wait":
        assert server.wait() == -signal.SIGKILL
    else:
        wait_until(lambda: server.poll() is not None, seconds=20)
    assert set(psutil.Process().children()) == before
