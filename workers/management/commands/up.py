"""`up`: the web server and the workers of one machine under one supervisor."""

import os
import socket
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from avaproject.base.bootstrap import bootstrap, folder_lock
from tracking.services.detector_speed import detector_speeds
from workers.management.commands.serve import serve_command
from workers.supervisor import Program, Supervisor
from workers.team.label_links import HOURS, LabelLinkError, label_link

LINUX = sys.platform == "linux"


class Command(BaseCommand):
    help = "Run the web server and the workers until Ctrl-C; a process that ends is restarted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address of the web server")
        parser.add_argument("--port", type=int, default=8000, help="port of the web server")
        parser.add_argument(
            "--workers",
            type=int,
            default=default_workers(),
            help="worker processes beside the one for detection (default: one for every two "
            "cores, because encoding a video uses two; here %(default)s)",
        )
        parser.add_argument(
            "--label",
            metavar="NAME",
            help="print a link with which the annotator NAME labels on this computer, without "
            "an account",
        )

    def handle(
        self, *, host: str, port: int, workers: int, label: str | None = None, **options: Any
    ) -> None:
        if workers < 1:
            raise CommandError(f"--workers must be 1 or more, not {workers}")
        supervisor = Supervisor(self._log)
        supervisor.handle_signals()
        check_port_is_free(host, port)
        try:
            with folder_lock("up.lock"):
                bootstrap(self._log)
                if not supervisor.stopping:
                    self._log(f"AVA Studio opens at http://{host}:{port}/ (Ctrl-C stops it).")
                    if label:
                        self._log_label_link(label, port)
                supervisor.run(programs(host, port, workers=workers))
        except BlockingIOError as error:
            raise CommandError(
                f"AVA Studio is running in {settings.DATA_DIR} already. Stop it, or choose "
                "another folder with AVA_DATA_DIR."
            ) from error
        self._log("Stopped.")

    def _log_label_link(self, name: str, port: int) -> None:
        try:
            path = label_link(name)
        except LabelLinkError as error:
            raise CommandError(str(error)) from error
        self._log(f"{name} labels at http://127.0.0.1:{port}{path} (for {HOURS} hours).")

    def _log(self, message: str) -> None:
        self.stdout.write(message)
        self.stdout.flush()


def default_workers() -> int:
    return max(1, len(os.sched_getaffinity(0)) // 2 if LINUX else (os.cpu_count() or 1) // 2)


def check_port_is_free(host: str, port: int) -> None:
    """Raise CommandError if the web server cannot listen there."""
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
    """The web server, one worker for queue `gpu` and `workers` workers for queue `cpu`."""
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_pipeline", "--plain"]
    names = ["worker"] if workers == 1 else [f"worker {n + 1}" for n in range(workers)]
    found = [
        Program("web", serve_command(host, port)),
        Program("detector", [*manage, "--queue", "gpu"]),
        *(Program(name, [*manage, "--queue", "cpu"]) for name in names),
    ]
    if settings.MEASURE_DETECTORS and not detector_speeds():
        measure = [sys.executable, str(settings.BASE_DIR / "manage.py"), "measure_detectors"]
        found.append(Program("measurement", measure, is_once=True))
    return found
