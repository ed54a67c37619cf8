import stat
import struct
import zipfile
import zlib

import av
import inflate64
import numpy as np
import pytest

from datasets.core.media.video_reader import VideoLimits, probe
from datasets.core.zip_reader import ArchiveError, ArchiveLimits, extract, list_videos


def make_zip(path, members, *, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


HEIC = b"\0\0\0 ftypheic" + bytes(99)


@pytest.fixture
def zip_path(tmp_path):
    return tmp_path / "videos.zip"


def test_videos_are_listed_in_the_order_of_the_zip(zip_path):
    make_zip(zip_path, [("b/", ""), ("b/walk.MP4", b"22"), ("a/run.mov", b"333")])
    listing = list_videos(zip_path)
    assert [(video.name, video.size) for video in listing.videos] == [
        ("walk.MP4", 2),
        ("run.mov", 3),
    ]
    assert (listing.skipped, listing.size) == ([], 5)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("__MACOSX/._walk.mp4", "system"),
        ("a/._walk.mp4", "system"),
        (".DS_Store", "system"),
        ("inner.zip", "an archive inside"),
        ("notes.txt", "by its name and its first bytes"),
        ("walk", "by its name and its first bytes"),
    ],
)
def test_a_file_that_is_no_video_is_skipped_with_a_reason(zip_path, name, reason):
    make_zip(zip_path, [(name, b"x"), ("walk.mp4", b"y")])
    listing = list_videos(zip_path)
    assert [video.name for video in listing.videos] == ["walk.mp4"]
    assert reason in listing.skipped[0].reason


@pytest.mark.parametrize(
    "name",
    [
        "../evil.mp4",
        "a/../../evil.mp4",
        "/etc/evil.mp4",
        "C:/evil.mp4",
        "..\\evil.mp4",
        "\\e.mp4",
    ],
)
def test_path_traversal_rejects_the_zip(zip_path, name):
    make_zip(zip_path, [("good.mp4", b"x"), (name, b"y")])
    with pytest.raises(ArchiveError, match="points outside"):
        list_videos(zip_path)


@pytest.mark.parametrize("name", ["walk", "walk.dat", "walk.mp4 ", "WALK.MP4.part"])
@pytest.mark.parametrize(
    "container", ["mp4", "matroska", "avi", "flv", "mpegts", "mpeg", "asf"]
)
def test_a_video_is_recognised_by_its_first_bytes_too(zip_path, tmp_path, name, container):
    codec = {"flv": "flv1", "mpeg": "mpeg2video", "asf": "wmv2"}.get(container, "mpeg4")
    video = tmp_path / "video"
    with av.open(str(video), "w", format=container) as out:
        stream = out.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(9):
            image = np.full((64, 64, 3), number, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        out.mux(stream.encode(None))
    make_zip(zip_path, [(name, video.read_bytes()), ("notes", b"ftyp"), ("a.heic", HEIC)])
    listing = list_videos(zip_path)
    assert len(listing.videos) == 1
    assert [file.name for file in listing.skipped] == ["notes", "a.heic"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"Rar!\x1a\x07", "a RAR archive"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (bytes(257) + b"ustar\x0000", "a tar archive"),
        (b"\0\0\0 ftypisom", "a video"),
    ],
)
def test_other_file_types_are_named(zip_path, content, kind):
    zip_path.write_bytes(content + bytes(600))
    with pytest.raises(ArchiveError, match=f"not a zip but {kind} .*into a zip"):
        list_videos(zip_path)


def deflate64(path):
    """Make the packed members of a zip look like Windows packed them: by method 9."""
    packed = []
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            raw, deflater = archive.read(info), inflate64.Deflater()
            data = deflater.deflate(raw) + deflater.flush()
            packed.append((info, data, zlib.crc32(raw), len(raw)))
    content, central = bytearray(), bytearray()
    for info, data, crc, size in packed:
        name, place = info.filename.encode(), len(content)
        fields = (20, 0, 9, 0, 33, crc, len(data), size, len(name), 0)
        content += b"PK\x03\x04" + struct.pack("<HHHHHLLLHH", *fields) + name + data
        central += b"PK\x01\x02" + struct.pack("<HHHHHHLLLHH", 20, *fields)
        central += struct.pack("<HHHLL", 0, 0, 0, 0, place) + name
    end = struct.pack("<HHHHLLH", 0, 0, len(packed), len(packed), len(central), len(content), 0)
    path.write_bytes(content + central + b"PK\x05\x06" + end)
    return path


