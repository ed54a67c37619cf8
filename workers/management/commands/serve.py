"""`serve`: the web server alone, for production."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from workers.supervisor import Program, Supervisor
from workers.web_server import serve


class Command(BaseCommand):
    help = "Run the web server without workers until it is stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address (default %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port (default %(default)s)")
        parser.add_argument(
            "--processes", type=int, default=1, help="that share the port (default %(default)s)"
        )

    def handle(self, *, host: str, port: int, processes: int, **options: Any) -> None:
        if processes < 1:
            raise CommandError(f"--processes must be 1 or more, not {processes}")
        if processes == 1:
            try:
                serve(host, port)
            except OSError as error:
                raise CommandError(f"Cannot open port {port} of {host} ({error}).") from error
            return
        supervisor = Supervisor(self._log)
        supervisor.handle_signals()
        supervisor.run(
            [
                Program(f"web {number + 1}", serve_command(host, port))
                for number in range(processes)
            ]
        )

    def _log(self, message: str) -> None:
        self.stdout.write(message)
        self.stdout.flush()


def serve_command(host: str, port: int) -> list[str]:
    """The command line of one web server process."""
    manage = str(settings.BASE_DIR / "manage.py")
    return [sys.executable, manage, "serve", "--host", host, "--port", str(port)]
