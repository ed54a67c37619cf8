from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workers.checks import CHECKS, State


class Command(BaseCommand):
    help = "Say what is configured, what answers, what is missing, and what to do about it."
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        style = {
            State.OK: self.style.SUCCESS,
            State.NOTE: self.style.WARNING,
            State.WRONG: self.style.ERROR,
        }
        wrong = 0
        for check in CHECKS:
            finding = check()
            wrong += finding.state is State.WRONG
            state = style[finding.state](f"{finding.state:5}")
            self.stdout.write(f"{state} {finding.subject}: {finding.sentence}")
            if finding.way_out:
                self.stdout.write(f"      {finding.way_out}")
            self.stdout.flush()
        if wrong:
            raise CommandError(f"{wrong} of {len(CHECKS)} need attention, as said above.")
