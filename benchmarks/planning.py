"""Cost of planning at 10 000 finished clips, on SQLite and PostgreSQL as they come.

    ./ava bench planning

Fills both databases itself: 200 datasets, one of them with 10 000 clips that two annotators
have answered, compared and reviewed. Prints CPU seconds (of this process and, on PostgreSQL,
of its backend) and queries of a planning round beside their limits, and fails past them.
PostgreSQL is the server in AVA_BENCH_POSTGRES_URL; the benchmark creates a database there and
drops it.
"""

import gc
import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

CLIPS, CLIPS_PER_VIDEO, DATASETS, ANNOTATORS = 10_000, 4, 200, 20
POSTGRES = os.environ.get(
    "AVA_BENCH_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres"
)
ROUNDS = 20
IDLE_CPU, IDLE_QUERIES, CHANGED_CPU = 0.05, 30, 0.2
ROOT = Path(__file__).resolve().parents[1]


class Cost(NamedTuple):
    cpu: float  # seconds
    queries: int


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sqlite = _measure_in(f"sqlite:///{folder}/bench.sqlite3", folder)
    name = f"ava_bench_{os.getpid()}"
    base = urlsplit(POSTGRES)
    try:
        _psql(f"CREATE DATABASE {name}")
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"PostgreSQL was not measured: set AVA_BENCH_POSTGRES_URL ({error}).")
    try:
        with tempfile.TemporaryDirectory() as folder:
            postgres = _measure_in(base._replace(path=f"/{name}").geturl(), folder)
    finally:
        _psql(f"DROP DATABASE {name} WITH (FORCE)")
    sys.exit(sqlite or postgres)


def _psql(statement: str) -> None:
    subprocess.run(["psql", "--quiet", POSTGRES, "-c", statement], check=True)


def _measure_in(url: str, folder: str) -> int:
    environment = os.environ | {
        "AVA_DATABASE_URL": url, "AVA_DATA_DIR": folder, "AVA_LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "avaproject.settings",
    }  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.planning", "--measure"]
    return subprocess.call(command, cwd=ROOT, env=environment)


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
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # as autovacuum does within a minute
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

    backend = None
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        backend = psutil.Process(connection.connection.info.backend_pid)

    def cpu() -> float:
        server = sum(backend.cpu_times()[:2]) if backend else 0.0
        return time.process_time() + server

    with CaptureQueriesContext(connection) as caught:
        before = cpu()
        planner.run_round()
        seconds = cpu() - before
    assert not planner.faults, planner.faults
    return Cost(seconds, len(caught))


def fill() -> None:
    """A finished dataset of 10 000 clips, and many small ones, all changed an hour ago."""
    from django.contrib.auth.models import User
    from django.db.models.functions import Now

    from annotation.models import AnnotationTask, Annotator, AnswerVersion
    from datasets.models import Clip, Dataset, Upload, Video
    from qc.models import AgreementReport, AgreementSummary, Consensus, Review
    from qc.services.answer_versions import versions_key
    from tracking.models import IdentityRun, TrackingRun
    from tracking.services.tracking_configs import wanted_configs

    done = {"stage": "done", "modified_at": Now() - timedelta(hours=1), "finished_at": Now()}
    Dataset.objects.bulk_create(Dataset(name=f"set-{n:03d}") for n in range(DATASETS))
    datasets = list(Dataset.objects.order_by("pk"))
    key = {one.dataset: one.config_key for one in wanted_configs()}
    big = datasets[0]
    Upload.objects.bulk_create(
        Upload(dataset=one, original_name="a.zip", sha256=f"{n:064x}", size=1, **done)
        for n, one in enumerate(datasets)
    )
    owners = [big] * (CLIPS // CLIPS_PER_VIDEO) + datasets[1:]
    Video.objects.bulk_create(
        Video(dataset=one, name=f"v{n}", sha256=f"{n:064x}", size=1, frame_count=2000, **done)
        for n, one in enumerate(owners)
    )
    videos = list(Video.objects.order_by("pk"))
    Clip.objects.bulk_create(
        Clip(
            video=video, name=f"{video.name}-c{index:04d}", index=index,
            start_frame=450 * index, frame_count=450, **done,
        )
        for video in videos for index in range(CLIPS_PER_VIDEO)
    )  # fmt: skip
    clips = list(Clip.objects.select_related("video").order_by("pk"))
    TrackingRun.objects.bulk_create(
        TrackingRun(clip=clip, config_key=key[clip.video.dataset_id], track_count=2, **done)
        for clip in clips
    )
    IdentityRun.objects.bulk_create(
        IdentityRun(video=video, config_key=key[video.dataset_id], **done) for video in videos
    )
    Annotator.objects.bulk_create(
        Annotator(dataset=big, name=f"a{n}") for n in range(ANNOTATORS)
    )
    people = list(Annotator.objects.order_by("pk"))
    runs = [
        run for run in TrackingRun.objects.order_by("pk") if run.clip_id <= clips[CLIPS - 1].pk
    ]
    AnnotationTask.objects.bulk_create(
        AnnotationTask(
            clip_id=run.clip_id, run=run, annotator=people[(n + shift) % ANNOTATORS], **done
        )
        for n, run in enumerate(runs) for shift in (0, 1)
    )  # fmt: skip
    tasks = list(AnnotationTask.objects.order_by("pk"))
    AnswerVersion.objects.bulk_create(
        AnswerVersion(
            task=task, author_id=task.annotator_id, number=1, sha256=f"{n:064x}", unfinished=0,
            raw="x.json.gz", **done,
        )
        for n, task in enumerate(tasks)
    )  # fmt: skip
    versions: dict[int, list[int]] = {}
    of_task = {}
    for version in AnswerVersion.objects.select_related("task").order_by("pk"):
        versions.setdefault(version.task.clip_id, []).append(version.pk)
        of_task[version.task_id] = version.pk
    for model, fields in (
        (AgreementReport, {"answered_at": Now()}),
        (Consensus, {"open_count": 0}),
    ):
        model.objects.bulk_create(
            model(
                clip_id=clip, versions=keys, versions_key=versions_key(keys), **fields, **done
            )
            for clip, keys in versions.items()
        )
    AgreementSummary.objects.create(dataset=big, reports="0" * 64, **done)
    reviewer = User.objects.create(username="reviewer")
    Review.objects.bulk_create(
        Review(
            task=task, version_id=of_task[task.pk], verdict="approved", reviewer=reviewer,
            reviewed_at=Now() - timedelta(hours=1),
        )
        for task in tasks
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(measure() if "--measure" in sys.argv else main())
