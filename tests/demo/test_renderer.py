"""The rendered world: its images, its stamps, and its truth."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from demo.world.frame_number import draw_frame_number
from demo.world.motion import ACTION_NAMES
from demo.world.renderer import (
    DEMO_VIDEOS,
    TruthBox,
    draw_frame,
    read_frame_number,
    render,
    small_videos,
    source_frame_at,
    truth_at,
)
from demo.world.videos import PARK, PLAZA

ALL_VIDEOS = [*DEMO_VIDEOS, *small_videos()]
by_name = pytest.mark.parametrize("spec", ALL_VIDEOS, ids=lambda spec: spec.name)


@pytest.mark.parametrize("size", [(320, 192), (853, 480), (1280, 720)], ids=str)
def test_a_frame_number_survives_scaling_and_jpeg(size):
    image = np.full((540, 960, 3), 120, np.uint8)
    draw_frame_number(image, 654_321)
    small = cv2.resize(image, size)
    coded = cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], 1)
    assert read_frame_number(coded) == 654_321


def test_a_number_too_large_is_refused():
    with pytest.raises(ValueError, match="1048576"):
        draw_frame_number(np.zeros((96, 160, 3), np.uint8), 1 << 20)


def test_an_image_without_a_number_reads_as_none():
    assert read_frame_number(np.full((96, 160), 128, np.uint8)) is None


def test_the_three_videos_differ_in_size_rate_codec_and_container():
    assert len(DEMO_VIDEOS) == 3
    for what in ("width", "fps", "codec", "extension", "style"):
        assert len({getattr(spec, what) for spec in DEMO_VIDEOS}) == 3
    assert all(30 <= spec.seconds <= 40 for spec in DEMO_VIDEOS)


def test_all_actions_are_done():
    done = {
        action
        for spec in DEMO_VIDEOS
        for second in range(spec.seconds)
        for box in truth_at(spec, 30 * second)
        if box.visible > 0.5
        for action in box.actions
    }
    assert done == set(ACTION_NAMES.values())


@by_name
def test_boxes_are_inside_the_image_and_persons_are_unique(spec):
    for frame in range(0, 30 * spec.seconds, 45):
        people = truth_at(spec, frame)
        ids = [one.person_id for one in people]
        assert ids == sorted(set(ids))
        for one in people:
            x1, y1, x2, y2 = one.box
            assert 0 <= x1 < x2 <= 1
            assert 0 <= y1 < y2 <= 1
            assert 0 <= one.visible <= 1


@pytest.mark.parametrize("spec", DEMO_VIDEOS, ids=lambda spec: spec.name)
def test_a_person_leaves_and_returns_and_one_is_occluded(spec):
    sightings: dict[int, list[int]] = {}
    hidden = 0
    for frame in range(0, 30 * spec.seconds, 15):
        for one in truth_at(spec, frame):
            sightings.setdefault(one.person_id, []).append(frame)
            inside = one.box[0] > 0.02 and one.box[2] < 0.98
            hidden += inside and one.visible < 0.5
    longest = [max(np.diff(frames)) for frames in sightings.values() if len(frames) > 1]
    assert max(longest) >= 60
    assert hidden


@pytest.mark.parametrize("spec", DEMO_VIDEOS, ids=lambda spec: spec.name)
def test_people_are_large_enough_for_a_small_detector(spec):
    heights = [
        one.box[3] - one.box[1]
        for second in range(spec.seconds)
        for one in truth_at(spec, 30 * second)
    ]
    assert min(heights) >= 0.12
    assert 0.25 <= np.median(heights) <= 0.6


def test_ground_truth_matches_the_drawn_outline():
    """The pixels that differ from the empty scene lie in the box, and reach its sides."""
    from dataclasses import replace

    spec = replace(small_videos()[0], props=(), people=small_videos()[0].people[1:2])
    (one,) = truth_at(spec, 30)
    drawn = draw_frame(spec, source_frame_at(spec, 30)).astype(int)
    empty = draw_frame(replace(spec, people=()), source_frame_at(spec, 30)).astype(int)
    changed = np.abs(drawn - empty).sum(axis=2) > 60
    changed[: spec.height // 8] = False
    rows, columns = np.nonzero(changed)
    x1, y1, x2, y2 = np.array(one.box) * [spec.width, spec.height, spec.width, spec.height]
    assert x1 == pytest.approx(columns.min(), abs=2)
    assert y1 == pytest.approx(rows.min(), abs=2)
    assert y2 == pytest.approx(rows.max() + 1, abs=2)
    assert one.visible == 1.0
    assert x2 >= columns[rows < y2 - 6].max() - 2  # its shadow leans to the right


def test_the_same_spec_gives_the_same_file(tmp_path):
    spec = small_videos()[1]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = render(spec, tmp_path / "a"), render(spec, tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert not list(tmp_path.rglob("*.part"))


def test_an_existing_video_is_not_rendered_again(tmp_path):
    spec = small_videos()[0]
    (tmp_path / spec.file_name).write_bytes(b"kept")
    assert render(spec, tmp_path).read_bytes() == b"kept"


def test_each_frame_is_shown_at_its_time(tmp_path):
    spec = small_videos()[1]
    with av.open(render(spec, tmp_path)) as container:
        stream = container.streams.video[0]
        numbers = []
        for number, frame in enumerate(container.decode(stream)):
            assert frame.pts * stream.time_base == spec.shown_at(number)
            numbers.append(read_frame_number(frame.to_ndarray(format="rgb24")))
    assert numbers == list(range(spec.frame_count))


def test_a_standard_frame_shows_the_last_source_frame_before_it():
    # 25 fps: frames 0, 1, 2, ... are shown at 0, 1.2, 2.4, 3.6, 4.8, 6 thirtieths
    assert [source_frame_at(PLAZA, frame) for frame in range(8)] == [0, 1, 2, 2, 3, 4, 5, 6]
    assert source_frame_at(PLAZA, 10**6) == PLAZA.frame_count - 1


def test_containers_with_milliseconds_round_times():
    assert PARK.shown_at(1) == Fraction(33, 1000)
    assert PLAZA.shown_at(1) == Fraction(1, 25)


def test_a_frame_before_the_first_is_refused():
    with pytest.raises(ValueError, match="-1"):
        source_frame_at(PLAZA, -1)


def test_a_person_outside_the_image_is_not_in_the_ground_truth():
    assert 4 not in {one.person_id for one in truth_at(PLAZA, 0)}


def test_ground_truth_is_a_plain_value():
    one = truth_at(PLAZA, 0)[0]
    assert isinstance(one, TruthBox)
    assert one.actions[0] in ("stand", "walk", "run/jog", "sit")
