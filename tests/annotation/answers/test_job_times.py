"""How long answers took in CVAT: read from its events some minutes after a job was fetched."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.cvat import job_calls
from annotation.models import AnswerVersion, CvatServer, JobTimes
from annotation.selectors.times_in_cvat import CvatTimes, cvat_times
from datasets.models import Dataset
from tests.cvat_double.server import CvatDouble
from tests.cvat_double.steps import FINISHED, TASK, read_all, reconciled, sent_world

pytestmark = pytest.mark.django_db
ACTS = [("load:job", 0), ("change:frame", 1), ("change:attribute", 4), ("change:attribute", 6)]
NOT_TOLD = "This CVAT does not tell its events"


def passed(**time: int) -> None:
    """What was fetched, was fetched so long ago; and so was the last refusal."""
    moment = timezone.now() - timedelta(**time)
    AnswerVersion.objects.update(created_at=moment)
    CvatServer.objects.exclude(events_refused_at=None).update(events_refused_at=moment)


def finished(
    cvat: CvatDouble, dataset: Dataset, answers: dict[str, str] = FINISHED
) -> AnswerVersion:
    cvat.finish(TASK, answers)
    reconciled(dataset)
    read_all()
    return AnswerVersion.objects.latest("pk")


def asked(cvat: CvatDouble) -> list[dict[str, str]]:
    """Questions for times; who finished a job is asked for without a time."""
    return [one for one in cvat.exports if "from" in one]


def page_of(client: Client, dataset: Dataset, admin_user: User) -> str:
    client.force_login(admin_user)
    return client.get(reverse("annotation:cvat", args=[dataset.name])).content.decode()


def test_times_of_a_finished_job_are_read_from_its_events(
    cvat: CvatDouble, client: Client, admin_user: User
) -> None:
    dataset = sent_world(cvat)
    cvat.work_in_page(TASK, datetime.now(UTC), ACTS)
    payload = f"[{'1, ' * 100_000}1]"  # boxes that were sent: more than csv reads by itself
    cvat.add_event(TASK, "create:tracks", datetime.now(UTC), by="admin", payload=payload)
    version = finished(cvat, dataset)
    assert asked(cvat) == []  # CVAT's pages send the last events late
    passed(minutes=3)
    reconciled(dataset)
    times = JobTimes.objects.get(version=version)
    assert (times.working_ms, times.answers, times.answer_ms) == (6000, 2, 6000)
    assert cvat_times(dataset) == {"ann": CvatTimes(1, 1, 6 / 3600, 2, 3.0)}
    assert "read from CVAT's events" in page_of(client, dataset, admin_user)
    reconciled(dataset)
    assert len(asked(cvat)) == 1  # asked once


def test_events_of_the_whole_task_are_asked_for_not_of_thirty_days(cvat: CvatDouble) -> None:
    dataset = sent_world(cvat)
    version = finished(cvat, dataset)
    passed(minutes=3)
    reconciled(dataset)
    [query] = asked(cvat)
    since = datetime.fromisoformat(query["from"])
    assert since <= version.task.created_at < since + timedelta(minutes=3)


def test_work_on_a_version_before_is_not_counted_again(cvat: CvatDouble) -> None:
    dataset = sent_world(cvat)
    start = datetime.now(UTC)
    cvat.work_in_page(TASK, start, ACTS)
    finished(cvat, dataset)
    cvat.set_job(TASK, state="in progress")
    cvat.state.clock_offset = timedelta(hours=1)
    cvat.work_in_page(
        TASK, start + timedelta(hours=1), [("load:job", 0), ("change:attribute", 9)]
    )
    finished(cvat, dataset, {"posture": "sit", "doing": "wave"})
    passed(minutes=3)
    reconciled(dataset)
    first, second = JobTimes.objects.order_by("pk")
    assert (first.answers, first.answer_ms) == (2, 6000)
    assert (second.answers, second.answer_ms) == (1, 9000)


def test_a_server_without_analytics_is_asked_once_a_day_and_says_so(
    cvat: CvatDouble, client: Client, admin_user: User
) -> None:
    cvat.events_are_on = False
    dataset = sent_world(cvat, clips=2)
    finished(cvat, dataset)
    passed(minutes=3)
    for _ in range(2):
        assert reconciled(dataset).stage == "done"
    assert len(asked(cvat)) == 1
    assert cvat_times(dataset)["ann"] == CvatTimes(1, 0, 0.0, 0, None)
    page = page_of(client, dataset, admin_user)
    assert NOT_TOLD in page
    assert "its event store, ClickHouse, does not answer. It is asked again" in page
    assert "HTTPConnectionPool" not in page
    cvat.events_are_on = True
    cvat.work_in_page(TASK, timezone.now(), ACTS)
    passed(hours=25)
    reconciled(dataset)
    assert len(asked(cvat)) == 2
    assert NOT_TOLD not in page_of(client, dataset, admin_user)


def test_an_account_that_may_not_read_events_is_no_failure(cvat: CvatDouble) -> None:
    dataset = sent_world(cvat)
    finished(cvat, dataset)
    cvat.groups = ("worker",)
    passed(minutes=3)
    assert reconciled(dataset).stage == "done"
    server = CvatServer.objects.get()
    assert "permission" in server.events_refusal
    assert JobTimes.objects.get().asked_at is None


def test_a_server_without_the_export_is_no_failure(cvat: CvatDouble) -> None:
    dataset = sent_world(cvat)
    finished(cvat, dataset)
    passed(minutes=3)
    cvat.fail("POST", "/api/events/export", status=404, times=9)
    assert reconciled(dataset).stage == "done"
    assert CvatServer.objects.get().events_refusal


@pytest.mark.parametrize("status", [500, 503])
def test_events_that_cannot_be_read_now_are_asked_for_at_the_next_poll(
    cvat: CvatDouble, client: Client, admin_user: User, status: int
) -> None:
    dataset = sent_world(cvat)
    cvat.work_in_page(TASK, timezone.now(), ACTS)
    finished(cvat, dataset)
    passed(minutes=3)
    cvat.fail("POST", "/api/events/export", status=status, times=9)
    assert reconciled(dataset).stage == "done"
    assert CvatServer.objects.get().events_refused_at is None
    assert NOT_TOLD not in page_of(client, dataset, admin_user)
    cvat.faults.clear()
    reconciled(dataset)
    assert JobTimes.objects.get().answers == 2


def test_who_finished_a_job_is_asked_for_again_after_an_outage(cvat: CvatDouble) -> None:
    dataset = sent_world(cvat, clips=2)
    cvat.fail("POST", "/api/events/export", status=503, times=9)
    finished(cvat, dataset)
    cvat.faults.clear()
    before = len(cvat.exports)
    cvat.set_job(TASK, state="in progress")
    finished(cvat, dataset)
    assert len(cvat.exports) > before


def test_a_log_that_is_too_long_tells_nothing_and_stops_nothing(
    cvat: CvatDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = sent_world(cvat)
    cvat.work_in_page(TASK, timezone.now(), ACTS)
    finished(cvat, dataset)
    monkeypatch.setattr(job_calls, "MAX_LOG", 300)
    passed(minutes=3)
    reconciled(dataset)
    times = JobTimes.objects.get()
    assert times.asked_at is not None
    assert times.working_ms is None
    assert CvatServer.objects.get().events_refused_at is None


@pytest.mark.parametrize("text", ["<html>sign in</html>", "scope;timestamp\n", ""])
def test_a_file_that_is_no_log_is_no_failure(cvat: CvatDouble, text: str) -> None:
    dataset = sent_world(cvat)
    finished(cvat, dataset)
    passed(minutes=3)
    cvat.fail("GET", "/api/events/download", status=200, body=text or " ", times=9)
    assert reconciled(dataset).stage == "done"
    assert "without the columns" in CvatServer.objects.get().events_refusal
    assert JobTimes.objects.get().asked_at is None


def test_answers_that_were_fetched_before_a_crash_are_asked_about_too(cvat: CvatDouble) -> None:
    dataset = sent_world(cvat)
    version = finished(cvat, dataset)
    JobTimes.objects.all().delete()
    cvat.set_job(TASK, state="in progress")
    cvat.set_job(TASK, state="completed")
    reconciled(dataset)
    assert AnswerVersion.objects.get() == version
    assert JobTimes.objects.get().version == version
