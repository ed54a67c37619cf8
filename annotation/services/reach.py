"""How the services of this room work with a CVAT server, or a storage, that may be away.

What passes by itself puts a row off, each time for longer, and shows the sentence meanwhile;
what somebody must see to waits for that; anything else fails the row.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from annotation.core.sealing import SealBrokenError
from annotation.cvat.client import CvatClient, client_of, is_lasting
from annotation.cvat.errors import CvatDeniedError, CvatError, CvatUnavailableError
from annotation.cvat.transport import Address
from annotation.models import (
    CvatJob,
    CvatProject,
    CvatServer,
    Delivery,
    JobMove,
    PatientModel,
    Reconciliation,
)
from avaproject.base.storage import StorageError

FIRST_PAUSE = 10.0  # seconds
LONGEST_PAUSE = 300.0
AGAIN = "It is tried again by itself."
PUTS_OFF = (CvatUnavailableError, CvatDeniedError, SealBrokenError, StorageError)


def client_for(server: CvatServer) -> CvatClient:
    """The client of `server`. Raises SealBrokenError if its credentials cannot be opened."""
    return client_of(
        Address(
            server.url, server.organisation, token=server.token, user=server.user,
            password=server.password,
        )
    )  # fmt: skip


@contextmanager
def patiently(row: PatientModel, *expected: type[Exception]) -> Iterator[None]:
    """Do the work of a claimed row with CVAT; see the module for what becomes of errors."""
    with row.working(CvatError, *expected):
        try:
            yield
        except PUTS_OFF as error:
            put_off(row, error)


def put_off(row: PatientModel, error: Exception) -> None:
    """Give a claimed row back until the fault may have passed; raise what will not pass."""
    if isinstance(error, CvatUnavailableError):
        if is_lasting(error, row.put_off):
            raise CvatError(f"{error} It was tried {row.put_off + 1} times.") from error
        pause = min(FIRST_PAUSE * 2**row.put_off, LONGEST_PAUSE)
        row.postpone(max(pause, error.retry_after or 0.0), f"{error} {AGAIN}")
    elif isinstance(error, StorageError):
        row.postpone(LONGEST_PAUSE, f"{error} {AGAIN}")
    else:
        row.postpone(LONGEST_PAUSE, str(error))


def hurry(server: CvatServer) -> int:
    """Try at once whatever waits for `server`, as when its credentials were renewed."""
    projects = CvatProject.objects.filter(server=server)
    waiting = (
        projects,
        CvatJob.objects.filter(project__server=server),
        Delivery.objects.filter(server=server),
        Reconciliation.objects.filter(project__server=server),
        JobMove.objects.filter(job__project__server=server),
    )
    return sum(rows.hurry() for rows in waiting)
