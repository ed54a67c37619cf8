from fractions import Fraction
from random import Random

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace

from datasets.core.media.standard_video import UNNAMED_MATRIX, cut, read_frames
from datasets.core.media.standardising import standardise
from datasets.core.media.video_reader import VideoLimits
from demo.world.frame_number import read_frame_number
from tests.video_files import make_video_file

CLOSED = {"crf": "10", "preset": "veryfast", "g": "30", "keyint_min": "30", "sc_threshold": "0"}
COPIED = "Copied without re-encoding: it is a standard video already."


def standard_of(source, **options):
    target = source.with_name("standard.mp4")
    options = {"longest_side": 1280, "limits": VideoLimits()} | options
    return target, standardise(source, target, **options)


def coded(path):
    with av.open(str(path)) as video:
        return [bytes(packet) for packet in video.demux(video=0) if packet.size]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
def test_a_video_that_meets_the_standard_is_copied_packet_by_packet(tmp_path, ending):
    source = make_video_file(tmp_path / f"video.{ending}", frames=500, options=CLOSED)
    target, made = standard_of(source)
    assert made.changes[0] == COPIED
    assert coded(target) == coded(source)
    assert made.frame_count == 500
    assert [read_frame_number(rgb) for _, rgb in read_frames(target)] == list(range(500))
    with av.open(str(target)) as video:
        packets = [p for p in video.demux(video=0) if p.dts is not None]
        times = sorted(packet.pts * packet.time_base for packet in packets)
        assert times == [Fraction(number, 30) for number in range(500)]
    content = target.read_bytes()
    assert content.find(b"moov") < content.find(b"mdat")


def test_hd_that_names_no_colour_matrix_has_that_of_hd(tmp_path):
    """As players assume, and as the same video re-encoded would have."""
    colour, source = np.array([200, 60, 40]), tmp_path / "video.mp4"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("libx264", rate=30, options=CLOSED)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        image = np.full((720, 1280, 3), colour, dtype=np.uint8)
        for number in range(15):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709
            )
            frame.pts, frame.time_base = number, Fraction(1, 30)
            frame.colorspace = UNNAMED_MATRIX
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    target, made = standard_of(source)
    assert made.changes[0] == COPIED
    rgb = next(rgb for _, rgb in read_frames(target))
    assert np.abs(rgb[360, 640].astype(int) - colour).max() <= 4


def test_clips_of_a_copied_video_have_exactly_their_frames(tmp_path):
    source = make_video_file(tmp_path / "video.mp4", frames=500, options=CLOSED)
    target, _ = standard_of(source)
    cut(target, tmp_path / "clip.mp4", start_frame=30, frame_count=450)
    numbers = [read_frame_number(rgb) for _, rgb in read_frames(tmp_path / "clip.mp4")]
    assert numbers == list(range(30, 480))


def test_a_standard_video_is_its_own_standard_video(tmp_path):
    source = make_video_file(tmp_path / "video.webm", frames=75, codec="libvpx-vp9")
    once, made = standard_of(source)
    assert made.changes[0] != COPIED
    again = tmp_path / "again.mp4"
    assert standardise(once, again, longest_side=1280, limits=VideoLimits()).frame_count == 75
    assert coded(again) == coded(once)


@pytest.mark.parametrize(
    ("video", "options"),
    [
        pytest.param({"rate": 25}, {}, id="another rate"),
        pytest.param({"options": CLOSED | {"g": "60", "keyint_min": "60"}}, {}, id="long GOPs"),
        pytest.param(
            {"options": CLOSED | {"g": "15", "keyint_min": "15"}}, {}, id="short GOPs"
        ),
        pytest.param(
            {"options": CLOSED | {"x264-params": "open-gop=1", "bf": "3"}}, {}, id="open GOPs"
        ),
        pytest.param({"options": CLOSED, "color_range": 2}, {}, id="full range"),
        pytest.param({"options": CLOSED, "pix_fmt": "yuv444p"}, {}, id="other colours"),
        pytest.param({"options": CLOSED}, {"longest_side": 80}, id="too large"),
        pytest.param(
            {"options": CLOSED, "sample_aspect_ratio": Fraction(4, 3)}, {}, id="wide pixels"
        ),
        pytest.param(
            {"options": CLOSED, "ticks": [n * 100 // 3 for n in range(40)] + [1400, 1433]},
            {},
            id="a gap",
        ),
    ],
)
def test_any_other_video_is_re_encoded(tmp_path, video, options):
    _, made = standard_of(
        make_video_file(tmp_path / "video.mkv", **({"frames": 90} | video)), **options
    )
    assert made.changes[0].startswith("Re-encoded")


def test_a_corrupt_video_is_not_copied(tmp_path):
    source = make_video_file(tmp_path / "video.mp4", frames=300, options=CLOSED)
    with av.open(str(source)) as video:
        places = [(packet.pos, packet.size) for packet in video.demux(video=0) if packet.size]
    content = bytearray(source.read_bytes())
    for pos, size in places[250:255]:
        content[pos + 12 : pos + size] = Random(pos).randbytes(size - 12)
    source.write_bytes(content)
    _, made = standard_of(source)
    assert made.changes[0] == "Re-encoded as H.264, one keyframe per second."
    assert made.unreadable


def test_a_standard_video_over_the_time_limit_is_refused(tmp_path):
    source = make_video_file(tmp_path / "video.mkv", frames=90, options=CLOSED)
    with pytest.raises(ValueError, match="3 s long"):
        standard_of(source, limits=VideoLimits(max_seconds=2))


def test_the_standard_video_of_the_corpus_is_copied(shared, tmp_path):
    source = shared / "data" / "video-corpus" / "good" / "conforming_30fps_gop30.mp4"
    target = tmp_path / "standard.mp4"
    made = standardise(source, target, longest_side=1280, limits=VideoLimits())
    assert made.changes == [COPIED]
    assert [read_frame_number(rgb) for _, rgb in read_frames(target)] == list(range(90))
