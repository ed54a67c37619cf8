"""Command `migrate`: Django's own, after a check of the history; it records the version."""

from typing import Any

from django.core.management.commands import migrate

from avaproject.base.bootstrap import check_migration_history
from workers.versions import record_version


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        check_migration_history()
        super().handle(*args, **options)
        if not (options["app_label"] or options["plan"] or options["check_unapplied"]):
            record_version()
