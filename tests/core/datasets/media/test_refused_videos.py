"""Films that are cut off, damaged, too large or none at all: kept in part, or refused."""

from types import SimpleNamespace

import av
import pytest

from datasets.core.media.standard_video import (
    Limits,
    MediaError,
    encode_jpeg,
    probe,
)
from datasets.core.media.video_reader import Film
from tests.video_files import LIMITS, make_video_file, frame_numbers_in, numbered_frame, standard_of


def cut_off(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def faststart(path, **film):
    """A film with its index in front, so that it opens when its end is missing."""
    plain = make_video_file(path.with_name("plain.mp4"), **film)
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


def test_the_good_part_of_a_film_that_was_cut_off_is_kept_with_a_warning(tmp_path):
    source = cut_off(faststart(tmp_path / "film.mp4", frames=300), 0.6)
    target, made = standard_of(source)
    assert "was cut off: only" in made.warnings[0]
    assert "of 10.0 s" in made.warnings[0]
    numbers = [number for _, number in frame_numbers_in(target)]
    assert 100 < made.frame_count < 250
    assert numbers == list(range(made.frame_count))


def test_a_film_that_starts_late_is_not_taken_for_one_that_was_cut_off(tmp_path):
    source = make_video_file(tmp_path / "film.mkv", frames=60, ticks=range(9000, 11000, 33))
    target, made = standard_of(source, keep_truncated=False)
    assert made.warnings == []
    assert [number for _, number in frame_numbers_in(target)][:3] == [0, 1, 2]


def test_an_avi_that_was_cut_off_says_how_long_it_once_was(tmp_path):
    source = cut_off(make_video_file(tmp_path / "film.avi", frames=300, codec="mpeg4"), 0.5)
    target, made = standard_of(source)
    assert made.warnings[0].startswith("film.avi was cut off: only")
    assert made.warnings[0].endswith("of 10.0 s can be read.")
    assert [number for _, number in frame_numbers_in(target)] == list(range(made.frame_count))


def test_a_film_that_was_cut_off_is_refused_where_that_is_wanted(tmp_path):
    source = cut_off(faststart(tmp_path / "film.mp4", frames=300), 0.6)
    with pytest.raises(MediaError, match=r"film\.mp4 was cut off"):
        standard_of(source, keep_truncated=False)
    assert not (tmp_path / "standard.mp4").exists()


def test_a_film_that_is_mostly_unreadable_is_refused(tmp_path):
    source = make_video_file(tmp_path / "film.mp4", frames=120, options={"g": "1", "crf": "10"})
    with av.open(str(source)) as film:
        places = [(p.pos, p.size) for p in film.demux(video=0) if p.size]
    content = bytearray(source.read_bytes())
    for pos, size in places[30:]:
        content[pos + 4 : pos + size] = bytes(size - 4)
    source.write_bytes(content)
    with pytest.raises(MediaError, match="unreadable"):
        standard_of(source)
    assert not (tmp_path / "standard.mp4").exists()


def test_a_film_shorter_than_half_a_second_is_refused(tmp_path):
    with pytest.raises(MediaError, match=r"only 0\.47 s"):
        standard_of(make_video_file(tmp_path / "film.mkv", frames=14))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(max_pixels=160 * 95), "pictures of 160x96"),
        (Limits(max_seconds=1), "2 s long"),
    ],
)
def test_a_film_over_the_limits_is_refused(tmp_path, limits, message):
    source = make_video_file(tmp_path / "film.mkv", frames=60)
    with pytest.raises(MediaError, match=message):
        standard_of(source, limits=limits)
    with pytest.raises(MediaError, match=message):
        probe(source, limits)


def test_a_picture_that_grows_later_is_not_decoded(tmp_path):
    small = make_video_file(tmp_path / "small.ts", frames=30)
    large = make_video_file(tmp_path / "large.ts", frames=60, size=(640, 384))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(MediaError, match=r"both\.ts"):
        standard_of(both, limits=Limits(max_pixels=200 * 200))
    assert not (tmp_path / "standard.mp4").exists()


def test_a_stream_that_damage_makes_come_up_later_is_passed_over():
    """PyAV raises IndexError at a packet of a stream that it did not see when it opened."""
    packets = iter(["one", IndexError("list index out of range"), "two"])

    def demux(stream):
        for packet in packets:
            if isinstance(packet, Exception):
                raise packet
            yield packet

    film = Film.__new__(Film)
    film._container, film._stream = SimpleNamespace(demux=demux), None
    assert list(film._packets()) == ["one", "two"]


def test_two_films_behind_each_other_are_joined(tmp_path):
    first = make_video_file(tmp_path / "first.ts", frames=60)
    second = make_video_file(tmp_path / "second.ts", frames=60, first_number=60)
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    target, made = standard_of(both)
    assert [number for _, number in frame_numbers_in(target)] == list(range(120))
    assert made.frame_count == 120


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
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=rf"aisle\.mp4.*{message}"):
        standard_of(path, name="aisle.mp4")
    assert not (tmp_path / "standard.mp4").exists()


def test_a_picture_is_no_video(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(encode_jpeg(numbered_frame(1)))
    with pytest.raises(MediaError, match="not a video"):
        probe(path, LIMITS)
