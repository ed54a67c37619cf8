"""Process sandbox: restricts file access with Landlock, and removes network access.

Landlock (https://docs.kernel.org/userspace-api/landlock.html, Linux 5.13 and later) needs no
privileges. The network is removed by a network namespace, or by Landlock (Linux 6.7) where
namespaces are forbidden. The restrictions cannot be lifted again. What the system does not
support is reported and not an error. Files opened and modules imported before stay usable.
"""

import ctypes
import os
import struct
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
GET_ABI_VERSION = 1  # flag of CREATE_RULESET
PATH_BENEATH = 1
NO_NEW_PRIVILEGES = 38  # of prctl
NEW_USERS, NEW_NETWORK = 0x10000000, 0x40000000  # of unshare

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
READ = READ_FILE | READ_DIR
# All file rights that Landlock ABI 1, 2, 3 and 5 handle; a handled right is denied by default.
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15  # those that apply to files
NETWORK_SINCE_ABI, BIND_AND_CONNECT = 4, 3


class Restrictions(NamedTuple):
    """Which restrictions are in force."""

    files: bool
    network: bool


def enter_sandbox(*, readable: Iterable[Path], writable: Iterable[Path]) -> Restrictions:
    """Restrict this process to these paths and Python's library, without network.

    Threads that are running already are not restricted.
    """
    if sys.platform != "linux":
        return Restrictions(files=False, network=False)
    libc = ctypes.CDLL(None, use_errno=True)
    has_no_network = _enter_network_namespace(libc)
    version = libc.syscall(CREATE_RULESET, None, 0, GET_ABI_VERSION)
    if version < 1:
        return Restrictions(files=False, network=has_no_network)
    paths = sysconfig.get_paths()
    library = [Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    all_rights = RIGHTS[max(known for known in RIGHTS if known <= version)]
    has_network = version >= NETWORK_SINCE_ABI
    handled = [all_rights, BIND_AND_CONNECT] if has_network else [all_rights]
    rules = struct.pack(f"={len(handled)}Q", *handled)
    ruleset = libc.syscall(CREATE_RULESET, rules, len(rules), 0)
    for path in (*library, *readable):
        _allow(libc, ruleset, path, READ & all_rights)
    for path in writable:
        _allow(libc, ruleset, path, all_rights & ~EXECUTE)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    is_enforced = libc.syscall(RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return Restrictions(
        files=is_enforced, network=has_no_network or (is_enforced and has_network)
    )


def _enter_network_namespace(libc: ctypes.CDLL) -> bool:
    """Move this process to an empty network namespace; False if that is not allowed."""
    if libc.unshare(NEW_NETWORK) == 0:
        return True
    # In a user namespace root would lose its rights on other users' files.
    return os.geteuid() != 0 and libc.unshare(NEW_USERS | NEW_NETWORK) == 0


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # a missing path needs no right
    try:
        allowed = rights if path.is_dir() else rights & FILE_RIGHTS
        rule = struct.pack("=Qi", allowed, handle)
        libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0)
    finally:
        os.close(handle)
