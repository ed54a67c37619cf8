"""A pipeline killed at random moments and restarted makes exactly the same release."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datasets.core.zip_writer import new_zip
from demo.world.renderer import render, truth_at
from demo.world.videos import small_videos
from tracking.detectors.detection_files import FORMAT

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10

pytestmark = pytest.mark.slow


def command(data: Path, *words: str, **options) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "AVA_DATA_DIR": str(data),
        "AVA_LOG_LEVEL": "ERROR",
        "AVA_LEASE_SECONDS": "4",  # the pauses after kills are a quarter to four of them
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", *words],
        cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True, **options,
    )  # fmt: skip


def demo(data: Path, world: Path) -> subprocess.Popen[str]:
    return command(
        data, "demo", "--zip", str(world / "world.zip"), "--dataset", "world",
        "--detector", "imported", "--weights", str(world / "detections"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Two videos in a zip, and the people in them as detections brought along."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "detections").mkdir()
    with new_zip(folder / "world.zip") as archive:
        for spec in small_videos():
            archive.add_file(spec.file_name, render(spec, folder))
            size = (spec.width, spec.height) * 2
            frames = {
                str(frame): [
                    [side * whole for side, whole in zip(one.box, size, strict=True)] + [0.9]
                    for one in truth_at(spec, frame)
                    if one.visible > 0.3
                ]
                for frame in range(30 * spec.seconds)
            }
            content = json.dumps({"format": FORMAT, "frames": frames})
            (folder / "detections" / f"{spec.name}.json").write_text(content)
    return folder


def digest_of_release(data: Path) -> str:
    folder = data / "media/world/releases/1"
    digest = hashlib.sha256((folder / "manifest.json").read_bytes())  # it names all sums
    for path in sorted(folder.rglob("*")):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def test_ten_kills_change_nothing(world, tmp_path):
    undisturbed = demo(tmp_path / "undisturbed", world)
    undisturbed.stdout.readline()  # it is at work
    start = time.monotonic()
    output, _ = undisturbed.communicate(timeout=600)
    took = time.monotonic() - start
    assert undisturbed.returncode == 0, output
    expected = digest_of_release(tmp_path / "undisturbed")

    moments = random.Random(2)
    killed = walks = 0
    while killed < KILLS:
        data = tmp_path / f"killed-{walks}"
        process = demo(data, world)
        process.stdout.readline()
        time.sleep(moments.uniform(0, took / 4))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            killed += 1
        else:
            the_release_is_the_same(data, process, world, expected)
            walks += 1
    the_release_is_the_same(data, demo(data, world), world, expected)


def the_release_is_the_same(
    data: Path, process: subprocess.Popen[str], world: Path, expected: str
) -> None:
    """If a row was given up after too many kills, the demo says so: it is run again."""
    output, _ = process.communicate(timeout=600)
    if process.returncode != 0:
        assert "Run the demo again" in output
        assert not (data / "media/world/releases").exists()
        process = demo(data, world)
        output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert digest_of_release(data) == expected
