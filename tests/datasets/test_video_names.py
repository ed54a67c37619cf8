import zipfile

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError

from avaproject.base.work import Stage
from datasets.core.hashing import sha256_of
from datasets.models import Video, VideoName
from datasets.services import upload
from datasets.services import video_names as service
from datasets.services.delete import delete, delete_pending_files
from datasets.services.upload import receive_zip, unpack_upload
from datasets.services.video_names import add_video, reserve_name
from tests.make import make_dataset, make_video

pytestmark = pytest.mark.django_db
A, B = "a" * 64, "b" * 64


@pytest.fixture
def dataset():
    return make_dataset("shop")


def brought(dataset, path):
    """The video of the one video in the zip at `path`."""
    upload = unpack_upload(receive_zip(dataset, path, original_name=path.name).pk)
    assert (upload.stage, upload.skipped_files) == (Stage.DONE, [])
    return dataset.videos.get()


@pytest.fixture
def zipped(tmp_path):
    def make(content):
        path = tmp_path / f"{content.decode()}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("aisle.mp4", content)
        return path

    return make


@pytest.mark.parametrize("content", [b"another", b"first"], ids=["another video", "the same"])
def test_the_name_of_a_deleted_video_is_not_reused(dataset, zipped, content):
    delete(brought(dataset, zipped(b"first")))
    video = brought(dataset, zipped(content))
    assert video.name == "aisle-2"
    assert delete_pending_files() == 2  # the raw video and the standard one
    assert default_storage.exists(video.raw.name)


def test_names_are_unique_per_dataset(dataset):
    assert reserve_name(dataset, "aisle.mp4", A) == "aisle"
    assert reserve_name(make_dataset("street"), "aisle.mp4", A) == "aisle"


def test_a_name_stays_reserved_until_its_video_is_added(dataset):
    assert [reserve_name(dataset, "aisle.mp4", A) for _ in range(2)] == ["aisle", "aisle"]
    assert reserve_name(dataset, "aisle.mp4", B) == "aisle-2"
    add_video(Video(dataset=dataset, name="aisle", sha256=A, size=1))
    assert reserve_name(dataset, "aisle.mp4", A) == "aisle-3"


def test_a_process_killed_before_adding_the_row_gets_the_same_name(
    dataset, zipped, monkeypatch
):
    path = zipped(b"first")

    def killed(video):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(upload, "add_video", killed)
        with pytest.raises(KeyboardInterrupt):
            brought(dataset, path)
    dataset.uploads.update(lease_until="2000-01-01T00:00Z")
    assert brought(dataset, path).name == "aisle"
    assert len(default_storage.listdir("shop/raw")[1]) == 1


def test_concurrent_reservations_get_different_names(dataset, monkeypatch):
    safe_name, others = service.safe_name, []

    def late(original, *, taken):
        free = safe_name(original, taken=taken)
        if not others:
            others.append(VideoName.objects.create(dataset=dataset, name=free, reserved_for=B))
        return free

    monkeypatch.setattr(service, "safe_name", late)
    assert reserve_name(dataset, "aisle.mp4", A) == "aisle-2"


def test_a_video_added_meanwhile_by_another_zip_is_a_duplicate(dataset, zipped, monkeypatch):
    path = zipped(b"first")
    original, others = upload.store, []

    def late(file, name):
        if "/raw/" in name:
            others.append(make_video(dataset, "gate", sha256=sha256_of(file)))
        return original(file, name)

    monkeypatch.setattr(upload, "store", late)
    done = unpack_upload(receive_zip(dataset, path, original_name=path.name).pk)
    assert list(dataset.videos.all()) == others
    assert "already in the dataset" in done.skipped_files[0]["reason"]


def test_a_video_is_added_once(dataset):
    make_video(dataset, "aisle", sha256=A)
    with pytest.raises(IntegrityError):
        add_video(Video(dataset=dataset, name="gate", sha256=A, size=1))
