from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.core.management.base import CommandError
from django.urls import reverse

from annotation.models import Annotation
from avaproject.base.work import Stage
from datasets.models import Dataset
from datasets.services.cut_clips import cut_clip, plan_clips
from datasets.services.delete import delete, delete_pending_files
from datasets.services.recut import copy_videos
from datasets.services.standardise import standardise_video
from tests.make import (
    make_annotator,
    make_dataset,
    make_run,
    make_task,
    make_user,
    make_version,
    make_video,
)
from tests.stored_files import put
from tests.video_files import make_video_file

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    return make_user()


@pytest.fixture
def source(admin, tmp_path):
    """A dataset with a video that is cut."""
    dataset = make_dataset("shop", owner=admin)
    content = make_video_file(tmp_path / "video.mkv", frames=150).read_bytes()
    video = make_video(
        dataset, "aisle", raw=put("shop/raw/aisle", content), stage=Stage.WAITING
    )
    standardise_video(video.pk)
    plan_clips()
    cut_clip(video.clips.get().pk)
    return dataset


def files(folder):
    found, names = default_storage.listdir(folder)
    inner = [name for one in found for name in files(f"{folder}/{one}")]
    return sorted([*inner, *(f"{folder}/{name}" for name in names)])


def contents(folder):
    return {name: Path(default_storage.path(name)).read_bytes() for name in files(folder)}


def test_videos_are_cut_again_with_other_settings_and_the_old_clips_stay(source):
    target = make_dataset("small", longest_side=80)
    before = contents("shop")
    assert copy_videos(source, target) == (1, [])
    video = target.videos.get()
    assert (video.name, video.stage) == ("aisle", Stage.WAITING)
    assert standardise_video(video.pk).width == 80
    plan_clips()
    assert cut_clip(video.clips.get().pk).stage == Stage.DONE
    assert contents("shop") == before


def test_the_length_of_a_clip_is_a_setting_of_the_new_dataset(source, admin):
    clip = source.videos.get().clips.get()
    make_version(make_task(make_run(clip), make_annotator(source)))
    answers = list(Annotation.objects.values())
    target = make_dataset("short", clip_seconds=4)
    copy_videos(source, target)
    video = standardise_video(target.videos.get().pk)
    plan_clips()
    assert [cut.frame_count for cut in video.clips.all()] == [150]
    assert "its last 1.0 s are too short for a clip" in video.changes[-1]
    assert source.videos.get().clips.get() == clip
    assert list(Annotation.objects.values()) == answers


def test_a_raw_file_stays_after_the_other_dataset_is_deleted(source):
    target = make_dataset("small")
    copy_videos(source, target)
    delete(source)
    delete_pending_files()
    assert standardise_video(target.videos.get().pk).stage == Stage.DONE


def test_copying_twice_adds_nothing(source):
    target = make_dataset("small")
    copy_videos(source, target)
    assert copy_videos(source, target).new == 0
    assert target.videos.count() == 1


def test_a_video_copied_again_after_deletion_has_a_new_name(source):
    target = make_dataset("small")
    copy_videos(source, target)
    delete(target.videos.get())
    copy_videos(source, target)
    delete_pending_files()
    video = target.videos.get()
    assert video.name == "aisle-2"
    assert default_storage.exists(video.raw.name)


def test_a_video_without_a_raw_file_is_skipped_and_named(source, capsys):
    make_video(source, "bundled", raw="")
    make_dataset("small")
    call_command("recut", dataset="shop", into="small")
    output = capsys.readouterr().out
    assert "skipped: bundled" in output
    assert "1 new video in dataset small" in output


@pytest.mark.parametrize(("dataset", "into"), [("shop", "shop"), ("shop", "none")])
def test_invalid_datasets_are_refused(source, dataset, into):
    with pytest.raises(CommandError, match="create"):
        call_command("recut", dataset=dataset, into=into)


def form(**changes):
    values = {
        "name": "small", "vocabulary": "street", "detector": "rfdetr-nano", "threshold": "0.4",
        "longest_side": "64", "clip_seconds": "5", "annotation_fps": "5", "frame_stride": "1",
    }  # fmt: skip
    return values | changes


def test_the_page_creates_the_new_dataset_with_the_videos(client, admin, source):
    client.force_login(admin)
    url = reverse("datasets:new")
    page = client.get(url, {"videos_of": "shop"}).content.decode()
    assert '<option value="shop" selected>' in page
    answer = client.post(url, form(videos_of="shop"))
    assert answer["Location"] == "/datasets/small/videos/"
    assert Dataset.objects.get(name="small").videos.get().name == "aisle"


def test_videos_of_another_users_dataset_cannot_be_copied(client, source):
    client.force_login(make_user())
    assert client.post(reverse("datasets:new"), form(videos_of="shop")).status_code == 200
    assert not Dataset.objects.filter(name="small").exists()
