"""Installations of version 0.2.0 for tests, with either database, and their releases."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from psycopg2 import sql

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/fixtures/v0.2.0/data.tar.xz"
POSTGRESQL = os.environ.get("AVA_DATABASE_URL", "")
NEEDS_POSTGRESQL = [
    pytest.mark.services,
    pytest.mark.skipif(
        not POSTGRESQL.startswith("postgres"), reason="needs PostgreSQL in AVA_DATABASE_URL"
    ),
]
RELEASE = [
    "make_release", "--dataset", "demo", "--frames", "96", "--official-names",
    "--licence", "CC0-1.0", "--author", "AVA Studio",
]  # fmt: skip
# How a release made again differs: it has the next number, and the sums of files that say so.
NUMBERED = (b"demo release %d", b"demo-release-%d", b'version: "%d"', b'"release": %d')

Settings = dict[str, str]


def start(environment: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Python in an installation, whatever comes of it."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("AVA_")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def manage(environment: Settings, *words: str) -> str:
    """What the command prints; its errors are shown if it fails."""
    done = start(environment, *words)
    print(done.stderr[-5000:])  # noqa: T201  # of pages that fail, with the test
    assert done.returncode == 0, done.stderr
    return done.stdout


def migrate(environment: Settings) -> None:
    """Migrate, then do the work that newer versions do again, such as agreement."""
    manage(environment, "manage.py", "migrate")
    try:
        manage(environment, "manage.py", "run_pipeline", "--once", "--plain")
    except AssertionError as error:
        if "because the storage or CVAT is unavailable" not in str(error):
            raise


def unpack(name: str, target: Path) -> Path:
    with tarfile.open(DATA) as archive:
        archive.extractall(target, filter="data")
    return target / name


def sqlite_installation(target: Path) -> Settings:
    """The environment of a migrated installation with SQLite."""
    environment = {"AVA_DATA_DIR": str(unpack("sqlite", target))}
    migrate(environment)
    return environment


@contextmanager
def postgresql_installation(target: Path) -> Iterator[Settings]:
    """The same with PostgreSQL, in a database of its own."""
    folder = unpack("postgresql", target)
    with empty_postgresql() as url:
        database = psycopg2.connect(url)
        with database, database.cursor() as cursor:
            cursor.execute((folder / "dump.sql").read_text())
        database.close()
        environment = {"AVA_DATA_DIR": str(folder), "AVA_DATABASE_URL": url}
        migrate(environment)
        yield environment


@contextmanager
def empty_postgresql() -> Iterator[str]:
    """The address of a new database on the server of the tests."""
    name = f"ava_from_0_2_0_{uuid4().hex[:12]}"
    server, _, _ = POSTGRESQL.rpartition("/")
    admin = psycopg2.connect(POSTGRESQL)
    admin.autocommit = True
    admin.cursor().execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield f"{server}/{name}"
    finally:
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        admin.cursor().execute(drop)
        admin.close()


def release_folder(environment: Settings, number: int) -> Path:
    return Path(environment["AVA_DATA_DIR"]) / f"media/demo/releases/{number}"


def contents(folder: Path, number: int) -> dict[str, bytes]:
    """The content of every file of a release, with 0 where its number stood."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            for numbered in NUMBERED:
                content = content.replace(numbered % number, numbered % 0)
            found[str(path.relative_to(folder))] = content
    return found
