"""Every page at 10 000 clips and a million boxes, on SQLite and PostgreSQL as they come.

    ./ava bench pages
    python -m benchmarks.pages sqlite      one database alone

Fills both databases itself: 200 datasets, one of them with 10 000 clips in all states. Opens
every page of it, and every list of the admin, with a logged-in client. Prints for each page the
median and the 95th percentile of the time, its ratio to a view that commits one row, CPU time
(of this process and, on PostgreSQL, of its backend) and queries; fails if a 95th percentile is
over the limit, or the queries are not those of a dataset of a tenth of the size.
AVA_BENCH_CLIPS sets another number of clips, AVA_BENCH_ROUNDS how often each page is opened.
"""

import gc
import os
import sys
import time
from statistics import median, quantiles
from typing import Any, NamedTuple

from benchmarks.filled.databases import Processors, analyse, in_both_databases

CLIPS = int(os.environ.get("AVA_BENCH_CLIPS", "10000"))
DATASETS = 200
ROUNDS = int(os.environ.get("AVA_BENCH_ROUNDS", "20"))
LIMIT = 0.150  # seconds


class Cost(NamedTuple):
    seconds: list[float]
    cpu: float  # median
    queries: int

    @property
    def p95(self) -> float:
        return quantiles(self.seconds, n=20)[-1]


def main() -> None:
    asked = sys.argv[1:]
    only = asked[0] if asked and asked[0] in ("sqlite", "postgresql") else ""
    sys.exit(in_both_databases("pages", only=only))


def measure() -> int:
    """Fill the database of this process and open its pages; 1 if a limit is passed.

    First a tenth of the rows, for the number of queries, then all of them.
    """
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    small = {}
    for clips, datasets in ((CLIPS // 10, DATASETS // 10), (CLIPS, DATASETS)):
        _empty()
        began = time.monotonic()
        _fill(clips, datasets)
        analyse(connection)
        seconds = time.monotonic() - began
        print(f"{connection.vendor}: {clips} clips in {datasets} datasets, in {seconds:.0f} s")
        costs = _open_all(rounds=ROUNDS if clips == CLIPS else 2)
        small = small or {title: cost.queries for title, cost in costs.items()}
    return _print(costs, small)


def _empty() -> None:
    from django.core.management import call_command

    call_command("flush", interactive=False, verbosity=0)


def _fill(clips: int, datasets: int) -> None:
    from django.db import transaction

    from benchmarks.filled import rows

    with transaction.atomic():
        rows.fill(clips, datasets, is_finished=False)
        rows.fill_boxes()
        rows.fill_records()
    rows.store_tracks()
    rows.summarise()


def _open_all(*, rounds: int) -> dict[str, Cost]:
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    from benchmarks.filled.addresses import page_addresses, unlisted_views

    if unlisted := unlisted_views():
        sys.exit(f"Name these views in benchmarks/filled/addresses.py: {unlisted}")
    operator = User.objects.create_user("operator", is_staff=True, is_superuser=True)
    clients = {False: Client(headers={"host": "localhost"}),
               True: Client(headers={"host": "localhost"})}  # fmt: skip
    clients[False].force_login(User.objects.get(username="reviewer"))
    clients[True].force_login(operator)
    gc.collect()
    gc.freeze()
    processors = Processors(connection)
    costs = {
        "a view that commits one row": _commits_one_row(clients[False], processors, rounds)
    }
    for page in page_addresses():
        client = clients[page.is_for_operators]
        costs[page.title] = _cost(lambda c=client, p=page: c.get(p.url), processors, rounds)
    return costs


def _commits_one_row(client: Any, processors: Processors, rounds: int) -> Cost:
    """A comment on a task."""
    from django.urls import reverse

    from annotation.models import AnnotationTask

    task = AnnotationTask.objects.select_related("clip__video__dataset").order_by("pk")[0]
    url = reverse("qc:task-comment", args=[task.clip.video.dataset.name, task.pk])
    return _cost(lambda: client.post(url, {"text": "Look again."}), processors, rounds)


def _cost(request: Any, processors: Processors, rounds: int) -> Cost:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    answer = request()  # imports, templates
    if answer.status_code not in (200, 302):
        sys.exit(f"{answer.request['PATH_INFO']} answers {answer.status_code}")
    with CaptureQueriesContext(connection) as caught:
        request()
    seconds, cpu = [], []
    for _ in range(rounds):
        began, before = time.perf_counter(), processors.seconds()
        answer = request()
        answer.content  # noqa: B018  streamed answers are read, too
        seconds.append(time.perf_counter() - began)
        cpu.append(processors.seconds() - before)
    return Cost(seconds, median(cpu), len(caught))


def _print(costs: dict[str, Cost], small: dict[str, int]) -> int:
    floor = median(next(iter(costs.values())).seconds)
    failures = 0
    print(f"{'':48} {'p50':>7} {'p95':>7} {'CPU':>7}  times one commit   queries")
    for title, cost in costs.items():
        is_slow, is_growing = cost.p95 > LIMIT, cost.queries != small[title]
        failures += is_slow or is_growing
        marks = " SLOW" * is_slow + f" QUERIES, {small[title]} at a tenth" * is_growing
        middle = median(cost.seconds)
        print(
            f"{title[:48]:48} {1000 * middle:7.1f} {1000 * cost.p95:7.1f} "
            f"{1000 * cost.cpu:7.1f} ms {middle / floor:8.1f} {cost.queries:8}{marks}"
        )
    print(f"{len(costs)} pages, {failures} past the limits ({1000 * LIMIT:.0f} ms)")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(measure() if "--measure" in sys.argv else main())
