"""Command `migrate`: Django's own, after a check of the migration history."""

from typing import Any

from django.core.management.commands import migrate

from avaproject.base.bootstrap import check_migration_history


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        check_migration_history()
        super().handle(*args, **options)
