import pytest


@pytest.fixture(autouse=True)
def own_files() -> None:
    """The core has neither settings nor storage, and its tests run without Django."""
