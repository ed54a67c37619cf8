"""Answers on their way back: webhooks, reconciliation, versions."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.cvat.client import CvatClient
from annotation.cvat.job_calls import parse_date
from annotation.models import (
    AnswerVersion,
    CvatJob,
    CvatProject,
    CvatServer,
    Reconciliation,
    StoredBox,
    WebhookDelivery,
)
from annotation.services.box_table import box_table, task_box_table
from annotation.services.cvat.reconciliation import plan_reconciliations, reconcile
from avaproject.base.storage import StorageError
from avaproject.base.work import Stage
from tests.cvat_double.http_server import NO_ROUTE
from tests.cvat_double.state import HTML_500
from tests.cvat_double.steps import (
    FINISHED,
    TASK,
    job_named,
    post_delivery,
    process_deliveries,
    read_all,
    reconciled,
    sent_world,
    state_event,
    task_named,
)
from tests.stored_files import content_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset(cvat):
    return sent_world(cvat)


@pytest.fixture
def server(dataset):
    return CvatServer.objects.get()


def test_a_change_without_a_delivery_is_found(cvat, dataset):
    cvat.finish(TASK)
    assert reconciled(dataset).version_count == 1
    assert reconciled(dataset).version_count == 0


def test_only_finished_jobs_are_fetched(cvat, dataset):
    cvat.annotate(TASK, FINISHED)
    cvat.set_job(TASK, state="in progress")
    assert reconciled(dataset).version_count == 0
    assert job_named(TASK).cvat_state == "in progress"


def test_a_job_edited_after_it_was_finished_gives_another_version(cvat, dataset):
    cvat.finish(TASK, {"posture": "walk"})
    reconciled(dataset)
    cvat.annotate(TASK, {"posture": "sit"})
    assert reconciled(dataset, is_full=False).version_count == 1
    first, second = read_all()
    assert {one.answers["posture"] for one in first.annotations.all()} == {"walk"}
    assert {one.answers["posture"] for one in second.annotations.all()} == {"sit"}


def test_a_save_that_changes_nothing_gives_no_version(cvat, dataset):
    cvat.finish(TASK, FINISHED)
    reconciled(dataset)
    cvat.annotate(TASK, FINISHED)
    assert reconciled(dataset).version_count == 0
    row = job_named(TASK)
    assert row.fetched_at == row.changed_at


def test_a_changed_label_gives_no_version(cvat, dataset):
    cvat.finish(TASK, FINISHED)
    reconciled(dataset)
    with cvat.state.lock:
        cvat.state.change_label(1, {"color": "#3b82f6", "name": "human"})
    assert reconciled(dataset).version_count == 0


def test_answers_of_a_renamed_label_are_read(cvat, dataset):
    with cvat.state.lock:
        cvat.state.change_label(1, {"color": "#3b82f6", "name": "human"})
        cvat.state.labels[1]["attributes"][1]["name"] = "stance"
    cvat.finish(TASK, {"stance": "sit"})
    reconciled(dataset)
    (version,) = read_all()
    assert {one.answers["posture"] for one in version.annotations.all()} == {"sit"}


def test_a_value_renamed_in_cvat_is_named_and_all_else_is_read(cvat, dataset):
    cvat.finish(TASK, {"posture": "seated", "doing": "wave"})
    reconciled(dataset)
    (version,) = read_all()
    assert version.stage == Stage.DONE
    assert '"seated" is not an answer to posture' in version.problems[0]["text"]
    answers = [one.answers for one in version.annotations.all()]
    assert {one["posture"] for one in answers} == {"unset"}
    assert {tuple(one["doing"]) for one in answers} == {("wave",)}
    assert content_of(version.raw)


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_clock_that_differs_from_ours_hides_nothing(cvat, hours):
    cvat.state.clock_offset = timedelta(hours=hours)
    dataset = sent_world(cvat)
    reconciled(dataset)
    cvat.finish(TASK)
    assert reconciled(dataset, is_full=False).version_count == 1


def test_a_clock_set_back_hides_nothing_from_a_full_reconciliation(cvat, dataset):
    reconciled(dataset)
    cvat.state.clock_offset = timedelta(hours=-3)
    cvat.finish(TASK)
    assert reconciled(dataset, is_full=False).version_count == 0
    assert reconciled(dataset).version_count == 1


def test_a_change_that_appears_late_is_found(cvat, dataset):
    """Its date lies a little before another's that was seen already."""
    reconciled(dataset)
    cvat.state.clock_offset = timedelta(seconds=-60)
    cvat.finish(TASK)
    assert reconciled(dataset, is_full=False).version_count == 1


