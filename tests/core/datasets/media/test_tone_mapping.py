from fractions import Fraction

import av
import numpy as np
import pytest

from datasets.core.media.standard_video import read_frames
from datasets.core.media.standardising import standardise
from datasets.core.media.tone_mapping import HLG, PQ, to_bt709
from datasets.core.media.video_reader import VideoLimits
from demo.world.frame_number import draw_frame_number, read_frame_number

GREYS = np.linspace(0, 1, 21)
# BT.2020 code values: greys, a face in daylight, a red cloth
COLOURS = np.array(
    [[0.58, 0.58, 0.58], [0.35, 0.35, 0.35], [0.5, 0.42, 0.38], [0.48, 0.4, 0.37]]
)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_grey_stays_grey_and_brighter_stays_brighter(transfer):
    shown = to_bt709(np.repeat(GREYS[:, None], 3, axis=1), transfer)
    assert np.ptp(shown, axis=1).max() < 0.005
    assert (np.diff(shown[:, 0]) >= 0).all()
    assert shown[0, 0] == 0
    assert shown[-1, 0] <= 1


def test_white_is_equal_in_both_systems():
    """Reference white, 203 cd/m2, is 58 % in PQ and 75 % in HLG (BT.2408, table 1)."""
    pq = to_bt709(np.full((1, 3), 0.58), PQ)
    hlg = to_bt709(np.full((1, 3), 0.75), HLG)
    assert abs(pq - hlg).max() < 0.02
    assert pq.min() > 0.88


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("colour", COLOURS, ids=["white", "grey", "face", "cloth"])
def test_an_hdr_video_has_the_computed_colours(tmp_path, transfer, colour):
    source, target = tmp_path / "video.mkv", tmp_path / "standard.mp4"
    image = np.broadcast_to((colour * 65535).astype(np.uint16), (96, 160, 3))
    with av.open(str(source), "w") as out:
        stream = out.add_stream("libx265", rate=30, options={"x265-params": "log-level=error"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, transfer
        context.color_range = 1
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb48le")
            frame = frame.reformat(format="yuv420p10le", dst_colorspace=9, dst_color_range=1)
            frame.pts, frame.time_base = number, Fraction(1, 30)
            frame.colorspace, frame.color_range = 9, 1
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    made = standardise(source, target, longest_side=1280, limits=VideoLimits())
    assert "HDR converted to SDR." in made.changes
    assert made.warnings == []
    rgb = next(rgb for _, rgb in read_frames(target))
    expected = to_bt709(colour[None], transfer)[0] * 255
    assert np.abs(rgb[48, 80] - expected).max() <= 5
    with av.open(str(target)) as video:
        context = video.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc) == (1, 1)


def test_the_frames_of_an_hdr_video_are_at_their_times(tmp_path):
    source, target = tmp_path / "video.mkv", tmp_path / "standard.mp4"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p10le"
        stream.codec_context.color_trc = PQ
        for number in range(50):
            image = np.full((96, 160, 3), 110, np.uint8)
            draw_frame_number(image, number)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame.reformat(format="yuv420p10le")))
        out.mux(stream.encode(None))
    assert (
        standardise(source, target, longest_side=1280, limits=VideoLimits()).frame_count == 60
    )
    numbers = [read_frame_number(rgb) for _, rgb in read_frames(target)]
    assert all(abs(number / 25 - index / 30) <= 1 / 30 for index, number in enumerate(numbers))
