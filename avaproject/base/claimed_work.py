"""Work on a claimed row: its lease is renewed, its errors are stored, a stop releases it.

`work.StagedModel.working` is this for its row.
"""

import errno
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from avaproject.base import storage
from avaproject.base.database_faults import has_lost_connection
from avaproject.base.logs import logging_work
from avaproject.base.shutdown import ShutdownInterrupt, shutdown
from avaproject.base.storage import StorageError
from avaproject.base.stored_files import still_referenced

logger = logging.getLogger(__name__)

HEARTBEATS_PER_LEASE = 4
STORAGE_PAUSES = (0.1, 1, 5)  # leases to wait after each storage fault in a row
WILL_RETRY = gettext_noop("It will be retried automatically.")
RELEASED: dict[str, Any] = {
    "stage": "waiting",
    "attempts": F("attempts") - 1,
    "lease_until": None,
    "enqueued_at": None,
    "progress": 0.0,
}


class ClaimLostError(RuntimeError):
    """Another worker has claimed the row while this one was still working on it."""


@contextmanager
def working(row: Any, expected: tuple[type[Exception], ...]) -> Iterator[None]:
    """Do the work of the claimed `row`; errors of the types `expected` end here."""
    stop = threading.Event()
    heartbeat = threading.Thread(target=_send_heartbeats, args=(row, stop), daemon=True)
    heartbeat.start()
    names: list[str] = []

    def before_storing(name: str) -> None:
        row.check_claim()
        names.append(name)

    listening = storage.before_storing.set(before_storing)
    try:
        with (
            logging_work(row),
            _storing_errors(row, names, expected),
            _mapping_storage_errors(expected),
            _releasing_at_stop(row),
        ):
            yield
    except ClaimLostError:
        # Files of a row that is there belong to it, or to its next claim.
        if not type(row)._base_manager.filter(pk=row.pk).exists():
            _remove_unreferenced(names)
        raise
    finally:
        storage.before_storing.reset(listening)
        stop.set()
        heartbeat.join()


@contextmanager
def _mapping_storage_errors(expected: tuple[type[Exception], ...]) -> Iterator[None]:
    """Whatever call to the bucket fails, it is the storage; unless the work expects it."""
    try:
        yield
    except expected:
        raise
    except storage.S3_ERRORS:
        with storage.map_storage_errors():
            raise


@contextmanager
def _releasing_at_stop(row: Any) -> Iterator[None]:
    try:
        with shutdown.interrupting():
            yield
    except KeyboardInterrupt as error:
        row.undo_claim()
        if not isinstance(error, ShutdownInterrupt):
            raise


@contextmanager
def _storing_errors(
    row: Any, names: list[str], expected: tuple[type[Exception], ...]
) -> Iterator[None]:
    try:
        yield
    except StorageError as error:
        if row.deferrals >= len(STORAGE_PAUSES):
            row.fail(str(error))
        else:
            pause = settings.LEASE * STORAGE_PAUSES[row.deferrals]
            row.defer(pause, f"{error} {_(WILL_RETRY)}")
    except expected as error:
        _remove_unreferenced(names)
        row.fail(_error_message(error))
    except ClaimLostError:
        raise
    except Exception as error:
        if has_lost_connection(error):
            message = _("The database did not answer (%(error)s). %(hint)s") % {
                "error": str(error).strip(),
                "hint": _(WILL_RETRY),
            }
            row.undo_claim(error=message)
            return
        _remove_unreferenced(names)
        row.fail(
            _("Unexpected %(kind)s: %(error)s") % {"kind": type(error).__name__, "error": error}
        )
        raise


def _error_message(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _("The disk is full (%(data_dir)s). Free some space, then try again.") % {
            "data_dir": settings.DATA_DIR
        }
    return str(error)


def _remove_unreferenced(names: list[str]) -> None:
    """Remove those of the files that a claim has stored that no row refers to."""
    for name in set(names) - still_referenced(names) if names else ():
        try:
            storage.remove(name)
        except OSError as error:
            logger.warning("%s could not be removed: %s", name, error)


def _send_heartbeats(row: Any, stop: threading.Event) -> None:
    while not stop.wait(settings.LEASE.total_seconds() / HEARTBEATS_PER_LEASE):
        try:
            row.renew_lease()
        except (DatabaseError, InterfaceError) as error:  # the next one may succeed
            logger.warning("The lease of %s was not renewed: %s", row._meta.label, error)
        finally:
            connection.close()
