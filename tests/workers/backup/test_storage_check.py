"""Rows and stored files compared both ways, and mended."""

import os
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from avaproject.base.work import Stage
from datasets.clip_frames import read_frame
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
    assert "0 files are missing, 1 has no row. Add --mend." in refused()
    assert f"Removed {name}" in check("--mend")
    assert not default_storage.exists(name)


def test_of_many_files_only_the_first_are_listed(clip):
    for number in range(23):
        age(put(f"shop/raw/lost-{number:02}.mp4", b"lost"))
    lines = check("--mend").splitlines()
    assert lines.count("... and 3 more without a row.") == 1
    assert lines.count("... and 3 more.") == 1
    assert len([line for line in lines if line.startswith("Removed ")]) == 20
    assert compare().orphans == {}


def test_a_young_file_is_left_alone(clip):
    name = put("shop/raw/new.mp4", b"new")
    assert "1 file of the last day has no row yet: it is left alone" in check("--mend")
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
    clip.poster = "shop/posters/lost.jpg"
    clip.save()
    assert "1 file is missing" in refused()
    assert "is made again by the next worker." in check("--mend")
    clip.refresh_from_db()
    assert clip.stage == Stage.WAITING


def test_what_needs_a_file_that_is_made_again_is_mended_the_next_time(clip):
    for file in (clip.video.file, clip.file):
        default_storage.delete(file.name)
    clip.video.raw.name = put("shop/raw/aisle", b"raw")
    clip.video.save()
    assert "then run it again" in refused("--mend")
    clip.video.refresh_from_db()
    clip.refresh_from_db()
    assert (clip.video.stage, clip.stage) == (Stage.WAITING, Stage.DONE)


def test_missing_annotation_frames_are_made_when_they_are_wanted(clip):
    default_storage.delete(clip.frames.name)
    assert "is made again when it is wanted." in check("--mend")
    clip.refresh_from_db()
    assert (clip.frames.name, clip.stage) == ("", Stage.DONE)
    assert read_frame(clip, 1).startswith(b"\xff\xd8")


def test_frames_of_stills_are_not_made_again(clip):
    clip.video.frame_rate = 1
    clip.video.save()
    default_storage.delete(clip.frames.name)
    assert "1 file is missing" in refused("--mend")


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
    said = check("--from", place)
    assert f"{release.folder}/ is back from backup" in said
    assert "train.csv" not in said  # one line for all of its files
    assert default_storage.exists(name)


def test_a_missing_file_of_a_release_is_found_and_comes_back(clip, tmp_path):
    release = Release.objects.create(dataset=clip.video.dataset, number=1, stage=Stage.DONE)
    release.folder = release.stored_folder
    release.save()
    names = [
        put(f"{release.folder}/annotations/train.csv", b"rows"),
        put(f"{release.folder}/rawframes/a/img_00001.jpg", b"image"),
    ]
    lines = "4 00000000 annotations/train.csv\n5 00000000 rawframes/a/img_00001.jpg\n"
    index = put(f"{release.folder}.index", lines.encode())
    assert compare().missing == {}
    place = str(tmp_path / "backup")
    call_command("backup", place, stdout=StringIO())
    for name in names:
        default_storage.delete(name)
        assert list(compare().missing) == [name]
        check("--from", place)
        assert default_storage.exists(name)
    default_storage.delete(index)
    assert list(compare().missing) == [index]


def test_a_missing_archive_of_a_release_in_a_bucket_is_found(clip):
    archives = {"all": {"name": "shop/a.zip"}, "annotations": {"name": "shop/b.zip"}}
    Release.objects.create(
        dataset=clip.video.dataset, number=1, stage=Stage.DONE, archive=put("shop/a.zip", b"a"),
        counts={"archives": archives},
    )  # fmt: skip
    assert list(compare().missing) == ["shop/b.zip"]
