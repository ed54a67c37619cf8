"""What a container says is done, and what is left out is said: tracks, cropping, times."""

import struct
from fractions import Fraction

import av
import pytest

from datasets.core.media.clips_and_keyframes import FrameRange, clip_bounds
from datasets.core.media.video_reader import MediaError
from tests.video_files import (
    frame_numbers_in,
    make_video_file,
    numbered_frame,
    standard_of,
)


def encode(out, stream, numbers, size):
    for number in numbers:
        image = numbered_frame(number, size)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 30)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def with_two_tracks(path):
    sizes = [(160, 96), (320, 192)]
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("libx264", rate=30) for _ in sizes]
        for stream, size in zip(streams, sizes, strict=True):
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
        sound = out.add_stream("aac", rate=44100)
        out.mux(sound.encode(None))
        out.add_attachment("font.ttf", "font/ttf", b"x" * 99)
        for stream, size in zip(streams, sizes, strict=True):
            encode(out, stream, range(30), size)
    return path


def test_other_tracks_and_attachments_are_named(tmp_path):
    _, made = standard_of(with_two_tracks(tmp_path / "video.mkv"))
    assert (made.width, made.height) == (320, 192)
    assert (
        "Another video track of 160x96 pixels was left out: the largest track, of 320x192, "
        "is used." in made.changes
    )
    assert "An attached file was left out: font.ttf." in made.changes
    assert "Sound removed." in made.changes


def test_a_video_without_a_decoder_is_refused_by_name(tmp_path):
    path = make_video_file(tmp_path / "video.mp4", frames=30)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz1"))
    with pytest.raises(MediaError, match=r"video\.mp4 is in a format .*; convert it to H\.264"):
        standard_of(path)


def test_a_track_without_a_decoder_does_not_hide_another(tmp_path):
    path = with_two_tracks(tmp_path / "video.mkv")
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/AVX", 1))
    _, made = standard_of(path)
    assert (made.width, made.height) == (320, 192)
    assert "1 undecodable video track was left out." in made.changes


def test_subtitles_that_last_longer_do_not_make_a_video_a_truncated_one(tmp_path):
    (tmp_path / "texts.srt").write_text("1\n00:00:00,000 --> 00:00:09,000\nHello\n")
    path = tmp_path / "video.mkv"
    with av.open(str(tmp_path / "texts.srt")) as texts, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        copy = out.add_stream_from_template(texts.streams[0])
        for packet in texts.demux():
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
        encode(out, stream, range(60), (160, 96))
    _, made = standard_of(path, keep_truncated=False)
    assert made.warnings == []
    assert "1 subtitle track was left out." in made.changes


@pytest.mark.parametrize("ending", ["avi", "asf", "mkv"])
def test_frames_out_of_order_are_shown_in_order_whether_or_not_the_container_says_when(
    tmp_path, ending
):
    """AVI and ASF store when frames are decoded, not when they are shown."""
    source = make_video_file(
        tmp_path / f"video.{ending}", frames=90,
        options={"crf": "10", "x264-params": "bframes=3:b-adapt=0:scenecut=0"},
    )  # fmt: skip
    target, made = standard_of(source)
    assert [number for _, number in frame_numbers_in(target)] == list(range(90))
    assert made.warnings == []


def with_clean_aperture(path, *, width, height, right=0):
    """A video of 160x96 pixels whose sample description has a `clap` box."""
    make_video_file(path, frames=30, options={"crf": "10"})
    content = bytearray(path.read_bytes())
    box = struct.pack(">L4sLLLLlLlL", 40, b"clap", width, 1, height, 1, right, 2, 0, 1)
    start = content.index(b"avcC") - 4
    (length,) = struct.unpack_from(">L", content, start)
    content[start + length : start + length] = box
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        place = content.index(name, content.index(b"moov")) - 4
        (size,) = struct.unpack_from(">L", content, place)
        struct.pack_into(">L", content, place, size + len(box))
    path.write_bytes(content)  # `moov` is the last box: no sample moves
    return path


def test_the_clean_aperture_of_an_mp4_is_what_is_shown(tmp_path):
    source = with_clean_aperture(tmp_path / "video.mp4", width=128, height=96, right=32)
    _, made = standard_of(source)
    assert (made.width, made.height) == (128, 96)
    assert made.probe["crop"] == "128:96:32:0"
    assert "Cropped from 160x96 to 128x96, as the file says." in made.changes


