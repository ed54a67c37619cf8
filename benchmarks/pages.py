"""Every page at 10 000 clips and a million boxes, on SQLite and PostgreSQL as they come.

    ./ava bench pages
    python -m benchmarks.pages sqlite      one database alone

Fills both databases itself: 200 datasets, one of them with 10 000 clips in all states. Opens
every page of it, and every list of the admin, with a logged-in client. Prints for each page
the median and the 95th percentile of the time, its ratio to a view that commits one row, CPU
time (of this process and, on PostgreSQL, of its backend; `first`: with an empty cache, as after
a change) and queries; fails if a 95th percentile is over the limit, or the queries are not
those of a dataset of a tenth of the size. In the environment:

    AVA_BENCH_KEEP     a folder: the filled databases stay, and the next run opens them again
    AVA_BENCH_ONLY     part of a title: only these pages
    AVA_BENCH_ROUNDS   how often each page is opened (20)
    AVA_BENCH_CLIPS    another number of clips
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from benchmarks.filled.databases import KINDS, Processors, filled_once, installation
from benchmarks.filled.databases import measure as measure_in

CLIPS = int(os.environ.get("AVA_BENCH_CLIPS", "10000"))
DATASETS = 200
ROUNDS = int(os.environ.get("AVA_BENCH_ROUNDS", "20"))
ONLY = os.environ.get("AVA_BENCH_ONLY", "")
LIMIT = 0.150  # seconds
MOST = 3  # times the rounds, of a page past the limit: other processes disturb it


class Cost(NamedTuple):
    seconds: list[float]
    cpu: float  # median
    first: float  # CPU seconds with an empty cache
    queries: int

    @property
    def p95(self) -> float:
        return _p95(self.seconds)


def main() -> None:
    failed = 0
    for kind in [one for one in KINDS if one in sys.argv] or KINDS:
        with tempfile.NamedTemporaryFile() as queries:
            for clips, datasets, rounds in (
                (CLIPS // 10, DATASETS // 10, 1), (CLIPS, DATASETS, ROUNDS),
            ):  # fmt: skip
                with installation(kind, f"pages-{clips}") as environment:
                    words = [str(clips), str(datasets), str(rounds), queries.name]
                    failed |= measure_in("pages", environment, *words)
    sys.exit(failed)


def measure(clips: int, datasets: int, rounds: int, queries: Path) -> int:
    """Open the pages of the database of this process; 1 if a limit is passed.

    Args:
        clips: In its large dataset.
        datasets: In all.
        rounds: How often each page is opened; with 1 only the numbers of queries are stored.
        queries: File for the number of queries of each page at a tenth of the size.
    """
    import django

    django.setup()
    from django.db import connection

    began = time.monotonic()
    is_new = filled_once(lambda: _fill(clips, datasets))
    how = f"filled in {time.monotonic() - began:.0f} s" if is_new else "filled before"
    print(f"{connection.vendor}: {clips} clips in {datasets} datasets, {how}", flush=True)
    costs = _open_all(rounds=rounds)
    if rounds == 1:
        queries.write_text(json.dumps({title: cost.queries for title, cost in costs}))
        return 0
    return _print(costs, json.loads(queries.read_text()))


def _fill(clips: int, datasets: int) -> None:
    from django.db import transaction

    from benchmarks.filled import rows
    from qc.selectors.statuses import refresh

    with transaction.atomic():
        rows.fill(clips, datasets, is_finished=False)
        rows.fill_boxes()
        rows.fill_records()
    rows.store_tracks()
    rows.summarise()
    refresh(everything=True)  # before the planner's statistics are taken


def _open_all(*, rounds: int) -> Iterator[tuple[str, Cost]]:
    """Titles of pages with their costs, each as soon as it is known; first that of a commit."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    from benchmarks.filled.addresses import page_addresses, unlisted_views
    from workers.web_server import load_pages

    if unlisted := unlisted_views():
        sys.exit(f"Name these views in benchmarks/filled/addresses.py: {unlisted}")
    operator, _ = User.objects.get_or_create(
        username="operator", is_staff=True, is_superuser=True
    )
    clients = {False: Client(headers={"host": "localhost"}),
               True: Client(headers={"host": "localhost"})}  # fmt: skip
    clients[False].force_login(User.objects.get(username="reviewer"))
    clients[True].force_login(operator)
    load_pages()
    processors = Processors(connection)
    yield "a view that commits one row", _commits_one_row(clients[False], processors, rounds)
    for page in page_addresses():
        if ONLY in page.title:
            client = clients[page.is_for_operators]
            yield page.title, _cost(lambda c=client, p=page: c.get(p.url), processors, rounds)


def _commits_one_row(client: Any, processors: Processors, rounds: int) -> Cost:
    """A comment on a task."""
    from django.urls import reverse

    from annotation.models import AnnotationTask

    task = AnnotationTask.objects.select_related("clip__video__dataset").order_by("pk")[0]
    url = reverse("qc:task-comment", args=[task.clip.video.dataset.name, task.pk])
    return _cost(lambda: client.post(url, {"text": "Look again."}), processors, rounds)


def _cost(request: Any, processors: Processors, rounds: int) -> Cost:
    from django.core.cache import cache
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    answer = request()  # imports, templates
    if answer.status_code not in (200, 302):
        sys.exit(f"{answer.request['PATH_INFO']} answers {answer.status_code}")
    cache.clear()
    before = processors.seconds()
    request()
    first = processors.seconds() - before
    with CaptureQueriesContext(connection) as caught:
        request()
        queries = len(caught)  # the log is emptied by the next request
    seconds: list[float] = []
    cpu: list[float] = []
    while len(seconds) < rounds or (_p95(seconds) > LIMIT and len(seconds) < MOST * rounds):
        began, before = time.perf_counter(), processors.seconds()
        answer = request()
        answer.content  # noqa: B018  streamed answers are read, too
        seconds.append(time.perf_counter() - began)
        cpu.append(processors.seconds() - before)
    return Cost(seconds, median(cpu), first, queries)


def _p95(seconds: list[float]) -> float:
    return quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]


def _print(costs: Iterator[tuple[str, Cost]], small: dict[str, int]) -> int:
    """Print a line for each page, as it comes; 1 if a limit is passed."""
    floor, count, failures = 0.0, 0, 0
    print(
        f"{'':48} {'p50':>7} {'p95':>7} {'CPU':>7} {'first':>7} ms, times one commit, queries"
    )
    for title, cost in costs:
        floor = floor or median(cost.seconds)
        count += 1
        is_slow, is_growing = cost.p95 > LIMIT, cost.queries != small[title]
        failures += is_slow or is_growing
        marks = " SLOW" * is_slow + f" QUERIES, {small[title]} at a tenth" * is_growing
        middle = median(cost.seconds)
        print(
            f"{title[:48]:48} {1000 * middle:7.1f} {1000 * cost.p95:7.1f} "
            f"{1000 * cost.cpu:7.1f} {1000 * cost.first:7.1f} {middle / floor:8.1f} "
            f"{cost.queries:4}{marks}",
            flush=True,
        )
    print(f"{count} pages, {failures} past the limits ({1000 * LIMIT:.0f} ms)")
    return 1 if failures else 0


if __name__ == "__main__":
    if "--measure" not in sys.argv:
        main()
    clips, datasets, rounds, queries = sys.argv[sys.argv.index("--measure") + 1 :]
    sys.exit(measure(int(clips), int(datasets), int(rounds), Path(queries)))
