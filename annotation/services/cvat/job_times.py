"""Job times: read from CVAT's events how long the answers of fetched versions took.

CVAT may have no events (analytics is switched off) or tell them only to others. Then this is
remembered for a day, and the page says so: nothing else depends on them. One that is away is
asked again at the next poll.
"""

import time
from datetime import datetime, timedelta

from django.utils import timezone

from annotation.core.cvat_times import work_times
from annotation.cvat.client import CvatClient
from annotation.cvat.errors import CvatError, CvatTooLongError, CvatUnavailableError
from annotation.models import CvatProject, CvatServer, JobTimes

SETTLED = timedelta(minutes=2)  # CVAT's pages send events late, and its store takes a while
REFUSED_FOR = timedelta(days=1)
MAX_VERSIONS = 50  # a pass, the newest first
MAX_SECONDS = 60.0  # a pass


def read_job_times(client: CvatClient, project: CvatProject) -> int:
    """Ask for the events of versions whose times are not known yet; return how many it told."""
    now = timezone.now()
    server = CvatServer.objects.get(pk=project.server_id)
    if server.events_refused_at and server.events_refused_at > now - REFUSED_FOR:
        return 0
    rows = JobTimes.objects.filter(
        asked_at=None, version__task__cvat_job__project=project,
        version__created_at__lt=now - SETTLED,
    ).select_related("version__author", "version__task")  # fmt: skip
    told, end = 0, time.monotonic() + MAX_SECONDS
    for row in rows.order_by("-pk")[:MAX_VERSIONS]:
        if time.monotonic() > end:
            break
        try:
            told += _read(client, row)
        except CvatUnavailableError:
            break
        except CvatError as error:
            _remember(server, str(error))
            break
        _remember(server, "")
    return told


def _read(client: CvatClient, row: JobTimes) -> bool:
    """Read the times of one version; whether CVAT's events tell any. Raises CvatError."""
    version = row.version
    found = None
    if version.job is not None:
        try:
            events = client.job_events(version.job, since=version.task.created_at - SETTLED)
            found = work_times(
                events, version.author.name, since=_finished_before(row),
                until=row.finished_at + SETTLED,
            )  # fmt: skip
        except CvatTooLongError:
            pass  # of this job alone nothing is told
    told = {} if found is None else found._asdict()
    JobTimes.objects.filter(pk=row.pk).update(asked_at=timezone.now(), **told)
    return found is not None


def _finished_before(row: JobTimes) -> datetime | None:
    """CVAT's date of the version before, whose work is not counted again."""
    earlier = JobTimes.objects.filter(
        version__task=row.version.task_id, version__number__lt=row.version.number
    )
    before = earlier.order_by("-version__number").values_list("finished_at", flat=True).first()
    return None if before is None else before + SETTLED


def _remember(server: CvatServer, refusal: str) -> None:
    if refusal or server.events_refused_at:
        server.events_refused_at = timezone.now() if refusal else None
        server.events_refusal = refusal[:300]
        CvatServer.objects.filter(pk=server.pk).update(
            events_refused_at=server.events_refused_at, events_refusal=server.events_refusal
        )
