import pytest

from avaproject.base.storage import local_path, store, stored_size
from avaproject.base.work import Stage
from datasets.core.media.standard_video import read_frames
from datasets.models import Clip, Video
from datasets.services.cut_clips import cut_clip, plan_clips
from datasets.services.early_clips import drop_early_clips
from datasets.services.standardise import standardise_video
from demo.world.frame_number import read_frame_number
from tests.make import make_clips, make_dataset, make_video
from tests.video_files import make_video_file

pytestmark = pytest.mark.django_db


def shown_in(clip):
    with local_path(clip.file.name) as path:
        return [read_frame_number(rgb) for _, rgb in read_frames(path)]


def test_the_first_clips_are_ready_while_the_rest_is_standardised(tmp_path, monkeypatch):
    source = make_video_file(tmp_path / "video.mkv", frames=2000, codec="mpeg4")
    raw = store(source, "shop/raw/0000-aisle")
    video = Video.objects.create(
        dataset=make_dataset("shop"), name="aisle", original_name="aisle.mkv",
        sha256="0" * 64, size=1, raw=raw,
    )  # fmt: skip
    early, sizes = [], []

    def look(row, share):
        if share > 0.95 and not early:
            early.extend(Clip.objects.done())
            sizes.extend(stored_size(clip.file.name) for clip in early)

    monkeypatch.setattr(Video, "report", look)
    video = standardise_video(video.pk)
    assert [(clip.start_frame, clip.frame_count) for clip in early] == [
        (0, 450),
        (450, 450),
        (900, 450),
    ]
    assert [clip.keyframes() for clip in early] == [
        clip.keyframes() for clip in video.clips.all()[:3]
    ]
    assert shown_in(early[1]) == list(range(450, 900))
    assert [stored_size(clip.file.name) for clip in early] == sizes
    assert plan_clips() == 0
    stages = video.clips.values_list("start_frame", "frame_count", "stage")
    assert list(stages)[3:] == [(1350, 450, Stage.WAITING), (1800, 200, Stage.WAITING)]
    last = cut_clip(video.clips.get(index=4).pk)
    assert shown_in(last) == list(range(1800, 2000))
    with local_path(video.file.name) as path:
        assert path.stat().st_size > 4 * sum(clip.file.size for clip in Clip.objects.done())


def test_the_early_clips_of_a_video_that_is_refused_are_deleted():
    video = make_video(make_dataset("shop"), stage=Stage.FAILED)
    make_clips(video)
    busy = make_clips(make_video(video.dataset))
    drop_early_clips(video)
    assert set(Clip.objects.all()) == set(busy)
