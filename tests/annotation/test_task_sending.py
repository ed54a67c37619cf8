import json
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from annotation.models import AnnotationTask, CvatJob, CvatProject
from annotation.selectors.tasks import group_specs
from annotation.services.answers import receive_answers
from annotation.services.cvat import task_sending
from annotation.services.cvat.connection import save_server
from annotation.services.cvat.projects import resend_tasks
from annotation.services.cvat.task_sending import request_sending, send_tasks
from avaproject.base.storage import StorageError
from avaproject.base.work import Stage
from datasets.core.formats.cvat_document import Document, Shape, XmlTrack
from datasets.core.formats.cvat_labels import attributes_from
from datasets.core.formats.cvat_xml import dump
from tests.cvat_double.steps import (
    job_named,
    make_world,
    project_of,
    send_all,
    send_waiting,
    sent_world,
    set_up,
)

pytestmark = pytest.mark.django_db
TASK = "aisle-c0000--ann"


def hurried():
    """Let time pass: deferred rows may be tried again."""
    CvatJob.objects.update(not_before=None)
    CvatProject.objects.update(not_before=None)


def whole_and_single(cvat):
    """Every task in CVAT has its pictures, and there is one of each name."""
    names = [task["name"] for task in cvat.state.tasks.values()]
    assert len(names) == len(set(names))
    assert all(task.get("size") for task in cvat.state.tasks.values())
    return sorted(names)


def test_every_task_becomes_a_task_with_one_job_assigned_on_the_job(cvat):
    dataset = sent_world(cvat, annotators=("ann", "bob"), clips=2)
    assert whole_and_single(cvat) == [
        "aisle-c0000--ann", "aisle-c0000--bob", "aisle-c0001--ann", "aisle-c0001--bob",
    ]  # fmt: skip
    for row in CvatJob.objects.filter(project__dataset=dataset):
        job = cvat.state.jobs[row.job_id]
        assert job["assignee"]["username"] == row.assignee == row.task.annotator.name
        assert cvat.state.tasks[row.cvat_task_id]["name"] == str(row.task)
        assert cvat.state.tasks[row.cvat_task_id]["assignee"] is None
        assert (job["start_frame"], job["stop_frame"]) == (0, 74)


def test_the_frames_are_the_clips_annotation_frames_in_order(cvat):
    sent_world(cvat)
    names = cvat.state.frames[job_named(TASK).cvat_task_id]
    assert (len(names), names) == (75, sorted(names))


def test_the_pre_annotation_has_reduced_keyframes_and_its_source(cvat):
    sent_world(cvat)
    tracks = cvat.state.annotations[job_named(TASK).cvat_task_id]["tracks"]
    numbers = {one["name"]: one["id"] for one in cvat.state.labels[1]["attributes"]}
    assert [one["attributes"] for one in tracks] == [
        [{"spec_id": numbers["person_id"], "value": person}] for person in ("1", "2")
    ]
    assert {one["source"] for one in tracks} == {"auto"}
    # They stand still over the whole clip: its first and its last picture say it all.
    assert [[shape["frame"] for shape in one["shapes"]] for one in tracks] == [[0, 74]] * 2
    assert [shape["attributes"] for one in tracks for shape in one["shapes"]] == [[]] * 4


def test_sending_again_sends_nothing(cvat):
    dataset = sent_world(cvat)
    calls = len(cvat.calls)
    assert request_sending(dataset) == 0
    send_waiting()
    assert send_tasks(CvatJob.objects.get().pk) == 0
    assert len(cvat.calls) == calls


def test_a_claimed_row_is_not_sent_twice(cvat):
    dataset = make_world(cvat)
    set_up(dataset)
    request_sending(dataset)
    row = CvatJob.objects.get()
    CvatJob.objects.claim(row.pk)
    assert send_tasks(row.pk) == 0
    assert cvat.state.tasks == {}


def calls_of_one_sending(cvat):
    """How many calls it takes to send one task, all told."""
    before = len(cvat.calls)
    sent_world(cvat)
    return cvat.calls[before:]


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize("number", range(20))
def test_an_error_at_any_call_and_a_retry_leave_one_complete_task(cvat, number, drop):
    dataset = make_world(cvat)
    set_up(dataset)
    cvat.fail("GET|POST|PUT|PATCH|DELETE", "/api/", drop=drop, skip=number)
    cvat.faults[-1].method = ""
    send_all(dataset)
    for _ in range(4):
        hurried()
        send_waiting()
    assert whole_and_single(cvat) == [TASK]
    row = CvatJob.objects.get()
    assert (row.stage, row.error, row.deferrals) == (Stage.DONE, "", 0)
    assert cvat.state.jobs[row.job_id]["assignee"]["username"] == "ann"
    assert len(cvat.state.annotations[row.cvat_task_id]["tracks"]) == 2


