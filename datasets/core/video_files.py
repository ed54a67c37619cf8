"""Which files are videos, by their names and first bytes; proxies and bare streams by name."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from datasets.core.translation import gettext as _

VIDEO_EXTENSIONS = (
    *(".3gp", ".avi", ".dav", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"),
    *(".mpg", ".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv", ".y4m"),
)
ARCHIVE_EXTENSIONS = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")
# Streams without a container -> the demuxer of libavformat that reads them.
BARE_STREAMS = {
    ".h264": "h264", ".264": "h264", ".avc": "h264", ".h265": "hevc", ".265": "hevc",
    ".hevc": "hevc", ".y4m": "yuv4mpegpipe", ".dav": "dhav",
}  # fmt: skip
WITHOUT_RATE = ("h264", "hevc")  # demuxers that take any frame rate unless told
# Small copies that cameras write beside a video: GoPro and Insta360, DJI.
PROXY_EXTENSIONS = (".lrv", ".lrf")
THUMBNAIL_EXTENSIONS = (".thm",)
# File signatures of video containers: (offset, bytes).
VIDEO_SIGNATURES = (
    *((4, b"ftyp"), (4, b"moov"), (4, b"wide"), (0, b"\x1a\x45\xdf\xa3"), (8, b"AVI LIST")),
    *((0, b"FLV\x01"), (0, b"\x00\x00\x01\xba"), (0, b"\x00\x00\x01\xb3")),
    *((0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01")),
    *((0, b"YUV4MPEG2 "), (0, b"DHAV")),
)
NON_VIDEO_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"M4A ", b"M4B ")
TS_PACKET_BYTES = (188, 192)  # MPEG-TS packets, each starts with 0x47 (G)


def has_video_extension(name: str) -> bool:
    """Whether a file is a video by its name."""
    return extension(name) in VIDEO_EXTENSIONS or extension(name) in BARE_STREAMS


def extension(name: str) -> str:
    """The extension of a file name in small letters, with its dot; empty if there is none."""
    return PurePosixPath(name).suffix.lower()


def has_video_signature(head: bytes) -> bool:
    """Whether these first bytes are those of a known video container.

    >>> has_video_signature(b"\\0\\0\\0 ftypisom"), has_video_signature(b"\\0\\0\\0 ftypheic")
    (True, False)
    """
    if head[4:8] == b"ftyp" and head[8:12] in NON_VIDEO_BRANDS:
        return False
    if any(head.startswith(begin, place) for place, begin in VIDEO_SIGNATURES):
        return True
    return any(head[size % 188 :: size][:2] == b"GG" for size in TS_PACKET_BYTES)


def is_system_file(path: str) -> bool:
    """Whether an operating system has added this file to a zip.

    >>> is_system_file("__MACOSX/._walk.mp4"), is_system_file("a/walk.mp4")
    (True, False)
    """
    parts = path.replace("\\", "/").lower().split("/")
    return (
        "__macosx" in parts
        or parts[-1].startswith("._")
        or parts[-1] in (".ds_store", "thumbs.db", "desktop.ini")
    )


def proxy_reason(name: str, others: Iterable[str]) -> str:
    """Why a camera's small copy or thumbnail is not used; empty if the file is none.

    Args:
        others: The names of the files beside it.

    >>> proxy_reason("GL010001.LRV", ["GX010001.MP4"])
    'a proxy, the small copy that the camera makes of GX010001.MP4'
    """
    kind = extension(name)
    if kind in THUMBNAIL_EXTENSIONS:
        return _("a thumbnail that the camera makes of a video")
    if kind not in PROXY_EXTENSIONS:
        return ""
    full = [
        other
        for other in others
        if extension(other) in VIDEO_EXTENSIONS and _take(other) == _take(name)
    ]
    if full:
        return _("a proxy, the small copy that the camera makes of %(full)s") % {
            "full": full[0]
        }
    return _("a proxy, the small copy that a camera makes of a video; upload the video itself")


def _take(name: str) -> str:
    """What the files of one recording have in common; GoPro calls them GX, GH and GL."""
    return re.sub(r"^g[lxh](?=\d{6}$)", "g", PurePosixPath(name).stem.lower())


def remux_hint(name: str) -> str:
    """How to put a bare stream into a container; empty if `name` is none.

    >>> remux_hint("walk.h264")
    'put it into a container with its frame rate: ffmpeg -framerate 30 -i walk.h264 -c copy \
walk.mp4'
    """
    demuxer = BARE_STREAMS.get(extension(name))
    if demuxer is None:
        return ""
    copy = "-c:v libx264 -crf 12" if demuxer == "yuv4mpegpipe" else "-c copy"
    rate = "-framerate 30 " if demuxer in WITHOUT_RATE else ""
    with_rate = _(" with its frame rate") if rate else ""
    target = f"{PurePosixPath(name).stem}.mp4"
    return _(
        "put it into a container%(with_rate)s: ffmpeg %(rate)s-i %(name)s %(copy)s %(target)s"
    ) % {"with_rate": with_rate, "rate": rate, "name": name, "copy": copy, "target": target}
