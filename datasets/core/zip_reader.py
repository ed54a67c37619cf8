"""A zip of videos from outside: looked through before anything is unpacked.

The directory of the zip is read first. A zip that is made to harm (paths that lead elsewhere,
links, encrypted members, a bomb, overlapping members, thousands of entries) is refused as a
whole with an ArchiveError; a member that is just no video of ours is refused alone, with a
sentence. Names in the zip are text to show and never become paths; every byte that comes out is
counted.
"""

import hashlib
import lzma
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipInfo

VIDEO_ENDINGS = (
    *(".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
    *(".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv"),
)
ARCHIVE_ENDINGS = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")
# Where films of all containers begin alike, whatever they are called; (place, bytes).
BEGINNINGS = (
    *((4, b"ftyp"), (4, b"moov"), (4, b"wide"), (0, b"\x1a\x45\xdf\xa3"), (8, b"AVI LIST")),
    *((0, b"FLV\x01"), (0, b"\x00\x00\x01\xba"), (0, b"\x00\x00\x01\xb3")),
    *((0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01")),
)
PHOTOS_AND_SONGS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"M4A ", b"M4B ")
PACKETS = (188, 192)  # bytes of a packet of a transport stream, which begins with G
OTHER_ARCHIVES = {
    b"7z\xbc\xaf": "7z",
    b"Rar!": "RAR",
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
}
METHODS = (ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2, ZIP_LZMA)
# Films are packed already: whatever shrinks this much is no film, or a trap.
MOST_EXPANSION = 20
EXPANSION_JUDGED_FROM = 10 << 20
DIRECTORY_BYTES_PER_MEMBER = 4096
END_RECORD = b"PK\x05\x06"
NAME_LENGTH = 180
CHUNK = 1 << 20
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)


class ArchiveError(ValueError):
    """The zip, or one member when it is unpacked, cannot be taken; the message says why."""


class ArchiveLimits(NamedTuple):
    """What a zip may hold at most; sizes in bytes, unpacked."""

    members: int = 2000
    total_bytes: int = 200 << 30
    member_bytes: int = 20 << 30


class ArchiveMember(NamedTuple):
    """A video in a zip. `name` is for people; `info` is how zipfile finds it again."""

    name: str
    size: int
    info: ZipInfo


class Refusal(NamedTuple):
    name: str
    reason: str


class Listing(NamedTuple):
    """The videos of a zip in its own order, and the members that are none."""

    videos: list[ArchiveMember]
    refused: list[Refusal]

    @property
    def size(self) -> int:
        """Bytes of all videos, unpacked."""
        return sum(video.size for video in self.videos)


def list_videos(path: Path, limits: ArchiveLimits | None = None) -> Listing:
    """The videos in the zip at `path`. Raises ArchiveError if the zip as a whole is refused."""
    limits = limits or ArchiveLimits()
    with _open(path, limits) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        listing = Listing([], [])
        for info in members:
            _check_path(info)
            _check_kind(info)
            name = shown_name(info)
            if reason := _why_not(archive, info, name, limits):
                listing.refused.append(Refusal(name, reason))
            else:
                listing.videos.append(ArchiveMember(name, info.file_size, info))
        _check_places(members, archive.start_dir)
    if not listing.videos:
        raise ArchiveError("the zip has no video in it; known are " + " ".join(VIDEO_ENDINGS))
    if listing.size > limits.total_bytes:
        raise ArchiveError(
            f"its videos have {_gigabytes(listing.size)} unpacked; "
            f"at most {_gigabytes(limits.total_bytes)} are allowed"
        )
    _check_expansion(
        "all together", listing.size, sum(v.info.compress_size for v in listing.videos)
    )
    return listing


def list_files(
    path: Path, names: Collection[str], limits: ArchiveLimits | None = None
) -> dict[str, ArchiveMember]:
    """The members of the zip at `path` that are called one of `names`, in whatever folder.

    Raises ArchiveError if the zip as a whole is refused, or has one of the names twice.
    """
    limits = limits or ArchiveLimits()
    found: dict[str, ArchiveMember] = {}
    with _open(path, limits) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        for info in members:
            name = shown_name(info)
            if name not in names or _is_system_file(info.filename):
                continue
            _check_path(info)
            _check_kind(info)
            if name in found:
                raise ArchiveError(f"the zip has two files named {name}")
            found[name] = ArchiveMember(name, info.file_size, info)
        _check_places(members, archive.start_dir)
    size = sum(member.size for member in found.values())
    if size > limits.total_bytes:
        raise ArchiveError(
            f"its files have {_gigabytes(size)} unpacked; "
            f"at most {_gigabytes(limits.total_bytes)} are allowed"
        )
    return found


def extract(path: Path, member: ArchiveMember, target: Path) -> str:
    """Unpack `member` of the zip at `path` into the new file `target`; return its SHA-256.

    Raises ArchiveError, and leaves no file, if the member is damaged or longer than it says.
    """
    digest, count = hashlib.sha256(), 0
    try:
        with (
            zipfile.ZipFile(path) as archive,
            archive.open(member.info) as source,
            target.open("xb") as out,
        ):
            while chunk := source.read(CHUNK):
                count += len(chunk)
                if count > member.size:
                    raise ArchiveError(f"{member.name} is longer than the zip says")
                digest.update(chunk)
                out.write(chunk)
        if count != member.size:
            raise ArchiveError(f"{member.name} has {count} of {member.size} bytes")
    except ArchiveError:
        target.unlink(missing_ok=True)
        raise
    except DAMAGE as error:
        target.unlink(missing_ok=True)
        raise ArchiveError(_damaged(member, error)) from error
    except OSError as error:
        target.unlink(missing_ok=True)
        # bz2 reports damaged data as OSError without a number; a full disk has one.
        if error.errno is None:
            raise ArchiveError(_damaged(member, error)) from error
        raise
    return digest.hexdigest()


def _damaged(member: ArchiveMember, error: Exception) -> str:
    return f"{member.name} is damaged in the zip ({error}); zip it again from the video itself"


def shown_name(info: ZipInfo) -> str:
    """The member's file name for people: no folders, no control signs, not too long."""
    name = info.filename
    if not info.flag_bits & 0x800:  # not marked as UTF-8: zipfile has read it as cp437
        name = _best_reading(name.encode("cp437", "replace"))
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = (c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c)[0] != "C")
    file = PurePosixPath("".join(kept) or "nameless")
    return file.stem[:NAME_LENGTH] + file.suffix[:12]


