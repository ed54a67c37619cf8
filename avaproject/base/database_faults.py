"""Database faults: a server that restarts, or a connection that it ends, stops no work."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

FAULTS = (OperationalError, InterfaceError)
CONNECTION_CODES = ("08", "57P")  # appendix A of PostgreSQL's manual: exceptions, shutdowns
LEASES_TO_WAIT = 5
PAUSE_SECONDS = 1.0

Result = TypeVar("Result")


def has_lost_connection(error: BaseException) -> bool:
    """Whether `error` says that the database does not answer, not that it refuses this query.

    If so the connection is closed: the next query opens another.
    """
    if not isinstance(error, FAULTS) or connection.in_atomic_block:
        return False
    if not is_of_connection(error) and connection.is_usable():
        return False
    connection.close()
    return True


def is_of_connection(error: BaseException) -> bool:
    """Whether PostgreSQL or its client names the connection: another may be open by now."""
    code = getattr(error.__cause__, "pgcode", "")  # None where the server sent nothing
    return isinstance(error, OperationalError) and (
        code is None or code.startswith(CONNECTION_CODES)
    )


def outlast_faults(query: Callable[[], Result]) -> Result:
    """The result of `query`, repeated while the database does not answer, for five leases.

    A query that was carried out although its answer was lost is carried out twice. Inside a
    transaction it is not repeated. Raises OperationalError and InterfaceError.
    """
    end = time.monotonic() + LEASES_TO_WAIT * settings.LEASE.total_seconds()
    while True:
        try:
            return query()
        except FAULTS as error:
            if not has_lost_connection(error) or time.monotonic() > end:
                raise
            logger.warning("The database does not answer (%s); it is asked again.", error)
            time.sleep(PAUSE_SECONDS)
