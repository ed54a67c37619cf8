import os
import shutil
import time
import zipfile

import pytest
from django.core.files.storage import default_storage

from avaproject.base.work import Stage
from datasets.models import Upload
from datasets.services.upload import unpack_upload
from datasets.services.watched_folder import ingest_watched
from tests.make import make_dataset

pytestmark = pytest.mark.django_db


@pytest.fixture
def watched(settings, tmp_path):
    settings.WATCH_DIR = str(tmp_path / "watched")
    (tmp_path / "watched" / "shop").mkdir(parents=True)
    return tmp_path / "watched"


@pytest.fixture
def dataset():
    return make_dataset("shop")


def lay(path, content=b"video", *, age=60):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("walk.mp4", content)
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def test_a_complete_zip_is_uploaded_and_unpacked(watched, dataset):
    path = lay(watched / "shop" / "monday.zip")
    assert ingest_watched() == 1
    assert not path.exists()
    upload = unpack_upload(Upload.objects.get().pk)
    assert (upload.stage, upload.original_name) == (Stage.DONE, "monday.zip")
    assert dataset.videos.get().name == "walk"
    assert default_storage.listdir("shop/uploads")[1] == []
    assert ingest_watched() == 0


def test_a_zip_that_is_being_written_is_ignored(watched, dataset):
    path = lay(watched / "shop" / "monday.zip", age=3)
    assert ingest_watched() == 0
    assert path.exists()


def test_a_folder_without_a_dataset_is_ignored_until_it_exists(watched):
    lay(watched / "shop" / "monday.zip")
    assert ingest_watched() == 0
    make_dataset("shop")
    assert ingest_watched() == 1


def test_a_skipped_zip_gets_a_file_with_the_reason(watched, dataset, settings):
    settings.MAX_ZIP_BYTES = 10
    path = lay(watched / "shop" / "monday.zip")
    assert ingest_watched() == ingest_watched() == 0
    note = path.with_name("monday.zip.skipped.txt")
    assert "at most" in note.read_text()
    settings.MAX_ZIP_BYTES = 10**9
    note.unlink()
    assert ingest_watched() == 1


def test_a_zip_copied_twice_adds_nothing(watched, dataset):
    for name in ("a.zip", "b.zip"):
        lay(watched / "shop" / name)
    shutil.copyfile(watched / "shop" / "a.zip", watched / "shop" / "b.zip")
    os.utime(watched / "shop" / "b.zip", (1, 1))
    assert ingest_watched() == 2
    for upload in Upload.objects.order_by("pk"):
        unpack_upload(upload.pk)
    assert dataset.videos.count() == 1


def test_a_broken_link_does_not_stop_other_zips(watched, dataset):
    (watched / "shop" / "a.zip").symlink_to(watched / "gone.zip")
    lay(watched / "shop" / "b.zip")
    assert ingest_watched() == 1


def test_a_read_only_folder_stops_no_work(watched, dataset, settings):
    settings.MAX_ZIP_BYTES = 10
    path = lay(watched / "shop" / "monday.zip")
    path.with_name("monday.zip.skipped.txt").symlink_to(watched / "none" / "there")
    assert ingest_watched() == 0
    assert path.exists()


def test_without_the_setting_nothing_is_watched(settings):
    settings.WATCH_DIR = ""
    assert ingest_watched() == 0