def _best_reading(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        japanese = raw.decode("cp932")
    except UnicodeDecodeError:
        return raw.decode("cp437")
    # A single accented letter and the one after it are a kanji too, by chance.
    wide = "".join("w" if unicodedata.east_asian_width(c) == "W" else "-" for c in japanese)
    return japanese if "ww" in wide else raw.decode("cp437")


def _open(path: Path, limits: ArchiveLimits) -> zipfile.ZipFile:
    try:
        _check_directory_size(path, limits)
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(_no_zip(path, error)) from error
    if len(archive.infolist()) > limits.members:
        count = len(archive.infolist())
        archive.close()
        raise ArchiveError(f"{count} entries; at most {limits.members} are allowed in a zip")
    return archive


def _no_zip(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        head = file.read(512)
    kind = next((kind for begin, kind in OTHER_ARCHIVES.items() if head.startswith(begin)), "")
    if head[257:262] == b"ustar":
        kind = "tar"
    if kind:
        return f"not a zip but a {kind} archive by its content; pack the videos into a zip"
    if _begins_as_film(head):
        return "not a zip but a video by its content; pack it into a zip"
    return f"not a whole zip file ({error}); was it copied to its end?"


def _check_directory_size(path: Path, limits: ArchiveLimits) -> None:
    """Refuse a monstrous directory before zipfile reads all of it into memory."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - (1 << 16) - 22))
        tail = file.read()
        place = tail.rfind(END_RECORD)
        if place < 0 or len(tail) < place + 22:
            return  # zipfile says what is wrong
        directory = struct.unpack_from("<L", tail, place + 12)[0]
        if directory == 0xFFFFFFFF and place >= 20:  # zip64: see the record the locator shows
            file.seek(struct.unpack_from("<Q", tail, place - 12)[0] + 40)
            directory = struct.unpack("<Q", file.read(8))[0]
    if directory > limits.members * DIRECTORY_BYTES_PER_MEMBER:
        raise ArchiveError(
            f"its list of entries has {directory:,} bytes: far more than {limits.members} files"
        )


def _check_path(info: ZipInfo) -> None:
    # `orig_filename` is what the zip says, before zipfile cuts it at a zero byte.
    name = info.orig_filename.replace("\\", "/")
    drive = len(name) > 1 and name[1] == ":"
    if name.startswith("/") or drive or ".." in name.split("/"):
        raise ArchiveError(f"{info.filename!r} leads out of its folder; the zip is not safe")


def _check_kind(info: ZipInfo) -> None:
    mode = stat.S_IFMT(info.external_attr >> 16)
    if info.create_system == 3 and mode not in (0, stat.S_IFREG):
        raise ArchiveError(f"{info.filename!r} is a link or a special file, not a video")
    if info.flag_bits & 0x1:
        raise ArchiveError(f"{info.filename!r} is encrypted; zip it again without a password")
    _check_expansion(repr(info.filename), info.file_size, info.compress_size)


def _check_expansion(what: str, size: int, packed: int) -> None:
    expansion = size / max(1, packed)
    if size > EXPANSION_JUDGED_FROM and expansion > MOST_EXPANSION:
        raise ArchiveError(f"{what} grows {expansion:.0f} times when unpacked; no film does")


def _check_places(members: list[ZipInfo], directory_start: int) -> None:
    """Members must not share bytes: one small stretch could be unpacked thousands of times."""
    places = sorted(
        (info.header_offset, info.header_offset + 30 + info.compress_size, info.filename)
        for info in members
    )
    ends = [(start, name) for start, _, name in places[1:]] + [(directory_start, "the list")]
    for (_, end, name), (next_start, next_name) in zip(places, ends, strict=False):
        if end > next_start:
            raise ArchiveError(f"{name!r} and {next_name!r} overlap in the zip; it is not safe")


def _why_not(archive: zipfile.ZipFile, info: ZipInfo, name: str, limits: ArchiveLimits) -> str:
    """Why this member alone is refused; empty if it is a video."""
    ending = PurePosixPath(name).suffix.lower()
    if _is_system_file(info.filename):
        return "a file of the system it was zipped on, not a video"
    if ending in ARCHIVE_ENDINGS:
        return "an archive inside the zip; unpack it and zip the videos themselves"
    if info.compress_type not in METHODS:
        return f"packed by method {info.compress_type}; zip it again with 'store' or 'deflate'"
    if ending not in VIDEO_ENDINGS and not _begins_as_film(_head(archive, info)):
        return "not a video, neither by its name nor by its first bytes"
    if info.file_size > limits.member_bytes:
        most = _gigabytes(limits.member_bytes)
        return f"{_gigabytes(info.file_size)} long; at most {most} are allowed for one video"
    return ""


def _head(archive: zipfile.ZipFile, info: ZipInfo) -> bytes:
    """The first bytes of a member; none if they cannot be read."""
    try:
        with archive.open(info) as member:
            return member.read(512)
    except (*DAMAGE, OSError, NotImplementedError):
        return b""


def _begins_as_film(head: bytes) -> bool:
    """Whether a file that begins so is a film for all we know.

    >>> _begins_as_film(b"\\0\\0\\0 ftypisom"), _begins_as_film(b"\\0\\0\\0 ftypheic")
    (True, False)
    """
    if head[4:8] == b"ftyp" and head[8:12] in PHOTOS_AND_SONGS:
        return False
    if any(head.startswith(begin, place) for place, begin in BEGINNINGS):
        return True
    return any(head[size % 188 :: size][:2] == b"GG" for size in PACKETS)


def _is_system_file(name: str) -> bool:
    parts = name.replace("\\", "/").lower().split("/")
    return (
        "__macosx" in parts
        or parts[-1].startswith("._")
        or parts[-1] in (".ds_store", "thumbs.db", "desktop.ini")
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
