from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from datasets.core.media.standard_video import cut, encode_jpeg, read_frames
from datasets.core.media.video_reader import MediaError
from tests.video_files import frame_numbers_in, make_video_file, numbered_frame, standard_of


@pytest.fixture(scope="module")
def standard(tmp_path_factory):
    """A standard video of 17 s whose frame `n` shows `n`."""
    source = make_video_file(tmp_path_factory.mktemp("video") / "video.mkv", frames=510)
    return standard_of(source)[0]


def test_a_standard_video_has_its_properties(standard):
    with av.open(str(standard)) as video:
        (stream,) = video.streams
        packets = [packet for packet in video.demux(stream) if packet.dts is not None]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert context.color_range == 1
        assert stream.average_rate == 30
        assert stream.frames == len(packets) == 510
    times = sorted(packet.pts * packet.time_base for packet in packets)
    assert times == [Fraction(number, 30) for number in range(510)]
    keys = [packet.pts * packet.time_base for packet in packets if packet.is_keyframe]
    assert keys == list(range(17))
    content = standard.read_bytes()
    assert content.find(b"moov") < content.find(b"mdat")


def test_gops_are_closed(standard, tmp_path):
    """Each second alone gives the same frames as the whole video."""
    whole = dict(read_frames(standard))
    for second in (0, 7, 16):
        cut(standard, tmp_path / "second.mp4", start_frame=30 * second, frame_count=30)
        for index, rgb in read_frames(tmp_path / "second.mp4"):
            assert np.array_equal(rgb, whole[30 * second + index])


@pytest.mark.parametrize(
    ("start_frame", "frame_count"), [(0, 450), (450, 60), (30, 450), (480, 30), (0, 510)]
)
def test_a_clip_has_exactly_its_frames(standard, tmp_path, start_frame, frame_count):
    clip = tmp_path / "clip.mp4"
    cut(standard, clip, start_frame=start_frame, frame_count=frame_count)
    expected = [(index, start_frame + index) for index in range(frame_count)]
    assert frame_numbers_in(clip) == expected
    with av.open(str(clip)) as video:
        assert video.streams.video[0].start_time == 0
        assert video.streams.video[0].frames == frame_count


def test_the_same_cut_gives_the_same_bytes(standard, tmp_path):
    for name in ("a.mp4", "b.mp4"):
        cut(standard, tmp_path / name, start_frame=30, frame_count=120)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize(("start_frame", "frame_count"), [(15, 30), (0, 31), (0, 0), (0, 511)])
def test_a_cut_that_is_not_on_whole_seconds_is_an_error(
    standard, tmp_path, start_frame, frame_count
):
    with pytest.raises(ValueError, match=r"whole seconds|cannot cut"):
        cut(standard, tmp_path / "x.mp4", start_frame=start_frame, frame_count=frame_count)
    assert not (tmp_path / "x.mp4").exists()


def test_a_cut_past_the_end_is_refused(standard, tmp_path):
    with pytest.raises(MediaError, match="only 510 frames"):
        cut(standard, tmp_path / "x.mp4", start_frame=450, frame_count=90)
    assert not (tmp_path / "x.mp4").exists()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="all"),
        pytest.param({"step": 6}, id="5 per second"),
        pytest.param({"step": 30}, id="1 per second"),
        pytest.param({"step": 45}, id="every 45th"),
        pytest.param({"step": 200}, id="far apart"),
        pytest.param({"start": 3, "step": 7}, id="odd"),
        pytest.param({"start": 455, "count": 40, "step": 6}, id="inside"),
        pytest.param({"start": 29, "count": 3}, id="over a keyframe"),
        pytest.param({"start": 31, "count": 1}, id="one"),
        pytest.param({"start": 509}, id="the last"),
        pytest.param({"start": 510}, id="past the end"),
        pytest.param({"count": 0}, id="none"),
    ],
)
def test_every_frame_has_its_own_index(standard, options):
    start, end = options.get("start", 0), options.get("start", 0) + options.get("count", 510)
    expected = list(range(start, min(end, 510), options.get("step", 1)))
    assert frame_numbers_in(standard, **options) == [(number, number) for number in expected]


def test_frames_are_rgb_and_do_not_share_memory(standard):
    frames = list(read_frames(standard, count=3))
    assert all(rgb.shape == (96, 160, 3) and rgb.dtype == np.uint8 for _, rgb in frames)
    assert not np.shares_memory(frames[0][1], frames[1][1])


