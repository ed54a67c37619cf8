"""What a finished release folder is packed in: the manifest with its sums, and the parts.

Paths inside a release are relative, with forward slashes, sorted as text. The same files give
the same bytes.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

MANIFEST = "manifest.json"
FORMAT = "ava-studio-release/1"
NO_LICENCE = "none"  # of a release, in so many words: nobody may pass it on
FORMAT_FACTS = {  # what every manifest says
    "format": FORMAT,
    "fps": 30,
    "timestamp_start": 900,
    "frame_template": "img_{:05d}.jpg",
    "first_frame": 1,
    "context_frames": 45,  # after a keyframe at least; before it 60
}
CHUNK = 1 << 20
SMALL_CHUNK = 1 << 17  # stays in the cache of a core
PARTS = {  # what may be left out of a download, and the folder it is in
    "frames": "rawframes/",
    "clips": "clips/",
    "formats": "formats/",
}


class FileSum(NamedTuple):
    """One file of a release, as the manifest and a zip want to know it."""

    size: int  # bytes
    crc: int
    sha256: str
    written_at: int = 0  # when the file was, in ns; 0 if nobody knows

    def is_of(self, its: os.stat_result) -> bool:
        """Whether nobody has written to the file since its sums were computed."""
        return (its.st_size, its.st_mtime_ns) == (self.size, self.written_at)


def ignore(share: float) -> None:
    """A listener for progress, 0 to 1, that does not care."""


def release_entries(folder: Path) -> dict[str, os.DirEntry[str]]:
    """All files of a release by their relative paths, sorted; links are not followed."""
    return dict(sorted(_entries(os.fspath(folder), "")))


def _entries(folder: str, start: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(entry.path, f"{start}{entry.name}/")
            else:
                yield start + entry.name, entry


def sum_of(path: Path) -> FileSum:
    """Size and sums of a file, read once."""
    size, crc, digest = 0, 0, hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            size += len(chunk)
            crc = zlib.crc32(chunk, crc)
            digest.update(chunk)
    return FileSum(size, crc, digest.hexdigest(), path.stat().st_mtime_ns)


def crc_of(path: Path) -> tuple[int, int]:
    """Size and CRC-32 of a file."""
    size = crc = 0
    buffer = memoryview(bytearray(SMALL_CHUNK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            size += count
            crc = zlib.crc32(buffer[:count], crc)
    return size, crc


def write_manifest(
    folder: Path,
    content: Mapping[str, Any],
    *,
    known: Mapping[str, FileSum] | None = None,
    progress: Callable[[float], None] = ignore,
) -> dict[str, FileSum]:
    """Write `manifest.json`: `content` and the SHA-256 of every other file of the folder.

    Args:
        known: Sums of files that need not be read again.

    Returns:
        The sums of all files, the manifest's too, by path and sorted.
    """
    paths = [path for path in release_entries(folder) if path != MANIFEST]
    sums: dict[str, FileSum] = {}
    for done, path in enumerate(paths):
        sums[path] = (known or {}).get(path) or sum_of(folder / path)
        progress(done / len(paths))
    files = {path: its.sha256 for path, its in sums.items()}
    text = json.dumps(
        FORMAT_FACTS | dict(content) | {"files": files}, indent=1, ensure_ascii=True
    )
    (folder / MANIFEST).write_text(f"{text}\n", encoding="ascii", newline="\n")
    return dict(sorted((sums | {MANIFEST: sum_of(folder / MANIFEST)}).items()))


def part_of(path: str) -> str:
    """Which part of a download a file belongs to; `annotations` is all that is always there.

    >>> part_of("rawframes/a-c0000/img_00001.jpg"), part_of("README.md")
    ('frames', 'annotations')
    """
    for part, start in PARTS.items():
        if path.startswith(start):
            return part
    return "annotations"


def part_sizes(sums: Mapping[str, FileSum]) -> dict[str, int]:
    """Bytes of every part; a part without files is not there."""
    sizes: dict[str, int] = {}
    for path, its in sums.items():
        sizes[part_of(path)] = sizes.get(part_of(path), 0) + its.size
    return dict(sorted(sizes.items()))


def dump_index(sums: Mapping[str, FileSum]) -> bytes:
    """`size crc path`, a line for each file: what a download needs to begin at any byte.

    >>> dump_index({"README.md": FileSum(5, 255, "")})
    b'5 000000ff README.md\\n'
    """
    lines = (f"{its.size} {its.crc:08x} {path}\n" for path, its in sums.items())
    return "".join(lines).encode()


def load_index(lines: Iterable[str], *, parts: Iterable[str]) -> list[tuple[str, int, int]]:
    """Path, size and CRC of the files of these parts; `annotations` always are.

    >>> load_index(["5 000000ff README.md\\n", "9 00000001 clips/a.mp4\\n"], parts=[])
    [('README.md', 5, 255)]
    """
    wanted = {"annotations", *parts}
    found = []
    for line in lines:
        size, crc, path = line.rstrip("\n").split(" ", 2)
        if part_of(path) in wanted:
            found.append((path, int(size), int(crc, 16)))
    return found
