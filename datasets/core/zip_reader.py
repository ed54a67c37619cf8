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
import zipfile
import zlib
from collections.abc import Collection, Generator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipInfo

from datasets.core.deflate64 import ZIP_DEFLATED64, read_chunks, read_head
from datasets.core.sizes import size_text
from datasets.core.translation import gettext as _
from datasets.core.translation import gettext_noop
from datasets.core.untrusted import UntrustedDataError
from datasets.core.video_files import (
    ARCHIVE_EXTENSIONS,
    VIDEO_EXTENSIONS,
    extension,
    has_video_extension,
    has_video_signature,
    is_system_file,
    proxy_reason,
)
from datasets.core.zip_names import display_name

OTHER_ARCHIVE_SIGNATURES = {
    b"7z\xbc\xaf": "7z",
    b"Rar!": "RAR",
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
}
COMPRESSION_METHODS = (ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2, ZIP_LZMA, ZIP_DEFLATED64)
# Videos are compressed already: a higher ratio is no video, or a zip bomb.
MAX_EXPANSION = 20
EXPANSION_CHECKED_FROM = 10 << 20
DIRECTORY_BYTES_PER_MEMBER = 4096
END_RECORD = b"PK\x05\x06"
NO_DISK = 0xFFFF  # the number is in the record of zip64
SPLIT = gettext_noop(
    "one part of a split zip; join all parts (zip -s 0 NAME.zip --out whole.zip), or zip the "
    "videos into one file"
)
SPLIT_SIGNATURE = b"PK\x07\x08"  # begins the first part
REASONS_SHOWN = 3
HEAD_BYTES = 512
SYSTEM_FILE = "a system file"
CHUNK = 1 << 20
DAMAGE = (None, errno.EINVAL)  # numbers of OSErrors that tell of the content, not the disk
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)


class SkippedFile(NamedTuple):
    name: str
    reason: str


class ArchiveError(UntrustedDataError):
    """The zip, or one entry during extraction, is rejected; the message says why.

    Attributes:
        skipped: The files of a zip that has no video, each with its reason.
    """

    skipped: tuple[SkippedFile, ...] = ()


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
        names = [display_name(info) for info in members]
        for info, name in zip(members, names, strict=True):
            _check_path(info)
            _check_file_type(info)
            reason = _name_reason(info, name, names) or _skip_reason(
                archive, path, info, name, limits
            )
            if reason:
                listing.skipped.append(SkippedFile(name, reason))
            else:  # what is skipped is never unpacked
                _check_expansion(repr(info.filename), info.file_size, info.compress_size)
                listing.videos.append(ArchiveMember(name, info.file_size, info))
        _check_overlaps(members, archive.start_dir)
    if not listing.videos:
        raise _no_video(listing.skipped)
    if listing.size > limits.total_bytes:
        raise ArchiveError(
            _(
                "its videos have %(size)s uncompressed; at most %(most)s are allowed "
                "(AVA_MAX_ZIP_BYTES)"
            )
            % {"size": size_text(listing.size), "most": size_text(limits.total_bytes)}
        )
    _check_expansion(
        _("all together"), listing.size, sum(v.info.compress_size for v in listing.videos)
    )
    return listing


