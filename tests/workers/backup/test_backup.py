"""Backups of small installations: what is copied, what is found damaged, what is kept."""

import gzip
import os
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection

from datasets.models import Dataset, Upload
from qc.models import Release
from tests.make import make_dataset, make_user
from tests.stored_files import make_ready_video, put
from workers.backup import backup as module
from workers.backup.backup import check_backup, make_backup, remove_old
from workers.backup.places import BackupError, BackupFolder, place_at
from workers.backup.rows import KEYS, dump_table, frozen_database
from workers.backup.snapshots import Snapshot, newest, snapshot_names

pytestmark = pytest.mark.django_db(transaction=True)


class Stopped(BaseException):
    """As a kill: nothing catches it."""


def quiet(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def place(tmp_path) -> BackupFolder:
    return BackupFolder(tmp_path / "backup")


@pytest.fixture
def dataset(settings, own_files) -> Dataset:
    """A dataset with rows and files, and with weights."""
    settings.WEIGHTS_DIR = own_files / "weights"
    settings.WEIGHTS_DIR.mkdir()
    (settings.WEIGHTS_DIR / "own.onnx").write_bytes(b"weights")
    dataset = make_dataset("shop", owner=make_user("ada"))
    make_ready_video(dataset)
    return dataset


def test_a_list_of_backups_that_is_empty_or_damaged_says_so(dataset, place):
    with pytest.raises(CommandError, match="There is no finished backup"):
        call_command("restore", place.address, "--list")
    for _ in range(2):
        make_backup(place, quiet)
    damaged, whole = snapshot_names(place)
    Path(place.address, f"snapshots/{damaged}.gz").write_bytes(b"")
    out = StringIO()
    call_command("restore", place.address, "--list", stdout=out)
    first, second = out.getvalue().splitlines()
    assert first.startswith(damaged)
    assert "is damaged" in first
    assert second.startswith(f"{whole}  AVA Studio")


def objects(place: BackupFolder) -> set[str]:
    return set(place.objects())


def content_of(place: BackupFolder, name: str) -> bytes:
    [entry] = [entry for entry in newest(place).files(place) if entry.name == name]
    with place.opened(entry.sha256) as file:
        return file.read()


def test_a_backup_holds_rows_files_and_weights(dataset, place):
    made = make_backup(place, quiet)
    names = {entry.name for entry in made.snapshot.files(place)}
    clip = dataset.videos.get().clips.first()
    assert f"media/{clip.frames.name}" in names
    assert content_of(place, "weights/own.onnx") == b"weights"
    assert made.snapshot.tables["datasets.Clip"].rows == dataset.videos.get().clips.count()
    assert made.snapshot.tables["auth.User"].rows == 1
    assert made.lost == []
    assert newest(place) == made.snapshot


def test_a_second_backup_copies_only_what_has_changed(dataset, place):
    make_backup(place, quiet)
    before = objects(place)
    assert make_backup(place, quiet).new_objects == 0
    put("shop/new.txt", b"new")
    made = make_backup(place, quiet)
    assert made.new_objects == 2  # the file, and the list of files
    assert objects(place) >= before
    assert content_of(place, "media/shop/new.txt") == b"new"


def test_a_file_that_was_replaced_is_copied_again(dataset, place):
    name = put("shop/notes.txt", b"one")
    make_backup(place, quiet)
    path = Path(default_storage.path(name))
    other = path.with_name("other")
    other.write_bytes(b"two")
    os.utime(other, ns=(path.stat().st_mtime_ns,) * 2)  # as long, and as old
    other.replace(path)
    make_backup(place, quiet)
    assert content_of(place, f"media/{name}") == b"two"


def test_hard_links_are_read_once_and_told_apart_from_copies(dataset, place):
    name = put("shop/one.bin", b"content")
    Path(default_storage.path("shop/two.bin")).hardlink_to(default_storage.path(name))
    put("shop/three.bin", b"content")
    entries = {entry.name: entry for entry in make_backup(place, quiet).snapshot.files(place)}
    one, two, three = (entries[f"media/shop/{n}.bin"] for n in ("one", "two", "three"))
    assert one.sha256 == two.sha256 == three.sha256
    assert one.stamp == two.stamp != three.stamp


@pytest.mark.parametrize("moment", [1, 2, 5, 12])
def test_a_backup_stopped_at_any_moment_is_continued(dataset, place, moment, monkeypatch):
    reports = []

    def stop(what, done, total):
        reports.append(what)
        if len(reports) == moment:
            raise Stopped

    with pytest.raises(Stopped):
        make_backup(place, stop)
    assert snapshot_names(place) == []
    copied = []
    add = BackupFolder.add
    monkeypatch.setattr(
        BackupFolder,
        "add",
        lambda self, file, known: copied.append(1) or add(self, file, known),
    )
    made = make_backup(place, quiet)
    assert len(copied) <= made.snapshot.file_count + len(made.snapshot.tables) + 2
    assert check_backup(place, quiet) == []
    assert not list(place.files("unfinished"))


def test_an_interrupted_copy_leaves_no_part_of_an_object(dataset, place):
    class Broken:
        def __init__(self) -> None:
            self.left = [b"half", b"half", b""]

        def read(self, size):
            if self.left:
                return self.left.pop(0)
            raise OSError("The disk is gone.")

        def seek(self, at):
            pass

    with pytest.raises(OSError, match="gone"):
        place.add(Broken(), {})
    assert objects(place) == set()
    assert not list(Path(place.address).rglob("*.part"))


def test_rows_are_those_of_one_moment_while_others_are_written(dataset, place):
    with frozen_database() as alias:
        User.objects.create_user("later")
        table = dump_table(User, alias, place, {}, names=set(), on_rows=lambda count: None)
    assert table.rows == 1
    assert User.objects.count() == 2


def test_keys_of_deleted_rows_are_remembered(dataset, place):
    user = make_user("gone")
    last = user.pk
    user.delete()
    made = make_backup(place, quiet)
    assert made.snapshot.tables["auth.User"].last_key == last


def test_times_keep_their_microseconds_and_null_stays_apart_from_none(dataset, place):
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    User.objects.update(last_login=moment)
    made = make_backup(place, quiet)
    table = made.snapshot.tables["auth.User"]
    [row] = place.read_json(table.parts[0])
    assert row[table.fields.index("last_login")] == "2026-01-02T03:04:05.678901+00:00"


def test_a_changed_row_changes_one_part_of_its_table(dataset, place):
    Upload.objects.bulk_create(
        Upload(pk=pk, dataset=dataset, original_name="a.zip", sha256=f"{pk}", size=1)
        for pk in (1, 2, KEYS + 1)
    )
    before = make_backup(place, quiet).snapshot.tables["datasets.Upload"].parts
    Upload.objects.filter(pk=KEYS + 1).update(original_name="b.zip")
    after = make_backup(place, quiet).snapshot.tables["datasets.Upload"].parts
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False]


