"""Version handshake: a worker does nothing in a database that another version has migrated."""

from datetime import datetime

from django.core.management.base import CommandError
from django.db.models.functions import Now

from avaproject import VERSION
from workers.models import InstalledVersion


class VersionError(CommandError):
    """The database belongs to another version than this program."""


def record_version() -> None:
    """Say that this version has migrated the database: workers of others stop."""
    InstalledVersion.objects.update_or_create(pk=1, defaults={"version": VERSION})


def check_version() -> datetime:
    """The database's clock. Raises VersionError if another version has migrated it."""
    rows = InstalledVersion.objects.annotate(now=Now()).values_list("version", "now")
    found = rows.first()
    if found is None:
        record_version()
        return check_version()
    version, now = found
    if version != VERSION:
        raise VersionError(
            f"The database was migrated by AVA Studio {version}; this worker is {VERSION}. "
            "Install the same version here, then start it again."
        )
    return now
