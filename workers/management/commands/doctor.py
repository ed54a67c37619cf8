"""`doctor`: health checks of the installation, with a hint for each problem."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workers.doctor import CHECKS, Status


class Command(BaseCommand):
    help = "Check the configuration and everything it depends on, with a hint for each problem."
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        style = {
            Status.OK: self.style.SUCCESS,
            Status.WARNING: self.style.WARNING,
            Status.ERROR: self.style.ERROR,
        }
        errors = 0
        for check in CHECKS:
            result = check()
            errors += result.status is Status.ERROR
            status = style[result.status](f"{result.status:5}")
            self.stdout.write(f"{status} {result.subject}: {result.message}")
            if result.hint:
                self.stdout.write(f"      {result.hint}")
            self.stdout.flush()
        if errors:
            raise CommandError(f"{errors} of {len(CHECKS)} checks failed, see above.")
