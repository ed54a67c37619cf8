import shutil

import pytest

from tests.core.qc.release.tiny_release import write_release


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    return write_release(tmp_path_factory.mktemp("release") / "1")


@pytest.fixture
def broken(whole, tmp_path):
    """A copy of a whole release, to break."""
    return shutil.copytree(whole, tmp_path / "1")
