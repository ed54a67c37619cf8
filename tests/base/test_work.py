import time
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from django.utils import timezone

from avaproject.base.shutdown import ShutdownInterrupt, shutdown
from avaproject.base.storage import StorageError, store
from avaproject.base.temporary import work_folder
from avaproject.base.work import MAX_ATTEMPTS, RESEND_AFTER, Stage, this_worker
from avaproject.base.working import STORAGE_PAUSES, ClaimLostError
from datasets.models import Dataset, Video
from tests.make import worker_that_is_gone

MINUTE = timedelta(minutes=1)
REAL_NOW = timezone.now

pytestmark = pytest.mark.django_db


@pytest.fixture
def video():
    return Video.objects.create(
        dataset=Dataset.objects.create(name="shop"), name="aisle", sha256="0" * 64, size=1
    )


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


@pytest.mark.parametrize("restart", ["retry", "start_over", "retry_now"])
def test_no_restart_gives_a_late_worker_the_claim_of_its_successor(video, restart):
    late = Video.objects.claim(video.pk)
    Video.objects.filter(pk=video.pk).update(stage=Stage.FAILED)
    getattr(Video.objects, restart)()
    Video.objects.update(stage=Stage.WAITING, attempts=0)
    successor = Video.objects.claim(video.pk)
    assert successor.attempts == late.attempts
    lease = successor.lease_until
    late.renew_lease()
    late.report(0.7)
    with pytest.raises(ClaimLostError):
        late.check_claim()
    for end in (late.finish, lambda: late.fail("late"), lambda: late.defer(MINUTE, "late")):
        with pytest.raises(ClaimLostError):
            end()
    successor.refresh_from_db()
    assert (successor.stage, successor.lease_until) == (Stage.RUNNING, lease)
    assert successor.progress == 0.0


def test_a_lease_is_measured_by_the_clock_of_the_database(video, monkeypatch):
    def wrong_clock():
        return REAL_NOW() + timedelta(hours=1)

    claimed = Video.objects.claim(video.pk)
    monkeypatch.setattr(timezone, "now", wrong_clock)
    assert Video.objects.claim(video.pk) is None
    claimed.renew_lease()
    claimed.refresh_from_db()
    assert claimed.lease_until < REAL_NOW() + timedelta(minutes=10)
    claimed.defer(MINUTE, "busy")
    assert claimed.not_before < REAL_NOW() + timedelta(minutes=10)
    assert Video.objects.deferred().count() == 1


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
    for attempt in range(1, len(STORAGE_PAUSES) + 1):
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


def test_a_worker_interrupted_by_hand_releases_its_row(video):
    claimed = Video.objects.claim(video.pk)
    with pytest.raises(KeyboardInterrupt), claimed.working(ValueError):
        raise KeyboardInterrupt
    video.refresh_from_db()
    assert (video.stage, video.attempts, video.enqueued_at) == (Stage.WAITING, 0, None)


@pytest.fixture
def stopping(request):
    yield shutdown
    shutdown.is_requested = False


def test_a_worker_that_stops_releases_its_row_and_ends_the_task(video, stopping):
    claimed = Video.objects.claim(video.pk)
    with claimed.working(ValueError):
        stopping.request()
        claimed.finish()
    video.refresh_from_db()
    assert (video.stage, video.attempts, video.lease_until) == (Stage.WAITING, 0, None)


def test_a_worker_that_stops_claims_no_other_row(video, stopping):
    stopping.request()
    assert Video.objects.claim(video.pk) is None
    assert Video.objects.get().attempts == 0


def test_a_row_that_is_done_stays_done_when_its_worker_is_told_to_stop(video):
    claimed = Video.objects.claim(video.pk)
    with claimed.working(ValueError):
        claimed.finish()
        raise ShutdownInterrupt
    video.refresh_from_db()
    assert (video.stage, video.attempts) == (Stage.DONE, 1)


def test_retry_resets_a_failed_row(video):
    Video.objects.claim(video.pk).fail("disk full")
    assert Video.objects.retry() == 1
    again = Video.objects.claim(video.pk)
    assert (again.attempts, again.error) == (1, "")


def test_retry_does_not_change_other_rows(video):
    Video.objects.claim(video.pk)
    assert Video.objects.retry() == 0