@pytest.mark.parametrize("options", [{"start": -1}, {"count": -1}, {"step": 0}])
def test_an_invalid_range_is_an_error(standard, options):
    with pytest.raises(ValueError, match="cannot read"):
        list(read_frames(standard, **options))


def test_a_damaged_standard_video_is_refused_and_shows_no_wrong_frame(standard, tmp_path):
    content = bytearray(standard.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    seen = []
    with pytest.raises(MediaError, match=r"of broken\.mp4"):
        seen.extend(index for index, _ in read_frames(broken))
    assert seen == list(range(len(seen)))
    broken.write_bytes(content[:1000])
    with pytest.raises(MediaError, match=r"broken\.mp4"):
        list(read_frames(broken))


@pytest.mark.parametrize(
    ("rate", "frames", "expected"),
    [(25, 50, 60), (24, 48, 60), (60, 60, 30), (15, 30, 60), (Fraction(30000, 1001), 60, 60)],
)
def test_any_rate_becomes_30_with_the_right_frame_at_each_time(
    tmp_path, rate, frames, expected
):
    source = make_video_file(tmp_path / "video.mp4", frames=frames, rate=rate)
    target, made = standard_of(source)
    found = frame_numbers_in(target)
    assert made.frame_count == len(found) == expected
    for index, number in found:
        started = [
            n for n in range(frames) if int(n / Fraction(rate) * 30 + Fraction(1, 2)) <= index
        ]
        assert number == started[-1]


def test_a_video_with_a_gap_keeps_its_length(tmp_path):
    ticks = [*range(0, 1000, 40), *range(3000, 4000, 40)]
    target, made = standard_of(make_video_file(tmp_path / "video.mkv", ticks=ticks))
    numbers = [number for _, number in frame_numbers_in(target)]
    assert abs(made.frame_count - 120) <= 1
    assert numbers[40:89] == [24] * 49
    assert made.warnings == []


@pytest.mark.parametrize(
    ("size", "longest_side", "expected"),
    [
        pytest.param((320, 180), 1280, (320, 180), id="never enlarged"),
        pytest.param((320, 180), 160, (160, 90), id="smaller"),
        pytest.param((180, 320), 160, (90, 160), id="portrait"),
        pytest.param((322, 182), 161, (160, 90), id="even"),
    ],
)
def test_the_longest_side_has_a_limit(tmp_path, size, longest_side, expected):
    source = make_video_file(tmp_path / "video.mkv", frames=15, size=size)
    target, made = standard_of(source, longest_side=longest_side)
    assert (made.width, made.height) == expected
    shown = next(rgb for _, rgb in read_frames(target))
    assert shown.shape == (expected[1], expected[0], 3)


def test_odd_sides_become_even(tmp_path):
    source = make_video_file(
        tmp_path / "video.webm", frames=15, size=(161, 97), codec="libvpx-vp9"
    )
    _, made = standard_of(source)
    assert (made.width, made.height) == (160, 96)


def test_a_video_too_narrow_to_code_is_refused(tmp_path):
    source = make_video_file(tmp_path / "video.mkv", frames=15, size=(640, 64))
    with pytest.raises(MediaError, match="only 100x10 pixels"):
        standard_of(source, longest_side=100)


def test_wide_pixels_become_square(tmp_path):
    source = make_video_file(
        tmp_path / "video.mkv", frames=15, size=(120, 96), sample_aspect_ratio=Fraction(4, 3)
    )
    target, made = standard_of(source)
    assert (made.width, made.height) == (160, 96)
    assert [number for _, number in frame_numbers_in(target)] == list(range(15))
    assert "Pixels of aspect 4/3 made square." in made.changes


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_rotated_video_becomes_upright(tmp_path, degrees):
    turned = tmp_path / "turned.mp4"
    with av.open(str(turned), "w") as out:
        side = {90: (96, 160), 270: (96, 160), 180: (160, 96)}[degrees]
        stream = out.add_stream("libx264", rate=30, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = *side, "yuv420p"
        stream.set_display_rotation(degrees)
        for number in range(20):
            image = np.rot90(numbered_frame(number), -degrees // 90)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            out.mux(stream.encode(frame.reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    target, made = standard_of(turned)
    assert frame_numbers_in(target) == [(number, number) for number in range(20)]
    assert (made.width, made.height) == (160, 96)
    assert "Rotated upright." in made.changes


@pytest.mark.parametrize("matrix", [1, 5])
@pytest.mark.parametrize("span", [1, 2], ids=["limited", "full"])
def test_colours_do_not_change(tmp_path, matrix, span):
    colour = np.array([200, 40, 30])
    source = tmp_path / "red.mkv"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, span
        image = np.full((96, 160, 3), colour, dtype=np.uint8)
        for number in range(15):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                format="yuv444p", dst_colorspace=matrix, dst_color_range=span
            )
            frame.pts, frame.time_base = number, Fraction(1, 30)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    target, made = standard_of(source)
    rgb = next(rgb for _, rgb in read_frames(target))
    assert np.abs(rgb[48, 80].astype(int) - colour).max() <= 3
    assert ("Colours converted from full to limited range." in made.changes) == (span == 2)


def test_interlaced_fields_become_whole_frames_of_the_same_length(tmp_path):
    source = make_video_file(
        tmp_path / "video.mpg", frames=75, rate=25, codec="mpeg2video",
        options={"flags": "+ildct+ilme", "b": "4000000", "alternate_scan": "1"},
    )  # fmt: skip
    target, made = standard_of(source)
    assert made.frame_count == len(list(read_frames(target))) == 90


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        pytest.param("libx264", {"x264-params": "bff=1", "crf": "10"}, id="frames say it"),
        pytest.param("mjpeg", {"field_order": "bb", "qmax": "2"}, id="container says it"),
    ],
)
def test_of_two_fields_that_show_different_times_the_first_is_shown(tmp_path, codec, options):
    """Even fields have even numbers: rows that stand still must not be woven together.

    The lower field comes first.
    """
    with av.open(str(tmp_path / "video.mkv"), "w") as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height = 160, 192
        stream.pix_fmt = "yuvj444p" if codec == "mjpeg" else "yuv420p"
        for number in range(0, 100, 2):
            fields = [numbered_frame(number + n, (160, 192)) for n in (0, 1)]
            woven = fields[0].copy()
            woven[0::2] = fields[1][0::2]
            out.mux(stream.encode(av.VideoFrame.from_ndarray(woven, format="rgb24")))
        out.mux(stream.encode(None))
    target, made = standard_of(tmp_path / "video.mkv")
    assert made.probe["is_interlaced"]
    shown = [number for _, number in frame_numbers_in(target)]
    assert shown[:8] == [0, 2, 4, 4, 6, 8, 10, 12]
    assert None not in shown


