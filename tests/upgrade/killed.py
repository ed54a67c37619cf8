# ruff: noqa: E402  # Django is set up before its models are imported
"""Makes or restores a backup, and kills itself on the way.

python -m tests.upgrade.killed backup|restore DIR COUNT
"""

import os
import signal
import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avaproject.settings")

import django

django.setup()

from workers.backup.backup import make_backup
from workers.backup.places import place_at
from workers.backup.restore import restore
from workers.backup.snapshots import newest

numbers = count(1)


def main(name: str, address: str, last: str) -> None:
    def report(what: str, done: int, total: int) -> None:
        if next(numbers) == int(last):
            os.kill(os.getpid(), signal.SIGKILL)

    place = place_at(address)
    if name == "backup":
        make_backup(place, report)
    else:
        restore(place, newest(place), report)


if __name__ == "__main__":
    main(*sys.argv[1:])
