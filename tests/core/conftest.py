import shutil

import pytest

from tests.core.tiny_release import write_release


def pytest_configure(config: pytest.Config) -> None:
    """Without Django there is no pyproject.toml either, which names the marks."""
    for mark in ("slow", "shared"):
        config.addinivalue_line("markers", mark)


@pytest.fixture(autouse=True)
def own_files() -> None:
    """The core has neither settings nor storage, and its tests run without Django."""


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    return write_release(tmp_path_factory.mktemp("release") / "1")


@pytest.fixture
def broken(whole, tmp_path):
    """A copy of a whole release, to break."""
    return shutil.copytree(whole, tmp_path / "1")
