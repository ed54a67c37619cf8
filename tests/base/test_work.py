from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from avaproject.base.claimed_work import ClaimLostError
from avaproject.base.work import MAX_ATTEMPTS, RESEND_AFTER, Stage, this_worker
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


def test_a_finished_row_has_its_results(video):
    claimed = Video.objects.claim(video.pk)
    with claimed.working():
        claimed.finish(width=640)
    assert (claimed.stage, claimed.progress, claimed.width) == (Stage.DONE, 1.0, 640)
    assert claimed.lease_until is None
    assert Video.objects.claim(video.pk) is None


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
