"""Both databases for a benchmark: a SQLite file, and a PostgreSQL database made and dropped.

PostgreSQL is the server in AVA_BENCH_POSTGRES_URL. With a folder in AVA_BENCH_KEEP the filled
databases stay, and the next run does not fill them again, unless the code that filled them has
changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

POSTGRES = os.environ.get(
    "AVA_BENCH_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres"
)
KEEP = os.environ.get("AVA_BENCH_KEEP", "")
ROOT = Path(__file__).resolve().parents[2]
KINDS = ("sqlite", "postgresql")


def in_both_databases(module: str, *, only: str = "") -> int:
    """Run `benchmarks.<module> --measure` on SQLite and PostgreSQL; non-zero if one failed.

    Args:
        only: `sqlite` or `postgresql` for one of them.
    """
    failed = 0
    for kind in [only] if only else KINDS:
        with installation(kind, module, kept_in="") as environment:
            failed |= measure(module, environment)
    return failed


def measure(module: str, environment: dict[str, str], *arguments: str) -> int:
    """The exit code of `benchmarks.<module> --measure` with `arguments` in `environment`."""
    command = [sys.executable, "-m", f"benchmarks.{module}", "--measure", *arguments]
    return subprocess.call(command, cwd=ROOT, env=environment)


@contextmanager
def installation(kind: str, name: str, *, kept_in: str = KEEP) -> Iterator[dict[str, str]]:
    """The environment of an installation on a database of `kind`, as `name` in `kept_in`."""
    with ExitStack() as stack:
        if kept_in:
            folder = (Path(kept_in) / f"{name}-{kind}").resolve()
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        is_stale = _stamp(folder) != _code()
        if is_stale and kept_in:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        url = f"sqlite:///{folder}/bench.sqlite3"
        if kind == "postgresql":
            database = f"ava_bench_{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
            _create(database, is_new=is_stale)
            if not kept_in:
                stack.callback(_psql, f"DROP DATABASE {database} WITH (FORCE)")
            url = urlsplit(POSTGRES)._replace(path=f"/{database}").geturl()
        yield os.environ | {
            "AVA_DATABASE_URL": url, "AVA_DATA_DIR": str(folder), "AVA_LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "avaproject.settings",
        }  # fmt: skip


def filled_once(rows: Callable[[], None]) -> bool:
    """Migrate the database of this process, and fill it with `rows`; False if it was filled."""
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    folder = Path(os.environ["AVA_DATA_DIR"])
    if _stamp(folder) == _code():
        return False
    rows()
    analyse(connection)
    (folder / "filled").write_text(_code())
    return True


def _stamp(folder: Path) -> str:
    """The code that filled the database of a folder; empty if it was not filled to the end."""
    stamp = folder / "filled"
    return stamp.read_text() if stamp.exists() else ""


def _code() -> str:
    files = (Path(__file__).with_name(name) for name in ("rows.py", "inserts.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _create(database: str, *, is_new: bool) -> None:
    """Create a database unless it is there; a new one takes the place of what is there."""
    there = f"SELECT 1 FROM pg_database WHERE datname = '{database}'"  # noqa: S608  a hash
    try:
        if is_new:
            _psql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        if "1" not in _psql(there):
            _psql(f"CREATE DATABASE {database}")
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"PostgreSQL was not measured: set AVA_BENCH_POSTGRES_URL ({error}).")


def _psql(statement: str) -> str:
    command = ["psql", "--quiet", "--tuples-only", POSTGRES, "-c", statement]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


class Processors:
    """CPU seconds of this process and, on PostgreSQL, of its backend."""

    def __init__(self, connection: Any) -> None:
        self._backend = None
        if connection.vendor == "postgresql":
            connection.ensure_connection()
            pid = connection.connection.info.backend_pid
            self._backend = Path(f"/proc/{pid}/schedstat")

    def seconds(self) -> float:
        backend = int(self._backend.read_text().split()[0]) if self._backend else 0
        return time.process_time() + backend / 1e9


def analyse(connection: Any) -> None:
    """Statistics for the planner of PostgreSQL, as autovacuum takes them within a minute."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
