"""Which clip a video of a file is, and which moment of it a keyframe."""

import pytest

from annotation.core.importing.clip_places import ClipIndex, likely_rate, place_video
from datasets.core.formats.external.document import (
    ImportedBox,
    ImportedTrack,
    ImportedVideo,
    TimeUnit,
)
from tests.core.annotation.importing.places import places

BOX = (0.0, 0.0, 10.0, 10.0)


def video(name, unit=TimeUnit.FRAME, *, at=(0,), **fields):
    boxes = tuple(ImportedBox(one, BOX) for one in at)
    return ImportedVideo(name, unit, tracks=(ImportedTrack("1", boxes),), **fields)


def scales(found, **options):
    placed = place_video(found, ClipIndex(places()), **options)
    return [(one.clip.name, one.scale.at(0), one.scale.per_second) for one in placed.places]


@pytest.mark.parametrize(
    "name", ["Shop 1.mp4", "shop", "/data/raw/Shop 1.mp4", "C:\\videos\\Shop 1.MP4", "shop-1"]
)
def test_a_source_video_is_found_by_its_names_and_shows_all_its_clips(name):
    found = scales(video(name))
    assert [one[0] for one in found] == ["shop-c0000", "shop-c0001", "shop-c0002"]
    assert [one[1] for one in found] == [0, 15 * 25, 30 * 25]  # the rate of the raw file


@pytest.mark.parametrize("name", ["shop-c0001", "shop-c0001--ann", "shop-c0001.mp4"])
def test_a_clip_is_found_by_its_name_and_that_of_its_tasks(name):
    assert scales(video(name)) == [("shop-c0001", 0, 30)]


def test_a_name_that_two_videos_share_is_none():
    both = ClipIndex([*places("a", original="x.mp4"), *places("b", original="x.mp4")])
    assert both.find("x.mp4") == ([], False)
    assert len(both.find("a")[0]) == 3


def test_a_video_of_another_name_is_nowhere_unless_somebody_says_what_it_is():
    assert scales(video("yard")) == []
    assert len(scales(video("yard"), called="shop")) == 3


@pytest.mark.parametrize(
    ("unit", "fields", "wanted"),
    [
        (TimeUnit.SECOND, {}, (0, 1)),
        (TimeUnit.TIMESTAMP, {}, (902, 1)),
        (TimeUnit.ANNOTATION_FRAME, {}, (0, 5)),
        (TimeUnit.FRAME, {"frame_count": 75}, (0, 5)),  # a task of annotation frames
        (TimeUnit.FRAME, {"frame_count": 570}, (60, 30)),  # the released clip, padded
        (TimeUnit.FRAME, {"frame_count": 450}, (0, 30)),
        (TimeUnit.FRAME, {"fps": 10.0}, (0, 10)),
        (TimeUnit.SECOND, {"frame_count": 570}, (2, 1)),
    ],
)
def test_the_moments_of_a_clip_are_those_of_its_unit_and_length(unit, fields, wanted):
    assert scales(video("shop-c0001", unit, **fields)) == [("shop-c0001", *wanted)]


@pytest.mark.parametrize(
    ("at", "options", "first"),
    [
        ((2, 30), {}, 0),  # within the video
        ((902, 930), {}, 900),
        ((902,), {"first_timestamp": 890}, 890),
    ],
)
def test_timestamps_of_a_source_video_begin_at_0_or_900(at, options, first):
    found = scales(video("shop", TimeUnit.TIMESTAMP, at=at), **options)
    assert [one[1] for one in found] == [first, first + 15, first + 30]


def test_images_begin_with_1_unless_there_is_an_image_0():
    assert scales(video("shop", TimeUnit.IMAGE, at=(1, 35)))[0][1:] == (1, 1)
    assert scales(video("shop", TimeUnit.IMAGE, at=(0, 35)))[0][1:] == (0, 1)


def test_the_rate_of_images_is_the_lowest_at_which_all_fit():
    assert likely_rate(35, 35, 25) == 1
    assert likely_rate(170, 35, 25) == 5
    assert likely_rate(800, 35, 25) == 25
    assert likely_rate(5000, 35, 0) == 30


def test_boxes_without_a_size_are_pixels_of_the_raw_file_turned_as_it_is_shown():
    raw = ClipIndex(places())
    upright = ClipIndex(places(raw_size=(720, 1280)))
    for index in (raw, upright):
        placed = place_video(video("shop"), index)
        assert (placed.places[0].to_x, placed.places[0].to_y) == (0.5, 0.5)
        assert any("names no size" in note for note in placed.notes)


def test_a_frame_of_other_proportions_is_noted():
    placed = place_video(video("shop", width=640, height=480), ClipIndex(places()))
    assert any("is it another video" in note for note in placed.notes)
