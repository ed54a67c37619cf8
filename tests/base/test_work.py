import os
import socket
import subprocess
import time
from datetime import timedelta

import psutil
import pytest
from django.db import OperationalError
from django.db.backends.signals import connection_created
from django.utils import timezone

from avaproject.base.storage import StorageError
from avaproject.base.work import MAX_ATTEMPTS, ClaimLostError, Stage, has_exited, this_worker
from datasets.models import Dataset, Video

MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def video():
    return Video.objects.create(
        dataset=Dataset.objects.create(name="shop"), name="aisle", sha256="0" * 64, size=1
    )


def worker_that_is_gone():
    """The name of a process of this host that has ended."""
    process = subprocess.Popen(["sleep", "60"])
    started = psutil.Process(process.pid).create_time()
    process.kill()
    process.wait()
    return f"{socket.gethostname()}/{process.pid}/{started:.0f}"


def test_a_row_is_claimed_once(video):
    assert Video.objects.claim(video.pk) == video
    assert Video.objects.claim(video.pk) is None


def test_a_claim_resets_the_row(video):
    claimed = Video.objects.claim(video.pk)
    assert (claimed.stage, claimed.attempts, claimed.progress) == (Stage.RUNNING, 1, 0.0)
    assert claimed.worker == this_worker()
    assert claimed.lease_until > timezone.now() + MINUTE


def test_a_row_whose_lease_has_run_out_can_be_claimed_again(video):
    Video.objects.claim(video.pk, lease=-MINUTE)
    assert Video.objects.claim(video.pk).attempts == 2


def test_a_late_worker_cannot_overwrite_its_successor(video):
    late = Video.objects.claim(video.pk, lease=-MINUTE)
    Video.objects.claim(video.pk)
    with pytest.raises(ClaimLostError):
        late.finish()


def test_a_late_workers_error_does_not_hide_that_the_claim_is_lost(video):
    late = Video.objects.claim(video.pk, lease=-MINUTE)
    successor = Video.objects.claim(video.pk)
    with pytest.raises(ClaimLostError), late.working(ValueError):
        raise ValueError("no video stream")
    successor.refresh_from_db()
    assert (successor.stage, successor.error) == (Stage.RUNNING, "")


def test_a_finished_row_has_its_results(video):
    claimed = Video.objects.claim(video.pk)
    with claimed.working():
        claimed.finish(width=640)
    assert (claimed.stage, claimed.progress, claimed.width) == (Stage.DONE, 1.0, 640)
    assert claimed.lease_until is None
    assert Video.objects.claim(video.pk) is None


def test_expected_errors_are_kept_for_the_operator(video):
    claimed = Video.objects.claim(video.pk)
    with claimed.working(ValueError):
        raise ValueError("no video stream")
    video.refresh_from_db()
    assert (video.stage, video.error) == (Stage.FAILED, "no video stream")


def test_unexpected_errors_are_kept_and_raised(video):
    claimed = Video.objects.claim(video.pk)
    with pytest.raises(ZeroDivisionError), claimed.working(ValueError):
        1 / 0  # noqa: B018
    video.refresh_from_db()
    assert video.error.startswith("Unexpected ZeroDivisionError")


def run_without_storage(video):
    """The row after the storage was unavailable during its work; None if it isn't claimable."""
    claimed = Video.objects.claim(video.pk)
    if claimed is not None:
        with claimed.working(OSError):
            raise StorageError("The bucket is away.")
    return claimed


def pause_ends():
    Video.objects.update(not_before=timezone.now() - MINUTE)


def test_an_unavailable_storage_defers_a_row_and_the_row_says_so(video, settings):
    waiting = run_without_storage(video)
    assert (waiting.stage, waiting.attempts, waiting.finished_at) == (Stage.WAITING, 1, None)
    assert waiting.error == "The bucket is away. It will be retried automatically."
    assert waiting.not_before <= timezone.now() + settings.LEASE
    assert Video.objects.enqueue(limit=10) == []
    assert run_without_storage(video) is None
    pause_ends()
    assert Video.objects.enqueue(limit=10) == [video.pk]
    claimed = Video.objects.claim(video.pk)
    assert (claimed.attempts, claimed.error) == (2, "")
    claimed.finish()


def test_the_third_storage_fault_fails_the_row(video, settings):
    for attempt in range(1, MAX_ATTEMPTS):
        row = run_without_storage(video)
        assert (row.stage, row.attempts) == (Stage.WAITING, attempt)
        pause = row.not_before - timezone.now()
        pause_ends()
    assert 4 * settings.LEASE < pause < 6 * settings.LEASE
    row = run_without_storage(video)
    assert (row.stage, row.error) == (Stage.FAILED, "The bucket is away.")
    assert Video.objects.fail_exhausted() == 0
    assert Video.objects.retry() == 1
    assert run_without_storage(video).attempts == 1


