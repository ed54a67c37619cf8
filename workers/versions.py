"""Version handshake: a worker does nothing in a database that another version has migrated."""

import hashlib
from datetime import datetime
from functools import cache

from django.core.management.base import CommandError
from django.db.migrations.loader import MigrationLoader
from django.db.models.functions import Now

from avaproject import VERSION
from workers.models import InstalledVersion


class VersionError(CommandError):
    """The database belongs to another version than this program."""


@cache
def this_version() -> str:
    """The version of this program and a hash of its migrations, like "0.3.0 (1f0a9c3e)".

    Between two releases only the second part tells which tables a program expects.
    """
    names = sorted(".".join(key) for key in MigrationLoader(None).disk_migrations)
    return f"{VERSION} ({hashlib.sha256(' '.join(names).encode()).hexdigest()[:8]})"


def record_version() -> None:
    """Say that this version has migrated the database: workers of others stop."""
    InstalledVersion.objects.update_or_create(pk=1, defaults={"version": this_version()})


def check_version() -> datetime:
    """The database's clock. Raises VersionError if another version has migrated it."""
    rows = InstalledVersion.objects.annotate(now=Now()).values_list("version", "now")
    found = rows.first()
    if found is None:
        record_version()
        return check_version()
    version, now = found
    if version != this_version():
        raise VersionError(
            f"The database was migrated by AVA Studio {version}; this worker is "
            f"{this_version()}. Run ./ava manage migrate with the newer of the two, install it "
            "everywhere, then start this worker again."
        )
    return now
