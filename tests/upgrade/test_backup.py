"""A finished demo, backed up and restored: into the other kind of database, and after kills."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from tests.upgrade.installations import (
    NEEDS_POSTGRESQL,
    RELEASE,
    Settings,
    contents,
    empty_postgresql,
    manage,
    postgresql_installation,
    release_folder,
    sqlite_installation,
    start,
)

KILLED = -9
IN_PROOF = pytest.mark.skipif(
    "AVA_TEST_EVERYTHING" not in os.environ, reason="only in ./ava proof"
)
# What may differ after a restore: times of the pipeline and of log-ins, and rows left out.
PASSING = {
    "django_session", "datasets_transfer", "workers_planfault", "django_migrations",
    "workers_installedversion",
}  # fmt: skip


@contextmanager
def installation(kind: str, folder: Path) -> Iterator[Settings]:
    if kind == "sqlite":
        yield sqlite_installation(folder)
    else:
        with postgresql_installation(folder) as environment:
            yield environment


@contextmanager
def empty(kind: str, folder: Path) -> Iterator[Settings]:
    """The environment of an installation that has nothing, not even tables."""
    if kind == "sqlite":
        yield {"AVA_DATA_DIR": str(folder)}
    else:
        with empty_postgresql() as url:
            yield {"AVA_DATA_DIR": str(folder), "AVA_DATABASE_URL": url}


def row_counts(environment: Settings) -> dict[str, int]:
    """How many rows each table has; tables of libraries no longer used are empty."""
    if url := environment.get("AVA_DATABASE_URL"):
        database = psycopg2.connect(url)
        names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    else:
        database = sqlite3.connect(f"{environment['AVA_DATA_DIR']}/ava.sqlite3")
        names = (
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    try:
        cursor = database.cursor()
        cursor.execute(names)
        found = {}
        for (name,) in cursor.fetchall():
            if name not in PASSING:
                cursor.execute(f'SELECT COUNT(*) FROM "{name}"')  # noqa: S608  of the database
                [found[name]] = cursor.fetchone()
        return {name: count for name, count in found.items() if count}
    finally:
        database.close()


def files(environment: Settings) -> dict[str, bytes]:
    media = Path(environment["AVA_DATA_DIR"]) / "media"
    found = [path for path in media.rglob("*") if path.is_file()]
    return {str(path.relative_to(media)): path.read_bytes() for path in found}


def kill_at(environment: Settings, command: str, place: Path, count: int) -> int:
    """The exit code of a command that is killed when it has reported `count` times."""
    words = ("-m", "tests.upgrade.killed", command, str(place), str(count))
    return start(environment, *words).returncode


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("sqlite", "sqlite"),
        pytest.param("sqlite", "postgresql", marks=NEEDS_POSTGRESQL),
        pytest.param("postgresql", "sqlite", marks=[*NEEDS_POSTGRESQL, IN_PROOF]),
    ],
)
def test_a_restored_demo_makes_the_same_release_again(source, target, tmp_path):
    place = tmp_path / "backup"
    with installation(source, tmp_path / "old") as old:
        options = [
            word
            for path in sorted((release_folder(old, 2) / "formats").iterdir())
            for word in ("--format", path.name)
        ]
        manage(old, "manage.py", *RELEASE, *options)
        before, counts, kept = contents(release_folder(old, 3), 3), row_counts(old), files(old)
        key = Path(old["AVA_DATA_DIR"], "secret-key").read_bytes()
        assert kill_at(old, "backup", place, 40) == KILLED
        assert not list(place.glob("snapshots/*"))  # an unfinished backup is none
        manage(old, "manage.py", "backup", str(place))
        shutil.rmtree(old["AVA_DATA_DIR"])
    (tmp_path / "new").mkdir()
    with empty(target, tmp_path / "new") as new:
        assert kill_at(new, "restore", place, 60) == KILLED
        done = start(new, "manage.py", "restore", str(place))
        assert done.returncode == 0, done.stderr
        assert "the credentials of lab were encrypted with another key" in done.stderr
        assert files(new) == kept
        assert row_counts(new) == counts
        Path(new["AVA_DATA_DIR"], "secret-key").write_bytes(key)
        refused = start(new, "manage.py", "restore", str(place))
        assert refused.returncode == 1
        assert "has 2 datasets, which a restore would replace" in refused.stderr
        again = start(new, "manage.py", "restore", str(place), "--replace")
        assert again.returncode == 0, again.stderr
        assert "another key" not in again.stderr
        assert row_counts(new) == counts
        manage(new, "manage.py", *RELEASE, *options)
        after = contents(release_folder(new, 4), 4)
    manifests = [json.loads(found.pop("manifest.json")) for found in (before, after)]
    for found in (before, after):  # these two tell the number and version of the release
        del found["croissant.json"], found["CITATION.cff"]
    assert before == after
    assert manifests[0].pop("files").keys() == manifests[1].pop("files").keys()
    assert manifests[0].pop("version") != manifests[1].pop("version")  # one more release
    assert manifests[0] == manifests[1]
