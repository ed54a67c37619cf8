"""Work on a claimed row: heartbeats, errors, stops, database faults, stored files."""

import time
from datetime import timedelta

import pytest
from botocore.exceptions import BotoCoreError, EndpointConnectionError
from django.apps import apps
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from django.utils import timezone

from avaproject.base.claimed_work import STORAGE_PAUSES, ClaimLostError
from avaproject.base.database_faults import has_lost_connection
from avaproject.base.shutdown import ShutdownInterrupt, shutdown
from avaproject.base.storage import StorageError, store
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage, StagedModel
from datasets.models import Dataset, Video

MINUTE = timedelta(minutes=1)
REAL_NOW = timezone.now

pytestmark = pytest.mark.django_db


@pytest.fixture
def video():
    return Video.objects.create(
        dataset=Dataset.objects.create(name="shop"), name="aisle", sha256="0" * 64, size=1
    )


def test_a_late_workers_error_does_not_hide_that_the_claim_is_lost(video):
    late = Video.objects.claim(video.pk, lease=-MINUTE)
    successor = Video.objects.claim(video.pk)
    with pytest.raises(ClaimLostError), late.working(ValueError):
        raise ValueError("no video stream")
    successor.refresh_from_db()
    assert (successor.stage, successor.error) == (Stage.RUNNING, "")


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


def test_any_call_to_a_bucket_that_is_away_defers_a_row(video):
    claimed = Video.objects.claim(video.pk)
    with claimed.working(ValueError):
        raise EndpointConnectionError(endpoint_url="http://s3.local")
    row = Video.objects.get(pk=video.pk)
    assert row.stage == Stage.WAITING
    assert row.not_before is not None
    assert "http://s3.local" in row.error
    assert row.error.endswith("It will be retried automatically.")


def test_a_fault_of_another_bucket_that_the_work_expects_is_its_own(video):
    claimed = Video.objects.claim(video.pk)
    with claimed.working(BotoCoreError):
        raise EndpointConnectionError(endpoint_url="http://theirs")
    row = Video.objects.get(pk=video.pk)
    assert row.stage == Stage.FAILED
    assert row.error == 'Could not connect to the endpoint URL: "http://theirs"'


def test_a_storage_that_stays_away_is_tried_soon_then_late_then_the_row_fails(video, settings):
    for attempt, pause in enumerate(STORAGE_PAUSES, 1):
        row = run_without_storage(video)
        assert (row.stage, row.attempts) == (Stage.WAITING, attempt)
        assert row.not_before - timezone.now() == pytest.approx(
            settings.LEASE * pause, abs=timedelta(seconds=5)
        )
        pause_ends()
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
        monkeypatch.setattr("avaproject.base.claimed_work.has_lost_connection", self.has_lost)
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


def test_every_kind_of_row_can_undo_a_claim():
    """A field of that name would hide it, and a worker that stops would fail."""
    for model in apps.get_models():
        if issubclass(model, StagedModel):
            assert model.undo_claim is StagedModel.undo_claim, model


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


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("code", "is_lost"), [(None, True), ("57P01", True), ("08006", True), ("55P03", False)]
)
def test_a_lost_connection_is_known_although_another_is_open(code, is_lost):
    cause = type("Cause", (Exception,), {"pgcode": code})
    lost = OperationalError("server closed the connection unexpectedly")
    lost.__cause__ = cause("server closed the connection unexpectedly")
    connection.ensure_connection()
    assert has_lost_connection(lost) is is_lost