def test_a_worker_interrupted_by_hand_leaves_its_row_running(video):
    claimed = Video.objects.claim(video.pk)
    with pytest.raises(KeyboardInterrupt), claimed.working(ValueError):
        raise KeyboardInterrupt
    video.refresh_from_db()
    assert video.stage == Stage.RUNNING


def test_retry_resets_a_failed_row(video):
    Video.objects.claim(video.pk).fail("disk full")
    assert Video.objects.retry() == 1
    again = Video.objects.claim(video.pk)
    assert (again.attempts, again.error) == (1, "")


def test_retry_does_not_change_other_rows(video):
    Video.objects.claim(video.pk)
    assert Video.objects.retry() == 0


def test_a_row_whose_workers_die_three_times_fails(video):
    for _ in range(MAX_ATTEMPTS):
        Video.objects.claim(video.pk, lease=-MINUTE)
    assert Video.objects.claim(video.pk) is None
    assert Video.objects.fail_exhausted() == 1
    video.refresh_from_db()
    assert (video.stage, "died 3 times" in video.error) == (Stage.FAILED, True)


def test_a_row_is_enqueued_once_within_the_resend_time(video):
    assert Video.objects.enqueue(limit=10) == [video.pk]
    assert Video.objects.enqueue(limit=10) == []


def test_no_more_rows_are_enqueued_than_the_limit(video):
    other = Video.objects.create(dataset=video.dataset, name="door", sha256="1" * 64, size=1)
    assert Video.objects.enqueue(limit=1) == [video.pk]
    assert Video.objects.enqueue(limit=1) == [other.pk]


def test_the_rows_of_a_dead_worker_expire_at_once(video):
    Video.objects.claim(video.pk)
    Video.objects.update(worker=worker_that_is_gone())
    assert Video.objects.expire_dead_workers() == 1
    assert Video.objects.enqueue(limit=10) == [video.pk]
    assert Video.objects.claim(video.pk).attempts == 2


@pytest.mark.parametrize("worker", ["another-host/1/1", "", "nonsense"])
def test_a_worker_of_another_host_is_not_declared_dead(video, worker):
    Video.objects.claim(video.pk)
    Video.objects.update(worker=worker)
    assert Video.objects.expire_dead_workers() == 0


def test_a_living_worker_keeps_its_rows(video):
    Video.objects.claim(video.pk)
    assert Video.objects.expire_dead_workers() == 0


def test_a_reused_process_id_is_another_worker():
    host, pid, started = this_worker().split("/")
    assert not has_exited(this_worker())
    assert int(pid) == os.getpid()
    assert has_exited(f"{host}/{pid}/{int(started) - 60}")


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_renews_the_lease_while_the_work_goes_on(video, settings):
    settings.LEASE = timedelta(seconds=0.4)
    claimed = Video.objects.claim(video.pk)
    with claimed.working():
        time.sleep(1.2)
        assert Video.objects.claim(video.pk) is None
        claimed.finish()
    assert claimed.attempts == 1


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_survives_a_database_error(video, settings, request):
    beats = []

    def fails_once(execute, sql, *args):
        beats.append(sql)
        if len(beats) == 1:
            raise OperationalError("database is locked")
        return execute(sql, *args)

    def of_the_heart(connection, **kwargs):
        connection.execute_wrappers.append(fails_once)

    settings.LEASE = timedelta(seconds=0.8)
    claimed = Video.objects.claim(video.pk)
    connection_created.connect(of_the_heart)  # a beat has a connection of its own
    request.addfinalizer(lambda: connection_created.disconnect(of_the_heart))
    with claimed.working():
        time.sleep(1.6)
        assert len(beats) > 2
        assert Video.objects.claim(video.pk) is None
        claimed.finish()


def test_progress_is_written_at_most_once_a_second(video, django_assert_num_queries):
    claimed = Video.objects.claim(video.pk)
    with django_assert_num_queries(1):
        for share in range(100):
            claimed.report(0.25 + share / 1000)
    video.refresh_from_db()
    assert video.progress == 0.25


def test_progress_stays_between_0_and_1(video):
    Video.objects.claim(video.pk).report(7)
    video.refresh_from_db()
    assert video.progress == 1.0


def test_a_late_worker_reports_no_progress(video):
    late = Video.objects.claim(video.pk, lease=-MINUTE)
    Video.objects.claim(video.pk)
    late.report(0.9)
    video.refresh_from_db()
    assert video.progress == 0.0


def test_counts_name_every_stage(video):
    assert Video.objects.counts() == {"waiting": 1, "running": 0, "done": 0, "failed": 0}
