"""Killed fifty times at any moment, ingest makes the very same files.

Every other kill comes at an operation on files, counted in the process itself: most of the time
passes in the decoder, so by the clock alone nobody would ever be killed while unpacking.
"""

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from tests.films import make_film

ROOT = Path(__file__).resolve().parents[2]
KILLS = 50
STAGES = ("upload", "video", "clip")
PROGRAM = """
import os
import signal
import sys
import django
django.setup()
from django.core.management import call_command
from pathlib import Path
from datasets.services.create import create_dataset
from datasets.services.upload import receive_zip
from workers.loop import Loop, Stop
from workers.pipeline import STEPS
call_command("migrate", verbosity=0)
steps = STEPS[:3]
assert [step.name for step in steps] == ["unpack", "standardise", "cut"]
for step in steps:
    step.rows.retry()
OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.listdir", "os.link"}
done, last = 0, int(sys.argv[2])
def count(event, arguments):
    global done
    if event in OPERATIONS:
        done += 1
        if done == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
print("at work", flush=True)
path = Path(sys.argv[1])
receive_zip(create_dataset("shop"), path, original_name=path.name)
loop = Loop(steps=steps, tell=lambda outcome: None, stop=Stop())
loop.run(once=True)
for outcome in loop.failures:
    print(outcome, flush=True)
print(done, flush=True)
given_up = [outcome for outcome in loop.failures if "killed its worker" in outcome.error]
sys.exit(2 if len(given_up) < len(loop.failures) else bool(given_up))
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Two films to code anew and one to copy, in a zip."""
    folder = tmp_path_factory.mktemp("videos")
    films = [
        make_film(folder / "aisle.mkv", frames=500, rate=25),
        make_film(folder / "gate.webm", frames=200, codec="libvpx"),
        make_film(
            folder / "till.mp4",
            frames=480,
            options={"g": "30", "keyint_min": "30", "sc_threshold": "0", "preset": "ultrafast"},
        ),
    ]
    with zipfile.ZipFile(folder / "videos.zip", "w") as archive:
        for film in films:
            archive.write(film, film.name)
    return folder / "videos.zip"


def ingest(data: Path, videos: Path, *, operations: int = 0) -> subprocess.Popen[bytes]:
    """Ingest in a process of its own, which kills itself at that operation; 0: at none."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(videos), str(operations)],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "AVA_DATA_DIR": str(data),
            "AVA_LOG_LEVEL": "CRITICAL",
            "DJANGO_SETTINGS_MODULE": "avaproject.settings",
        },
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def files_of(data: Path) -> dict[str, str]:
    media = data / "media"
    return {
        str(path.relative_to(media)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in media.rglob("*")
        if path.is_file()
    }


def caught_in(data: Path) -> set[str]:
    """The tables of which a row was being worked on."""
    with sqlite3.connect(data / "ava.sqlite3") as database:
        return {
            stage
            for stage in STAGES
            if database.execute(
                f"SELECT 1 FROM datasets_{stage} WHERE stage = 'running'"  # noqa: S608
            ).fetchone()
        }


def test_fifty_kills_change_no_byte(videos, tmp_path):
    with ingest(tmp_path / "undisturbed", videos) as undisturbed:
        undisturbed.stdout.readline()
        began = time.monotonic()
        operations = int(undisturbed.stdout.read())
        took = time.monotonic() - began
    assert undisturbed.returncode == 0
    expected = files_of(tmp_path / "undisturbed")
    assert len(expected) == 3 + 3 + 3 * 4  # raw, standard; file, frames and poster of 4 clips

    moments = random.Random(5)
    data, kills, walks = tmp_path / "killed-0", 0, 0
    caught: Counter[str] = Counter()
    while kills < KILLS:
        by_clock = kills % 2
        last = 0 if by_clock else moments.randint(1, operations // 5)
        with ingest(data, videos, operations=last) as process:
            process.stdout.readline()
            if by_clock:
                time.sleep(moments.uniform(0, took / 3))
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
            said = process.stdout.read()
        if process.returncode == -signal.SIGKILL:
            kills += 1
            caught.update(caught_in(data))
            continue
        # 1: a row was killed three times, and somebody presses Retry.
        assert process.returncode in (0, 1), said
        if process.returncode == 0:
            assert files_of(data) == expected
            walks += 1
            data = tmp_path / f"killed-{walks}"
    code = 1
    while code == 1:
        with ingest(data, videos) as process:
            process.stdout.read()
        code = process.returncode
    assert code == 0
    assert files_of(data) == expected
    assert caught.keys() == set(STAGES), caught