def test_a_video_packed_by_windows_as_deflate64_is_read(zip_path, tmp_path):
    video = bytes(range(256)) * 999
    deflate64(make_zip(zip_path, [("walk.mp4", video), ("clip", b"\0\0\0 ftypisom" + video)]))
    first, second = list_videos(zip_path).videos
    extract(zip_path, first, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == video
    assert second.name == "clip"


def test_damaged_deflate64_is_rejected_and_leaves_no_file(zip_path, tmp_path):
    deflate64(make_zip(zip_path, [("walk.mp4", bytes(range(256)) * 99)]))
    content = bytearray(zip_path.read_bytes())
    for place in range(60, 90):
        content[place] ^= 0xFF
    zip_path.write_bytes(content)
    (video,) = list_videos(zip_path).videos
    with pytest.raises(ArchiveError, match=r"walk\.mp4 is damaged in the zip"):
        extract(zip_path, video, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_deflate64_of_windows_is_read(shared, tmp_path):
    path = shared / "data" / "media-cases" / "deflate64.zip"
    (video,) = list_videos(path).videos
    extract(path, video, tmp_path / "half_second.mp4")
    assert probe(tmp_path / "half_second.mp4", VideoLimits()).width == 320


def test_proxies_and_thumbnails_of_a_camera_are_skipped_by_name(zip_path):
    names = ["GX010001.MP4", "GL010001.LRV", "GX010001.THM", "DJI_0002.LRF", "DJI_0002.MP4"]
    make_zip(zip_path, [(f"DCIM/{name}", b"\0\0\0 ftypisom") for name in names])
    listing = list_videos(zip_path)
    assert [video.name for video in listing.videos] == ["GX010001.MP4", "DJI_0002.MP4"]
    assert [(file.name, file.reason) for file in listing.skipped] == [
        ("GL010001.LRV", "a proxy, the small copy that the camera makes of GX010001.MP4"),
        ("GX010001.THM", "a thumbnail that the camera makes of a video"),
        ("DJI_0002.LRF", "a proxy, the small copy that the camera makes of DJI_0002.MP4"),
    ]


def test_a_zip_without_a_video_says_why_each_file_is_none(zip_path):
    make_zip(
        zip_path,
        [
            ("GL010001.LRV", b"x"),
            ("notes.txt", b"x"),
            ("inner.zip", b"x"),
            ("__MACOSX/._notes.txt", b"x"),
        ],
    )
    with pytest.raises(ArchiveError, match=r"no video: GL010001\.LRV is a proxy") as caught:
        list_videos(zip_path)
    assert "notes.txt is not a video, by its name" in str(caught.value)
    assert "inner.zip is an archive inside the zip" in str(caught.value)
    assert "MACOSX" not in str(caught.value)
    assert len(caught.value.skipped) == 4


def test_a_link_rejects_the_zip(zip_path):
    link = zipfile.ZipInfo("link.mp4")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    make_zip(zip_path, [(link, b"/etc/passwd"), ("good.mp4", b"x")])
    with pytest.raises(ArchiveError, match="link"):
        list_videos(zip_path)


def test_overlapping_entries_reject_the_zip(zip_path):
    make_zip(zip_path, [("a.mp4", b"x" * 100), ("b.mp4", b"y" * 100)])
    content = bytearray(zip_path.read_bytes())
    second = content.rfind(b"PK\x01\x02")
    struct.pack_into("<L", content, second + 42, 10)  # offset of b.mp4: inside a.mp4
    zip_path.write_bytes(content)
    with pytest.raises(ArchiveError, match="overlap"):
        list_videos(zip_path)


def test_skipped_files_may_not_overlap_either(zip_path):
    make_zip(zip_path, [("a.txt", b"x" * 100), ("b.mp4", b"y" * 100)])
    content = bytearray(zip_path.read_bytes())
    struct.pack_into("<L", content, content.rfind(b"PK\x01\x02") + 42, 10)
    zip_path.write_bytes(content)
    with pytest.raises(ArchiveError, match="overlap"):
        list_videos(zip_path)


def test_a_zip_bomb_is_rejected(zip_path):
    make_zip(zip_path, [("zeros.mp4", bytes(11 << 20))], method=zipfile.ZIP_DEFLATED)
    with pytest.raises(ArchiveError, match=r"expands .*zip it without compression"):
        list_videos(zip_path)


def test_a_table_that_packs_well_is_skipped_and_rejects_nothing(zip_path):
    members = [("walk.mp4", b"x"), ("boxes.csv", bytes(11 << 20))]
    make_zip(zip_path, members, method=zipfile.ZIP_DEFLATED)
    listing = list_videos(zip_path)
    assert [video.name for video in listing.videos] == ["walk.mp4"]
    assert [file.name for file in listing.skipped] == ["boxes.csv"]


def test_many_small_zip_bombs_are_rejected(zip_path):
    members = [(f"{number}.mp4", bytes(1 << 20)) for number in range(20)]
    make_zip(zip_path, members, method=zipfile.ZIP_DEFLATED)
    with pytest.raises(ArchiveError, match="all together expands"):
        list_videos(zip_path)


def test_too_many_entries_reject_the_zip(zip_path):
    make_zip(zip_path, [(f"{number}.mp4", b"x") for number in range(4)])
    with pytest.raises(ArchiveError, match=r"4 entries; at most 3 .*AVA_MAX_ZIP_MEMBERS"):
        list_videos(zip_path, ArchiveLimits(members=3))


def test_the_files_that_macos_adds_do_not_count_as_entries(zip_path):
    members = [(name, b"x") for n in range(3) for name in (f"{n}.mp4", f"__MACOSX/._{n}.mp4")]
    make_zip(zip_path, members)
    assert len(list_videos(zip_path, ArchiveLimits(members=3)).videos) == 3


def test_a_huge_central_directory_is_rejected_unread(zip_path):
    make_zip(zip_path, [(f"{number}{'x' * 5000}.mp4", b"x") for number in range(3)])
    with pytest.raises(ArchiveError, match="list of entries"):
        list_videos(zip_path, ArchiveLimits(members=3))


def test_sizes_over_the_limits(zip_path):
    make_zip(zip_path, [("small.mp4", b"x" * 10), ("large.mp4", b"x" * 100)])
    listing = list_videos(zip_path, ArchiveLimits(member_bytes=50))
    assert [file.name for file in listing.skipped] == ["large.mp4"]
    assert "AVA_MAX_VIDEO_BYTES" in listing.skipped[0].reason
    with pytest.raises(ArchiveError, match="uncompressed"):
        list_videos(zip_path, ArchiveLimits(total_bytes=100))


def test_a_zip_of_more_than_4_gb_is_read(zip_path):
    """A small zip with zip64 records."""
    with (
        zipfile.ZipFile(zip_path, "w") as archive,
        archive.open("walk.mp4", "w", force_zip64=True) as member,
    ):
        member.write(b"frames")
    listing = list_videos(zip_path)
    assert [(video.name, video.size) for video in listing.videos] == [("walk.mp4", 6)]


def test_extracted_content_is_the_original(zip_path, tmp_path):
    make_zip(zip_path, [("walk.mp4", b"frames" * 99)], method=zipfile.ZIP_DEFLATED)
    (video,) = list_videos(zip_path).videos
    digest = extract(zip_path, video, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"frames" * 99
    assert len(digest) == 64


def test_an_entry_longer_than_declared_is_rejected_and_leaves_no_file(zip_path, tmp_path):
    make_zip(zip_path, [("walk.mp4", bytes(5000))], method=zipfile.ZIP_DEFLATED)
    content = bytearray(zip_path.read_bytes())
    struct.pack_into("<L", content, content.rfind(b"PK\x01\x02") + 24, 10)  # says 10 bytes
    zip_path.write_bytes(content)
    (video,) = list_videos(zip_path).videos
    with pytest.raises(ArchiveError, match=r"walk\.mp4 is damaged"):
        extract(zip_path, video, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_damaged_entry_is_rejected_and_leaves_no_file(zip_path, tmp_path, method):
    noise = bytes(range(256)) * 40
    make_zip(zip_path, [("walk.mp4", noise)], method=method)
    content = bytearray(zip_path.read_bytes())
    for place in range(60, 90):
        content[place] ^= 0xFF
    zip_path.write_bytes(content)
    (video,) = list_videos(zip_path).videos
    with pytest.raises(ArchiveError, match=r"walk\.mp4"):
        extract(zip_path, video, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names_are_cleaned_for_display(zip_path):
    make_zip(zip_path, [("a/b\x1b[2Jred\u202e.mp4", b"x"), ("y" * 300 + ".mp4", b"y")])
    first, second = (video.name for video in list_videos(zip_path).videos)
    assert first == "b[2Jred.mp4"
    assert len(second) < 200


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("映像テスト.mp4", "cp932"),
        ("ビデオ1.mp4", "cp932"),
        ("Übung für ñandú.mp4", "cp437"),
        ("Café.mp4", "cp437"),
        ("Видео.mp4", "utf-8"),
    ],
)
def test_names_that_are_not_marked_as_utf8_are_guessed(zip_path, name, encoding):
    raw = name.encode(encoding)
    make_zip(zip_path, [("X" * len(raw), b"x")])
    zip_path.write_bytes(zip_path.read_bytes().replace(b"X" * len(raw), raw))
    assert list_videos(zip_path).videos[0].name == name


def test_the_name_that_info_zip_and_winrar_write_beside_counts(zip_path):
    """They keep it in UTF-8, with the CRC of the name that it stands for."""
    with zipfile.ZipFile(zip_path, "w") as archive:
        for name, crc_of in (("____.mp4", b"____.mp4"), ("walk.mp4", b"was renamed later.mp4")):
            info = zipfile.ZipInfo(name)
            text = struct.pack("<BL", 1, zlib.crc32(crc_of)) + "监控.mp4".encode()
            info.extra = struct.pack("<HHB", 0x5455, 1, 0)
            info.extra += struct.pack("<HH", 0x7075, len(text)) + text
            archive.writestr(info, b"x")
    assert [video.name for video in list_videos(zip_path).videos] == ["监控.mp4", "walk.mp4"]


def test_a_time_in_a_name_is_no_drive(zip_path):
    make_zip(zip_path, [("1:30.mp4", b"x")])
    assert list_videos(zip_path).videos[0].name == "1:30.mp4"


def test_a_part_of_a_split_zip_says_what_to_do(zip_path):
    make_zip(zip_path, [("walk.mp4", b"x")])
    content = bytearray(zip_path.read_bytes())
    struct.pack_into("<H", content, content.rindex(b"PK\x05\x06") + 4, 3)
    for part in (bytes(content), b"PK\x07\x08" + bytes(content[:-22])):
        zip_path.write_bytes(part)
        with pytest.raises(ArchiveError, match="part of a split zip; join all parts"):
            list_videos(zip_path)


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"no zip at all" * 20, bytes(22)])
def test_a_file_that_is_no_zip_is_rejected(zip_path, content):
    zip_path.write_bytes(content)
    with pytest.raises(ArchiveError, match="not a complete zip"):
        list_videos(zip_path)


def test_every_zip_of_the_corpus_has_the_expected_result(shared, tmp_path):
    """The README beside the zips says what each should get."""
    videos = {
        "good": 3, "unicode": 2, "mac_junk": 1, "nested": 1, "control_chars_long": 5,
        "bzip2": 1, "lzma": 1, "crc_error": 3,
    }  # fmt: skip
    skipped = {"mac_junk": 4, "nested": 1}
    folder = shared / "data" / "video-corpus" / "zips"
    for path in sorted(folder.glob("*.zip")):
        if path.stem not in videos:
            with pytest.raises(ArchiveError):
                list_videos(path)
            continue
        listing = list_videos(path)
        assert len(listing.videos) == videos[path.stem], path.name
        assert len(listing.skipped) == skipped.get(path.stem, 0), path.name
        damaged = 0
        for number, video in enumerate(listing.videos):
            try:
                extract(path, video, tmp_path / f"{path.stem}{number}")
            except ArchiveError:
                damaged += 1
        assert damaged == (path.stem == "crc_error"), path.name


def test_the_message_about_encryption_says_what_to_do(shared):
    path = shared / "data" / "video-corpus" / "zips" / "encrypted_zipcrypto.zip"
    with pytest.raises(ArchiveError, match="without a password"):
        list_videos(path)
