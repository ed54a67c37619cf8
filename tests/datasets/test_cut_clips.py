import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from django.core.files.storage import Storage, default_storage

from avaproject.base.storage import local_path, store, stored_size
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets import clip_frames
from datasets.clip_frames import FramesError, frames_path, read_frame
from datasets.core.media.standard_video import read_frames
from datasets.core.media.standardising import standardise
from datasets.core.media.video_reader import VideoLimits
from datasets.models import Clip
from datasets.services import cut_clips as service
from datasets.services.cut_clips import cut_clip, encode_poster, plan_clips
from demo.world.frame_number import read_frame_number
from tests.make import make_dataset, make_video
from tests.video_files import make_video_file

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def standard_file(tmp_path_factory):
    """A standard video of 19 s 10 frames: a clip of 15 s and one of 130 frames."""
    folder = tmp_path_factory.mktemp("video")
    raw = make_video_file(folder / "raw.mkv", frames=580)
    standardise(raw, folder / "video.mp4", longest_side=160, limits=VideoLimits())
    return folder / "video.mp4"


@pytest.fixture
def video(standard_file):
    dataset = make_dataset("shop")
    with work_folder() as folder:
        (folder / "video.mp4").write_bytes(standard_file.read_bytes())
        name = store(folder / "video.mp4", "shop/videos/aisle.mp4")
    return make_video(dataset, "aisle", file=name, frame_count=580, width=160, height=96)


def frame_numbers_in(clip):
    with frames_path(clip) as path, zipfile.ZipFile(path) as frames:
        assert {entry.compress_type for entry in frames.infolist()} == {zipfile.ZIP_STORED}
        return {
            name: read_frame_number(cv2.imdecode(np.frombuffer(frames.read(name), np.uint8), 1))
            for name in frames.namelist()
        }


def test_clips_are_planned_once(video):
    assert plan_clips() == 2
    assert plan_clips() == 0
    assert list(video.clips.values_list("name", "start_frame", "frame_count")) == [
        ("aisle-c0000", 0, 450),
        ("aisle-c0001", 450, 130),
    ]


@pytest.mark.parametrize(("seconds", "last"), [(7, 160), (120, 580)])
def test_the_clip_length_is_a_setting_of_the_dataset(video, seconds, last):
    video.dataset.clip_seconds = seconds
    video.dataset.save()
    plan_clips()
    for planned in video.clips.all():
        cut_clip(planned.pk)
    *whole, end = video.clips.all()
    assert {clip.frame_count for clip in whole} <= {30 * seconds}
    assert (end.frame_count, end.start_frame) == (last, 580 - last)
    with local_path(end.file.name) as path:
        numbers = [read_frame_number(rgb) for _, rgb in read_frames(path)]
    assert numbers == list(range(580 - last, 580))
    assert list(frame_numbers_in(end).values()) == list(range(580 - last, 580, 6))


def test_only_videos_that_are_done_and_long_enough_are_planned():
    dataset = make_dataset("shop")
    make_video(dataset, stage=Stage.WAITING)
    make_video(dataset, frame_count=119)
    assert plan_clips() == 0


def test_planning_needs_two_queries_however_many_videos(django_assert_max_num_queries):
    dataset = make_dataset("shop")
    for _ in range(5):
        make_video(dataset)
    with django_assert_max_num_queries(4):
        assert plan_clips() == 15


def test_a_clip_gets_its_file_frames_and_poster(video):
    plan_clips()
    for planned in video.clips.all():
        cut_clip(planned.pk)
    clip = video.clips.get(index=1)
    assert (clip.stage, clip.file.name) == (Stage.DONE, "shop/clips/aisle-c0001.mp4")
    with local_path(clip.file.name) as path:
        numbers = [read_frame_number(rgb) for _, rgb in read_frames(path)]
    assert numbers == list(range(450, 580))
    assert default_storage.exists("shop/posters/aisle-c0001.jpg")


def test_annotation_frame_i_is_clip_frame_6_i_at_5_per_second(video):
    plan_clips()
    clip = cut_clip(video.clips.get(index=1).pk)
    numbers = frame_numbers_in(clip)
    assert list(numbers) == [f"aisle-c0001_frame_{index:04d}.jpg" for index in range(22)]
    assert list(numbers.values()) == [450 + 6 * index for index in range(22)]


@pytest.mark.parametrize(("rate", "count"), [(1, 5), (2, 9), (30, 130)])
def test_keyframes_are_among_the_annotation_frames_at_any_rate(video, rate, count):
    video.dataset.annotation_fps = rate
    video.dataset.save()
    plan_clips()
    clip = cut_clip(video.clips.get(index=1).pk)
    numbers = list(frame_numbers_in(clip).values())
    assert len(numbers) == count
    assert [numbers[rate * second] for second in range(5)] == [450, 480, 510, 540, 570]


def test_a_clip_shares_its_packets_with_the_file_of_the_video(video):
    plan_clips()
    clip = cut_clip(video.clips.get(index=1).pk)
    stored = Path(default_storage.path(clip.file.name)).stat().st_size
    with local_path(clip.file.name) as path:
        size = path.stat().st_size
    assert stored < size / 2
    assert stored_size(clip.file.name) == size


def test_annotation_frames_are_made_when_they_are_wanted_and_stay(video, monkeypatch):
    plan_clips()
    clip = cut_clip(video.clips.get(index=1).pk)
    assert clip.frames == ""
    assert clip.frame_bytes > 0
    numbers = frame_numbers_in(clip)
    clip.refresh_from_db()
    assert default_storage.exists(clip.frames.name)
    monkeypatch.setattr(clip_frames, "write_frames", None)
    assert frame_numbers_in(clip) == numbers


