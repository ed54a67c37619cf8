"""Process identity: a name that no other process has, on any machine, before or after it."""

import os
from functools import cache
from pathlib import Path

import psutil

UNKNOWN = "unknown-0"
STATE, START = 0, 19  # of the fields of `_stat`; the start in clock ticks since the boot


@cache
def _machine() -> str:
    """The boot of this kernel and the namespace that process ids are counted in."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        return f"{boot}-{Path('/proc/self/ns/pid').readlink().name.strip('pid:[]')}"
    except OSError:  # not Linux: then no process is ever said to be gone
        return UNKNOWN


def _stat(pid: int) -> list[str]:
    """What the kernel says about process `pid`, after its name (proc_pid_stat(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


@cache
def _name_of(pid: int) -> str:
    try:
        return f"{_machine()}-{pid}-{_stat(pid)[START]}"
    except OSError:
        return f"{_machine()}-{pid}-{psutil.Process(pid).create_time():.0f}"


def this_process() -> str:
    """The name of this process: `boot-namespace-pid-start`; the parts have no hyphens."""
    return _name_of(os.getpid())


def has_exited(name: str) -> bool:
    """Whether the process called `name` has certainly ended; False if that is unknown.

    It is unknown for a process of another machine or container. A zombie has ended.
    """
    before, _, start = name.rpartition("-")
    machine, _, pid = before.rpartition("-")
    if machine != _machine() or machine == UNKNOWN or not pid.isdigit():
        return False
    try:
        fields = _stat(int(pid))
        return fields[STATE] in "ZX" or fields[START] != start
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return False