def test_a_deleted_task_is_found_by_every_reconciliation(cvat, dataset):
    cvat.finish(TASK)
    reconciled(dataset)
    cvat.state.delete_task(job_named(TASK).cvat_task_id)
    done = reconciled(dataset, is_full=False)
    assert (done.deleted_count, done.is_full) == (1, True)
    assert "can be sent again" in job_named(TASK).message
    assert AnswerVersion.objects.count() == 1


@pytest.mark.parametrize("is_full", [True, False])
def test_a_project_moved_to_another_organisation_is_named(cvat, dataset, is_full):
    """CVAT then lists none of its jobs, but answers for each."""
    reconciled(dataset)
    cvat.state.projects[1]["organization"] = 2
    cvat.finish(TASK)
    done = reconciled(dataset, is_full=is_full)
    assert done.stage == Stage.FAILED
    assert "project 1 in another organisation than avalab" in done.error
    assert not job_named(TASK).is_deleted
    cvat.state.projects[1]["organization"] = 1
    assert reconciled(dataset).version_count == 1


def test_a_job_without_assignee_is_reported(cvat, dataset):
    cvat.set_job(TASK, assignee=None)
    reconciled(dataset)
    assert "the job is assigned to nobody, not to ann" in job_named(TASK).message


def test_an_edit_between_date_and_annotations_is_found_next_time(cvat, dataset, monkeypatch):
    cvat.finish(TASK, {"posture": "walk"})
    real = CvatClient.annotations

    def edited_first(self, job_id):
        monkeypatch.setattr(CvatClient, "annotations", real)
        cvat.annotate(TASK, {"posture": "sit"})
        return real(self, job_id)

    monkeypatch.setattr(CvatClient, "annotations", edited_first)
    reconciled(dataset)
    row = job_named(TASK)
    assert row.fetched_at < cvat_date(cvat)
    assert reconciled(dataset).version_count == 0
    assert job_named(TASK).fetched_at == cvat_date(cvat)


def cvat_date(cvat):
    return parse_date(cvat.job_of(TASK)["updated_date"])


def test_an_error_at_any_call_is_repaired_by_the_next_reconciliation(cvat, dataset):
    cvat.finish(TASK)
    for skip in range(4):
        AnswerVersion.objects.all().delete()
        CvatJob.objects.update(fetched_at=None)
        cvat.fail("GET", "/api/", drop="before", skip=skip)
        reconciled(dataset)
        Reconciliation.objects.update(not_before=None)
        if not AnswerVersion.objects.exists():
            reconcile(Reconciliation.objects.filter(stage=Stage.WAITING).get().pk)
        assert AnswerVersion.objects.count() == 1, skip
        cvat.faults.clear()


def test_reconciliations_run_every_five_minutes_and_a_full_one_every_hour(cvat, dataset):
    assert plan_reconciliations() == 1
    assert plan_reconciliations() == 0
    first = Reconciliation.objects.get()
    assert first.is_full
    reconcile(first.pk)
    Reconciliation.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    assert plan_reconciliations() == 1
    assert not Reconciliation.objects.first().is_full


def test_with_cvat_down_one_reconciliation_waits_and_no_more_are_created(cvat, dataset):
    plan_reconciliations()
    cvat.stop()
    reconcile(Reconciliation.objects.get().pk)
    Reconciliation.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    assert plan_reconciliations() == 0
    assert "cannot be reached" in Reconciliation.objects.get().error


def test_unavailable_storage_defers_a_reconciliation_and_loses_no_answers(
    cvat, dataset, monkeypatch
):
    def away(name):
        raise StorageError("The bucket is away.")

    cvat.finish(TASK)
    with monkeypatch.context() as patch:
        patch.setattr(default_storage, "path", away)
        row = reconciled(dataset)
    assert (row.stage, row.error) == (
        "waiting", "The bucket is away. It will be retried automatically.",
    )  # fmt: skip
    assert not AnswerVersion.objects.exists()
    assert reconciled(dataset).version_count == 1


def test_drawn_persons_have_no_person_id(cvat, dataset):
    task = job_named(TASK).cvat_task_id
    box = {"type": "rectangle", "frame": 0, "points": [300, 100, 350, 250], "attributes": []}
    drawn = {"label_id": 1, "frame": 0, "attributes": [], "shapes": [box]}
    with cvat.state.lock:
        data = cvat.state.annotations[task]
        cvat.state.save(task, {"tracks": [*data["tracks"], drawn]}, by="ann")
    cvat.set_job(TASK, state="completed")
    reconciled(dataset)
    (version,) = read_all()
    assert version.person_count == 3
    assert set(version.annotations.values_list("person_id", flat=True)) == {1, 2, None}