def test_the_frame_of_a_second_is_read_without_making_the_others(video):
    plan_clips()
    clip = cut_clip(video.clips.get(index=1).pk)
    first = read_frame(clip, 10)
    assert not default_storage.exists("shop/frames")
    with frames_path(clip) as path, zipfile.ZipFile(path) as frames:
        assert frames.read(frames.namelist()[10]) == first
    assert read_frame(Clip.objects.get(pk=clip.pk), 10) == first


def test_a_frame_between_seconds_makes_all_of_them_once(video):
    plan_clips()
    clip = cut_clip(video.clips.get(index=1).pk)
    read_frame(clip, 7)
    assert default_storage.listdir("shop/frames")[1] == ["aisle-c0001.zip"]
    with pytest.raises(FramesError, match="no annotation frame 22"):
        read_frame(clip, 22)


def test_the_frames_used_longest_ago_go_first(video, settings):
    plan_clips()
    first, second = (cut_clip(pk) for pk in video.clips.values_list("pk", flat=True))
    settings.ANNOTATION_FRAMES_BYTES = 1
    for clip in (first, second):
        with frames_path(clip):
            pass
    assert default_storage.listdir("shop/frames")[1] == ["aisle-c0001.zip"]
    first.refresh_from_db()
    assert first.frames == ""
    assert len(frame_numbers_in(first)) == 75


def test_frames_that_cannot_be_made_again_stay(video, settings):
    settings.ANNOTATION_FRAMES_BYTES = 1
    plan_clips()
    clip = cut_clip(video.clips.get(index=1).pk)
    other = make_video(video.dataset, "imported").clips.create(
        name="imported-c0000", index=0, start_frame=0, frame_count=150
    )
    with frames_path(clip) as path:
        other.frames = store(Path(shutil.copy(path, path.with_name("b"))), "shop/frames/b.zip")
    other.save()
    Clip.objects.filter(pk=clip.pk).update(frames="")
    with frames_path(clip):
        assert default_storage.exists("shop/frames/b.zip")


def test_the_same_clip_gives_the_same_bytes(video):
    def contents():
        names = [f"shop/{kind}" for kind in ("clips", "posters")]
        files = [
            f"{name}/{file}" for name in names for file in default_storage.listdir(name)[1]
        ]
        return {name: Path(default_storage.path(name)).read_bytes() for name in files}

    plan_clips()
    pk = video.clips.get(index=1).pk
    cut_clip(pk)
    first = contents()
    Clip.objects.update(stage=Stage.WAITING, attempts=0)
    cut_clip(pk)
    assert len(first) == 2
    assert contents() == first


def test_cutting_twice_changes_nothing(video):
    plan_clips()
    pk = video.clips.get(index=1).pk
    cut_clip(pk)
    assert cut_clip(pk) is None
    assert Clip.objects.get(pk=pk).attempts == 1


def test_a_clip_claimed_by_another_worker_is_skipped(video):
    plan_clips()
    pk = video.clips.get(index=1).pk
    Clip.objects.claim(pk)
    assert cut_clip(pk) is None
    assert not default_storage.exists("shop/clips")


def test_a_video_shorter_than_planned_fails_with_a_message(video):
    clip = Clip.objects.create(
        video=video, name="aisle-c0000", index=0, start_frame=450, frame_count=450
    )
    clip = cut_clip(clip.pk)
    assert (clip.stage, "only 580 frames" in clip.error) == (Stage.FAILED, True)
    assert not default_storage.exists("shop/clips")


def test_a_killed_worker_leaves_no_partial_clip(video, monkeypatch):
    def dies(rgb, **options):
        raise KeyboardInterrupt

    plan_clips()
    pk = video.clips.get(index=1).pk
    monkeypatch.setattr(service, "encode_jpeg", dies)
    with pytest.raises(KeyboardInterrupt):
        cut_clip(pk)
    assert not default_storage.exists("shop/clips")
    monkeypatch.undo()
    Clip.objects.update(lease_until="2000-01-01T00:00Z")
    assert cut_clip(pk).stage == Stage.DONE


def test_a_poster_is_small_and_never_enlarged():
    def size(width, height):
        content = encode_poster(np.zeros((height, width, 3), dtype=np.uint8))
        return cv2.imdecode(np.frombuffer(content, np.uint8), 1).shape[:2]

    assert size(1280, 720) == (270, 480)
    assert size(160, 96) == (96, 160)


class Away(Storage):
    """The storage as if it were no disk of this machine."""

    def __init__(self):
        self.opened = []

    def _save(self, name, content):
        return default_storage.save(name, content)

    def _open(self, name, mode="rb"):
        self.opened.append(name)
        return default_storage.open(name, mode)

    def exists(self, name):
        return False

    def get_modified_time(self, name):
        return default_storage.get_modified_time(name)


def test_a_video_in_a_bucket_is_downloaded_once_for_all_its_clips(video, monkeypatch, settings):
    away = Away()
    monkeypatch.setattr("avaproject.base.storage.default_storage", away)
    plan_clips()
    for planned in video.clips.all():
        assert cut_clip(planned.pk).stage == Stage.DONE
    assert away.opened == ["shop/videos/aisle.mp4"]
    assert not list((settings.DATA_DIR / "tmp").iterdir())
