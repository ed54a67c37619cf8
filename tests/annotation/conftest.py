from collections.abc import Iterator

import pytest

from annotation.cvat import client
from tests.cvat_double.server import CvatDouble


@pytest.fixture
def cvat() -> Iterator[CvatDouble]:
    """A running double with the users ann, bob and cem in the organisation."""
    with CvatDouble() as double:
        for name in ("ann", "bob", "cem"):
            double.add_user(name)
        yield double
    client.close_clients()
