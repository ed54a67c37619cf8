"""`bootstrap`: the tables of the database and the first account."""

from typing import Any

from django.core.management.base import BaseCommand

from avaproject.base.bootstrap import bootstrap


class Command(BaseCommand):
    help = "Create the database tables and the first account, whose password is printed once."

    def handle(self, **options: Any) -> None:
        bootstrap(self.stdout.write)
