import io
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.core.release import zip_stream
from qc.core.release.zip_stream import StoredFile, StoredZip

CONTENT = {"README.md": b"a card\n", "empty": b"", "clips/\u00e4.mp4": bytes(range(256)) * 9}


def layout_of(content):
    return StoredZip(
        StoredFile(name, len(data), zlib.crc32(data)) for name, data in content.items()
    )


def read(layout, content, start=0, stop=None):
    pieces = layout.read(
        start, layout.size if stop is None else stop, opened=lambda n: io.BytesIO(content[n])
    )
    return b"".join(pieces)


def test_a_zip_is_read_back_by_the_standard_library():
    layout = layout_of(CONTENT)
    whole = read(layout, CONTENT)
    assert len(whole) == layout.size
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENT


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_stretch_is_that_of_the_whole(data):
    layout = layout_of(CONTENT)
    whole = read(layout, CONTENT)
    start = data.draw(st.integers(0, layout.size))
    stop = data.draw(st.integers(start, layout.size))
    assert read(layout, CONTENT, start, stop) == whole[start:stop]


def test_an_empty_zip_is_a_zip():
    assert zipfile.ZipFile(io.BytesIO(read(layout_of({}), {}))).namelist() == []


def test_more_files_than_the_old_format_counts():
    content = {f"{number:06d}": b"x" for number in range(70_000)}
    layout = layout_of(content)
    with zipfile.ZipFile(io.BytesIO(read(layout, content))) as archive:
        assert len(archive.namelist()) == 70_000
        assert archive.read("069999") == b"x"


def test_sizes_beyond_four_gigabytes(monkeypatch):
    monkeypatch.setattr(zip_stream, "LIMIT", 1000)  # as if it were, with less to write
    layout = layout_of(CONTENT | {"last": b"here"})
    whole = read(layout, CONTENT | {"last": b"here"})
    assert len(whole) == layout.size
    assert whole.count(b"PK\x06\x06") == 1
    assert whole.count((1).to_bytes(2, "little") + (16).to_bytes(2, "little")) >= 1


class Zeros(io.RawIOBase):
    """Five gigabytes that take no room."""

    def __init__(self, size):
        self.left = size

    def seek(self, place, whence=0):
        self.left -= place
        return place

    def read(self, count=-1):
        count = min(count, self.left)
        self.left -= count
        return bytes(count)


def test_a_file_behind_five_gigabytes_is_found():
    size = 5 << 30
    layout = StoredZip([StoredFile("large", size, 0), StoredFile("small", 5, 0x3610A686)])
    tail = b"".join(
        layout.read(
            size, layout.size,
            opened=lambda n: Zeros(size) if n == "large" else io.BytesIO(b"hello"),
        )
    )  # fmt: skip

    class Sparse(io.RawIOBase):
        place = 0

        def seekable(self):
            return True

        def readable(self):
            return True

        def tell(self):
            return self.place

        def seek(self, place, whence=0):
            self.place = place + (0, self.place, layout.size)[whence]
            return self.place

        def read(self, count=-1):
            stop = layout.size if count < 0 else min(self.place + count, layout.size)
            content = tail[self.place - size : stop - size]
            self.place = stop
            return content

    with zipfile.ZipFile(Sparse()) as archive:
        assert archive.getinfo("large").file_size == size
        assert archive.read("small") == b"hello"


def test_a_file_that_became_shorter_is_noticed():
    layout = layout_of(CONTENT)
    with pytest.raises(ValueError, match=r"README\.md is not as long as it was"):
        read(layout, CONTENT | {"README.md": b"a"})
