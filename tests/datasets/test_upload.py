import errno
import shutil
import zipfile

import pytest
from django.core.files.storage import default_storage

from avaproject.base.work import Stage
from datasets.core.zip_reader import ArchiveError
from datasets.models import Upload, Video
from datasets.services import upload as service
from datasets.services import video_names as names
from datasets.services.upload import receive_zip, unpack_upload
from tests.make import make_dataset, make_video

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset():
    return make_dataset("shop")


@pytest.fixture
def zip_of(tmp_path):
    def make(*members, name="videos.zip"):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            for member, content in members:
                archive.writestr(member, content)
        return path

    return make


def received(dataset, path, **options):
    return receive_zip(dataset, path, original_name=path.name, **options)


def unpacked(dataset, path):
    return unpack_upload(received(dataset, path).pk)


def test_a_zip_is_copied_into_the_storage(dataset, zip_of):
    path = zip_of(("walk.mp4", b"video"))
    upload = received(dataset, path)
    assert (upload.stage, upload.size) == (Stage.WAITING, path.stat().st_size)
    with default_storage.open(upload.file.name) as file:
        assert file.read() == path.read_bytes()
    assert default_storage.listdir("shop/uploads")[1] == [f"{upload.sha256[:16]}.zip"]


def test_a_temporary_zip_is_moved(dataset, zip_of):
    path = zip_of(("walk.mp4", b"video"))
    received(dataset, path, move=True)
    assert not path.exists()


def test_a_dataset_gets_the_same_zip_once(dataset, zip_of):
    path = zip_of(("walk.mp4", b"video"))
    again = zip_of(("walk.mp4", b"video"), name="again.zip")
    shutil.copyfile(path, again)
    first = received(dataset, path)
    assert received(dataset, again, move=True) == first
    assert not again.exists()
    assert received(make_dataset("other"), path) != first


def test_a_failed_zip_is_retried_when_uploaded_again(dataset, zip_of):
    path = zip_of(("notes.txt", b"x"))
    upload = unpacked(dataset, path)
    assert upload.stage == Stage.FAILED
    assert received(dataset, path).stage == Stage.WAITING


def test_a_zip_over_the_limit_is_refused(dataset, zip_of, settings):
    settings.MAX_ZIP_BYTES = 10
    with pytest.raises(ArchiveError, match="AVA_MAX_ZIP_BYTES"):
        received(dataset, zip_of(("walk.mp4", b"video")))
    assert not Upload.objects.exists()


def test_each_video_becomes_a_row_with_its_file(dataset, zip_of):
    upload = unpacked(dataset, zip_of(("a/Walk One.MP4", b"first"), ("b/run.mov", b"second")))
    assert (upload.stage, upload.skipped_files) == (Stage.DONE, [])
    walk = dataset.videos.get(name="walk-one")
    assert (walk.original_name, walk.size, walk.stage) == ("Walk One.MP4", 5, Stage.WAITING)
    assert walk.upload == upload
    assert walk.raw.name == f"shop/raw/{walk.sha256[:16]}-walk-one"
    with default_storage.open(walk.raw.name) as file:
        assert file.read() == b"first"


def test_videos_with_the_same_file_name_get_different_names(dataset, zip_of):
    unpacked(dataset, zip_of(("a/walk.mp4", b"1"), ("b/walk.mp4", b"2"), ("c/walk.avi", b"3")))
    names = list(dataset.videos.values_list("name", flat=True))
    assert names == ["walk", "walk-2", "walk-3"]


def test_a_duplicate_video_is_skipped_with_a_reason(dataset, zip_of):
    upload = unpacked(dataset, zip_of(("walk.mp4", b"1"), ("copy.mp4", b"1")))
    assert dataset.videos.count() == 1
    assert upload.skipped_files == [
        {"name": "copy.mp4", "reason": "the same video as walk.mp4, already in the dataset"}
    ]


def test_a_video_of_another_zip_is_a_duplicate_too(dataset, zip_of):
    unpacked(dataset, zip_of(("walk.mp4", b"1")))
    upload = unpacked(dataset, zip_of(("walk.mp4", b"1"), ("new.mp4", b"2"), name="b.zip"))
    assert sorted(dataset.videos.values_list("name", flat=True)) == ["new", "walk"]
    assert [file["name"] for file in upload.skipped_files] == ["walk.mp4"]


def test_a_damaged_file_does_not_stop_the_others(dataset, zip_of):
    path = zip_of(("bad.mp4", b"x" * 999), ("notes.txt", b"y"), ("good.mp4", b"z"))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"x" * 999, b"x" * 998 + b"!"))
    upload = unpacked(dataset, path)
    assert upload.stage == Stage.DONE
    assert [file["name"] for file in upload.skipped_files] == ["notes.txt", "bad.mp4"]
    assert "damaged" in upload.skipped_files[1]["reason"]
    assert dataset.videos.get().name == "good"


def test_a_malicious_zip_fails_and_leaves_no_video(dataset, zip_of):
    upload = unpacked(dataset, zip_of(("good.mp4", b"x"), ("../evil.mp4", b"y")))
    assert upload.stage == Stage.FAILED
    assert "'../evil.mp4' points outside its folder" in upload.error
    assert not Video.objects.exists()


def test_a_zip_larger_than_the_disk_fails_with_a_message(dataset, zip_of, monkeypatch):
    def full(file, size, **how):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("avaproject.base.temporary.allocate", full)
    upload = unpacked(dataset, zip_of(("walk.mp4", b"video")))
    assert "free some space" in upload.error


def test_unpacking_twice_changes_nothing(dataset, zip_of):
    upload = unpacked(dataset, zip_of(("walk.mp4", b"1")))
    assert unpack_upload(upload.pk) is None
    assert dataset.videos.count() == 1


def test_an_upload_claimed_by_another_worker_is_skipped(dataset, zip_of):
    upload = received(dataset, zip_of(("walk.mp4", b"1")))
    Upload.objects.claim(upload.pk)
    assert unpack_upload(upload.pk) is None
    assert not Video.objects.exists()


def test_unpacking_continues_after_a_killed_worker(dataset, zip_of, monkeypatch):
    path = zip_of(*[(f"{n}.mp4", str(n).encode()) for n in range(4)])
    upload = received(dataset, path)
    extract, calls = service.extract, []

    def dies_at_the_third(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return extract(*args)

    monkeypatch.setattr(service, "extract", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        unpack_upload(upload.pk)
    assert dataset.videos.count() == 2
    Upload.objects.update(lease_until="2000-01-01T00:00Z")
    assert unpack_upload(upload.pk).skipped_files == []
    assert dataset.videos.count() == 4
    assert len(default_storage.listdir("shop/raw")[1]) == 4


def test_a_name_reserved_meanwhile_is_avoided(dataset, zip_of, monkeypatch):
    safe_name, calls = names.safe_name, []

    def late(original, *, taken):
        name = safe_name(original, taken=taken)
        if not calls:
            calls.append(make_video(dataset, name))  # another zip is faster
        return name

    monkeypatch.setattr(names, "safe_name", late)
    upload = unpacked(dataset, zip_of(("walk.mp4", b"1")))
    assert upload.stage == Stage.DONE
    video = dataset.videos.get(name="walk-2")
    assert default_storage.exists(video.raw.name)


def test_progress_is_reported(dataset, zip_of):
    shares = []
    upload = received(dataset, zip_of(("a.mp4", b"1" * 30), ("b.mp4", b"2" * 10)))
    unpack_upload(upload.pk, progress=shares.append)
    assert shares == [0.75, 1.0]
