import os
import signal

import pytest
from celery import shared_task
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from avaproject.base.work import MAX_ATTEMPTS, Stage
from datasets.models import Clip, Video
from tests.make import make_clips, make_dataset, make_video, worker_that_is_gone
from workers import loop as loop_module
from workers.loop import Loop, Outcome, ShutdownSignal
from workers.pipeline import Step, no_plan
from workers.planning import Planner

pytestmark = pytest.mark.django_db


class BrokenVideoError(ValueError):
    """An expected failure of a step."""


@shared_task
def process_video(pk: int) -> None:
    video = Video.objects.claim(pk)
    if video is None:
        return
    with video.working(BrokenVideoError):
        if video.original_name == "broken":
            raise BrokenVideoError("broken.mp4 has no video stream")
        if video.original_name == "bug":
            raise ZeroDivisionError("a bug")
        if video.original_name == "long":
            raise KeyboardInterrupt
        video.finish()


@shared_task
def process_clip(pk: int) -> None:
    clip = Clip.objects.claim(pk)
    if clip is not None:
        clip.finish()


@shared_task
def never_claim(pk: int) -> None:
    raise RuntimeError("no detector of that name")


VIDEOS = Step("process videos", no_plan, Video, process_video)
CLIPS = Step("process clips", no_plan, Clip, process_clip, queue="gpu")


@pytest.fixture
def dataset():
    return make_dataset()


def waiting(dataset, *names: str) -> list[Video]:
    return [
        make_video(dataset, original_name=name, stage=Stage.WAITING, frame_count=450)
        for name in names
    ]


def run(*steps: Step, **options) -> list[Outcome]:
    loop = Loop(steps=steps, on_result=lambda outcome: None, **options)
    loop.run(once=True)
    return loop.outcomes


def test_without_work_it_ends_at_once():
    assert run(VIDEOS, CLIPS) == []


def test_every_waiting_row_is_done_once(dataset):
    videos = waiting(dataset, "a", "b")
    assert [outcome.row for outcome in run(VIDEOS)] == [video.name for video in videos]
    assert run(VIDEOS) == []


def test_a_row_that_fails_is_reported_and_the_others_are_done(dataset):
    waiting(dataset, "broken", "bug", "good")
    assert [outcome.error for outcome in run(VIDEOS)] == [
        "broken.mp4 has no video stream",
        "Unexpected ZeroDivisionError: a bug",
        "",
    ]


def test_a_row_whose_task_fails_before_its_claim_is_tried_once(dataset):
    waiting(dataset, "a")
    [outcome] = run(Step("look", no_plan, Video, never_claim))
    assert outcome.error == "RuntimeError: no detector of that name"
    assert Video.objects.counts()[Stage.WAITING] == 1


def test_later_steps_go_first(dataset):
    make_clips(waiting(dataset, "a")[0], stage=Stage.WAITING)
    assert [outcome.step for outcome in run(VIDEOS, CLIPS)] == [CLIPS.name, VIDEOS.name]


def test_work_planned_after_finished_work_is_done_too(dataset):
    def plan(since) -> None:
        for video in Video.objects.done().filter(clips=None):
            make_clips(video, stage=Stage.WAITING)

    waiting(dataset, "a")
    steps = run(VIDEOS, Step("process clips", plan, Clip, process_clip))
    assert [outcome.step for outcome in steps] == [VIDEOS.name, "process clips"]


def test_a_loop_of_one_queue_leaves_the_other_queue_alone(dataset):
    make_clips(waiting(dataset, "a")[0], stage=Stage.WAITING)
    assert [outcome.step for outcome in run(VIDEOS, CLIPS, queues=("gpu",))] == [CLIPS.name]
    assert Video.objects.counts()[Stage.WAITING] == 1


def test_it_waits_for_rows_that_run_elsewhere(dataset):
    [video] = waiting(dataset, "a")
    Video.objects.claim(video.pk)
    Video.objects.update(worker="elsewhere/1/2")
    rounds = []

    def plan(since) -> None:
        rounds.append(1)
        if len(rounds) == 2:
            Video.objects.update(stage=Stage.DONE)

    assert run(Step("look", plan, Video, process_video)) == []
    assert len(rounds) > 1


def test_the_rows_of_a_killed_process_are_claimed_at_once(dataset):
    [video] = waiting(dataset, "a")
    Video.objects.claim(video.pk)
    Video.objects.update(worker=worker_that_is_gone(), enqueued_at=timezone.now())
    assert [outcome.row for outcome in run(VIDEOS)] == [video.name]


def test_a_row_that_keeps_killing_its_worker_fails(dataset):
    waiting(dataset, "a")
    Video.objects.update(stage=Stage.RUNNING, attempts=MAX_ATTEMPTS, worker="elsewhere/1/2")
    Video.objects.update(lease_until=timezone.now())
    [outcome] = run(VIDEOS)
    assert outcome.error == "killed its worker too often"
    assert Video.objects.get().stage == Stage.FAILED


@pytest.fixture
def faults(monkeypatch):
    """What the database answers in the next rounds."""
    left, run_round = [], Planner.run_round

    def away(planner):
        if left:
            raise left.pop(0)
        return run_round(planner)

    monkeypatch.setattr(Planner, "run_round", away)
    monkeypatch.setattr(loop_module, "SECONDS_WITHOUT_DATABASE", 0.0)
    return left


def test_a_loop_goes_on_after_a_database_fault(dataset, faults):
    faults += [OperationalError("server closed the connection"), InterfaceError("closed")]
    [video] = waiting(dataset, "a")
    assert [outcome.row for outcome in run(VIDEOS)] == [video.name]


def test_a_loop_that_is_to_end_does_not_wait_for_ever(dataset, faults, monkeypatch):
    faults += [OperationalError("away")] * 3
    monkeypatch.setattr(loop_module, "LONGEST_OUTAGE", -1.0)
    with pytest.raises(OperationalError):
        run(VIDEOS)


def test_a_row_that_could_not_be_claimed_for_a_database_fault_is_tried_again(dataset):
    times = []

    @shared_task
    def claim_late(pk: int) -> None:
        times.append(pk)
        if len(times) < 3:
            raise OperationalError("database is locked")
        process_video(pk)

    [video] = waiting(dataset, "a")
    assert [outcome.row for outcome in run(Step("look", no_plan, Video, claim_late))] == [
        video.name
    ]


def test_the_claim_of_an_interrupted_row_is_released(dataset):
    waiting(dataset, "long", "other")
    shutdown = ShutdownSignal()
    assert run(VIDEOS, shutdown=shutdown) == []
    assert shutdown.requested
    interrupted = Video.objects.get(original_name="long")
    assert (interrupted.stage, interrupted.attempts) == (Stage.WAITING, 0)
    assert interrupted.lease_until is None


def test_the_first_ctrl_c_lets_the_current_row_finish(dataset):
    messages: list[str] = []

    @shared_task
    def interrupted(pk: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        process_video(pk)

    first, second = waiting(dataset, "a", "b")
    with ShutdownSignal(messages.append) as shutdown:
        outcomes = run(Step("look", no_plan, Video, interrupted), shutdown=shutdown)
    assert [outcome.row for outcome in outcomes] == [first.name]
    assert Video.objects.get(pk=second.pk).stage == Stage.WAITING
    assert messages == ["Stopping after the current row; press Ctrl-C again to stop at once."]


def test_a_second_ctrl_c_or_sigterm_interrupts():
    with ShutdownSignal(lambda sentence: None):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    with ShutdownSignal(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


def test_the_previous_handlers_are_restored():
    before = signal.getsignal(signal.SIGINT)
    with ShutdownSignal():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
