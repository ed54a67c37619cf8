"""Walls around this process, which it cannot take down again: few files, and no network.

Files are kept away by Landlock (https://docs.kernel.org/userspace-api/landlock.html, Linux 5.13
and later), which needs no rights; the network by a name space of its own, or by Landlock (6.7)
where that is forbidden. Neither is to be had everywhere: what stands is told, nothing fails.
What was opened or imported before stays usable.
"""

import ctypes
import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
ABI_ASKED = 1  # flag of CREATE_RULESET
PATH_BENEATH = 1
NO_NEW_PRIVILEGES = 38  # of prctl
NEW_USERS, NEW_NETWORK = 0x10000000, 0x40000000  # of unshare

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
READ = READ_FILE | READ_DIR
# All rights on files that version 1, 2, 3 and 5 of Landlock know; what is named is forbidden.
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15  # the only ones of a file
NETWORK_SINCE, BIND_AND_CONNECT = 4, 3


class Walls(NamedTuple):
    """Which walls stand."""

    files: bool
    network: bool


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64)]


class _Rule(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def wall_off(*, readable: Iterable[Path], writable: Iterable[Path]) -> Walls:
    """Leave this process what lies beneath these paths and Python's own library; no network.

    Other threads that run already are not held.
    """
    if sys.platform != "linux":
        return Walls(files=False, network=False)
    libc = ctypes.CDLL(None, use_errno=True)
    is_cut_off = _leave_network(libc)
    version = libc.syscall(CREATE_RULESET, None, 0, ABI_ASKED)
    if version < 1:
        return Walls(files=False, network=is_cut_off)
    paths = sysconfig.get_paths()
    library = [Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    every = RIGHTS[max(known for known in RIGHTS if known <= version)]
    has_network = version >= NETWORK_SINCE
    rules = _Ruleset(every, BIND_AND_CONNECT if has_network else 0)
    ruleset = libc.syscall(
        CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules) if has_network else 8, 0
    )
    for path in (*library, *readable):
        _allow(libc, ruleset, path, READ & every)
    for path in writable:
        _allow(libc, ruleset, path, every & ~EXECUTE)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    stands = libc.syscall(RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return Walls(files=stands, network=is_cut_off or (stands and has_network))


def _leave_network(libc: ctypes.CDLL) -> bool:
    """Whether this process could move to a network of its own, which leads nowhere."""
    if libc.unshare(NEW_NETWORK) == 0:
        return True
    # Root would lose its rights on other people's files with its users.
    return os.geteuid() != 0 and libc.unshare(NEW_USERS | NEW_NETWORK) == 0


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no right
    try:
        kept = rights if path.is_dir() else rights & FILE_RIGHTS
        libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(_Rule(kept, handle)), 0)
    finally:
        os.close(handle)
