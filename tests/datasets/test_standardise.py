from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from avaproject.base.storage import local_path, store
from avaproject.base.work import Stage
from datasets.core.media.standard_video import read_frames
from datasets.models import Video
from datasets.services.cut_clips import plan_clips
from datasets.services.standardise import standardise_video
from demo.world.frame_number import read_frame_number
from tests.make import make_dataset
from tests.video_files import make_video_file

pytestmark = pytest.mark.django_db


@pytest.fixture
def raw_video(tmp_path):
    def make(dataset=None, **options):
        path = make_video_file(tmp_path / "video.mkv", **options)
        name = store(path, "shop/raw/0000-aisle")
        return Video.objects.create(
            dataset=dataset or make_dataset("shop"), name="aisle", original_name="Aisle 3.mkv",
            sha256="0" * 64, size=1, raw=name,
        )  # fmt: skip

    return make


def test_a_raw_video_becomes_a_standard_video(raw_video):
    video = standardise_video(raw_video(frames=125, rate=25).pk)
    assert (video.stage, video.file.name) == (Stage.DONE, "shop/videos/aisle.mp4")
    assert (video.width, video.height, video.frame_count) == (160, 96, 150)
    assert video.probe["frame_rate"] == "25"
    assert "Resampled from 25 to 30 frames per second." in video.changes
    assert video.warnings == []
    with local_path(video.file.name) as path:
        assert read_frame_number(next(rgb for _, rgb in read_frames(path))) == 0


def test_the_settings_of_the_dataset_apply(raw_video):
    dataset = make_dataset("shop", longest_side=80)
    video = standardise_video(raw_video(dataset, frames=150).pk)
    assert (video.width, video.height) == (80, 48)


def test_the_limits_of_the_installation_apply(raw_video, settings):
    settings.MAX_VIDEO_SECONDS = 2
    video = standardise_video(raw_video(frames=150).pk)
    assert (video.stage, "at most 2 s" in video.error) == (Stage.FAILED, True)


def test_an_invalid_video_fails_with_its_name_and_leaves_no_file(raw_video):
    pk = raw_video(frames=5).pk
    video = standardise_video(pk)
    assert video.stage == Stage.FAILED
    assert video.error.startswith("Aisle 3.mkv is only 0.17 s long")
    assert not default_storage.exists("shop/videos/aisle.mp4")


def test_a_missing_raw_file_fails_with_a_message(raw_video):
    pk = raw_video(frames=30).pk
    default_storage.delete("shop/raw/0000-aisle")
    assert "No such file" in standardise_video(pk).error


def test_a_video_too_short_for_a_clip_says_so(raw_video):
    video = standardise_video(raw_video(frames=60).pk)
    assert video.warnings == ["It is 2.0 s long: too short for a clip (4 s)."]


def test_a_rest_at_the_end_makes_the_last_clip_longer(raw_video):
    video = standardise_video(raw_video(frames=525).pk)
    sentence = "One clip has 17.5 s: its last 2.5 s are too short for a clip."
    assert sentence in video.changes
    plan_clips()
    assert [clip.frame_count for clip in video.clips.all()] == [525]


def test_a_still_longer_than_a_clip_is_cut_out_and_named(raw_video):
    ticks = [*range(0, 6000, 40), *range(26_000, 32_000, 40)]
    video = standardise_video(raw_video(ticks=ticks).pk)
    assert (video.warnings, video.unreadable) == ([], [])
    ((start, stop),) = video.stills
    assert (start, stop) == (179, 780)
    assert any("Nothing changes at 6.0-26.0 s" in sentence for sentence in video.changes)
    plan_clips()
    assert [(clip.start_frame, clip.frame_count) for clip in video.clips.all()] == [
        (0, 180),
        (780, 180),
    ]


def test_standardising_twice_changes_nothing(raw_video):
    pk = raw_video(frames=30).pk
    video = standardise_video(pk)
    assert standardise_video(pk) is None
    video.refresh_from_db()
    assert video.attempts == 1


def test_a_video_claimed_by_another_worker_is_skipped(raw_video):
    pk = raw_video(frames=30).pk
    Video.objects.claim(pk)
    assert standardise_video(pk) is None
    assert not default_storage.exists("shop/videos/aisle.mp4")


def test_a_killed_attempt_goes_on_from_the_minutes_that_are_done(
    raw_video, settings, monkeypatch
):
    def die_in_the_second_minute(video, share):
        if share > 0.95:
            raise SystemExit

    pk = raw_video(frames=2000, rate=30, codec="mpeg4").pk
    with monkeypatch.context() as patch:
        patch.setattr(Video, "report", die_in_the_second_minute)
        for _ in range(2):
            with pytest.raises(SystemExit):
                standardise_video(pk)
            Video.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    [first] = (settings.DATA_DIR / "kept").rglob("*.mp4")
    kept_at = first.stat().st_mtime_ns
    changes = []
    monkeypatch.setattr(Video, "report", lambda video, share: changes.append(first.stat()))
    video = standardise_video(pk)
    assert (video.stage, video.frame_count) == (Stage.DONE, 2000)
    assert {each.st_mtime_ns for each in changes} == {kept_at}
    with local_path(video.file.name) as path:
        shown = [read_frame_number(rgb) for _, rgb in read_frames(path, start=1790, count=20)]
    assert shown == list(range(1790, 1810))
    assert not list((settings.DATA_DIR / "kept").iterdir())
