import bz2
import hashlib
import zipfile

import pytest

from datasets.core.formats.bundle_files import (
    BundleError,
    open_zip,
    read_manifest,
    read_member,
    unpacked_size,
    verified_file,
)
from datasets.core.formats.bundle_manifest import FileEntry, Manifest

TEXT = b"a line of text\n" * 1000


def write(path, *, method=zipfile.ZIP_DEFLATED, name="a.txt"):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, TEXT)
    return path


def test_a_file_of_a_zip_is_read_completely(tmp_path):
    with open_zip(write(tmp_path / "a.zip")) as archive:
        assert read_member(archive, "a.txt", max_bytes=len(TEXT)) == TEXT
        with pytest.raises(BundleError, match=r"a\.txt has more than [0-9.]+ (bytes|KB)"):
            read_member(archive, "a.txt", max_bytes=len(TEXT) - 1)
        with pytest.raises(BundleError, match=r"a\.zip has no b\.txt"):
            read_member(archive, "b.txt", max_bytes=1)


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(zipfile.ZIP_STORED, id="stored"),
        pytest.param(zipfile.ZIP_DEFLATED, id="deflated"),
        pytest.param(zipfile.ZIP_BZIP2, id="bzip2"),
        pytest.param(zipfile.ZIP_LZMA, id="lzma"),
    ],
)
def test_damage_is_reported_with_the_name_of_the_file(tmp_path, method):
    path = write(tmp_path / "a.zip", method=method)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("a.txt").compress_size
    for place in range(35 + size // 4, 35 + size // 2):
        content[place] ^= 0xFF
    path.write_bytes(content)
    with (
        open_zip(path) as archive,
        pytest.raises(BundleError, match=r"a\.txt in a\.zip is dam"),
    ):
        read_member(archive, "a.txt", max_bytes=1 << 20)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(6, 0x01, id="encrypted"),
        pytest.param(8, 99, id="a method nobody knows"),
    ],
)
def test_a_file_that_cannot_be_extracted_is_reported(tmp_path, place, value):
    path = write(tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[place] = content[directory + place + 2] = value
    path.write_bytes(content)
    with (
        open_zip(path) as archive,
        pytest.raises(BundleError, match=r"a\.txt in a\.zip is dam"),
    ):
        read_member(archive, "a.txt", max_bytes=1 << 20)


@pytest.mark.parametrize(
    "content", [b"", b"PK", bz2.compress(TEXT), b"PK\x05\x06" + b"\xff" * 18]
)
def test_a_file_that_is_no_zip_is_reported(tmp_path, content):
    (tmp_path / "frames.zip").write_bytes(content)
    with pytest.raises(BundleError, match=r"frames\.zip is damaged"):
        unpacked_size(tmp_path)


def test_only_the_zips_of_a_bundle_are_counted(tmp_path):
    write(tmp_path / "frames.zip")
    write(tmp_path / "clips.zip")
    write(tmp_path / "other.zip")
    assert unpacked_size(tmp_path) == 2 * len(TEXT)
    assert unpacked_size(tmp_path / "nowhere") == 0


def test_a_file_is_checked_against_the_manifest(tmp_path):
    path = write(tmp_path / "frames.zip")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    said = Manifest(
        "shop", "x", 5, files={"frames.zip": FileEntry(path.stat().st_size, digest)}
    )
    assert verified_file(said, tmp_path, "frames.zip") == path
    with pytest.raises(BundleError, match=r"clips\.zip is missing"):
        verified_file(said, tmp_path, "clips.zip")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match="copy it again"):
        verified_file(said, tmp_path, "frames.zip")


def test_a_manifest_that_would_fill_the_memory_is_not_read(tmp_path):
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(300 << 20)
    with pytest.raises(BundleError, match="more than 64 MB"):
        read_manifest(tmp_path)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        read_manifest(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        read_manifest(tmp_path / "file")