def test_the_same_video_gives_the_same_bytes(tmp_path):
    source = make_video_file(tmp_path / "video.mkv", frames=60, rate=25)
    first = standard_of(source)[0].read_bytes()
    assert standard_of(source)[0].read_bytes() == first


def test_changes_are_listed_as_sentences(tmp_path):
    source = make_video_file(tmp_path / "video.webm", frames=50, rate=25, codec="libvpx-vp9")
    shares = []
    _, made = standard_of(source, longest_side=128, progress=shares.append)
    assert made.changes == [
        "Re-encoded from VP9 to H.264, one keyframe per second.",
        "Resampled from 25 to 30 frames per second.",
        "Resized from 160x96 to 128x76 pixels.",
    ]
    assert made.warnings == []
    assert made.probe["codec"] == "vp9"
    assert made.probe["decoded_frames"] == 50
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_progress_may_raise_and_no_file_is_left(tmp_path):
    def stop(share):
        raise KeyboardInterrupt

    source = make_video_file(tmp_path / "video.mkv", frames=60)
    with pytest.raises(KeyboardInterrupt):
        standard_of(source, progress=stop)
    assert not (tmp_path / "standard.mp4").exists()


def test_a_jpeg_keeps_red_red():
    image = np.full((96, 160, 3), (200, 40, 30), dtype=np.uint8)
    content = encode_jpeg(image)
    back = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(back.astype(int) - image).max() <= 3
    assert encode_jpeg(image) == content
    assert len(encode_jpeg(numbered_frame(3), quality=20)) < len(encode_jpeg(numbered_frame(3)))


def test_both_channel_orders_give_the_same_frame_and_jpeg(standard):
    for (_, rgb), (_, bgr) in zip(
        read_frames(standard, count=60, step=20),
        read_frames(standard, count=60, step=20, order="bgr"),
        strict=True,
    ):
        assert np.array_equal(rgb, bgr[..., ::-1])
        assert encode_jpeg(rgb) == encode_jpeg(bgr, order="bgr")


def test_only_requested_frames_are_returned(standard):
    assert frame_numbers_in(standard, only={0, 7, 30, 509}) == [(n, n) for n in (0, 7, 30, 509)]
    assert frame_numbers_in(standard, start=30, count=60, only={0, 7, 30, 89, 90}) == [
        (30, 30),
        (89, 89),
    ]
    assert frame_numbers_in(standard, only=set()) == []
