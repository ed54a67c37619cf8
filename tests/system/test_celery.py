"""A small video through both queues: real Redis, PostgreSQL and Celery workers."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.db import connection
from django.utils import timezone

from avaproject.base.work import Stage
from avaproject.celery import app
from datasets.models import Clip, Video
from datasets.services.create import create_dataset
from datasets.services.upload import receive_zip
from tests.make import make_clips, make_dataset, make_video
from tests.server_process import tiny_zip, write_detections
from tests.stored_files import content_of
from tests.video_files import make_video_file
from tracking.core import tracks_file
from tracking.models import IdentityRun, TrackingRun
from workers.broker import advance, held_messages
from workers.models import InstalledVersion
from workers.pipeline import STEPS

ROOT = Path(__file__).resolve().parents[2]
HAS_SERVICES = bool(os.environ.get("AVA_REDIS_URL")) and connection.vendor == "postgresql"
MUST_HAVE = os.environ.get("AVA_TEST_REQUIRES_SERVICES") == "1"
SECONDS = 120

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        not HAS_SERVICES and not MUST_HAVE,
        reason="needs PostgreSQL in AVA_DATABASE_URL and Redis in AVA_REDIS_URL",
    ),
]


def test_the_services_are_there_when_they_must_be():
    assert HAS_SERVICES, "AVA_DATABASE_URL must name PostgreSQL, and AVA_REDIS_URL Redis"


def celery(environment: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "celery", "-A", "avaproject", *words, "--loglevel", "INFO"]
    return subprocess.Popen(command, cwd=ROOT, env=environment)


@pytest.fixture
def environment(transactional_db, own_files) -> dict[str, str]:
    """What the workers see: the database and files of this test, and an empty Redis."""
    redis.Redis.from_url(os.environ["AVA_REDIS_URL"]).flushdb()
    base, _, _ = os.environ["AVA_DATABASE_URL"].rpartition("/")
    return os.environ | {
        "AVA_DATABASE_URL": f"{base}/{connection.settings_dict['NAME']}",
        "AVA_DATA_DIR": str(own_files),
        "AVA_LEASE_SECONDS": "4",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def workers(environment) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """One worker for each queue, and beat; all ended afterwards."""
    running = {
        queue: celery(environment, "worker", "-Q", queue, "-n", f"{queue}@test", "-c", "1")
        for queue in ("cpu", "gpu")
    }
    running["beat"] = celery(environment, "beat", "--max-interval", "1")
    yield running
    for process in running.values():
        process.send_signal(signal.SIGTERM)
    for process in running.values():
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(claim, *, what: str) -> None:
    end = time.monotonic() + SECONDS
    while not claim():
        failed = [
            f"{step.name}: {row.error}"
            for step in STEPS
            for row in step.rows.filter(stage=Stage.FAILED)
        ]
        assert not failed
        assert time.monotonic() < end, f"{what} took over {SECONDS} s"
        time.sleep(0.5)


def test_a_video_goes_through_both_queues(environment, workers, tmp_path):
    weights = write_detections(tmp_path / "boxes")
    dataset = create_dataset("tiny", detector="imported", weights=str(weights))
    receive_zip(dataset, tiny_zip(tmp_path), original_name="videos.zip")
    wait_for(lambda: IdentityRun.objects.done().exists(), what="the road to proposals")
    [run] = TrackingRun.objects.all()
    assert run.persons.count() == 1
    assert run.proposals.count() == len(run.clip.keyframes())
    workers_seen = {Clip.objects.get().worker, run.worker}
    assert len(workers_seen) == 2, "cutting and tracking are done by different processes"


def test_the_row_of_a_killed_worker_is_done_by_another(environment, tmp_path):
    dataset = create_dataset("tiny", detector="imported")
    receive_zip(dataset, tiny_zip(tmp_path), original_name="videos.zip")
    beat = celery(environment, "beat", "--max-interval", "1")
    first = celery(environment, "worker", "-Q", "cpu", "-n", "first@test", "-P", "solo")
    try:
        wait_for(lambda: Video.objects.exclude(stage=Stage.WAITING).exists(), what="a claim")
        first.kill()
        first.wait()
        second = celery(environment, "worker", "-Q", "cpu", "-n", "second@test", "-P", "solo")
        try:
            wait_for(lambda: Video.objects.done().exists(), what="the second worker")
        finally:
            second.terminate()
            second.wait(30)
    finally:
        beat.terminate()
        beat.wait(30)
    assert Video.objects.get().attempts <= 2


def test_two_gpu_workers_share_a_dataset_and_one_goes_on_when_the_other_is_killed(
    environment, tmp_path
):
    runs, clips = TrackingRun.objects, 16
    first, second = (
        celery(environment, "worker", "-Q", "gpu", "-n", f"{name}@test", "-P", "solo")
        for name in ("first", "second")
    )
    beat = celery(environment, "beat", "--max-interval", "1")
    try:
        wait_for(lambda: len(app.control.ping(timeout=1) or ()) == 2, what="two workers")
        boxes = tmp_path / "boxes"
        dataset = make_dataset("tiny", detector="imported", weights=str(boxes))
        names = [f"video{number}" for number in range(clips)]
        for name in names:
            write_detections(boxes, name=name)
        for name in names:
            make_clips(make_video(dataset, name, frame_count=300))
        wait_for(
            lambda: runs.done().values("worker").distinct().count() == 2, what="both at work"
        )
        first.kill()
        first.wait()
        # A message taken without its row goes out again within a minute: here at once.
        runs.filter(stage=Stage.WAITING).update(enqueued_at=None)
        wait_for(lambda: runs.done().count() == clips, what="the other worker")
        assert runs.count() == clips, "every clip has one run"
        assert set(runs.values_list("attempts", flat=True)) <= {1, 2}
        assert set(runs.values_list("track_count", flat=True)) == {1}
        for run in runs.all():
            assert len(tracks_file.load(content_of(run.tracks)).tracks) == 1
    finally:
        for process in (first, second, beat):
            process.kill()
            process.wait()


def test_sigterm_gives_the_work_back_at_once_and_counts_no_attempt(environment, tmp_path):
    dataset = create_dataset("long", detector="imported")
    video = make_video_file(tmp_path / "long.mp4", codec="mpeg4", size=(640, 480), frames=1200)
    with zipfile.ZipFile(tmp_path / "long.zip", "w") as archive:
        archive.write(video, video.name)
    receive_zip(dataset, tmp_path / "long.zip", original_name="long.zip")
    beat = celery(environment, "beat", "--max-interval", "1")
    worker = celery(environment, "worker", "-Q", "cpu", "-n", "cpu@test", "-c", "2")
    try:
        wait_for(lambda: Video.objects.filter(progress__gt=0).exists(), what="the video")
        asked = time.monotonic()
        worker.terminate()
        wait_for(lambda: Video.objects.get().stage == Stage.WAITING, what="giving it back")
        assert time.monotonic() - asked < 10
        assert worker.wait(60) == 0
    finally:
        for process in (worker, beat):
            process.kill()
            process.wait()
    video = Video.objects.get()
    assert (video.stage, video.attempts, video.lease_until) == (Stage.WAITING, 0, None)
    assert video.claim_token == 1
    assert list(Path(environment["AVA_DATA_DIR"]).glob("tmp/*")) == []


def test_what_the_broker_has_lost_is_sent_again_within_a_minute(environment):
    """Redis is emptied after the message was sent."""
    make_video(make_dataset(), stage=Stage.WAITING, frame_count=None)
    assert advance() == 1
    assert held_messages() == {"datasets.tasks.standardise_video": {Video.objects.get().pk}}
    Video.objects.update(enqueued_at=timezone.now() - timedelta(minutes=1))
    assert advance() == 0, "its message still waits"
    redis.Redis.from_url(os.environ["AVA_REDIS_URL"]).flushdb()
    assert held_messages() == {}
    assert advance() == 1


def test_a_worker_of_another_version_is_refused(environment):
    InstalledVersion.objects.update_or_create(pk=1, defaults={"version": "9.9.9"})
    worker = celery(environment, "worker", "-Q", "cpu", "-n", "cpu@test", "-P", "solo")
    try:
        assert worker.wait(60) != 0
    finally:
        worker.kill()
        worker.wait()
