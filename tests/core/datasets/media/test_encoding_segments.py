"""Videos encoded in segments are the same, frame by frame, and go on after a kill."""

from fractions import Fraction

import av
import pytest

from datasets.core.media import encoding_segments, standardising
from datasets.core.media.standard_video import read_frames
from datasets.core.media.standardising import standardise
from datasets.core.media.stream_copy import may_be_standard
from datasets.core.media.video_reader import VideoLimits, open_video
from demo.world.frame_number import read_frame_number
from tests.video_files import make_video_file

LIMITS = VideoLimits(1 << 24, 3600)
FRAMES = 230


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def video(tmp_path):
    """A video whose encoding has pictures that refer to later ones."""
    return make_video_file(tmp_path / "walk.webm", frames=FRAMES, rate=25, codec="libvpx")


@pytest.fixture
def short_segments(monkeypatch):
    monkeypatch.setattr(encoding_segments, "SEGMENT_FRAMES", 60)


def made(video, target, parts=None, progress=None):
    target.parent.mkdir(exist_ok=True)
    found = standardise(
        video, target, longest_side=640, limits=LIMITS, parts=parts, progress=progress
    )
    return found, target


def numbers(path):
    """The number that each frame shows."""
    return [read_frame_number(rgb) for _, rgb in read_frames(path)]


def test_a_joined_video_is_a_standard_video_with_every_frame_in_its_place(
    video, tmp_path, monkeypatch
):
    whole, one = made(video, tmp_path / "whole" / "a.mp4")
    monkeypatch.setattr(encoding_segments, "SEGMENT_FRAMES", 60)
    joined, many = made(video, tmp_path / "joined" / "a.mp4")
    assert joined == whole
    assert whole.frame_count == 276
    with av.open(str(many)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.dts is not None]
        times = sorted(packet.pts * packet.time_base for packet in packets)
        assert times == [Fraction(frame, 30) for frame in range(whole.frame_count)]
        decoding = [packet.dts for packet in packets]
        assert decoding == sorted(set(decoding))
        keys = [packet.pts * packet.time_base for packet in packets if packet.is_keyframe]
        assert keys == list(range(10))
    with open_video(many, LIMITS) as opened:
        assert may_be_standard(opened.probe, (whole.width, whole.height))
    assert numbers(many) == numbers(one)
    assert len(numbers(many)) == whole.frame_count


def test_a_killed_encoding_goes_on_from_its_finished_segments(
    video, tmp_path, monkeypatch, short_segments
):
    undisturbed, whole = made(video, tmp_path / "whole" / "a.mp4")
    parts, encoded = tmp_path / "parts", []
    parts.mkdir()
    configure = standardising.configure_standard

    def counted(stream, *args):
        encoded.append(stream)
        configure(stream, *args)

    def killed(share):
        if len(encoded) == 3:
            raise KilledError

    monkeypatch.setattr(standardising, "configure_standard", counted)
    with pytest.raises(KilledError):
        made(video, tmp_path / "killed" / "a.mp4", parts, killed)
    assert encoding_segments.finished_frames(parts) == 120
    encoded.clear()
    resumed, path = made(video, tmp_path / "resumed" / "a.mp4", parts)
    assert len(encoded) == 3
    assert resumed == undisturbed
    assert path.read_bytes() == whole.read_bytes()


def test_a_last_segment_that_is_shorter_is_not_taken_for_a_finished_one(
    video, tmp_path, short_segments
):
    """The end of a first attempt may be the end of what could be read then."""
    parts = tmp_path / "parts"
    parts.mkdir()
    found, path = made(video, tmp_path / "one" / "a.mp4", parts)
    assert found.frame_count % 60 != 0
    assert encoding_segments.finished_frames(parts) < found.frame_count
    again, other = made(video, tmp_path / "two" / "a.mp4", parts)
    assert (again, other.read_bytes()) == (found, path.read_bytes())


def test_a_short_video_is_one_segment_and_is_not_joined(video, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding_segments, "_join", None)
    parts = tmp_path / "parts"
    parts.mkdir()
    made(video, tmp_path / "a.mp4", parts)
    assert not list(parts.iterdir())
