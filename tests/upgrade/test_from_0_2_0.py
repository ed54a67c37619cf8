"""Installations of version 0.2.0, migrated to the newest state, and everything opened there."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from psycopg2 import sql

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/fixtures/v0.2.0/data.tar.xz"
POSTGRESQL = os.environ.get("AVA_DATABASE_URL", "")
# A migration that was released is never edited: what comes after is a migration of its own.
FIRST_MIGRATIONS = {
    "annotation/migrations/0001_initial.py":
        "0be293ee44542ccab7125374a3eb8b72f87ea6423a99bc2587750e537305af68",
    "datasets/migrations/0001_initial.py":
        "24189a0a87d8ddef93a17c048153c0855c2a85dba6d90ee8fe9efc279e2f6b72",
    "qc/migrations/0001_initial.py":
        "3d46c7b3f6b79ddf5f7217873aac7d40b8a9f3e80213699cfcaef034020cf8b1",
    "tracking/migrations/0001_initial.py":
        "e3bd89450f2763ea119ff390cea5d6130beef0eb14c3713d5664ae4c9c9d9364",
    "workers/migrations/0001_initial.py":
        "5d48fa00321000969f93e8c1e3dfc3985c5e5035280821694b7e62b42c0a8fea",
}  # fmt: skip
# Kinds of pages, files and answers of the API that 0.2.0 had, by the names of their addresses.
PAGES = {
    "annotation:backup",
    "annotation:backups",
    "annotation:cvat",
    "annotation:cvat_boxes",
    "annotation:cvat_connect",
    "annotation:cvat_deliveries",
    "annotation:cvat_members",
    "annotation:package",
    "annotation:packages",
    "annotation:plan",
    "annotation:server",
    "annotation:server_edit",
    "annotation:server_new",
    "annotation:servers",
    "datasets:clip-file",
    "datasets:delete",
    "datasets:delete-video",
    "datasets:list",
    "datasets:new",
    "datasets:poster",
    "datasets:upload",
    "datasets:videos",
    "qc:adjudication",
    "qc:adjudication-next",
    "qc:agreement",
    "qc:agreement-annotator",
    "qc:agreement-clip",
    "qc:agreement-group",
    "qc:agreement-pair",
    "qc:approve-by-threshold",
    "qc:clip",
    "qc:clips",
    "qc:decisions",
    "qc:gold",
    "qc:overview",
    "qc:proposals",
    "qc:quality-rules",
    "qc:release-card",
    "qc:release-download",
    "qc:release-new",
    "qc:releases",
    "qc:review",
    "qc:scene",
    "qc:task",
    "qc:tasks",
    "qc:third-opinions",
    "tracking:api-bundle",
    "tracking:api-bundle-file",
    "tracking:api-bundles",
    "tracking:api-datasets",
    "tracking:bundle-file",
    "tracking:page",
    "tracking:run",
    "tracking:sheet",
    "tracking:tracks",
    "workers:help",
    "workers:help-page",
    "workers:password",
    "workers:work",
    "workers:help-image",
}
ONLY_POST = 405
RELEASE = [
    "make_release", "--dataset", "demo", "--frames", "96", "--official-names",
    "--licence", "CC0-1.0", "--author", "AVA Studio",
]  # fmt: skip
# How a release made again differs: it has the next number, and the sums of files that say so.
NUMBERED = (b"demo release %d", b'version: "%d"', b'"release": %d')

# What newer versions write otherwise, and why; all other files have the same bytes.
CHANGED = {
    "README.md": "intervals stand only where they hold, and METHODS.md is named",
    "card.html": "the same",
}
NEW = {"METHODS.md": "how the labels were made, in sentences for a paper"}


def manage(environment: dict[str, str], *words: str) -> str:
    """What the command prints; its errors are shown if it fails."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("AVA_")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stderr[-5000:])  # noqa: T201  # of pages that fail, with the test
    assert done.returncode == 0, done.stderr
    return done.stdout


