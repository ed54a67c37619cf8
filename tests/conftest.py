"""Markers and fixtures for all tests."""

import os
from pathlib import Path

import pytest
from django.db import connection
from django.middleware import csrf
from hypothesis import settings

collect_ignore_glob = ["fixtures/*"]  # commands and data, no tests
SHARED = Path(__file__).resolve().parents[2] / "shared"
if "PYTEST_XDIST_WORKER" in os.environ:  # torch reads it when it is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Each page has random tokens, which would now and then spell a name that it must not show.
csrf.CSRF_ALLOWED_CHARS = "QX"

# A fifth of Hypothesis' usual examples, unless the environment variable CI is set.
settings.register_profile("quick", max_examples=20)
if "CI" not in os.environ:
    settings.load_profile("quick")


MARKERS = (
    "slow: takes more than ten seconds",
    "browser: drives a real Chromium",
    "shared: uses files beside the repository",
    "cvat: needs a CVAT server, named by AVA_TEST_CVAT_URL, _TOKEN and _ORGANISATION",
    "services: needs PostgreSQL and Redis, named by AVA_DATABASE_URL and AVA_REDIS_URL",
    "database: uses the database; set by tests/conftest.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots",
        action="store_true",
        help="make the images of the user's guide and of README.md anew",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register markers here, because the core tests run without pyproject.toml."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that use the database; in parallel runs, start with the slowest tests.

    pytest-django blocks the database in all other tests, so `-m database` selects all tests
    whose result could differ on PostgreSQL.
    """
    for item in items:
        fixtures = {"db", "transactional_db", "live_server"} & set(item.fixturenames)
        if fixtures or item.get_closest_marker("django_db"):
            item.add_marker("database")
    if hasattr(config, "workerinput"):
        items.sort(
            key=lambda item: not {"slow", "services"} & {m.name for m in item.iter_markers()}
        )


@pytest.fixture(autouse=True)
def own_files(request, tmp_path):
    """Every test has its own data folder and storage; core tests have no settings at all."""
    if "core" in request.path.parts:
        return None
    settings = request.getfixturevalue("settings")
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    settings.MEDIA_ROOT = tmp_path / "data" / "media"
    settings.MEASURE_DETECTORS = False
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return settings.DATA_DIR


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of files beside the repository: real videos, weights, recordings."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory, django_db_modify_db_settings_parallel_suffix
) -> None:
    """Use a database file: in memory, two threads on one table would block each other."""
    if connection.vendor == "sqlite":
        name = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(name)
