"""The release of rendered videos that models are trained on."""

import pytest

from benchmarks.training._world import ACTIONS, make_world, video_spec
from datasets.core.formats import ava
from qc.core.release.reader import ReleaseReader


def test_the_same_number_gives_the_same_video():
    assert video_spec(3) == video_spec(3)
    assert video_spec(3) != video_spec(4)


def test_people_do_more_than_one_thing():
    for number in range(10):
        for person in video_spec(number).people:
            assert len({segment.actions for segment in person.segments}) > 3


@pytest.mark.slow
def test_a_small_world_is_a_release_with_both_splits_and_is_kept(tmp_path):
    release = ReleaseReader(make_world(tmp_path, videos=4, processes=1))
    splits = [video.split for video in release.videos().values()]
    assert splits == ["train", "train", "train", "val"]
    assert {row.action_id for row in release.labels("train")} <= {a.action_id for a in ACTIONS}
    assert len(release.predicted("val")) > 9  # more than one at a keyframe
    frames = sorted((tmp_path / "rawframes/world-003-c0000").iterdir())
    assert (len(frames), frames[0].name) == (360, ava.frame_file(0))
    before = (tmp_path / "manifest.json").stat().st_mtime_ns
    make_world(tmp_path, videos=4)
    assert (tmp_path / "manifest.json").stat().st_mtime_ns == before
