import io
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from django.core.files.base import ContentFile
from django.core.files.storage import DefaultStorage, Storage, default_storage

from avaproject.base.storage import (
    DownloadCache,
    StorageError,
    link,
    local_path,
    map_storage_errors,
    remove,
    store,
)
from avaproject.base.temporary import work_folder


class RemoteStorage(Storage):
    """A storage without local paths, as S3 is; it keeps bytes in a dictionary."""

    def __init__(self):
        self.kept = {}
        self.opened = []
        self.changed_at = datetime(2026, 1, 1, tzinfo=UTC)

    def _save(self, name, content):
        self.kept[name] = content.read()
        return name

    def _open(self, name, mode="rb"):
        self.opened.append(name)
        return io.BytesIO(self.kept[name])

    def get_modified_time(self, name):
        return self.changed_at

    def exists(self, name):
        return False


class Bucket(RemoteStorage):
    """A bucket that gives stretches of its objects, and never one as a whole."""

    def __init__(self):
        super().__init__()
        self.bucket, self.asked = self, []

    def _normalize_name(self, name):
        return name

    def Object(self, name):  # noqa: N802 - as boto3 calls it
        def get(*, Range):  # noqa: N803
            self.asked.append(Range)
            start, stop = map(int, Range.removeprefix("bytes=").split("-"))
            return {"Body": io.BytesIO(self.kept[name][start : stop + 1])}

        return SimpleNamespace(content_length=len(self.kept[name]), get=get)


@pytest.fixture
def remote(monkeypatch):
    storage = RemoteStorage()
    monkeypatch.setattr("avaproject.base.storage.default_storage", storage)
    return storage


def test_a_work_folder_is_always_removed():
    def fail(folder):
        (folder / "half").write_text("made")
        raise KeyError

    with pytest.raises(KeyError), work_folder() as folder:
        fail(folder)
    assert not folder.exists()


def test_a_stored_file_is_moved_into_the_storage():
    with work_folder() as folder:
        (folder / "clip").write_bytes(b"video")
        assert store(folder / "clip", "shop/clips/a.mp4") == "shop/clips/a.mp4"
        assert not (folder / "clip").exists()
    with default_storage.open("shop/clips/a.mp4") as file:
        assert file.read() == b"video"


def test_storing_again_replaces_the_file():
    for content in (b"old", b"new"):
        with work_folder() as folder:
            (folder / "clip").write_bytes(content)
            store(folder / "clip", "shop/a.mp4")
    with default_storage.open("shop/a.mp4") as file:
        assert file.read() == b"new"
    assert default_storage.listdir("shop") == ([], ["a.mp4"])


def test_the_first_file_of_a_process_replaces_an_existing_one_too(monkeypatch, settings):
    """The storage is opened when it is first used; that must not change how a file is kept."""
    place = settings.MEDIA_ROOT / "shop"
    place.mkdir(parents=True)
    (place / "a.mp4").write_bytes(b"old")
    monkeypatch.setattr("avaproject.base.storage.default_storage", DefaultStorage())
    with work_folder() as folder:
        (folder / "clip").write_bytes(b"new")
        store(folder / "clip", "shop/a.mp4")
    assert [path.name for path in place.iterdir()] == ["a.mp4"]
    assert (place / "a.mp4").read_bytes() == b"new"