def test_the_newest_answers_are_one_table(cvat, dataset):
    task = job_named(TASK).cvat_task_id
    cvat.finish(TASK, FINISHED)
    with cvat.state.lock:
        data = cvat.state.annotations[task]
        deleted_count = data["tracks"][1]["shapes"][0] | {"frame": 30, "outside": True}
        data["tracks"][1]["shapes"][1:] = [deleted_count]
    reconciled(dataset)
    read_all()
    lines = list(csv.DictReader(io.StringIO("".join(box_table(dataset)))))
    assert list(lines[0]) == [
        "task", "job", "track", "frame", "xtl", "ytl", "xbr", "ybr", "outside", "attributes",
        "annotator",
    ]  # fmt: skip
    second = [line for line in lines if line["track"] == "1"]
    assert [(line["frame"], line["outside"]) for line in second] == [("0", "0"), ("30", "1")]
    assert (lines[0]["task"], lines[0]["annotator"]) == (TASK, "ann")
    assert (lines[0]["xtl"], lines[0]["ybr"], lines[0]["job"]) == ("100.00", "250.00", "1")
    said = json.loads(second[0]["attributes"])
    assert (said["posture"], said["person_id"]) == ("walk", "2")


def test_every_version_keeps_its_boxes(cvat, dataset):
    cvat.finish(TASK, FINISHED)
    reconciled(dataset)
    cvat.finish(TASK, {"posture": "sit"})
    reconciled(dataset)
    first, second = read_all()
    assert first.boxes.count() == second.boxes.count() > 0
    values = [
        {box.attributes["posture"] for box in StoredBox.objects.filter(version=version)}
        for version in (first, second)
    ]
    assert values == [{"walk"}, {"sit"}]
    assert set(StoredBox.objects.values_list("task", "job", "annotator")) == {
        (first.task_id, job_named(TASK).job_id, "ann")
    }
    lines = list(csv.DictReader(io.StringIO("".join(task_box_table(first.task, number=1)))))
    assert {json.loads(line["attributes"])["posture"] for line in lines} == {"walk"}


def test_reading_a_version_again_doubles_no_box(cvat, dataset):
    cvat.finish(TASK, FINISHED)
    reconciled(dataset)
    (version,) = read_all()
    before = version.boxes.count()
    AnswerVersion.objects.filter(pk=version.pk).update(stage=Stage.WAITING)
    read_all()
    assert version.boxes.count() == before


def test_the_table_of_a_dataset_without_answers_is_its_header(cvat, dataset):
    assert len(list(box_table(dataset))) == 1


def test_the_command_fetches_and_reads(cvat, dataset, capsys):
    cvat.finish(TASK, FINISHED)
    call_command("sync_annotations", dataset="shop")
    assert "1 new version. 1 versions read, 0 refused" in capsys.readouterr().out
    call_command("sync_annotations", dataset="shop")
    assert AnswerVersion.objects.get().stage == Stage.DONE


def test_the_command_says_what_is_wrong(cvat, dataset):
    with pytest.raises(CommandError, match="no dataset nosuch connected"):
        call_command("sync_annotations", dataset="nosuch")
    cvat.stop()
    with pytest.raises(CommandError, match="cannot be reached"):
        call_command("sync_annotations", dataset="shop")


def test_every_row_may_be_worked_on_twice(cvat, dataset, server):
    cvat.finish(TASK)
    post_delivery(server, state_event(cvat))
    for _ in range(2):
        process_deliveries()
        reconciled(dataset)
        read_all()
    assert AnswerVersion.objects.count() == 1
    assert CvatProject.objects.count() == 1


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, NO_ROUTE, "is CVAT starting"),
        (200, HTML_500, "is CVAT starting"),
        (
            404,
            '{"detail": "avalab organization does not exist."}',
            "no organisation with the short name avalab",
        ),
    ],
)
def test_a_restarting_or_moved_cvat_marks_nothing_as_deleted(
    cvat, dataset, server, status, body, message
):
    cvat.finish(TASK)
    post_delivery(server, state_event(cvat))
    for path in ("/api/jobs$", "/api/jobs/1$"):
        cvat.fail("GET", path, status=status, body=body, times=2)
    order = reconciled(dataset)
    process_deliveries()
    assert not job_named(TASK).is_deleted
    assert (order.stage, message in order.error) == (Stage.WAITING, True)
    assert message in WebhookDelivery.objects.get().error
    for rows in (Reconciliation.objects, WebhookDelivery.objects):
        rows.retry_now()
    cvat.faults.clear()
    process_deliveries()
    assert task_named(TASK).versions.count() == 1
