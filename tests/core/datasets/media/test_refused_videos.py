"""Truncated, corrupt or oversized videos, and files that are none: partly used or refused."""

from fractions import Fraction
from types import SimpleNamespace

import av
import pytest

from datasets.core.media.standard_video import encode_jpeg
from datasets.core.media.video_reader import MediaError, VideoLimits, VideoReader, probe
from datasets.core.video_files import BARE_STREAMS
from tests.video_files import (
    LIMITS,
    SIZE,
    frame_numbers_in,
    make_video_file,
    numbered_frame,
    standard_of,
)


def truncated(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def faststart(path, **video):
    """A video with its index in front, so that it opens without its end."""
    plain = make_video_file(path.with_name("plain.mp4"), **video)
    with (
        av.open(str(plain)) as source,
        av.open(str(path), "w", options={"movflags": "+faststart"}) as out,
    ):
        copy = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    return path


def test_the_readable_part_of_a_truncated_video_is_used_with_a_warning(tmp_path):
    source = truncated(faststart(tmp_path / "video.mp4", frames=300), 0.6)
    target, made = standard_of(source)
    assert "is truncated: only" in made.warnings[0]
    assert "of 10.0 s" in made.warnings[0]
    numbers = [number for _, number in frame_numbers_in(target)]
    assert 100 < made.frame_count < 250
    assert numbers == list(range(made.frame_count))


def test_a_video_that_starts_late_is_not_taken_for_one_that_was_truncated(tmp_path):
    source = make_video_file(tmp_path / "video.mkv", frames=60, ticks=range(9000, 11000, 33))
    target, made = standard_of(source, keep_truncated=False)
    assert made.warnings == []
    assert [number for _, number in frame_numbers_in(target)][:3] == [0, 1, 2]


def test_a_truncated_avi_has_its_declared_length(tmp_path):
    source = truncated(make_video_file(tmp_path / "video.avi", frames=300, codec="mpeg4"), 0.5)
    target, made = standard_of(source)
    assert made.warnings[0].startswith("video.avi is truncated: only")
    assert made.warnings[0].endswith("of 10.0 s can be read.")
    assert [number for _, number in frame_numbers_in(target)] == list(range(made.frame_count))


def test_a_truncated_video_is_refused_if_the_dataset_wants_that(tmp_path):
    source = truncated(faststart(tmp_path / "video.mp4", frames=300), 0.6)
    with pytest.raises(MediaError, match=r"video\.mp4 is truncated"):
        standard_of(source, keep_truncated=False)
    assert not (tmp_path / "standard.mp4").exists()


def test_a_video_that_is_mostly_unreadable_is_refused(tmp_path):
    source = make_video_file(
        tmp_path / "video.mp4", frames=120, options={"g": "1", "crf": "10"}
    )
    with av.open(str(source)) as video:
        places = [(p.pos, p.size) for p in video.demux(video=0) if p.size]
    content = bytearray(source.read_bytes())
    for pos, size in places[30:]:
        content[pos + 4 : pos + size] = bytes(size - 4)
    source.write_bytes(content)
    with pytest.raises(MediaError, match="unreadable"):
        standard_of(source)
    assert not (tmp_path / "standard.mp4").exists()


def test_a_video_shorter_than_half_a_second_is_refused(tmp_path):
    with pytest.raises(MediaError, match=r"only 0\.47 s"):
        standard_of(make_video_file(tmp_path / "video.mkv", frames=14))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (VideoLimits(max_pixels=160 * 95), "frames of 160x96.*AVA_MAX_VIDEO_PIXELS"),
        (VideoLimits(max_seconds=1), "2 s long.*AVA_MAX_VIDEO_SECONDS"),
    ],
)
def test_a_video_over_the_limits_is_refused(tmp_path, limits, message):
    source = make_video_file(tmp_path / "video.mkv", frames=60)
    with pytest.raises(MediaError, match=message):
        standard_of(source, limits=limits)
    with pytest.raises(MediaError, match=message):
        probe(source, limits)


def test_a_frame_that_is_too_large_is_no_damage_where_the_container_has_no_size(tmp_path):
    source = make_video_file(tmp_path / "video.ts", frames=60)
    with pytest.raises(MediaError, match=r"160x96; at most .*AVA_MAX_VIDEO_PIXELS"):
        probe(source, VideoLimits(max_pixels=160 * 95))


def test_a_frame_size_that_grows_later_is_refused(tmp_path):
    small = make_video_file(tmp_path / "small.ts", frames=30)
    large = make_video_file(tmp_path / "large.ts", frames=60, size=(640, 384))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(MediaError, match=r"both\.ts"):
        standard_of(both, limits=VideoLimits(max_pixels=200 * 200))
    assert not (tmp_path / "standard.mp4").exists()


