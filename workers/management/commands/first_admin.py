from typing import Any

from django.core.management.base import BaseCommand

from workers.accounts import ADMIN, ensure_admin


class Command(BaseCommand):
    help = "Make the first account if there is none, and print its password once."

    def handle(self, **options: Any) -> None:
        password = ensure_admin()
        if password is None:
            self.stdout.write("There is an administrator already; nothing was made.")
        else:
            self.stdout.write(f"Your account: {ADMIN}, password: {password} (shown this once)")
