"""Bootstrap of an installation: the database tables and the first account."""

import errno
import fcntl
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connection, transaction
from django.db.migrations.loader import MigrationLoader

ADMIN = "admin"
MIGRATION_OF_0_1 = ("datasets", "0002_clip_seconds")


def bootstrap(log: Callable[[str], object]) -> None:
    """Create the tables and the first account; `log` gets who can log in, and once how."""
    create_tables()
    if password := create_admin():
        log(f"Your account: {ADMIN}, password: {password} (shown this once)")
        return
    name = User.objects.filter(is_superuser=True, is_active=True).values_list(
        "username", flat=True
    )
    for first in name.order_by("pk")[:1]:
        log(f"Log in as {first}. A new password: ./ava manage changepassword {first}")


def create_tables() -> None:
    """Migrate the database, one process of the data folder after another.

    Raises CommandError as `check_migration_history` does.
    """
    with folder_lock("migrate.lock", wait=True):
        call_command("migrate", verbosity=0, interactive=False)


@contextmanager
def folder_lock(name: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock `name` of the data folder; a process that ends gives it back.

    Raises BlockingIOError if another process holds it and this one is not to `wait`. On a
    storage without locks there is none.
    """
    with (settings.DATA_DIR / name).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
                raise
        yield


def check_migration_history() -> None:
    """Raises CommandError if another version of AVA Studio has created the database."""
    loader = MigrationLoader(connection)
    unknown = set(loader.applied_migrations) - set(loader.disk_migrations)
    if MIGRATION_OF_0_1 in unknown:
        raise CommandError(
            "This data folder was made by AVA Studio 0.1; 0.2 starts with an empty one: move "
            "it away or set AVA_DATA_DIR."
        )
    if any(app in loader.migrated_apps for app, _ in unknown):
        raise CommandError(
            "The database belongs to another version of AVA Studio and cannot be migrated to "
            "this one. Choose an empty folder with AVA_DATA_DIR, or install that version."
        )


def create_admin() -> str | None:
    """Create the account `admin` unless there is a superuser already.

    Returns its random password, which is stored nowhere else; None if nothing was created.
    """
    if User.objects.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    try:
        with transaction.atomic():
            User.objects.create_superuser(ADMIN, password=password)
    except IntegrityError:  # another process was first, or the name is taken
        return None
    return password
