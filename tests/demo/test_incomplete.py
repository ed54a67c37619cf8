"""A demo whose clip was given up makes no release without it: it says so."""

import pytest
from django.core.management import CommandError, call_command

from avaproject.base.work import MAX_ATTEMPTS, Stage
from datasets.models import Clip, Video
from demo.management.commands import demo as command
from demo.run import DemoRun, IncompleteError
from tests.make import make_clips, make_dataset, make_run, make_video

pytestmark = pytest.mark.django_db


class ReachedTheEndError(Exception):
    """The run got as far as it can here."""


@pytest.fixture
def dataset():
    return make_dataset("world")


@pytest.fixture
def clip(dataset):
    [clip, *_] = make_clips(make_video(dataset))
    return clip


@pytest.fixture
def run(dataset, tmp_path, monkeypatch):
    def end(*args, **kwargs):
        raise ReachedTheEndError

    monkeypatch.setattr("demo.run.receive_zip", lambda *args, **kwargs: None)
    monkeypatch.setattr("demo.run.request_bundle", end)
    return lambda: DemoRun(dataset, tmp_path, lambda: None, lambda title: None, None).run(
        tmp_path
    )


def exhaust(rows):
    rows.update(stage=Stage.RUNNING, attempts=MAX_ATTEMPTS, lease_until="2026-01-01T00:00Z")
    assert rows.fail_exhausted() == 1


def test_a_clip_that_was_given_up_stops_it_and_is_tried_again_when_it_is_repeated(run, clip):
    exhaust(Clip.objects.filter(pk=clip.pk))
    with pytest.raises(ReachedTheEndError):
        run()
    assert Clip.objects.get(pk=clip.pk).stage == Stage.WAITING
    exhaust(Clip.objects.filter(pk=clip.pk))
    with pytest.raises(IncompleteError, match=rf"{clip} has failed: .*Run the demo again"):
        DemoRun(clip.video.dataset, None, lambda: None, print, None)._work()


def test_a_failed_run_stops_it(run, clip):
    make_run(clip, stage=Stage.FAILED, error="The weights are missing.")
    with pytest.raises(IncompleteError, match="The weights are missing"):
        DemoRun(clip.video.dataset, None, lambda: None, print, None)._work()


def test_a_refused_video_is_left_out_and_one_that_was_given_up_is_not(run, dataset):
    video = make_video(dataset, stage=Stage.FAILED, error="notes.mp4 has no video stream")
    with pytest.raises(ReachedTheEndError):
        run()
    assert Video.objects.get().stage == Stage.FAILED
    Video.objects.update(stage=Stage.WAITING)
    exhaust(Video.objects.filter(pk=video.pk))
    with pytest.raises(IncompleteError, match="died"):
        DemoRun(dataset, None, lambda: None, print, None)._work()


def test_rows_that_wait_for_a_service_stop_it(run, clip):
    Clip.objects.filter(pk=clip.pk).update(stage=Stage.WAITING, error="The bucket is away.")
    with pytest.raises(IncompleteError, match=r"waits: The bucket is away\."):
        run()


def test_the_command_exits_with_the_sentence(monkeypatch):
    def incomplete(self, **options):
        raise IncompleteError("The clip a has failed: it died. Run the demo again.")

    monkeypatch.setattr(command.Command, "_run", incomplete)
    monkeypatch.setattr(command, "bootstrap", lambda write: None)
    with pytest.raises(CommandError, match="Run the demo again") as error:
        call_command("demo")
    assert error.value.returncode == 1
