"""Both databases for a benchmark: a SQLite file, and a PostgreSQL database made and dropped.

PostgreSQL is the server in AVA_BENCH_POSTGRES_URL.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

POSTGRES = os.environ.get(
    "AVA_BENCH_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres"
)
ROOT = Path(__file__).resolve().parents[2]


def in_both_databases(module: str, *arguments: str, only: str = "") -> int:
    """Run `benchmarks.<module> --measure` on SQLite and PostgreSQL; non-zero if one failed.

    Args:
        only: `sqlite` or `postgresql` for one of them.
    """
    failed = 0
    if only != "postgresql":
        with tempfile.TemporaryDirectory() as folder:
            failed |= _run(module, f"sqlite:///{folder}/bench.sqlite3", folder, arguments)
    if only != "sqlite":
        name = f"ava_bench_{os.getpid()}"
        try:
            _psql(f"CREATE DATABASE {name}")
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"PostgreSQL was not measured: set AVA_BENCH_POSTGRES_URL ({error}).")
        try:
            with tempfile.TemporaryDirectory() as folder:
                url = urlsplit(POSTGRES)._replace(path=f"/{name}").geturl()
                failed |= _run(module, url, folder, arguments)
        finally:
            _psql(f"DROP DATABASE {name} WITH (FORCE)")
    return failed


def _run(module: str, url: str, folder: str, arguments: tuple[str, ...]) -> int:
    environment = os.environ | {
        "AVA_DATABASE_URL": url, "AVA_DATA_DIR": folder, "AVA_LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "avaproject.settings",
    }  # fmt: skip
    command = [sys.executable, "-m", f"benchmarks.{module}", "--measure", *arguments]
    return subprocess.call(command, cwd=ROOT, env=environment)


def _psql(statement: str) -> None:
    subprocess.run(["psql", "--quiet", POSTGRES, "-c", statement], check=True)


class Processors:
    """CPU seconds of this process and, on PostgreSQL, of its backend."""

    def __init__(self, connection: Any) -> None:
        self._backend = None
        if connection.vendor == "postgresql":
            connection.ensure_connection()
            self._backend = psutil.Process(connection.connection.info.backend_pid)

    def seconds(self) -> float:
        own = sum(os.times()[:2])
        return own + (sum(self._backend.cpu_times()[:2]) if self._backend else 0.0)


def analyse(connection: Any) -> None:
    """Statistics for the planner of PostgreSQL, as autovacuum takes them within a minute."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