def test_a_file_from_another_disk_is_copied_beside_its_place_first(monkeypatch, tmp_path):
    (tmp_path / "clip").write_bytes(b"video")
    replace, calls = type(tmp_path).replace, []

    def other_disk(self, target):
        calls.append(self)
        if len(calls) == 1:
            raise OSError(18, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(type(tmp_path), "replace", other_disk)
    store(tmp_path / "clip", "shop/a.mp4")
    assert default_storage.listdir("shop") == ([], ["a.mp4"])
    assert not (tmp_path / "clip").exists()


@pytest.mark.parametrize(
    "put", [store, partial(link, is_permanent=False)], ids=["store", "link"]
)
def test_a_failed_copy_from_another_disk_leaves_nothing(monkeypatch, tmp_path, put):
    def refuse(self, target):
        raise OSError(18, "Invalid cross-device link")

    def full(source, target, length=0):
        target.write(b"fi")
        raise OSError(28, "No space left on device")

    (tmp_path / "clip").write_bytes(b"video")
    for name in ("replace", "hardlink_to"):
        monkeypatch.setattr(Path, name, refuse)
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space"):
        put(tmp_path / "clip", "shop/a.mp4")
    assert default_storage.listdir("shop") == ([], [])
    assert (tmp_path / "clip").exists()


def test_a_local_file_is_read_in_its_place():
    with work_folder() as folder:
        (folder / "clip").write_bytes(b"video")
        store(folder / "clip", "shop/a.mp4")
    with local_path("shop/a.mp4") as path:
        assert path.read_bytes() == b"video"
        assert str(path) == default_storage.path("shop/a.mp4")


def test_a_remote_file_is_read_from_a_copy_that_is_gone_afterwards(remote):
    with work_folder() as folder:
        (folder / "clip").write_bytes(b"video")
        store(folder / "clip", "shop/a.mp4")
    with local_path("shop/a.mp4") as path:
        assert path.read_bytes() == b"video"
        assert path.name == "a.mp4"
    assert not path.exists()


def kept_in_work_folders(settings):
    return [path.name for path in (settings.DATA_DIR / "tmp").glob("*/files/*")]


def test_the_latest_download_is_cached(remote, settings):
    remote.kept = {"shop/a.mp4": b"video", "shop/b.mp4": b"other"}
    fetched = DownloadCache()
    for name in ("shop/a.mp4", "shop/a.mp4", "shop/b.mp4"):
        assert fetched.path_of(name).read_bytes() == remote.kept[name]
    assert remote.opened == ["shop/a.mp4", "shop/b.mp4"]
    assert kept_in_work_folders(settings) == ["b.mp4"]
    fetched.clear()
    assert kept_in_work_folders(settings) == []


def test_a_changed_or_removed_file_is_downloaded_again(remote):
    remote.kept = {"shop/a.mp4": b"video"}
    fetched = DownloadCache()
    fetched.path_of("shop/a.mp4").unlink()
    assert fetched.path_of("shop/a.mp4").read_bytes() == b"video"
    remote.kept["shop/a.mp4"] = b"new"
    remote.changed_at += timedelta(seconds=1)
    assert fetched.path_of("shop/a.mp4").read_bytes() == b"new"
    fetched.clear()


def test_a_failed_download_is_not_cached(remote, settings):
    fetched = DownloadCache()
    with pytest.raises(KeyError):
        fetched.path_of("shop/a.mp4")
    assert kept_in_work_folders(settings) == []
    remote.kept = {"shop/a.mp4": b"video"}
    assert fetched.path_of("shop/a.mp4").read_bytes() == b"video"
    fetched.clear()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ClientError({"Error": {"Code": "404"}}, "HeadObject"), FileNotFoundError),
        (ClientError({"Error": {"Code": "SlowDown"}}, "PutObject"), StorageError),
        (EndpointConnectionError(endpoint_url="http://bucket"), StorageError),
    ],
)
def test_errors_of_a_bucket_become_os_errors(error, kind):
    with pytest.raises(kind, match="bucket"), map_storage_errors():
        raise error


def test_a_folder_is_removed_with_its_content_only():
    for name in ("shop/a/1", "shop/a/deep/2", "shop/ab"):
        default_storage.save(name, ContentFile(b"x"))
    for _ in range(2):
        remove("shop/a/")
    assert default_storage.listdir("shop") == ([], ["ab"])


def test_a_linked_file_is_not_copied(tmp_path):
    path = tmp_path / "large.zip"
    path.write_bytes(b"content")
    for _ in range(2):
        link(path, "shop/large.zip", is_permanent=True)
        assert Path(default_storage.path("shop/large.zip")).samefile(path)
    default_storage.delete("shop/large.zip")
    assert path.read_bytes() == b"content"
    assert not any(Path(default_storage.path("shop")).iterdir())


@pytest.mark.parametrize("is_permanent", [True, False])
def test_a_linked_file_from_another_disk_is_a_symlink_or_a_copy(
    tmp_path, monkeypatch, is_permanent
):
    def other_disk(self, target):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", other_disk)
    path = tmp_path / "large.zip"
    path.write_bytes(b"content")
    link(path, "shop/large.zip", is_permanent=is_permanent)
    target = Path(default_storage.path("shop/large.zip"))
    assert target.is_symlink() == is_permanent
    assert target.read_bytes() == b"content"