def migrate(environment: dict[str, str]) -> None:
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


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory) -> dict[str, str]:
    """The environment of a migrated installation with SQLite."""
    folder = unpack("sqlite", tmp_path_factory.mktemp("data"))
    environment = {"AVA_DATA_DIR": str(folder)}
    migrate(environment)
    return environment


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory) -> Iterator[dict[str, str]]:
    """The same with PostgreSQL, in a database of its own."""
    folder = unpack("postgresql", tmp_path_factory.mktemp("data"))
    name = f"ava_from_0_2_0_{uuid4().hex[:12]}"
    server, _, _ = POSTGRESQL.rpartition("/")
    admin = psycopg2.connect(POSTGRESQL)
    admin.autocommit = True
    admin.cursor().execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        url = f"{server}/{name}"
        database = psycopg2.connect(url)
        with database, database.cursor() as cursor:
            cursor.execute((folder / "dump.sql").read_text())
        database.close()
        environment = {"AVA_DATA_DIR": str(folder), "AVA_DATABASE_URL": url}
        migrate(environment)
        yield environment
    finally:
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        admin.cursor().execute(drop)
        admin.close()


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        pytest.param(
            "postgresql",
            marks=[
                pytest.mark.services,
                pytest.mark.skipif(
                    not POSTGRESQL.startswith("postgres"),
                    reason="needs PostgreSQL in AVA_DATABASE_URL",
                ),
            ],
        ),
    ],
)
def migrated(request) -> dict[str, str]:
    return request.getfixturevalue(request.param)


@pytest.mark.slow
def test_every_kind_of_page_opens_after_migration(migrated):
    found = json.loads(manage(migrated, "-m", "tests.upgrade.open_pages"))
    failed = {url: status for url, status in found["pages"].items() if status >= 400}
    assert {url: status for url, status in failed.items() if status != ONLY_POST} == {}
    assert {kind for kind, status in found["kinds"].items() if status == 200} >= PAGES


@pytest.mark.slow
def test_the_release_is_made_again_with_the_same_bytes(migrated):
    formats = sorted(path.name for path in (release_folder(migrated, 2) / "formats").iterdir())
    options = [word for name in formats for word in ("--format", name)]
    manage(migrated, "manage.py", *RELEASE, *options)
    first, second = (contents(release_folder(migrated, number), number) for number in (2, 3))
    manifests = [json.loads(files.pop("manifest.json")) for files in (first, second)]
    assert second.keys() - first.keys() == NEW.keys()
    assert {name for name in first if first[name] != second.get(name)} == CHANGED.keys()
    sums = [manifest.pop("files") for manifest in manifests]
    assert manifests[0] == manifests[1]
    assert sums[1].keys() - sums[0].keys() == NEW.keys()
    assert sums[0].keys() <= sums[1].keys()


@pytest.mark.slow
def test_nothing_is_left_to_migrate_and_a_second_run_does_nothing(migrated):
    assert "No migrations to apply" in manage(migrated, "manage.py", "migrate")


@pytest.mark.slow
def test_datasets_are_deleted_with_all_that_depends_on_them(migrated):
    program = (
        "from datasets.models import Dataset; from datasets.services.delete import delete; "
        "[delete(dataset) for dataset in Dataset.objects.all()]; "
        "from django.apps import apps; print([model for app in "
        "('datasets', 'tracking', 'annotation', 'qc') for model in "
        "apps.get_app_config(app).get_models() if model._base_manager.exists()])"
    )
    left = manage(migrated, "manage.py", "shell", "--no-imports", "-c", program)
    assert set(re.findall(r"(\w+)'>", left)) <= {
        "CvatServer",
        "PendingDeletion",
        "StatusClock",
        "WebhookDelivery",
    }


def test_no_released_migration_is_edited():
    found = {
        str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in ROOT.glob("*/migrations/0001_initial.py")
    }
    assert found == FIRST_MIGRATIONS


def release_folder(environment: dict[str, str], number: int) -> Path:
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
