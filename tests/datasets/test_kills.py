"""Killed fifty times at any moment, ingest makes the very same files.

Every other kill comes at an operation on files, counted in the process itself: most of the time
passes in the decoder, so by the clock alone nobody would ever be killed while unpacking.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.video_files import make_video_file

ROOT = Path(__file__).resolve().parents[2]
KILLS = 50
STAGES = ("upload", "video", "clip")
PROGRAM = """
import json
import os
import signal
import sys
import django
django.setup()
from pathlib import Path
from datasets.services.create import create_dataset
from datasets.services.upload import receive_zip
from workers.loop import Loop, ShutdownSignal
from workers.pipeline import STEPS
from workers.versions import this_version
this_version()  # reads all migrations
steps = STEPS[:3]
assert [step.name for step in steps] == ["unpack", "standardise", "cut"]
OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.listdir", "os.link"}
done = 0
def ingest(path, last):
    for step in steps:
        step.rows.retry()
    def count(event, arguments):
        global done
        if event in OPERATIONS:
            done += 1
            if done == last:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)
    print(os.getpid(), flush=True)
    receive_zip(create_dataset("shop"), Path(path), original_name=Path(path).name)
    loop = Loop(steps=steps, on_result=lambda outcome: None, shutdown=ShutdownSignal())
    loop.run(once=True)
    for outcome in loop.failures:
        print(outcome, flush=True)
    print(done, flush=True)
    given_up = [outcome for outcome in loop.failures if "killed its worker" in outcome.error]
    return 2 if len(given_up) < len(loop.failures) else bool(given_up)
for line in iter(sys.stdin.readline, ""):
    process = os.fork()
    if not process:
        os.setsid()
        sys.exit(ingest(**json.loads(line)))
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    print("ended", code, flush=True)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Two videos to re-encode and one to copy, in a zip."""
    folder = tmp_path_factory.mktemp("videos")
    sources = [
        make_video_file(folder / "aisle.mkv", frames=500, rate=25),
        make_video_file(folder / "gate.webm", frames=200, codec="libvpx"),
        make_video_file(
            folder / "till.mp4",
            frames=480,
            options={"g": "30", "keyint_min": "30", "sc_threshold": "0", "preset": "ultrafast"},
        ),
    ]
    with zipfile.ZipFile(folder / "videos.zip", "w") as archive:
        for source in sources:
            archive.write(source, source.name)
    return folder / "videos.zip"


def environment(data: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AVA_DATA_DIR": str(data),
        "AVA_LOG_LEVEL": "CRITICAL",
        "AVA_LEASE_SECONDS": "1",  # the pauses after kills are a quarter to four of them
        "DJANGO_SETTINGS_MODULE": "avaproject.settings",
    }


class Ingest:
    """Ingests into `data`, each time in a new process.

    The processes are forks of one that has imported everything and done nothing: to import it
    fifty times would take most of the time.
    """

    def __init__(self, data: Path) -> None:
        self.parent = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env=environment(data),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, videos: Path, *, operations: int = 0) -> int:
        """The new process, at work; it kills itself at that operation, 0: at none."""
        order = {"path": str(videos), "last": operations}
        print(json.dumps(order), file=self.parent.stdin, flush=True)
        return int(self.parent.stdout.readline())

    def end(self) -> tuple[int, list[str]]:
        """What the process returned in the end, and what it said."""
        said = []
        for line in self.parent.stdout:
            if line.startswith("ended "):
                return int(line.split()[1]), said
            said.append(line)
        raise AssertionError(f"no process can be made any more: {said}")

    def close(self) -> None:
        self.parent.stdin.close()
        self.parent.wait()
        self.parent.stdout.close()


def files_of(data: Path) -> dict[str, str]:
    media = data / "media"
    return {
        str(path.relative_to(media)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in media.rglob("*")
        if path.is_file()
    }


def begin_anew(data: Path, empty: Path) -> None:
    shutil.rmtree(data)
    shutil.copytree(empty, data)


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


@pytest.fixture
def empty(tmp_path) -> Path:
    """A data folder with tables and nothing in them."""
    folder = tmp_path / "empty"
    migrate = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(migrate, cwd=ROOT, env=environment(folder), check=True)
    return folder


@pytest.fixture
def data(tmp_path, empty) -> Path:
    return shutil.copytree(empty, tmp_path / "killed")


@pytest.fixture
def ingest(data) -> Iterator[Ingest]:
    ingest = Ingest(data)
    yield ingest
    ingest.close()


def test_fifty_kills_change_no_byte(ingest, data, empty, videos):
    ingest.begin(videos)
    began = time.monotonic()
    code, said = ingest.end()
    took = time.monotonic() - began
    assert code == 0, said
    operations = int(said[-1])
    expected = files_of(data)
    assert len(expected) == 3 + 3 + 2 * 4  # raw, standard; file and poster of 4 clips
    begin_anew(data, empty)

    moments = random.Random(5)
    kills = 0
    caught: Counter[str] = Counter()
    while kills < KILLS or caught.keys() != set(STAGES):
        assert kills < 3 * KILLS, caught
        by_clock = kills % 2
        last = 0 if by_clock else moments.randint(1, operations // 5)
        process = ingest.begin(videos, operations=last)
        if by_clock:
            time.sleep(moments.uniform(0, took / 3))
            with suppress(ProcessLookupError):  # it has ended
                os.killpg(process, signal.SIGKILL)
        code, said = ingest.end()
        if code == -signal.SIGKILL:
            kills += 1
            caught.update(caught_in(data))
            continue
        # 1: a row was killed five times, and somebody presses Retry.
        assert code in (0, 1), said
        if code == 0:
            assert files_of(data) == expected
            begin_anew(data, empty)
    code = 1
    while code == 1:
        ingest.begin(videos)
        code, said = ingest.end()
    assert code == 0, said
    assert files_of(data) == expected