def test_the_errors_above_hit_every_call_of_an_upload(cvat):
    calls = calls_of_one_sending(cvat)
    assert len(calls) < 20 + 9, calls  # those of setting up come before


def test_the_row_of_a_killed_worker_goes_to_another(cvat):
    dataset = make_world(cvat)
    set_up(dataset)
    request_sending(dataset)
    row = CvatJob.objects.get()
    cvat.state.add_task({"name": TASK, "project_id": 1})  # what the killed one got done
    CvatJob.objects.filter(pk=row.pk).update(
        stage=Stage.RUNNING, lease_until="2026-01-01T00:00:00Z", attempts=1
    )
    send_waiting()
    assert whole_and_single(cvat) == [TASK]


def test_two_workers_with_one_task_leave_one(cvat):
    dataset = sent_world(cvat)
    first = job_named(TASK).cvat_task_id
    CvatJob.objects.update(stage=Stage.WAITING, job_id=None, cvat_task_id=None)
    task = cvat.state.add_task({"name": TASK, "project_id": 1, "segment_size": 75})
    cvat.state.uploads[task["id"]] = {f"{n:03d}.jpg": b"jpeg" for n in range(75)}
    cvat.state.start_making(task["id"], {"image_quality": 90}, 0.0)
    send_all(dataset)
    assert whole_and_single(cvat) == [TASK]
    assert job_named(TASK).cvat_task_id == first


def test_a_started_job_is_used_unchanged(cvat):
    sent_world(cvat)
    cvat.annotate(TASK, {"posture": "sit"})
    before = json.dumps(cvat.state.annotations)
    CvatJob.objects.update(stage=Stage.WAITING, job_id=None, cvat_task_id=None)
    send_waiting()
    assert CvatJob.objects.get().stage == Stage.DONE
    assert json.dumps(cvat.state.annotations) == before


def test_a_task_of_that_name_with_other_frames_is_reported(cvat):
    dataset = make_world(cvat)
    set_up(dataset)
    task = cvat.state.add_task({"name": TASK, "project_id": 1})
    task["size"] = 30
    send_all(dataset)
    assert "with 30 frames, but the clip has 75" in CvatJob.objects.get().error


def test_images_that_cvat_rejects_leave_no_empty_task(cvat, monkeypatch):
    dataset = make_world(cvat)
    set_up(dataset)
    monkeypatch.setattr("tests.cvat_double.state.is_image", lambda name, content: False)
    send_all(dataset)
    row = CvatJob.objects.get()
    assert (row.stage, cvat.state.tasks) == (Stage.FAILED, {})
    assert "No media data found" in row.error


@pytest.mark.parametrize("is_active", [None, False])
def test_an_annotator_who_is_not_a_member_is_reported(cvat, is_active):
    if is_active is False:
        number = cvat.add_user("dan", is_member=False)
        cvat.state.add_member(number, role="worker", is_active=False)
    dataset = make_world(cvat, annotators=("dan",))
    set_up(dataset)
    send_all(dataset)
    row = CvatJob.objects.get()
    assert row.stage == Stage.FAILED
    assert "dan" in row.error
    assert "invite them, or" in row.error


def test_a_failure_of_one_task_does_not_stop_the_others(cvat):
    dataset = make_world(cvat, annotators=("dan", "ann"), clips=2)
    set_up(dataset)
    send_all(dataset)
    assert CvatJob.objects.counts() | {"failed": 2, "done": 2} == CvatJob.objects.counts()


def test_cvat_down_defers_the_tasks_with_a_message(cvat):
    dataset = make_world(cvat, clips=3)
    set_up(dataset)
    cvat.stop()
    send_all(dataset)
    rows = CvatJob.objects.all()
    assert {row.stage for row in rows} == {Stage.WAITING}
    assert "cannot be reached" in rows[0].error
    assert CvatJob.objects.claimable().filter(pk=rows[0].pk).count() == 0
    cvat.start()
    hurried()
    send_waiting()
    assert len(whole_and_single(cvat)) == 3


