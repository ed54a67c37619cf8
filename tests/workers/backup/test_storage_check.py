"""Rows and stored files compared both ways, and mended."""

import os
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from avaproject.base.work import Stage
from datasets.models import Clip, PendingDeletion
from qc.models import Release
from tests.make import make_dataset
from tests.stored_files import content_of, make_bundled_video, put
from workers.backup.storage_check import compare

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clip() -> Clip:
    video = make_bundled_video(make_dataset("shop"))
    return video.clips.first()


def age(name: str) -> None:
    """Let a stored file be two days old."""
    path = Path(default_storage.path(name))
    seconds = path.stat().st_mtime - 2 * 24 * 3600
    os.utime(path, (seconds, seconds))


def check(*options: str) -> str:
    out = StringIO()
    call_command("check_storage", *options, stdout=out)
    return out.getvalue()


def refused(*options: str) -> str:
    with pytest.raises(CommandError) as found:
        check(*options)
    return str(found.value)


def test_nothing_is_found_where_rows_and_files_agree(clip):
    assert "Every row has its files" in check()


def test_a_file_without_a_row_is_found_and_removed(clip):
    name = put("shop/raw/lost.mp4", b"lost")
    age(name)
    assert "0 files are missing, 1 have no row. Add --mend." in refused()
    assert f"Removed {name}" in check("--mend")
    assert not default_storage.exists(name)


def test_a_young_file_is_left_alone(clip):
    name = put("shop/raw/new.mp4", b"new")
    assert "1 files of the last day have no row yet" in check("--mend")
    assert default_storage.exists(name)


def test_what_belongs_to_rows_without_being_named_is_no_orphan(clip):
    release = Release.objects.create(dataset=clip.video.dataset, number=1, folder="")
    names = [
        put(f"{release.stored_folder}/annotations/train.csv", b"rows"),
        put(f"{release.stored_folder}.index", b"index"),
        put("shop/uploads/old.zip", b"zip"),
    ]
    PendingDeletion.objects.create(name="shop/uploads/")
    for name in names:
        age(name)
    assert compare().orphans == {}


def test_a_missing_file_of_a_clip_is_made_again(clip):
    default_storage.delete(clip.frames.name)
    assert "1 files are missing" in refused()
    assert "is made again" in check("--mend")
    clip.refresh_from_db()
    assert clip.stage == Stage.WAITING


def test_a_missing_file_that_cannot_be_made_comes_out_of_a_backup(clip, tmp_path):
    place = str(tmp_path / "backup")
    call_command("backup", place, stdout=StringIO())
    run = clip.tracking_runs.get()
    before = content_of(run.tracks)
    default_storage.delete(run.tracks.name)
    assert "come out of a backup with --from" in refused("--mend")
    assert "is back from backup" in check("--from", place)
    assert content_of(run.tracks) == before


def test_a_missing_folder_of_a_release_is_found_and_comes_back(clip, tmp_path):
    release = Release.objects.create(dataset=clip.video.dataset, number=1)
    release.folder = release.stored_folder
    release.save()
    name = put(f"{release.folder}/annotations/train.csv", b"rows")
    place = str(tmp_path / "backup")
    call_command("backup", place, stdout=StringIO())
    default_storage.delete(name)
    assert list(compare().missing) == [f"{release.folder}/"]
    check("--from", place)
    assert default_storage.exists(name)
