"""Retries with exponential backoff for work that needs a CVAT server or the storage.

A transient fault defers the row, each time for longer, and the row shows why; a fault that an
operator must mend defers it until then; anything else fails the row.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.core.encryption import DecryptionError
from annotation.cvat.client import CvatClient, cached_client, is_permanent
from annotation.cvat.errors import CvatDeniedError, CvatError, CvatUnavailableError
from annotation.cvat.transport import Address
from annotation.models import CvatProject, CvatServer
from annotation.selectors.cvat import deferrable_rows
from avaproject.base.claimed_work import WILL_RETRY
from avaproject.base.storage import StorageError
from avaproject.base.work import StagedModel
from datasets.accounts.notifications import Kind, members_with, notify
from datasets.core.roles import Act

FIRST_PAUSE = 10.0  # seconds
LONGEST_PAUSE = 300.0
UNREACHABLE_AFTER = 3  # deferrals in a row, about a minute
DEFERRABLE = (CvatUnavailableError, CvatDeniedError, DecryptionError, StorageError)


def client_for(server: CvatServer) -> CvatClient:
    """The client of `server`. Raises DecryptionError if its credentials cannot be opened."""
    return cached_client(
        Address(
            server.url, server.organisation, token=server.token, user=server.user,
            password=server.password,
        )
    )  # fmt: skip


@contextmanager
def retrying(row: StagedModel, *expected: type[Exception]) -> Iterator[None]:
    """Do the work of a claimed row; a fault of CVAT or the storage defers or fails it."""
    with row.working(CvatError, *expected):
        try:
            yield
        except DEFERRABLE as error:
            defer(row, error)


def defer(row: StagedModel, error: Exception) -> None:
    """Defer a claimed row until the fault may have passed; raise an error that will not."""
    if isinstance(error, CvatUnavailableError):
        if row.deferrals == UNREACHABLE_AFTER:
            _tell_unreachable(row, error)
        if is_permanent(error, row.deferrals):
            raise CvatError(
                _("%(error)s It was tried %(deferrals)s times.")
                % {"error": error, "deferrals": row.deferrals + 1}
            ) from error
        pause = min(FIRST_PAUSE * 2.0**row.deferrals, LONGEST_PAUSE)
        seconds = max(pause, error.retry_after or 0.0)
        row.defer(timedelta(seconds=seconds), f"{error} {WILL_RETRY}")
    else:
        will_retry = f" {WILL_RETRY}" if isinstance(error, StorageError) else ""
        row.defer(timedelta(seconds=LONGEST_PAUSE), f"{error}{will_retry}")


def _tell_unreachable(row: StagedModel, error: Exception) -> None:
    """Notify those who send tasks of the dataset that its server does not answer."""
    job: Any = getattr(row, "job", None) or row
    project = job if isinstance(job, CvatProject) else getattr(job, "project", None)
    if isinstance(project, CvatProject):
        dataset = project.dataset
        notify(
            dataset, Kind.CVAT_UNREACHABLE, users=members_with(dataset, Act.ASSIGN),
            text=_("CVAT cannot be reached for %(dataset)s: %(error)s")
            % {"dataset": dataset, "error": error},
            url=reverse("annotation:cvat", args=[dataset.name]),
        )  # fmt: skip


def retry_now(*projects: CvatProject) -> int:
    """Let all deferred work on `projects` be tried at once; return how many rows."""
    return sum(rows.retry_now() for rows in deferrable_rows(projects))