def test_a_stream_that_appears_after_opening_is_ignored():
    """PyAV raises IndexError at a packet of a stream that it did not see when it opened."""
    packets = iter(["one", IndexError("list index out of range"), "two"])

    def demux(stream):
        for packet in packets:
            if isinstance(packet, Exception):
                raise packet
            yield packet

    video = VideoReader.__new__(VideoReader)
    video._container, video._stream = SimpleNamespace(demux=demux), None
    assert list(video._packets()) == ["one", "two"]


@pytest.mark.parametrize("start", [0, 1000], ids=["from 0", "from 1000 s"])
def test_two_concatenated_videos_are_joined(tmp_path, start):
    """Also if the first one began long after the second, so that no overflow explains it."""
    options = {"output_ts_offset": str(start)}
    first = make_video_file(tmp_path / "first.ts", frames=60, container_options=options)
    second = make_video_file(tmp_path / "second.ts", frames=60, first_number=60)
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    target, made = standard_of(both)
    assert [number for _, number in frame_numbers_in(target)] == list(range(120))
    assert made.frame_count == 120
    assert made.warnings[-1] == "Its timestamps restarted once; the parts were joined."


def test_timestamps_that_overflow_go_on(tmp_path):
    """Those of MPEG-TS have 33 bits, of 90 000 ticks a second."""
    options = {"output_ts_offset": str(2**33 / 90_000 - 1)}
    reordered = {"x264-params": "bframes=3:b-adapt=0:scenecut=0"}
    source = make_video_file(
        tmp_path / "video.ts", frames=60, options=reordered, container_options=options
    )
    target, made = standard_of(source)
    assert [number for _, number in frame_numbers_in(target)] == list(range(60))
    assert made.warnings == []


def test_frames_that_change_their_shape_are_said_to_be_stretched(tmp_path):
    first = make_video_file(tmp_path / "first.ts", frames=60)
    second = make_video_file(
        tmp_path / "second.ts", frames=60, size=(96, 160),
        container_options={"output_ts_offset": "2"},
    )  # fmt: skip
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    _, made = standard_of(both)
    assert (made.width, made.height) == SIZE
    assert made.warnings[-1] == (
        "Its frames change their shape at 2.0 s; all are stretched to the first shape."
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"some text\n" * 99, "not a video", id="text"),
        pytest.param(b"ffconcat version 1.0\nfile /etc/passwd\n", "not a video", id="script"),
        pytest.param(b"#EXTM3U\n#EXTINF:9,\nhttp://x/\n", "not a video", id="playlist"),
    ],
)
def test_what_is_no_video_is_refused_with_its_name(tmp_path, content, message):
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=rf"aisle\.mp4.*{message}"):
        standard_of(path, name="aisle.mp4")
    assert not (tmp_path / "standard.mp4").exists()


def bare_stream(path, source):
    with (
        av.open(str(source)) as video,
        av.open(str(path), "w", format=BARE_STREAMS[path.suffix]) as out,
    ):
        copy = out.add_stream_from_template(video.streams.video[0])
        for packet in video.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    return path


def test_a_bare_stream_without_a_frame_rate_gets_the_command_that_remuxes_it(tmp_path):
    options = {"preset": "ultrafast", "x265-params": "vui-timing-info=0:log-level=0"}
    video = make_video_file(tmp_path / "video.mp4", codec="libx265", options=options)
    path = bare_stream(tmp_path / "walk.h265", video)
    with pytest.raises(
        MediaError, match=r"walk\.h265 is a bare .*ffmpeg -framerate 30 -i walk\.h265 -c copy"
    ):
        probe(path, LIMITS)


def test_a_bare_stream_with_a_frame_rate_in_its_header_is_used(tmp_path):
    path = bare_stream(tmp_path / "walk.264", make_video_file(tmp_path / "video.mp4", rate=30))
    target, made = standard_of(path)
    assert made.frame_count == 90
    assert [number for _, number in frame_numbers_in(target)] == list(range(90))


def test_a_bare_stream_that_states_its_frame_rate_is_used(tmp_path):
    path = tmp_path / "walk.y4m"
    with av.open(str(path), "w", format="yuv4mpegpipe") as out:
        stream = out.add_stream("wrapped_avframe", rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
    target, made = standard_of(path)
    assert made.frame_count == 60
    assert frame_numbers_in(target)[-1] == (59, 49)


def test_a_damaged_bare_stream_gets_the_command_too(tmp_path):
    path = tmp_path / "channel1.dav"
    path.write_bytes(b"no video" * 99)
    with pytest.raises(MediaError, match=r"ffmpeg -i channel1\.dav -c copy channel1\.mp4"):
        probe(path, LIMITS)


def test_an_image_is_no_video(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(encode_jpeg(numbered_frame(1)))
    with pytest.raises(MediaError, match="not a video"):
        probe(path, LIMITS)
