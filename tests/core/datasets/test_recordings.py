from datetime import UTC, datetime, timedelta

import pytest

from datasets.core.recordings import (
    Source,
    chapter,
    continues,
    is_shared,
    recording_groups,
    time_in_name,
)

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("GX010042.MP4", 1),
        ("GH120042.mp4", 12),
        ("GOPR0042.MP4", 0),
        ("GP030042.MP4", 3),
        ("DJI_0007.MP4", 7),
        ("DJI_20240501120000_0007_D.MP4", 7),
    ],
)
def test_cameras_number_the_chapters_of_a_recording(name, number):
    assert chapter(name).number == number


@pytest.mark.parametrize("name", ["walk.mp4", "GX01004.MP4", "IMG_0001.MOV", ""])
def test_other_names_say_nothing_about_chapters(name):
    assert chapter(name) is None


@pytest.mark.parametrize(
    "name",
    ["20240501_120000_NF.mp4", "2024_0501_120000_001F.MP4", "REC_2024-05-01_12-00-00_F.mp4"],
)
def test_dash_cams_name_files_by_the_time(name):
    assert time_in_name(name)[1] == datetime(2024, 5, 1, 12)  # noqa: DTZ001  a camera's clock


def test_a_date_that_does_not_exist_is_no_time():
    assert time_in_name("20241399_120000_F.mp4") is None


def test_the_next_chapter_has_the_next_name_and_the_same_frame():
    first, second = Source("GX010042.MP4", 600), Source("GX020042.MP4", 300)
    assert continues(first, second, likeness=0.99)
    assert not continues(second, first, likeness=0.99)
    assert continues(first, second, likeness=0.85)
    assert not continues(first, second, likeness=0.3)
    assert not continues(Source("DJI_0001.MP4", 9), Source("DJI_0002.MP4", 9), likeness=0.85)
    assert not continues(first, Source("GX020043.MP4", 300), likeness=0.99)
    assert not continues(first, Source("GX030042.MP4", 300), likeness=0.99)


def test_the_next_chapter_may_begin_when_the_first_one_ends():
    first = Source("DJI_0001.MP4", 600, NOON)
    assert continues(
        first, Source("DJI_0002.MP4", 9, NOON + timedelta(seconds=601)), likeness=0
    )
    assert not continues(
        first, Source("DJI_0002.MP4", 9, NOON + timedelta(seconds=900)), likeness=0
    )


def test_files_of_a_dash_cam_follow_one_another_by_their_times():
    first = Source("20240501_120000_F.mp4", 60)
    assert continues(first, Source("20240501_120101_F.mp4", 60), likeness=0)
    assert not continues(first, Source("20240501_120101_R.mp4", 60), likeness=0)
    assert not continues(first, Source("20240501_120500_F.mp4", 60), likeness=0)


def test_links_and_labels_make_groups():
    labels = {"a": "", "b": "yard", "c": "", "d": "yard", "e": "", "f": ""}
    groups = recording_groups(labels, [("a", "c"), ("e", "c"), ("c", "b"), ("f", "gone")])
    assert groups == {"a": "a", "b": "a", "c": "a", "d": "a", "e": "a", "f": "f"}
    assert recording_groups({}, []) == {}


def test_a_title_that_many_videos_share_does_not_join_them():
    assert not is_shared(5, 300, 300)
    assert is_shared(12, 300, 300)
    assert is_shared(5, 300, 8)
