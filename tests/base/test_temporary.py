"""Temporary files go with their process, and space that is kept is kept from others."""

import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from avaproject.base import temporary
from avaproject.base.temporary import (
    allocate,
    partial_path,
    remove_stale,
    reserved_space,
    work_folder,
)

ROOT = Path(__file__).resolve().parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
import django
django.setup()
from avaproject.base.temporary import partial_path, work_folder
with work_folder() as folder, partial_path(Path(sys.argv[1])) as part:
    (folder / "half").write_text("made")
    part.mkdir()
    (part / "half").write_text("made")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_at_work(data: Path, target: Path) -> None:
    """A process makes temporary files with `data` as its data folder, and is killed."""
    environment = os.environ | {
        "AVA_DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "avaproject.settings",
    }  # fmt: skip
    environment.pop("AVA_DATABASE_URL", None)
    code = subprocess.call(
        [sys.executable, "-c", KILLED, str(target)], cwd=ROOT, env=environment
    )
    assert code == -9


def test_what_a_killed_process_leaves_is_removed_at_once(settings, tmp_path):
    target = tmp_path / "shop" / "1"
    target.parent.mkdir()
    killed_at_work(settings.DATA_DIR, target)
    assert len(list(target.parent.iterdir())) == 1
    with work_folder() as mine, partial_path(target) as partial:
        partial.write_text("half")
        assert remove_stale() == 2
        assert mine.is_dir()
        assert [path.name for path in target.parent.iterdir()] == [partial.name]
    assert list(target.parent.iterdir()) == []
    assert list((settings.DATA_DIR / "tmp").iterdir()) == []


@pytest.mark.parametrize("content", [(), ("files", "beside")])
def test_a_process_killed_before_it_has_the_lock_or_after_leaves_nothing(settings, content):
    half = settings.DATA_DIR / "tmp" / "tmpabc"
    cache = settings.DATA_DIR / "tmp" / "sheets-1"
    for folder in (half, cache):
        folder.mkdir(parents=True)
    for name in content:
        (half / name).write_text("")
    assert remove_stale() == 0
    for folder in (half, cache):
        os.utime(folder, (time.time() - 61,) * 2)
    assert remove_stale() == 1
    assert list(half.parent.iterdir()) == [cache]


def test_a_folder_of_a_living_process_stays_however_old_it_is():
    with work_folder() as old:
        os.utime(old.parent, (0, 0))
        assert remove_stale() == 0
        assert old.exists()


def test_without_locks_the_age_decides(settings, tmp_path, monkeypatch):
    def no_locks(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    killed_at_work(settings.DATA_DIR, tmp_path / "1")
    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert remove_stale() == 0
    for folder in (settings.DATA_DIR / "tmp").iterdir():
        os.utime(folder, (0, 0))
    assert remove_stale() == 2


def test_a_file_that_only_looks_like_a_partial_one_is_never_removed(settings, tmp_path):
    """What a stale folder names is removed only if the folder made that name."""
    killed_at_work(settings.DATA_DIR, tmp_path / "1")
    valuable = tmp_path / "valuable"
    valuable.write_text("kept")
    for folder in (settings.DATA_DIR / "tmp").iterdir():
        (folder / temporary.BESIDE).write_text(str(valuable))
    assert remove_stale() == 2
    assert valuable.read_text() == "kept"


def test_a_complete_partial_file_stays_where_it_is_renamed_to(tmp_path):
    target = tmp_path / "shop" / "done"
    target.parent.mkdir()
    with partial_path(target) as partial:
        partial.write_text("all")
        partial.replace(target)
    assert list(target.parent.iterdir()) == [target]


@pytest.fixture
def small_disk(settings, tmp_path):
    """A disk of one megabyte under the data folder."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1024k", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    settings.DATA_DIR = folder
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_two_are_not_both_told_that_there_is_space(small_disk):
    with reserved_space(700_000) as release:
        with pytest.raises(OSError, match="No space") as refused, reserved_space(700_000):
            pass
        assert refused.value.errno == errno.ENOSPC
        release(500_000)
        with reserved_space(700_000):
            pass
    with reserved_space(900_000):
        pass


def test_reserved_space_holds_against_those_who_do_not_ask(small_disk):
    with reserved_space(700_000) as release:
        with pytest.raises(OSError, match="No space"):
            (small_disk / "other").write_bytes(b"x" * 700_000)
        (small_disk / "other").unlink()
        release(700_000)
        (small_disk / "other").write_bytes(b"x" * 700_000)


def test_space_is_kept_without_a_change_of_length(small_disk):
    with (small_disk / "upload").open("wb") as file:
        allocate(file, 700_000)
        assert os.fstat(file.fileno()).st_size == 0
        with pytest.raises(OSError, match="No space"), reserved_space(700_000):
            pass
        file.write(b"x" * 700_000)


def test_a_disk_that_cannot_keep_space_is_asked_what_is_free(small_disk, monkeypatch):
    monkeypatch.setattr(temporary.ctypes, "CDLL", lambda *args, **kwargs: object())
    with (small_disk / "upload").open("wb") as file:
        allocate(file, 700_000)
        with pytest.raises(OSError, match="No space"):
            allocate(file, 7_000_000)
