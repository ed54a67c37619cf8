import os
import socket
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from workers.accounts import ADMIN, ensure_admin
from workers.supervisor import Program, Supervisor

THREADS = 8
LINUX = sys.platform == "linux"


class Command(BaseCommand):
    help = "Run the pages and the work on this machine until Ctrl-C; what dies is restarted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address of the pages")
        parser.add_argument("--port", type=int, default=8000, help="port of the pages")
        parser.add_argument(
            "--workers",
            type=int,
            default=half_the_cores(),
            help="processes for all work but detection, which has one of its own (default: one "
            "for every two cores, for a video keeps two busy; here %(default)s)",
        )

    def handle(self, *, host: str, port: int, workers: int, **options: Any) -> None:
        if workers < 1:
            raise CommandError(f"--workers must be 1 or more, not {workers}")
        supervisor = Supervisor(self._say)
        supervisor.listen()
        check_port_is_free(host, port)
        call_command("migrate", verbosity=0, interactive=False)
        password = ensure_admin()
        if password:
            self._say(f"Your account: {ADMIN}, password: {password} (shown this once)")
        if not supervisor.stopping:
            self._say(f"AVA Studio opens at http://{host}:{port}/ (Ctrl-C stops it).")
        supervisor.run(programs(host, port, workers=workers))
        self._say("Stopped.")

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()


def half_the_cores() -> int:
    return max(1, len(os.sched_getaffinity(0)) // 2 if LINUX else (os.cpu_count() or 1) // 2)


def check_port_is_free(host: str, port: int) -> None:
    """Raise CommandError with the way out if the pages cannot be served there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Cannot open port {port} of {host} ({error}). Is AVA Studio running already? "
                f"Otherwise choose another: ./ava up --port {port + 1}"
            ) from error


def programs(host: str, port: int, *, workers: int) -> list[Program]:
    """The pages, a process that detects, and `workers` processes for the rest."""
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_pipeline", "--plain"]
    web = [
        sys.executable, "-m", "gunicorn", "avaproject.wsgi:application",
        "--chdir", str(settings.BASE_DIR), "--bind", f"{_bracketed(host)}:{port}",
        "--worker-class", "gthread", "--threads", str(THREADS),
        "--no-control-socket", "--graceful-timeout", "5", "--log-level", "warning",
    ]  # fmt: skip
    names = ["worker"] if workers == 1 else [f"worker {n + 1}" for n in range(workers)]
    return [
        Program("web", web),
        Program("detector", [*manage, "--queue", "gpu"]),
        *(Program(name, [*manage, "--queue", "cpu"]) for name in names),
    ]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
