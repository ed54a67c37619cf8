"""Cost of planning at 10 000 finished clips, on SQLite and PostgreSQL as they come.

    ./ava bench planning

Fills both databases itself: 200 datasets, one of them with 10 000 clips that two annotators
have answered, compared and reviewed. Prints CPU seconds (of this process and, on PostgreSQL,
of its backend) and queries of a planning round beside their limits, and fails past them.
PostgreSQL is the server in AVA_BENCH_POSTGRES_URL; the benchmark creates a database there and
drops it.
"""

import gc
import sys
import time
from statistics import median
from typing import NamedTuple

from benchmarks.filled.databases import Processors, analyse, in_both_databases
from benchmarks.filled.rows import CLIPS, DATASETS, fill

ROUNDS = 20
IDLE_CPU, IDLE_QUERIES, CHANGED_CPU = 0.05, 30, 0.2


class Cost(NamedTuple):
    cpu: float  # seconds
    queries: int


def main() -> None:
    sys.exit(in_both_databases("planning"))


def measure() -> int:
    """Fill the database of this process and measure its rounds; 1 if a limit is passed."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from annotation.models import AnnotationTask, AnswerVersion
    from qc.models import AgreementReport, AgreementSummary, Consensus
    from workers.planning import Planner

    call_command("migrate", verbosity=0)
    began = time.monotonic()
    fill()
    seconds = time.monotonic() - began
    analyse(connection)
    print(f"{connection.vendor}: {CLIPS} clips, {DATASETS} datasets, filled in {seconds:.0f} s")
    gc.collect()
    gc.freeze()  # what filling has left is not planning's to look through
    planner = Planner()
    first = _cost(planner)
    second = _cost(planner)  # everything that the first has changed
    idle = [_cost(planner) for _ in range(ROUNDS)]
    reports, consensuses = AgreementReport.objects.count(), Consensus.objects.count()
    task = AnnotationTask.objects.order_by("-pk")[CLIPS]
    AnswerVersion.objects.create(
        task=task, author_id=task.annotator_id, number=2, stage="done", sha256="2" * 64
    )
    answered = _cost(planner)
    assert AgreementReport.objects.count() == reports + 1
    assert Consensus.objects.count() == consensuses + 1
    AgreementReport.objects.open().update(stage="done")
    Consensus.objects.open().update(stage="done", open_count=0)
    summaries = AgreementSummary.objects.count()
    compared = _cost(planner)
    assert AgreementSummary.objects.count() == summaries + 1
    typical = Cost(median(one.cpu for one in idle), max(one.queries for one in idle))
    worst = Cost(max(one.cpu for one in idle), max(one.queries for one in idle))
    rows = [
        ("first round of a process", first, None, None),
        ("second round", second, None, None),
        (f"idle round, median of {ROUNDS}", typical, IDLE_CPU, IDLE_QUERIES),
        (f"idle round, worst of {ROUNDS}", worst, None, None),
        ("round after one new answer version", answered, CHANGED_CPU, None),
        ("round after its report is done", compared, CHANGED_CPU, None),
    ]
    failures = 0
    for name, cost, cpu, queries in rows:
        is_over = (cpu is not None and cost.cpu > cpu) or (
            queries is not None and cost.queries > queries
        )
        failures += is_over
        limits = f"(limit {cpu} s{f', {queries} queries' if queries else ''})" if cpu else ""
        mark = "OVER" if is_over else ""
        print(f"  {name:36} {cost.cpu:6.3f} CPU s {cost.queries:4} queries {limits} {mark}")
    return 1 if failures else 0


def _cost(planner) -> Cost:  # type: ignore[no-untyped-def]
    """The cost of one round."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    processors = Processors(connection)
    with CaptureQueriesContext(connection) as caught:
        before = processors.seconds()
        planner.run_round()
        seconds = processors.seconds() - before
    assert not planner.faults, planner.faults
    return Cost(seconds, len(caught))


if __name__ == "__main__":
    sys.exit(measure() if "--measure" in sys.argv else main())