def test_sessions_are_not_backed_up(dataset, place, client):
    client.force_login(User.objects.get())
    assert "sessions.Session" not in make_backup(place, quiet).snapshot.tables


def test_a_file_that_rows_name_and_that_is_gone_is_named(dataset, place):
    clip = dataset.videos.get().clips.first()
    default_storage.delete(clip.frames.name)
    assert make_backup(place, quiet).lost == [clip.frames.name]


def test_a_file_removed_while_rows_are_read_is_still_in_the_backup(dataset, place, monkeypatch):
    """A release is withdrawn between the moment of the rows and the second look at files."""
    name = put("shop/releases/shop-release-1.zip", b"release")
    Release.objects.create(dataset=dataset, number=1, archive=name)
    make = module.dump_table

    def dump(model, *rest, **more):
        if model is Release and default_storage.exists(name):
            dumped = make(model, *rest, **more)
            Release.objects.update(archive="")
            default_storage.delete(name)
            return dumped
        return make(model, *rest, **more)

    monkeypatch.setattr(module, "dump_table", dump)
    made = make_backup(place, quiet)
    assert made.lost == []
    assert content_of(place, f"media/{name}") == b"release"


def test_damage_is_found_and_mended_by_the_next_backup(dataset, place):
    name = put("shop/notes.txt", b"a text")
    made = make_backup(place, quiet)
    [entry] = [e for e in made.snapshot.files(place) if e.name == f"media/{name}"]
    path = Path(place.address, "objects", entry.sha256[:2], entry.sha256)
    path.write_bytes(b"a tezt")
    with pytest.raises(CommandError, match=f"such as {entry.sha256}"):
        call_command("check_backup", place.address, "--mend", stdout=StringIO())
    make_backup(place, quiet)
    assert check_backup(place, quiet) == []
    assert content_of(place, f"media/{name}") == b"a text"


def test_a_damaged_list_is_refused(dataset, place):
    make_backup(place, quiet)
    [name] = snapshot_names(place)
    path = Path(place.address, "snapshots", f"{name}.gz")
    path.write_bytes(gzip.compress(b'{"format":1}\n'))
    with pytest.raises(BackupError, match="is damaged"):
        Snapshot.load(place, name)


def test_old_backups_go_with_what_only_they_needed(dataset, place, monkeypatch):
    name = put("shop/notes.txt", b"old")
    first = make_backup(place, quiet)
    default_storage.delete(name)
    put("shop/others.txt", b"new")
    make_backup(place, quiet)
    assert remove_old(place, 1) == (1, 0)  # objects of the last day stay
    monkeypatch.setattr(module, "UNUSED_AGE", -1.0)
    removed = remove_old(place, 1)
    assert removed[1] > 0
    assert first.snapshot.name not in snapshot_names(place)
    assert check_backup(place, quiet) == []


def test_a_place_inside_the_files_or_of_another_kind_is_refused(settings):
    with pytest.raises(BackupError, match="inside the files to back up"):
        place_at(f"{settings.MEDIA_ROOT}/backup")
    with pytest.raises(BackupError, match="neither a folder nor s3://bucket/prefix"):
        place_at("ftp://example.org/backup")


def test_a_place_without_backups_says_so(tmp_path):
    with pytest.raises(CommandError, match="There is no finished backup"):
        call_command("restore", str(tmp_path))


def test_the_command_says_what_was_copied_and_where_the_keys_are(dataset, place):
    out = StringIO()
    call_command("backup", place.address, "--keep", "2", stdout=out)
    assert "files of" in out.getvalue()
    assert "Keep the keys apart" in out.getvalue()
    listed = StringIO()
    call_command("restore", place.address, "--list", stdout=listed)
    assert connection.vendor in listed.getvalue()