def test_a_row_whose_workers_die_five_times_is_given_up(video):
    for _ in range(MAX_ATTEMPTS):
        Video.objects.claim(video.pk, lease=-MINUTE)
    assert Video.objects.claim(video.pk) is None
    assert Video.objects.fail_exhausted() == 1
    video.refresh_from_db()
    assert (video.stage, "died 5 times" in video.error) == (Stage.FAILED, True)
    assert list(Video.objects.given_up()) == [video]
    Video.objects.claim(video.pk)
    assert Video.objects.retry() == 1
    assert not Video.objects.given_up()


def test_the_pauses_between_deaths_grow(video, settings):
    """A machine that kills all its workers at once must not use up the attempts in seconds."""
    gone, waited = worker_that_is_gone(), timedelta()
    for deaths in range(1, MAX_ATTEMPTS + 1):
        assert Video.objects.claim(video.pk).attempts == deaths
        Video.objects.update(worker=gone)
        assert Video.objects.expire_dead_workers() == 1
        assert Video.objects.expire_dead_workers() == 0, "the pause must not begin again"
        row = Video.objects.get()
        pause = max(row.lease_until - timezone.now(), timedelta())
        waited += pause
        if pause:
            assert Video.objects.claim(video.pk) is None
            assert Video.objects.fail_exhausted() == 0
            assert list(Video.objects.held_up()) == [video]
            assert row.error == "Its worker died. It will be retried automatically."
            Video.objects.update(lease_until=timezone.now() - MINUTE)
    assert waited > 5 * settings.LEASE
    assert Video.objects.fail_exhausted() == 1


def test_deaths_of_attempts_that_get_further_do_not_count(video):
    for _ in range(2 * MAX_ATTEMPTS):
        Video.objects.claim(video.pk, lease=-MINUTE).got_further()
    assert Video.objects.fail_exhausted() == 0
    for _ in range(MAX_ATTEMPTS - 1):
        Video.objects.claim(video.pk, lease=-MINUTE)
    assert Video.objects.fail_exhausted() == 1


def stored_in(row, name):
    with work_folder() as folder:
        (folder / "file").write_text("made")
        store(folder / "file", name)


def test_a_worker_that_lost_its_claim_stores_nothing_more(video):
    late = Video.objects.claim(video.pk, lease=-MINUTE)
    Video.objects.claim(video.pk)
    with pytest.raises(ClaimLostError), late.working(ValueError):
        stored_in(late, "shop/videos/aisle.mp4")
    assert not default_storage.exists("shop/videos/aisle.mp4")


def test_the_files_of_a_claim_whose_row_was_deleted_go_with_it(video):
    late = Video.objects.claim(video.pk)
    with pytest.raises(ClaimLostError), late.working(ValueError):  # noqa: PT012
        stored_in(late, "shop/videos/aisle.mp4")
        Video.objects.all().delete()
        late.finish()
    assert not default_storage.exists("shop/videos/aisle.mp4")


def test_the_files_of_a_claim_that_was_taken_over_stay(video):
    late = Video.objects.claim(video.pk)
    with pytest.raises(ClaimLostError), late.working(ValueError):  # noqa: PT012
        stored_in(late, "shop/videos/aisle.mp4")
        Video.objects.update(lease_until=timezone.now() - MINUTE)
        Video.objects.claim(video.pk).finish(file="shop/videos/aisle.mp4")
        late.finish()
    assert default_storage.exists("shop/videos/aisle.mp4")


def test_a_failure_leaves_no_file_that_no_row_refers_to(video):
    claimed = Video.objects.claim(video.pk)
    Video.objects.update(raw="shop/raw/aisle")
    with claimed.working(ValueError):
        stored_in(claimed, "shop/raw/aisle")
        stored_in(claimed, "shop/videos/aisle.mp4")
        raise ValueError("the disk is full")
    assert default_storage.exists("shop/raw/aisle")
    assert not default_storage.exists("shop/videos/aisle.mp4")


