"""Fixtures of the tests that start real servers."""

import pytest

from tests.system.s3_server import Bucket


@pytest.fixture
def bucket(tmp_path):
    bucket = Bucket(tmp_path / "bucket")
    bucket.folder.mkdir()
    bucket.come()
    yield bucket
    bucket.go()
