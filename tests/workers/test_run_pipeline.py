import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.models import CvatServer
from avaproject.base.storage import StorageError
from avaproject.base.work import MAX_ATTEMPTS, Stage
from datasets.models import Video
from datasets.services.standardise import standardise_video
from tests.make import make_dataset, make_video, worker_that_is_gone
from workers.broker import advance
from workers.loop import Loop
from workers.management.commands.run_pipeline import EX_TEMPFAIL
from workers.pipeline import QUEUES, STEPS
from workers.planning import Planner

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lost_video(db):
    """A video that kept killing its worker."""
    return make_video(
        make_dataset(), "aisle", stage=Stage.WAITING, attempts=MAX_ATTEMPTS, frame_count=None
    )


def run_pipeline(*words: str) -> str:
    out = StringIO()
    call_command("run_pipeline", *words, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_without_work_it_ends_and_may_run_again():
    assert run_pipeline("--once") == run_pipeline("--once")


def test_failures_are_reported_and_end_in_an_error(lost_video):
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 1 rows failed"):
        call_command("run_pipeline", "--once", "--queue", "cpu", stdout=out)
    assert "standardise: 1 rows failed: killed its worker too often" in out.getvalue()


def test_an_earlier_failure_is_no_error(lost_video):
    Video.objects.update(stage=Stage.FAILED)
    assert "standardise" in run_pipeline("--once")


@pytest.fixture
def deferred_video(db, monkeypatch):
    """A video deferred for one lease, because the bucket was unavailable."""

    def unavailable(name):
        raise StorageError("The bucket is unavailable.")

    video = make_video(make_dataset(), "aisle", stage=Stage.WAITING, raw="a", frame_count=None)
    with monkeypatch.context() as patch:
        patch.setattr("datasets.services.standardise.local_path", unavailable)
        standardise_video(video.pk)
    video.refresh_from_db()
    return video


def test_deferred_rows_are_reported_with_their_time_and_exit_code(deferred_video):
    until = timezone.localtime(deferred_video.not_before)
    with pytest.raises(CommandError, match=f"1 deferred until {until:%H:%M:%S}") as raised:
        run_pipeline("--once")
    assert raised.value.returncode == EX_TEMPFAIL
    assert run_pipeline("--once", "--queue", "gpu")


def test_rows_deferred_for_cvat_are_reported_too(deferred_video):
    times = deferred_video.not_before + timedelta(minutes=1), timezone.now()
    for number, moment in enumerate(times):
        CvatServer.objects.create(
            name=f"cvat-{number}", url="http://cvat", error="CVAT is away.", not_before=moment
        )
    rows = CvatServer.objects.deferred()
    assert [row.not_before for row in rows] == [times[0]]
    assert Loop().deferred() == [deferred_video.not_before, times[0]]


def test_a_failure_outweighs_deferred_rows(deferred_video):
    make_video(
        deferred_video.dataset, stage=Stage.WAITING, attempts=MAX_ATTEMPTS, frame_count=None
    )
    with pytest.raises(CommandError, match=r"1 of 1 rows failed.*1 deferred") as raised:
        run_pipeline("--once")
    assert raised.value.returncode == 1


def test_an_unknown_queue_is_refused():
    with pytest.raises(CommandError, match="invalid choice: 'tpu'"):
        call_command("run_pipeline", "--queue", "tpu")


def test_step_names_are_unique_and_both_queues_are_used():
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert {step.queue for step in STEPS} == set(QUEUES)


def test_tasks_are_routed_to_the_queue_of_their_step(settings):
    routes = settings.CELERY_TASK_ROUTES
    for step in STEPS:
        assert routes.get(step.task.name, {"queue": "cpu"})["queue"] == step.queue


def test_advance_enqueues_a_row_once(db):
    video = make_video(make_dataset(), stage=Stage.WAITING, frame_count=None)
    sent: list[tuple[str, int]] = []
    for _ in range(2):
        advance(lambda task, pk: sent.append((task.name, pk)))
    assert sent == [("datasets.tasks.standardise_video", video.pk)]


def test_advancing_releases_rows_of_dead_workers_and_moving_files_deletes_old_folders(
    db, own_files
):
    video = make_video(make_dataset(), stage=Stage.WAITING)
    Video.objects.claim(video.pk)
    gone = worker_that_is_gone()
    Video.objects.update(worker=gone)
    old, young = own_files / "tmp" / "old", own_files / "tmp" / "young"
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    assert advance(lambda task, pk: None) == 1
    Planner(moves_files=True).run_round()
    assert [one.exists() for one in (old, young)] == [False, True]
    assert Video.objects.claim(video.pk)


def test_sigterm_ends_it_cleanly(tmp_path):
    environment = os.environ | {"AVA_DATA_DIR": str(tmp_path)}
    environment.pop("AVA_DATABASE_URL", None)
    manage = [sys.executable, str(ROOT / "manage.py")]
    subprocess.run([*manage, "bootstrap"], env=environment, check=True)
    running = subprocess.Popen([*manage, "run_pipeline", "--plain"], env=environment)
    time.sleep(3)
    while running.poll() is None:  # before it listens, the signal simply ends it
        running.send_signal(signal.SIGTERM)
        time.sleep(0.5)
    assert running.returncode in (0, -signal.SIGTERM)
