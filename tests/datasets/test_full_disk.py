"""What happens when the disk is full is seen on a disk that is."""

import hashlib
import os
import subprocess
import zipfile
from base64 import b64encode
from io import BytesIO
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from avaproject.base.work import Stage
from datasets.services.cut_clips import cut_clip, plan_clips
from datasets.services.resumable_upload import (
    NoSpaceError,
    append,
    discard,
    received_bytes,
    start,
)
from datasets.services.standardise import standardise_video
from datasets.services.upload import receive_zip, unpack_upload
from tests.make import make_dataset, make_user
from tests.video_files import make_video_file

pytestmark = pytest.mark.django_db


@pytest.fixture
def disk(settings, tmp_path):
    """A disk of the size that the function given back is called with, under the data folder."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def of(size):
        how = (
            ["-o", f"remount,size={size}k"]
            if os.path.ismount(folder)
            else ["-o", f"size={size}k"]
        )
        command = ["mount", "-t", "tmpfs", *how, "tmpfs", folder]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting a small disk is not allowed here")
        settings.DATA_DIR = folder
        settings.MEDIA_ROOT = folder / "media"

    yield of
    if os.path.ismount(folder):
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def videos(tmp_path):
    """A zip with a video of half a megabyte, whose frames get larger when re-encoded."""
    source = make_video_file(
        tmp_path / "video.webm", frames=300, size=(640, 360), codec="libvpx"
    )
    with zipfile.ZipFile(tmp_path / "videos.zip", "w") as archive:
        archive.write(source, "video.webm")
    return tmp_path / "videos.zip"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_each_stage_reports_a_full_disk_and_continues_later(disk, videos, settings):
    size = videos.stat().st_size // 1024
    disk(size // 2)
    dataset = make_dataset("shop")
    upload = receive_zip(dataset, videos, original_name="videos.zip")
    assert unpack_upload(upload.pk).stage == Stage.FAILED
    assert not dataset.videos.exists()

    disk(size + 40)
    type(upload).objects.retry()
    assert unpack_upload(upload.pk).stage == Stage.DONE
    video = dataset.videos.get()
    failed = standardise_video(video.pk)
    assert (failed.stage, "The disk is full" in failed.error) == (Stage.FAILED, True)
    assert files(settings.DATA_DIR) == [Path(video.raw.name).name]

    disk(20_000)
    type(video).objects.retry()
    assert standardise_video(video.pk).stage == Stage.DONE
    plan_clips()
    clip = video.clips.get()
    before = files(settings.DATA_DIR)
    disk(sum(path.stat().st_size for path in settings.DATA_DIR.rglob("*")) // 1024 + 60)
    failed = cut_clip(clip.pk)
    assert (failed.stage, "The disk is full" in failed.error) == (Stage.FAILED, True)
    assert files(settings.DATA_DIR) == before

    disk(50_000)
    type(clip).objects.retry()
    assert cut_clip(clip.pk).stage == Stage.DONE
    assert default_storage.exists("shop/clips/video-c0000.mp4")


def test_a_chunk_that_does_not_fit_on_the_disk_is_discarded(disk):
    disk(200)
    transfer = make_dataset("shop").transfers.create(size=10**6)
    assert append(transfer, BytesIO(b"a" * 1000).read, offset=0) == 1000
    piece = BytesIO(b"b" * 500_000)
    sha256 = b64encode(hashlib.sha256(piece.getvalue()).digest()).decode()
    with pytest.raises(NoSpaceError, match="disk is full"):
        append(transfer, lambda count: piece.read(3000), offset=1000, sha256=sha256)
    assert received_bytes(transfer) == 1000


def test_two_uploads_are_not_both_told_that_there_is_space(disk):
    disk(1000)
    dataset, user = make_dataset("shop"), make_user()
    first = start(dataset, user, original_name="a.zip", size=700_000)
    with pytest.raises(
        NoSpaceError, match=r"b\.zip has [0-9.]+ (bytes|[KM]B); only .* are free"
    ):
        start(dataset, user, original_name="b.zip", size=700_000)
    assert list(dataset.transfers.all()) == [first]
    half = BytesIO(b"a" * 350_000)
    append(first, half.read, offset=0)
    with pytest.raises(NoSpaceError):
        start(dataset, user, original_name="b.zip", size=700_000)
    discard(first)
    assert start(dataset, user, original_name="b.zip", size=700_000).size == 700_000


def test_an_unpacked_zip_and_an_upload_are_not_both_told_that_there_is_space(disk, videos):
    size = videos.stat().st_size
    disk(size // 1024 + 200)
    dataset, user = make_dataset("shop"), make_user()
    upload = receive_zip(dataset, videos, original_name="videos.zip")
    transfer = start(dataset, user, original_name="a.zip", size=size // 2 + 200_000)
    failed = unpack_upload(upload.pk)
    assert (failed.stage, "free some space" in failed.error) == (Stage.FAILED, True)
    discard(transfer)
    type(upload).objects.retry()
    assert unpack_upload(upload.pk).stage == Stage.DONE