def test_unavailable_storage_defers_the_tasks_with_a_message(cvat, monkeypatch):
    def away(name):
        raise StorageError("The bucket is away.")

    dataset = make_world(cvat, clips=3)
    set_up(dataset)
    with monkeypatch.context() as patch:
        patch.setattr(default_storage, "path", away)
        send_all(dataset)
    rows = CvatJob.objects.all()
    assert {row.stage for row in rows} == {Stage.WAITING}
    assert rows[0].error == "The bucket is away. It will be retried automatically."
    assert CvatJob.objects.claimable().filter(pk=rows[0].pk).count() == 0
    hurried()
    send_waiting()
    assert len(whole_and_single(cvat)) == 3


def test_retry_after_is_respected(cvat):
    dataset = make_world(cvat)
    set_up(dataset)
    cvat.fail("POST", "/api/tasks$", status=429, headers={"Retry-After": "90"})
    send_all(dataset)
    row = CvatJob.objects.get()
    assert row.not_before > timezone.now() + timedelta(seconds=80)
    assert "throttling" in row.error
    hurried()
    send_waiting()
    assert whole_and_single(cvat) == [TASK]


def test_an_expired_token_defers_the_tasks(cvat):
    dataset = make_world(cvat, clips=2)
    set_up(dataset)
    server = project_of(dataset).server
    good, cvat.token = cvat.token, "another"
    send_all(dataset)
    assert "Enter a new one" in CvatJob.objects.first().error
    cvat.token = good
    save_server(server, token=good)  # as the page does; what waited goes on at once
    send_waiting()
    assert len(whole_and_single(cvat)) == 2


def test_a_repeated_internal_error_of_cvat_is_a_failure(cvat):
    dataset = make_world(cvat)
    set_up(dataset)
    cvat.fail("POST", "/api/tasks$", status=500, times=50)
    send_all(dataset)
    for _ in range(8):
        hurried()
        send_waiting()
    row = CvatJob.objects.get()
    assert row.stage == Stage.FAILED
    assert "tried 7 times" in row.error


def test_sending_can_be_paused_and_resumed(cvat, settings):
    settings.CVAT_CONCURRENCY = 1
    dataset = make_world(cvat, clips=3)
    set_up(dataset)
    request_sending(dataset)
    CvatProject.objects.update(is_paused=True)
    send_waiting()
    assert cvat.state.tasks == {}
    send_all(dataset)
    assert len(whole_and_single(cvat)) == 3


def test_pausing_takes_effect_between_two_tasks(cvat, settings, monkeypatch):
    settings.CVAT_CONCURRENCY = 1
    dataset = make_world(cvat, clips=3)
    set_up(dataset)
    request_sending(dataset)
    real = task_sending.upload_task

    def uploads_and_stops(*args):
        sent = real(*args)
        uploaded.append(sent)
        return sent

    uploaded = []
    monkeypatch.setattr(task_sending, "upload_task", uploads_and_stops)
    monkeypatch.setattr(
        task_sending._Sender, "_finish", _finish_and_pause(task_sending._Sender._finish)
    )
    send_tasks(CvatJob.objects.first().pk)
    assert len(uploaded) == 1
    assert CvatJob.objects.counts() | {"done": 1, "waiting": 2} == CvatJob.objects.counts()


def _finish_and_pause(finish):
    def both(self, upload):
        finish(self, upload)
        CvatProject.objects.update(is_paused=True)

    return both


def test_an_interrupt_releases_the_rows(cvat, monkeypatch):
    dataset = make_world(cvat, clips=3)
    set_up(dataset)
    request_sending(dataset)

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(task_sending, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        send_tasks(CvatJob.objects.first().pk)
    assert CvatJob.objects.counts()["waiting"] == 3
    monkeypatch.undo()
    send_waiting()
    assert len(whole_and_single(cvat)) == 3


def test_imported_answers_are_sent_as_the_pre_annotation(cvat):
    dataset = make_world(cvat)
    set_up(dataset)
    task = AnnotationTask.objects.get()
    said = attributes_from({"posture": "sit"}, 1, group_specs(dataset)) | {"strange": "x"}
    shape = Shape(0, (1.0, 2.0, 30.0, 40.0), False, True, said)
    content = dump(Document(str(task), 75, 640, 360, (), (XmlTrack((shape,)),)))
    version = receive_answers(task, content)
    send_all(dataset)
    (track,) = cvat.state.annotations[job_named(TASK).cvat_task_id]["tracks"]
    assert "sit" in [one["value"] for one in track["shapes"][0]["attributes"]]
    version.stage = Stage.FAILED  # what was refused does not go out
    version.save()
    resend_tasks(CvatJob.objects.all())
    cvat.state.delete_task(1)
    send_waiting()
    assert len(cvat.state.annotations[job_named(TASK).cvat_task_id]["tracks"]) == 2