def _no_video(skipped: list[SkippedFile]) -> ArchiveError:
    """The error of a zip whose files are all skipped, with the reasons."""
    own = [file for file in skipped if not file.reason.startswith(SYSTEM_FILE)]
    reasons = "; ".join(f"{file.name} is {file.reason}" for file in own[:REASONS_SHOWN])
    more = len(own) - REASONS_SHOWN
    if more > 0:
        reasons += _("; and %s more") % more
    supported = "supported: " + " ".join(VIDEO_EXTENSIONS)
    error = ArchiveError(
        _("the zip contains no video: %(reasons)s; %(supported)s")
        % {"reasons": reasons or _("it is empty"), "supported": supported}
    )
    error.skipped = tuple(skipped)
    return error


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
            if name not in names or is_system_file(info.filename):
                continue
            _check_path(info)
            _check_file_type(info)
            _check_expansion(repr(info.filename), info.file_size, info.compress_size)
            if name in found:
                raise ArchiveError(_("the zip has two files named %s") % name)
            found[name] = ArchiveMember(name, info.file_size, info)
        _check_overlaps(members, archive.start_dir)
    size = sum(member.size for member in found.values())
    if size > limits.total_bytes:
        raise ArchiveError(
            _(
                "its files have %(size)s uncompressed; at most %(most)s are "
                "allowed (AVA_MAX_ZIP_BYTES)"
            )
            % {"size": size_text(size), "most": size_text(limits.total_bytes)}
        )
    return found


def extract(path: Path, member: ArchiveMember, target: Path) -> str:
    """Extract `member` of the zip at `path` to the new file `target`; return its SHA-256.

    Raises ArchiveError, and leaves no file, if it is damaged or longer than declared.
    """
    digest, count = hashlib.sha256(), 0
    try:
        with closing(_chunks(path, member.info)) as chunks, target.open("xb") as out:
            for chunk in chunks:
                count += len(chunk)
                if count > member.size:
                    raise ArchiveError(_("%s is longer than the zip says") % member.name)
                digest.update(chunk)
                out.write(chunk)
        if count != member.size:
            raise ArchiveError(
                _("%(member)s has %(count)s of %(size)s bytes")
                % {"member": member.name, "count": count, "size": member.size}
            )
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


def _chunks(path: Path, info: ZipInfo) -> Generator[bytes, None, None]:
    """The content of a member, checked against its CRC at the end."""
    if info.compress_type == ZIP_DEFLATED64:
        yield from read_chunks(path, info)
        return
    with zipfile.ZipFile(path) as archive, archive.open(info) as source:
        while chunk := source.read(CHUNK):
            yield chunk


def _damaged_message(member: ArchiveMember, error: Exception) -> str:
    return _(
        "%(member)s is damaged in the zip (%(error)s); zip it again from the video itself"
    ) % {"member": member.name, "error": error}


def _open(path: Path, limits: ArchiveLimits) -> zipfile.ZipFile:
    try:
        _check_directory_size(path, limits)
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(_not_a_zip_message(path, error)) from error
    count = sum(not is_system_file(info.filename) for info in archive.infolist())
    if count > limits.members:
        archive.close()
        raise ArchiveError(
            _(
                "%(count)s entries; at most %(members)s are allowed in a zip "
                "(AVA_MAX_ZIP_MEMBERS)"
            )
            % {"count": count, "members": limits.members}
        )
    return archive


