"""Servers of tests, and the product as users run it: `manage.py up` in its own process."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.video_files import make_video_file

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Watchdog:
    """Kills the process `pid` when this process has ended, also when it was killed."""

    def __init__(self, pid: int) -> None:
        self._process = subprocess.Popen(  # its input ends with this process
            ["sh", "-c", 'read -r _; kill -KILL "$1"', "sh", str(pid)], stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def end(self) -> None:
        """Kill nothing: the process has ended."""
        self._process.kill()
        self._process.communicate()


class ServerProcess(subprocess.Popen[Any]):
    """A process that ends with the tests, also when they are killed."""

    def __init__(self, command: list[str], **options: Any) -> None:
        super().__init__(command, **options)
        self._watchdog: Watchdog | None = Watchdog(self.pid)

    def poll(self) -> int | None:
        return self._ended(super().poll())

    def wait(self, timeout: float | None = None) -> int:
        code = super().wait(timeout)
        self._ended(code)
        return code

    def _ended(self, code: int | None) -> int | None:
        if code is not None:
            watchdog, self._watchdog = self._watchdog, None
            if watchdog:
                watchdog.end()
        return code


@contextmanager
def running_up(data: Path, port: int, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """`up` on `port`, with SQLite in `data`; killed at the end."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AVA_")} | settings
    process = ServerProcess(
        [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(port)],
        env=environment
        | {"AVA_DATA_DIR": str(data), "OMP_NUM_THREADS": "1", "AVA_MEASURE_DETECTORS": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def password_of(process: subprocess.Popen[str]) -> str:
    """The password of the first account, as `up` prints it once."""
    for line in process.stdout or ():
        if found := re.match(r"Your account: admin, password: (\S+) ", line):
            return found[1]
    raise AssertionError("up ended without printing a password")


def answer(port: int, path: str = "/login/") -> int:
    """The status the pages answer with, or 0."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def wait_until(claim: Callable[[], object], *, seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.2)


def tiny_zip(folder: Path) -> Path:
    """A zip with one video of ten seconds, `lobby.mp4`."""
    video = make_video_file(folder / "lobby.mp4", frames=300)
    path = folder / "videos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(video, video.name)
    return path


def write_detections(folder: Path, *, name: str = "lobby") -> Path:
    """A person that walks through every frame of the video `name`, as MOT detections."""
    (folder / name).mkdir(parents=True)
    rows = [f"{n + 1},-1,{20 + n / 10:.1f},20,30,60,0.9" for n in range(300)]
    (folder / name / "det.txt").write_text("\n".join(rows) + "\n")
    return folder
