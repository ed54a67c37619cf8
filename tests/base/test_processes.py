import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from avaproject.base import processes
from avaproject.base.processes import has_exited, this_process

PRINT_NAME = "from avaproject.base.processes import this_process; print(this_process())"

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")


def test_a_running_process_has_not_exited():
    assert not has_exited(this_process())


def test_a_process_that_ended_has_exited():
    name = subprocess.check_output([sys.executable, "-c", PRINT_NAME], text=True).strip()
    assert has_exited(name)


def test_a_zombie_has_exited():
    with subprocess.Popen(
        [sys.executable, "-c", PRINT_NAME], stdout=subprocess.PIPE
    ) as process:
        name = process.stdout.read().decode().strip()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert has_exited(name)


def test_a_reused_process_id_is_another_process():
    *rest, start = this_process().split("-")
    assert has_exited("-".join([*rest, str(int(start) - 1)]))


def test_a_step_of_the_clock_kills_nobody(monkeypatch):
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: 0.0)
    assert not has_exited(this_process())


@pytest.mark.parametrize("part", [0, 1], ids=["another boot", "another pid namespace"])
def test_nothing_is_said_of_processes_elsewhere(part):
    """Two containers with `network_mode: host` have one host name and other process ids."""
    parts = this_process().split("-")
    parts[part], parts[2] = "1" + parts[part][1:] + "0", "4194304"
    assert not has_exited("-".join(parts))


@pytest.mark.parametrize("name", ["", "-", "nonsense", "a-b-c-d", "host/123/456"])
def test_nothing_is_said_of_what_is_no_name(name):
    assert not has_exited(name)


def test_without_proc_no_process_is_said_to_be_gone(monkeypatch):
    monkeypatch.setattr(processes, "_machine", lambda: processes.UNKNOWN)
    assert not has_exited(f"{processes.UNKNOWN}-999999999-1")