def _not_a_zip_message(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        head = file.read(512)
    kind = next(
        (kind for begin, kind in OTHER_ARCHIVE_SIGNATURES.items() if head.startswith(begin)), ""
    )
    if head.startswith(SPLIT_SIGNATURE):
        return _(SPLIT)
    if head[257:262] == b"ustar":
        kind = "tar"
    if kind:
        return _("not a zip but a %s archive by its content; pack the videos into a zip") % kind
    if has_video_signature(head):
        return _("not a zip but a video by its content; pack it into a zip")
    return _("not a complete zip file (%s); was it copied completely?") % error


def _check_directory_size(path: Path, limits: ArchiveLimits) -> None:
    """Reject a huge central directory before zipfile reads it into memory."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - (1 << 16) - 22))
        tail = file.read()
        place = tail.rfind(END_RECORD)
        if place < 0 or len(tail) < place + 22:
            return  # zipfile reports what is wrong
        disk, directory = struct.unpack_from("<4xH6xL", tail, place)
        if disk not in (0, NO_DISK):
            raise ArchiveError(_(SPLIT))
        if directory == 0xFFFFFFFF and place >= 20:  # zip64: read the record at the locator
            file.seek(struct.unpack_from("<Q", tail, place - 12)[0] + 40)
            directory = struct.unpack("<Q", file.read(8))[0]
    if directory > limits.members * DIRECTORY_BYTES_PER_MEMBER:
        raise ArchiveError(
            _("its list of entries has %(directory)s bytes: far more than %(members)s files")
            % {"directory": f"{directory:,}", "members": limits.members}
        )


def _check_path(info: ZipInfo) -> None:
    # `orig_filename` is the stored name, before zipfile cuts it at a zero byte.
    name = info.orig_filename.replace("\\", "/")
    drive = name[:1].isalpha() and name[1:2] == ":"
    if name.startswith("/") or drive or ".." in name.split("/"):
        raise ArchiveError(
            _("%r points outside its folder; the zip is not safe") % info.filename
        )


def _check_file_type(info: ZipInfo) -> None:
    mode = stat.S_IFMT(info.external_attr >> 16)
    if info.create_system == 3 and mode not in (0, stat.S_IFREG):
        raise ArchiveError(_("%r is a link or a special file, not a video") % info.filename)
    if info.flag_bits & 0x1:
        raise ArchiveError(
            _("%r is encrypted; zip it again without a password") % info.filename
        )


def _check_expansion(what: str, size: int, packed: int) -> None:
    expansion = size / max(1, packed)
    if size > EXPANSION_CHECKED_FROM and expansion > MAX_EXPANSION:
        raise ArchiveError(
            _(
                "%(what)s expands %(expansion).0f times, as zip bombs do; if it is an "
                "uncompressed video, zip it without compression ('store')"
            )
            % {"what": what, "expansion": expansion}
        )


def _check_overlaps(members: list[ZipInfo], directory_start: int) -> None:
    """Entries must not overlap: few bytes could be extracted thousands of times."""
    places = sorted(
        (info.header_offset, info.header_offset + 30 + info.compress_size, info.filename)
        for info in members
    )
    ends = [(start, name) for start, _end, name in places[1:]] + [(directory_start, "the list")]
    for (_start, end, name), (next_start, next_name) in zip(places, ends, strict=False):
        if end > next_start:
            raise ArchiveError(
                _("%(name)r and %(next_name)r overlap in the zip; it is not safe")
                % {"name": name, "next_name": next_name}
            )


def _name_reason(info: ZipInfo, name: str, names: list[str]) -> str:
    """Why this file is skipped by its name alone; empty if it may be a video."""
    if is_system_file(info.filename):
        return f"{SYSTEM_FILE}, not a video"
    if extension(name) in ARCHIVE_EXTENSIONS:
        return _("an archive inside the zip; unpack it and zip the videos themselves")
    return proxy_reason(name, names)


def _skip_reason(
    archive: zipfile.ZipFile, path: Path, info: ZipInfo, name: str, limits: ArchiveLimits
) -> str:
    """Why this file is skipped; empty if it is a video."""
    if info.compress_type not in COMPRESSION_METHODS:
        return (
            _("packed by method %s; zip it again with 'store' or 'deflate'")
            % info.compress_type
        )
    if not has_video_extension(name) and not has_video_signature(
        _first_bytes(archive, path, info)
    ):
        return _("not a video, by its name and its first bytes")
    if info.file_size > limits.member_bytes:
        most = size_text(limits.member_bytes)
        return _(
            "%(size)s long; at most %(most)s are allowed for one video (AVA_MAX_VIDEO_BYTES)"
        ) % {"size": size_text(info.file_size), "most": most}
    return ""


def _first_bytes(archive: zipfile.ZipFile, path: Path, info: ZipInfo) -> bytes:
    """The first bytes of a file; empty if they cannot be read."""
    try:
        return read_head(archive, path, info, HEAD_BYTES)
    except (*ZIP_ERRORS, OSError, NotImplementedError):
        return b""
