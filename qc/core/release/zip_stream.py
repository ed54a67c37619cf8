"""A zip that is never written down: its length is known beforehand, and any stretch of it.

Files are stored as they are, in the order given, without dates; from their sizes and CRCs
every header follows, so a broken download goes on at any byte. ZIP64 where sizes, places or
counts want it (APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3).
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

DOS_DATE = 0x0021  # 1980-01-01
UTF8_NAMES = 0x0800
MADE_BY = (3 << 8) | 45  # Unix, version 4.5
FILE_MODE = (0o100644 << 16) & 0xFFFFFFFF
LIMIT = 0xFFFFFFFF
COUNT_LIMIT = 0xFFFF
CHUNK = 1 << 18
GROUP = 1000  # entries of the central directory made at a time


class StoredFile(NamedTuple):
    name: str
    size: int
    crc: int


class StoredZip:
    """The layout of a zip of stored files, all in one folder `top` if that is not empty.

    >>> layout = StoredZip([StoredFile("a.txt", 2, 0)])
    >>> layout.size
    110
    """

    def __init__(self, files: Iterable[StoredFile], *, top: str = "") -> None:
        self._start = f"{top}/" if top else ""
        self._files = [file._replace(name=self._start + file.name) for file in files]
        self._starts = [0]
        for file in self._files:
            self._starts.append(self._starts[-1] + len(_local(file)) + file.size)
        self._directory_starts = [self._starts[-1]]
        for first in range(0, len(self._files), GROUP):
            length = sum(
                _central_length(file, start)
                for file, start in zip(
                    self._files[first : first + GROUP],
                    self._starts[first : first + GROUP],
                    strict=False,
                )
            )
            self._directory_starts.append(self._directory_starts[-1] + length)
        self._end = _end(
            len(self._files),
            directory=self._starts[-1],
            length=self._directory_starts[-1] - self._starts[-1],
        )

    @property
    def size(self) -> int:
        """Bytes of the whole zip."""
        return self._directory_starts[-1] + len(self._end)

    def read(
        self, start: int, stop: int, *, opened: Callable[[str], BinaryIO]
    ) -> Iterator[bytes]:
        """The bytes from `start` to `stop`, in pieces.

        Args:
            opened: Opens a file by its name as given, to be read and closed here.

        Raises:
            ValueError: if a file is not as long as was said.
        """
        at = start
        while at < stop:
            for piece in self._piece(at, stop, opened):
                at += len(piece)
                yield piece

    def _piece(self, at: int, stop: int, opened: Callable[[str], BinaryIO]) -> Iterator[bytes]:
        """What stands at `at`: a file with its header, a stretch of the directory, the end."""
        if at < self._starts[-1]:
            number = bisect_right(self._starts, at) - 1
            yield from self._entry(number, at, stop, opened)
        elif at < self._directory_starts[-1]:
            group = bisect_right(self._directory_starts, at) - 1
            offset = self._directory_starts[group]
            yield self._directory(group)[at - offset : stop - offset]
        else:
            offset = self._directory_starts[-1]
            yield self._end[at - offset : stop - offset]

    def _entry(
        self, number: int, at: int, stop: int, opened: Callable[[str], BinaryIO]
    ) -> Iterator[bytes]:
        file, start = self._files[number], self._starts[number]
        header = _local(file)
        if head := header[at - start : stop - start]:
            yield head
            at += len(head)
        left = min(stop, self._starts[number + 1]) - at
        if left <= 0:
            return
        with opened(file.name.removeprefix(self._start)) as source:
            source.seek(at - start - len(header))
            while left:
                chunk = source.read(min(CHUNK, left))
                if not chunk:
                    raise ValueError(f"{file.name} is not as long as it was")
                left -= len(chunk)
                yield chunk

    def _directory(self, group: int) -> bytes:
        first = group * GROUP
        files = self._files[first : first + GROUP]
        starts = self._starts[first : first + GROUP]
        return b"".join(map(_central, files, starts))


def _local(file: StoredFile) -> bytes:
    name = file.name.encode()
    extra = struct.pack("<HHQQ", 1, 16, file.size, file.size) if file.size >= LIMIT else b""
    size = LIMIT if extra else file.size
    return (
        struct.pack(
            "<IHHHHHIIIHH", 0x04034B50, 45 if extra else 20, UTF8_NAMES, 0, 0, DOS_DATE,
            file.crc, size, size, len(name), len(extra),
        )
        + name + extra
    )  # fmt: skip


def _large_fields(file: StoredFile, start: int) -> list[int]:
    """What does not fit the old fields: both sizes, then the place."""
    sizes = [file.size, file.size] if file.size >= LIMIT else []
    return sizes + ([start] if start >= LIMIT else [])


def _central_length(file: StoredFile, start: int) -> int:
    large = len(_large_fields(file, start))
    return 46 + len(file.name.encode()) + (4 + 8 * large if large else 0)


def _central(file: StoredFile, start: int) -> bytes:
    name, large = file.name.encode(), _large_fields(file, start)
    extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    size = min(file.size, LIMIT)
    return (
        struct.pack(
            "<IHHHHHHIIIHHHHHII", 0x02014B50, MADE_BY, 45 if extra else 20, UTF8_NAMES, 0, 0,
            DOS_DATE, file.crc, size, size, len(name), len(extra), 0, 0, 0, FILE_MODE,
            min(start, LIMIT),
        )
        + name + extra
    )  # fmt: skip


def _end(count: int, *, directory: int, length: int) -> bytes:
    short = min(count, COUNT_LIMIT)
    last = struct.pack(
        "<IHHHHIIH",
        0x06054B50,
        0,
        0,
        short,
        short,
        min(length, LIMIT),
        min(directory, LIMIT),
        0,
    )
    if count < COUNT_LIMIT and length < LIMIT and directory < LIMIT:
        return last
    end64 = struct.pack(
        "<IQHHIIQQQQ", 0x06064B50, 44, MADE_BY, 45, 0, 0, count, count, length, directory
    )
    return end64 + struct.pack("<IIQI", 0x07064B50, 0, directory + length, 1) + last
