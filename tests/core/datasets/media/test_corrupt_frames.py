from fractions import Fraction
from random import Random

import av
import pytest

from datasets.core.media.clips_and_keyframes import FrameRange, clip_bounds
from datasets.core.media.corrupt_frames import CorruptionLog, as_frame_ranges
from datasets.core.media.standard_video import read_frames
from datasets.core.media.standardising import standardise
from datasets.core.media.video_reader import MediaError, VideoLimits
from demo.world.frame_number import read_frame_number
from tests.video_files import make_video_file

OPTIONS = {"crf": "10", "preset": "ultrafast", "g": "30", "keyint_min": "30"}


def standard_of(source):
    target = source.with_name("standard.mp4")
    return target, standardise(source, target, longest_side=1280, limits=VideoLimits())


def corrupted(path, first, last, *, by=bytes, frames=600):
    """A video whose packets `first` to `last` are overwritten, except their first bytes."""
    source = make_video_file(path, frames=frames, options=OPTIONS | {"bf": "0"})
    with av.open(str(source)) as video:
        places = [(packet.pos, packet.size) for packet in video.demux(video=0) if packet.size]
    content = bytearray(source.read_bytes())
    for pos, size in places[first : last + 1]:
        content[pos + 12 : pos + size] = by(size - 12)
    source.write_bytes(content)
    return source


def test_an_unreadable_range_is_found_and_no_clip_contains_it(tmp_path):
    target, made = standard_of(corrupted(tmp_path / "video.mp4", 100, 130))
    (lost,) = made.unreadable
    assert lost == FrameRange(100, 150)  # the loss hides one keyframe
    assert made.frame_count == 600
    assert made.warnings == ["The frames at 3.3-5.0 s are unreadable; no clip contains them."]
    numbers = [read_frame_number(rgb) for _, rgb in read_frames(target)]
    assert numbers == [*range(100), *[99] * 50, *range(150, 600)]
    for start, count in clip_bounds(made.frame_count, made.unreadable):
        assert start + count <= lost.start or start >= lost.stop


def test_a_mostly_unreadable_video_is_refused_with_the_times(tmp_path):
    with pytest.raises(MediaError, match=r"more than half .* at 3\.3-15\.0 s"):
        standard_of(corrupted(tmp_path / "video.mp4", 100, 425))
    assert not (tmp_path / "standard.mp4").exists()


def test_many_seconds_without_a_decodable_frame_are_one_unreadable_range(tmp_path):
    _, made = standard_of(corrupted(tmp_path / "video.mp4", 30, 400, frames=900))
    assert made.frame_count == 900
    assert made.unreadable == [FrameRange(30, 420)]


def test_one_bad_second_in_ten_still_gives_the_good_ones(tmp_path):
    source = corrupted(tmp_path / "video.mp4", 270, 299, frames=900)
    content = bytearray(source.read_bytes())
    with av.open(str(source)) as video:
        places = [(packet.pos, packet.size) for packet in video.demux(video=0) if packet.size]
    for pos, size in [*places[570:600], *places[870:900]]:
        content[pos + 12 : pos + size] = bytes(size - 12)
    source.write_bytes(content)
    _, made = standard_of(source)
    assert made.unreadable[:2] == [FrameRange(270, 300), FrameRange(570, 600)]
    assert clip_bounds(made.frame_count, made.unreadable) == [(0, 270), (300, 270), (600, 270)]


def test_a_video_whose_first_frames_are_unreadable_starts_with_a_readable_one(tmp_path):
    noise = Random(1).randbytes
    target, made = standard_of(corrupted(tmp_path / "video.mp4", 0, 20, by=noise))
    numbers = [read_frame_number(rgb) for _, rgb in read_frames(target)]
    good = numbers[made.unreadable[-1].stop if made.unreadable else 0 :]
    assert good == list(range(600 - len(good), 600))
    assert len(good) >= 570


def test_a_lost_part_of_a_transport_stream_is_found(tmp_path):
    source = make_video_file(tmp_path / "video.ts", frames=600, options=OPTIONS)
    content = source.read_bytes()
    packets = len(content) // 188
    begin, end = packets // 3 * 188, packets * 2 // 5 * 188
    source.write_bytes(content[:begin] + content[end:])
    target, made = standard_of(source)
    assert made.unreadable
    for index, rgb in read_frames(target):
        if not any(start <= index < stop for start, stop in made.unreadable):
            assert read_frame_number(rgb) == index


def test_an_intact_video_has_no_corruption(tmp_path):
    _, made = standard_of(make_video_file(tmp_path / "video.ts", frames=60, options=OPTIONS))
    assert (made.unreadable, made.warnings, made.probe["corrupt_frames"]) == ([], [], 0)


def test_few_times_are_listed_and_the_rest_counted():
    log = CorruptionLog()
    log.spans = [(Fraction(10 * n), Fraction(10 * n + 2)) for n in range(8)]
    assert log.describe().endswith("40.0-42.0 s and 3 more places")


def test_ranges_stay_inside_the_video():
    assert as_frame_ranges([(Fraction(9), Fraction(12))], frame_count=270) == []
    assert as_frame_ranges([(Fraction(8), Fraction(12))], frame_count=270) == [
        FrameRange(240, 270)
    ]