class LostConnection:
    """The database does not answer the next queries of the work on a row."""

    def __init__(self, monkeypatch, *, times: int) -> None:
        self.left = times
        monkeypatch.setattr("avaproject.base.database_faults.PAUSE_SECONDS", 0.01)
        monkeypatch.setattr(
            "avaproject.base.database_faults.has_lost_connection", self.has_lost
        )
        monkeypatch.setattr("avaproject.base.working.has_lost_connection", self.has_lost)
        monkeypatch.setattr("avaproject.base.work.has_lost_connection", self.has_lost)

    def has_lost(self, error):
        return isinstance(error, OperationalError) and "closed" in str(error)

    def __call__(self, execute, sql, *args):
        if self.left:
            self.left -= 1
            raise OperationalError("server closed the connection")
        return execute(sql, *args)


@pytest.mark.django_db(transaction=True)
def test_a_row_is_finished_after_a_database_fault(video, monkeypatch):
    claimed = Video.objects.claim(video.pk)
    with claimed.working(), connection.execute_wrapper(LostConnection(monkeypatch, times=3)):
        claimed.finish(width=640)
    assert (claimed.stage, claimed.width) == (Stage.DONE, 640)


@pytest.mark.django_db(transaction=True)
def test_a_finish_whose_answer_was_lost_is_a_finish(video, monkeypatch):
    class AnswerLost(LostConnection):
        def __call__(self, execute, sql, *args):
            found = execute(sql, *args)
            if self.left:
                self.left -= 1
                raise OperationalError("server closed the connection")
            return found

    claimed = Video.objects.claim(video.pk)
    with claimed.working(), connection.execute_wrapper(AnswerLost(monkeypatch, times=1)):
        claimed.finish(width=640)
    assert (claimed.stage, claimed.width) == (Stage.DONE, 640)


@pytest.mark.django_db(transaction=True)
def test_progress_that_cannot_be_stored_stops_no_work(video, monkeypatch):
    claimed = Video.objects.claim(video.pk)
    with claimed.working(), connection.execute_wrapper(LostConnection(monkeypatch, times=1)):
        claimed.report(0.5)
        claimed.finish()
    assert claimed.stage == Stage.DONE


@pytest.mark.django_db(transaction=True)
def test_work_met_by_a_database_fault_is_done_again_and_the_row_says_so(video, monkeypatch):
    claimed = Video.objects.claim(video.pk)
    with (
        connection.execute_wrapper(LostConnection(monkeypatch, times=2)),
        claimed.working(ValueError),
    ):
        Dataset.objects.get()
    row = Video.objects.get()
    assert (row.stage, row.attempts, row.deferrals) == (Stage.WAITING, 0, 0)
    assert row.error == (
        "The database did not answer (server closed the connection). "
        "It will be retried automatically."
    )
    assert list(Video.objects.held_up()) == [video]


@pytest.mark.parametrize("fields", [None, ["width"]])
def test_a_saved_change_is_stamped_like_any_other(video, fields):
    Video.objects.update(modified_at=timezone.now() - MINUTE)
    before = video.modified_at = Video.objects.get().modified_at
    video.width = 640
    video.save(update_fields=fields)
    assert video.modified_at > before
    assert Video.objects.get().modified_at == video.modified_at


def test_a_row_is_enqueued_once_within_the_resend_time(video):
    assert Video.objects.enqueue(limit=10) == [video.pk]
    assert Video.objects.enqueue(limit=10) == []


def test_a_message_that_may_be_lost_is_sent_again(video):
    assert Video.objects.enqueue(limit=10) == [video.pk]
    Video.objects.update(enqueued_at=timezone.now() - RESEND_AFTER)
    assert Video.objects.enqueue(limit=10, held=[video.pk]) == []
    assert Video.objects.enqueue(limit=10) == [video.pk]


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


def test_a_change_other_than_progress_is_stamped(video):
    Video.objects.update(modified_at=timezone.now() - MINUTE)
    before = Video.objects.get().modified_at
    claimed = Video.objects.claim(video.pk)
    assert claimed.modified_at > before
    Video.objects.update(modified_at=before)
    claimed.renew_lease()
    claimed.report(0.5)
    assert Video.objects.get().modified_at == before
    claimed.finish()
    assert claimed.modified_at > before


def test_open_rows_are_found_by_their_partial_index(video):
    rows = [Video.objects.claimable(), Video.objects.deferred(), Video.objects.open()]
    for found in rows:
        plan = found.order_by().values("pk").explain()
        if connection.vendor == "sqlite":
            assert "video_open" in plan, plan


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