@pytest.mark.parametrize("size", [(160, 96), (0, 96), (400, 96)])
def test_an_aperture_that_is_the_whole_frame_or_impossible_crops_nothing(tmp_path, size):
    source = with_clean_aperture(tmp_path / "video.mp4", width=size[0], height=size[1])
    _, made = standard_of(source)
    assert (made.width, made.height, made.probe["crop"]) == (160, 96, "")


def test_the_pixel_crop_of_matroska_is_what_is_shown(tmp_path):
    source = make_video_file(tmp_path / "video.mkv", frames=30)
    content = source.read_bytes()
    place = content.index(b"\xb0\x81\xa0")  # PixelWidth 160
    crop = b"\x54\xcc\x81\x08\x54\xdd\x81\x18"  # 8 pixels left, 24 right
    source.write_bytes(inserted(content, place, crop))
    _, made = standard_of(source)
    assert made.probe["crop"] == "128:96:8:0"
    assert (made.width, made.height) == (128, 96)


def inserted(content, place, element):
    """Matroska with an element more at `place`; the elements around it grow by its length."""
    content, start = bytearray(content), content.rindex(b"\x16\x54\xae\x6b", 0, place)
    for name in (b"\x16\x54\xae\x6b", b"\xae", b"\xe0"):  # tracks, track, video
        start = size_of_element(content, start, name)
        size = width_of_number(content, start)
        value = int.from_bytes(content[start : start + size]) + len(element)
        content[start : start + size] = value.to_bytes(size)
        start += size
    content[place:place] = element
    return bytes(content)


def size_of_element(content, place, name):
    """Where the size of the element `name` stands, the first of those from `place` on.

    Bytes of other elements, such as the random number of a track, may look like a name.
    """
    while content[place : place + len(name)] != name:
        place += width_of_number(content, place)
        width = width_of_number(content, place)
        length = int.from_bytes(content[place : place + width]) & ((1 << 7 * width) - 1)
        place += width + length
    return place + len(name)


def width_of_number(content, place):
    """Bytes of a name or a size of Matroska, which its first byte tells."""
    return 9 - content[place].bit_length()


def test_a_still_in_an_intact_video_is_held_and_no_damage(tmp_path):
    ticks = [*range(0, 8000, 40), *range(12_000, 20_000, 40), *range(24_000, 32_000, 40)]
    target, made = standard_of(make_video_file(tmp_path / "video.mkv", ticks=ticks))
    assert (made.unreadable, made.warnings, made.frame_count) == ([], [], 960)
    assert clip_bounds(960, made.unreadable, made.stills) == [(0, 450), (450, 510)]
    numbers = dict(frame_numbers_in(target))
    assert {numbers[index] for index in range(240, 359)} == {199}


def test_a_time_lapse_that_shows_a_frame_every_ten_seconds_is_used(tmp_path):
    source = make_video_file(tmp_path / "video.mkv", ticks=range(0, 60_000, 10_000))
    _, made = standard_of(source)
    assert made.unreadable == []
    assert len(made.stills) == 5
    assert clip_bounds(made.frame_count, [], made.stills)


def test_the_last_frame_is_held_as_long_as_the_track_lasts(tmp_path):
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        packets = []
        for number in range(60):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        packets[-1].duration = 151
        for packet in packets:
            out.mux(packet)
    _, made = standard_of(path)
    assert made.frame_count == 210
    assert made.stills == [FrameRange(59, 210)]


def test_the_screen_recording_keeps_all_its_seconds(shared, tmp_path):
    source = tmp_path / "screen.mp4"
    name = "screen_60s_stills4s.mp4"
    source.write_bytes((shared / "data" / "media-cases" / name).read_bytes())
    _, made = standard_of(source)
    bounds = clip_bounds(made.frame_count, made.unreadable, made.stills)
    assert made.warnings == []
    assert sum(clip.frame_count for clip in bounds) == made.frame_count == 56 * 30


def test_the_clean_aperture_of_the_field_is_said(shared, tmp_path):
    source = tmp_path / "clap.mp4"
    source.write_bytes((shared / "data" / "media-cases" / "clap_box.mp4").read_bytes())
    _, made = standard_of(source)
    assert any(sentence.startswith("Cropped from 320x180 to") for sentence in made.changes)
