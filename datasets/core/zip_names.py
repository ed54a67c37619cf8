"""Names of the files in a zip, for display: in whatever encoding they are written."""

import struct
import unicodedata
import zlib
from pathlib import PurePosixPath
from zipfile import ZipInfo

MAX_NAME_LENGTH = 180
IS_UTF8 = 0x800  # a flag of an entry
UNICODE_PATH = 0x7075  # an extra field that Info-ZIP and WinRAR write


def display_name(info: ZipInfo) -> str:
    """The file name for display: no folders, no control characters, not too long."""
    name = info.filename
    if not info.flag_bits & IS_UTF8:  # zipfile has read it as cp437
        raw = name.encode("cp437", "replace")
        name = _unicode_path(info.extra, raw) or _decode_name(raw)
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = (c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c)[0] != "C")
    file = PurePosixPath("".join(kept) or "nameless")
    return file.stem[:MAX_NAME_LENGTH] + file.suffix[:12]


def _unicode_path(extra: bytes, raw: bytes) -> str:
    """The name in UTF-8 that stands beside `raw`; empty if there is none for it."""
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        content = extra[place + 4 : place + 4 + size]
        if kind == UNICODE_PATH and len(content) > 5:
            (checked,) = struct.unpack_from("<L", content, 1)
            return content[5:].decode("utf-8", "ignore") if checked == zlib.crc32(raw) else ""
        place += 4 + size
    return ""


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
