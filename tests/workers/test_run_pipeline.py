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
from tests.make import make_dataset, make_video
from workers.loop import Loop
from workers.management.commands.run_pipeline import PUT_OFF
from workers.pipeline import QUEUES, STEPS, advance, sweep

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
def test_with_nothing_to_do_it_ends_and_may_run_again():
    assert run_pipeline("--once") == run_pipeline("--once")


def test_failures_are_told_and_end_in_an_error(lost_video):
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 1 pieces failed"):
        call_command("run_pipeline", "--once", "--queue", "cpu", stdout=out)
    assert "standardise: 1 rows failed: killed its worker too often" in out.getvalue()


def test_a_failure_of_before_is_no_error_of_now(lost_video):
    Video.objects.update(stage=Stage.FAILED)
    assert "standardise" in run_pipeline("--once")


@pytest.fixture
def put_off_video(db, monkeypatch):
    """A video that is put off for a lease: the bucket was away."""

    def away(name):
        raise StorageError("The bucket is away.")

    video = make_video(make_dataset(), "aisle", stage=Stage.WAITING, raw="a", frame_count=None)
    with monkeypatch.context() as patch:
        patch.setattr("datasets.services.standardise.local_path", away)
        standardise_video(video.pk)
    video.refresh_from_db()
    return video


def test_what_is_put_off_is_told_with_its_momentand_ends_in_a_code_of_its_own(put_off_video):
    until = timezone.localtime(put_off_video.lease_until)
    with pytest.raises(CommandError, match=f"Put off: 1, until {until:%H:%M:%S}") as raised:
        run_pipeline("--once")
    assert raised.value.returncode == PUT_OFF
    assert run_pipeline("--once", "--queue", "gpu")


def test_work_put_off_for_cvat_counts_from_the_first_to_the_last(put_off_video):
    times = put_off_video.lease_until + timedelta(minutes=1), timezone.now()
    for number, moment in enumerate(times):
        CvatServer.objects.create(
            name=f"cvat-{number}", url="http://cvat", error="CVAT is away.", not_before=moment
        )
    rows = CvatServer.objects.put_off()
    assert [row.waits_until for row in rows] == [times[0]]
    assert Loop().put_off() == [put_off_video.lease_until, times[0]]


def test_a_failure_outweighs_what_is_put_off(put_off_video):
    make_video(
        put_off_video.dataset, stage=Stage.WAITING, attempts=MAX_ATTEMPTS, frame_count=None
    )
    with pytest.raises(CommandError, match=r"1 of 1 pieces failed.*Put off: 1") as raised:
        run_pipeline("--once")
    assert raised.value.returncode == 1


def test_an_unknown_queue_is_refused():
    with pytest.raises(CommandError, match="invalid choice: 'tpu'"):
        call_command("run_pipeline", "--queue", "tpu")


def test_each_step_has_a_name_of_its_own_and_a_queue():
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert {step.queue for step in STEPS} == set(QUEUES)


def test_what_is_handed_out_goes_to_the_queue_of_its_step(settings):
    routes = settings.CELERY_TASK_ROUTES
    for step in STEPS:
        assert routes.get(step.task.name, {"queue": "cpu"})["queue"] == step.queue


def test_advance_hands_a_row_out_once(db):
    video = make_video(make_dataset(), stage=Stage.WAITING, frame_count=None)
    sent: list[tuple[str, int]] = []
    for _ in range(2):
        advance(lambda task, pk: sent.append((task.name, pk)))
    assert sent == [("datasets.tasks.standardise_video", video.pk)]


def test_a_sweep_frees_the_rows_of_the_dead_and_old_folders(db, own_files):
    video = make_video(make_dataset(), stage=Stage.WAITING)
    claimed = Video.objects.claim(video.pk)
    Video.objects.update(worker=claimed.worker.split("/")[0] + "/999999999/1")
    old, young = own_files / "tmp" / "1-old", own_files / "tmp" / "1-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    assert sweep() == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert Video.objects.claim(video.pk)
    assert sweep() == 0


def test_sigterm_ends_a_running_one_cleanly(tmp_path):
    environment = os.environ | {"AVA_DATA_DIR": str(tmp_path)}
    environment.pop("AVA_DATABASE_URL", None)
    manage = [sys.executable, str(ROOT / "manage.py")]
    subprocess.run([*manage, "migrate", "-v0"], env=environment, check=True)
    running = subprocess.Popen([*manage, "run_pipeline", "--plain"], env=environment)
    time.sleep(3)
    while running.poll() is None:  # before it listens, the signal simply ends it
        running.send_signal(signal.SIGTERM)
        time.sleep(0.5)
    assert running.returncode in (0, -signal.SIGTERM)
