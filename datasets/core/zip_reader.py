"""Reading untrusted zips: checked completely before anything is extracted.

The central directory is read first. A malicious zip (path traversal, links, encryption, zip
bombs, overlapping entries, too many entries) is rejected with an ArchiveError; an entry that is
not a video is skipped with a reason. Names in the zip are only displayed and never
used as paths; every extracted byte is counted.
"""

import errno
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

from datasets.core.untrusted import UntrustedDataError

VIDEO_EXTENSIONS = (
    *(".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
    *(".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv"),
)
ARCHIVE_EXTENSIONS = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")
# File signatures of video containers: (offset, bytes).
VIDEO_SIGNATURES = (
    *((4, b"ftyp"), (4, b"moov"), (4, b"wide"), (0, b"\x1a\x45\xdf\xa3"), (8, b"AVI LIST")),
    *((0, b"FLV\x01"), (0, b"\x00\x00\x01\xba"), (0, b"\x00\x00\x01\xb3")),
    *((0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01")),
)
NON_VIDEO_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"M4A ", b"M4B ")
TS_PACKET_BYTES = (188, 192)  # MPEG-TS packets, each starts with 0x47 (G)
OTHER_ARCHIVE_SIGNATURES = {
    b"7z\xbc\xaf": "7z",
    b"Rar!": "RAR",
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
}
COMPRESSION_METHODS = (ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2, ZIP_LZMA)
# Videos are compressed already: a higher ratio is no video, or a zip bomb.
MAX_EXPANSION = 20
EXPANSION_CHECKED_FROM = 10 << 20
DIRECTORY_BYTES_PER_MEMBER = 4096
END_RECORD = b"PK\x05\x06"
MAX_NAME_LENGTH = 180
CHUNK = 1 << 20
DAMAGE = (None, errno.EINVAL)  # numbers of OSErrors that tell of the content, not the disk
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)


class ArchiveError(UntrustedDataError):
    """The zip, or one entry during extraction, is rejected; the message says why."""


class ArchiveLimits(NamedTuple):
    """VideoLimits of a zip; sizes in bytes, uncompressed."""

    members: int = 2000
    total_bytes: int = 200 << 30
    member_bytes: int = 20 << 30


class ArchiveMember(NamedTuple):
    """A file in a zip. `name` is for display; `info` identifies it for zipfile."""

    name: str
    size: int
    info: ZipInfo


class SkippedFile(NamedTuple):
    name: str
    reason: str


class Listing(NamedTuple):
    """The videos of a zip in its own order, and the files that are skipped."""

    videos: list[ArchiveMember]
    skipped: list[SkippedFile]

    @property
    def size(self) -> int:
        """Bytes of all videos, uncompressed."""
        return sum(video.size for video in self.videos)


def list_videos(path: Path, limits: ArchiveLimits | None = None) -> Listing:
    """The videos in the zip at `path`. Raises ArchiveError if the zip is rejected."""
    limits = limits or ArchiveLimits()
    with _open(path, limits) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        listing = Listing([], [])
        for info in members:
            _check_path(info)
            _check_file_type(info)
            name = display_name(info)
            if reason := _skip_reason(archive, info, name, limits):
                listing.skipped.append(SkippedFile(name, reason))
            else:
                listing.videos.append(ArchiveMember(name, info.file_size, info))
        _check_overlaps(members, archive.start_dir)
    if not listing.videos:
        raise ArchiveError(
            "the zip contains no video; supported: " + " ".join(VIDEO_EXTENSIONS)
        )
    if listing.size > limits.total_bytes:
        raise ArchiveError(
            f"its videos have {_gigabytes(listing.size)} uncompressed; "
            f"at most {_gigabytes(limits.total_bytes)} are allowed"
        )
    _check_expansion(
        "all together", listing.size, sum(v.info.compress_size for v in listing.videos)
    )
    return listing


def list_files(
    path: Path, names: Collection[str], limits: ArchiveLimits | None = None
) -> dict[str, ArchiveMember]:
    """The files of the zip at `path` that have one of the `names`, in any folder.

    Raises ArchiveError if the zip is rejected, or has one of the names twice.
    """
    limits = limits or ArchiveLimits()
    found: dict[str, ArchiveMember] = {}
    with _open(path, limits) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        for info in members:
            name = display_name(info)
            if name not in names or _is_system_file(info.filename):
                continue
            _check_path(info)
            _check_file_type(info)
            if name in found:
                raise ArchiveError(f"the zip has two files named {name}")
            found[name] = ArchiveMember(name, info.file_size, info)
        _check_overlaps(members, archive.start_dir)
    size = sum(member.size for member in found.values())
    if size > limits.total_bytes:
        raise ArchiveError(
            f"its files have {_gigabytes(size)} uncompressed; "
            f"at most {_gigabytes(limits.total_bytes)} are allowed"
        )
    return found


def extract(path: Path, member: ArchiveMember, target: Path) -> str:
    """Extract `member` of the zip at `path` to the new file `target`; return its SHA-256.

    Raises ArchiveError, and leaves no file, if it is damaged or longer than declared.
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
    except ZIP_ERRORS as error:
        target.unlink(missing_ok=True)
        raise ArchiveError(_damaged_message(member, error)) from error
    except OSError as error:
        target.unlink(missing_ok=True)
        # Damage: bz2 gives no number, a place before the file EINVAL. A full disk is none.
        if error.errno in DAMAGE:
            raise ArchiveError(_damaged_message(member, error)) from error
        raise
    return digest.hexdigest()


def _damaged_message(member: ArchiveMember, error: Exception) -> str:
    return f"{member.name} is damaged in the zip ({error}); zip it again from the video itself"


def display_name(info: ZipInfo) -> str:
    """The file name for display: no folders, no control characters, not too long."""
    name = info.filename
    if not info.flag_bits & 0x800:  # not marked as UTF-8: zipfile has read it as cp437
        name = _decode_name(name.encode("cp437", "replace"))
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = (c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c)[0] != "C")
    file = PurePosixPath("".join(kept) or "nameless")
    return file.stem[:MAX_NAME_LENGTH] + file.suffix[:12]


def _decode_name(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        japanese = raw.decode("cp932")
    except UnicodeDecodeError:
        return raw.decode("cp437")
    # One accented letter and its successor may decode as a kanji by chance.
    wide = "".join("w" if unicodedata.east_asian_width(c) == "W" else "-" for c in japanese)
    return japanese if "ww" in wide else raw.decode("cp437")


def _open(path: Path, limits: ArchiveLimits) -> zipfile.ZipFile:
    try:
        _check_directory_size(path, limits)
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(_not_a_zip_message(path, error)) from error
    if len(archive.infolist()) > limits.members:
        count = len(archive.infolist())
        archive.close()
        raise ArchiveError(f"{count} entries; at most {limits.members} are allowed in a zip")
    return archive


def _not_a_zip_message(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        head = file.read(512)
    kind = next(
        (kind for begin, kind in OTHER_ARCHIVE_SIGNATURES.items() if head.startswith(begin)), ""
    )
    if head[257:262] == b"ustar":
        kind = "tar"
    if kind:
        return f"not a zip but a {kind} archive by its content; pack the videos into a zip"
    if _has_video_signature(head):
        return "not a zip but a video by its content; pack it into a zip"
    return f"not a complete zip file ({error}); was it copied completely?"


def _check_directory_size(path: Path, limits: ArchiveLimits) -> None:
    """Reject a huge central directory before zipfile reads it into memory."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - (1 << 16) - 22))
        tail = file.read()
        place = tail.rfind(END_RECORD)
        if place < 0 or len(tail) < place + 22:
            return  # zipfile reports what is wrong
        directory = struct.unpack_from("<L", tail, place + 12)[0]
        if directory == 0xFFFFFFFF and place >= 20:  # zip64: read the record at the locator
            file.seek(struct.unpack_from("<Q", tail, place - 12)[0] + 40)
            directory = struct.unpack("<Q", file.read(8))[0]
    if directory > limits.members * DIRECTORY_BYTES_PER_MEMBER:
        raise ArchiveError(
            f"its list of entries has {directory:,} bytes: far more than {limits.members} files"
        )


def _check_path(info: ZipInfo) -> None:
    # `orig_filename` is the stored name, before zipfile cuts it at a zero byte.
    name = info.orig_filename.replace("\\", "/")
    drive = len(name) > 1 and name[1] == ":"
    if name.startswith("/") or drive or ".." in name.split("/"):
        raise ArchiveError(f"{info.filename!r} points outside its folder; the zip is not safe")


def _check_file_type(info: ZipInfo) -> None:
    mode = stat.S_IFMT(info.external_attr >> 16)
    if info.create_system == 3 and mode not in (0, stat.S_IFREG):
        raise ArchiveError(f"{info.filename!r} is a link or a special file, not a video")
    if info.flag_bits & 0x1:
        raise ArchiveError(f"{info.filename!r} is encrypted; zip it again without a password")
    _check_expansion(repr(info.filename), info.file_size, info.compress_size)


def _check_expansion(what: str, size: int, packed: int) -> None:
    expansion = size / max(1, packed)
    if size > EXPANSION_CHECKED_FROM and expansion > MAX_EXPANSION:
        raise ArchiveError(f"{what} expands {expansion:.0f} times; no video does")


def _check_overlaps(members: list[ZipInfo], directory_start: int) -> None:
    """Entries must not overlap: few bytes could be extracted thousands of times."""
    places = sorted(
        (info.header_offset, info.header_offset + 30 + info.compress_size, info.filename)
        for info in members
    )
    ends = [(start, name) for start, _, name in places[1:]] + [(directory_start, "the list")]
    for (_, end, name), (next_start, next_name) in zip(places, ends, strict=False):
        if end > next_start:
            raise ArchiveError(f"{name!r} and {next_name!r} overlap in the zip; it is not safe")


def _skip_reason(
    archive: zipfile.ZipFile, info: ZipInfo, name: str, limits: ArchiveLimits
) -> str:
    """Why this file is skipped; empty if it is a video."""
    ending = PurePosixPath(name).suffix.lower()
    if _is_system_file(info.filename):
        return "a system file, not a video"
    if ending in ARCHIVE_EXTENSIONS:
        return "an archive inside the zip; unpack it and zip the videos themselves"
    if info.compress_type not in COMPRESSION_METHODS:
        return f"packed by method {info.compress_type}; zip it again with 'store' or 'deflate'"
    if ending not in VIDEO_EXTENSIONS and not _has_video_signature(_first_bytes(archive, info)):
        return "not a video, by its name and its first bytes"
    if info.file_size > limits.member_bytes:
        most = _gigabytes(limits.member_bytes)
        return f"{_gigabytes(info.file_size)} long; at most {most} are allowed for one video"
    return ""


def _first_bytes(archive: zipfile.ZipFile, info: ZipInfo) -> bytes:
    """The first bytes of a file; empty if they cannot be read."""
    try:
        with archive.open(info) as member:
            return member.read(512)
    except (*ZIP_ERRORS, OSError, NotImplementedError):
        return b""


def _has_video_signature(head: bytes) -> bool:
    """Whether these first bytes are those of a known video container.

    >>> _has_video_signature(b"\\0\\0\\0 ftypisom"), _has_video_signature(b"\\0\\0\\0 ftypheic")
    (True, False)
    """
    if head[4:8] == b"ftyp" and head[8:12] in NON_VIDEO_BRANDS:
        return False
    if any(head.startswith(begin, place) for place, begin in VIDEO_SIGNATURES):
        return True
    return any(head[size % 188 :: size][:2] == b"GG" for size in TS_PACKET_BYTES)


def _is_system_file(name: str) -> bool:
    parts = name.replace("\\", "/").lower().split("/")
    return (
        "__macosx" in parts
        or parts[-1].startswith("._")
        or parts[-1] in (".ds_store", "thumbs.db", "desktop.ini")
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
