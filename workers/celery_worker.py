"""A Celery worker's start and stop: version handshake, and work given back at once.

On SIGTERM Celery waits for the tasks that run. Here the worker's processes are told with
SIGUSR2 to release their claims first: their rows go on elsewhere, and no attempt is used up.
Without it a video longer than the grace period would fail after three deployments.
"""

import logging
import os
import signal
import threading
from typing import Any

from billiard.process import active_children
from celery.exceptions import WorkerShutdown
from celery.signals import worker_init, worker_ready, worker_shutting_down
from django.db import DatabaseError, InterfaceError, connection

from avaproject.base.shutdown import shutdown
from workers.versions import VersionError, check_version

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_CHECKS = 30.0
SECONDS_BEFORE_INTERRUPT = 0.1  # until Celery's own handler, which calls ours, has returned


@worker_init.connect
def on_start(**kwargs: Any) -> None:
    """Refuse a database of another version; be ready to release claims."""
    try:
        check_version()
    except VersionError as error:
        logger.error("%s", error)
        raise WorkerShutdown(1) from error
    finally:
        connection.close()  # the processes that Celery forks must not share it
    signal.signal(signal.SIGUSR2, shutdown.request)  # they inherit it


@worker_ready.connect
def watch_version(**kwargs: Any) -> None:
    threading.Thread(target=_stop_at_another_version, daemon=True).start()


@worker_shutting_down.connect
def release_claims(**kwargs: Any) -> None:
    threading.Timer(SECONDS_BEFORE_INTERRUPT, _interrupt_processes).start()


def _interrupt_processes() -> None:
    """Ask this process and those of its pool to release what they work on."""
    for pid in (os.getpid(), *(child.pid for child in active_children() if child.pid)):
        try:
            os.kill(pid, signal.SIGUSR2)
        except ProcessLookupError:
            continue


def _stop_at_another_version() -> None:
    """End a worker of an earlier version when the database has been migrated meanwhile."""
    pause = threading.Event()
    while not pause.wait(SECONDS_BETWEEN_CHECKS):
        try:
            check_version()
        except VersionError as error:
            logger.error("%s", error)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The version of the database is unknown: %s", error)
        finally:
            connection.close()
