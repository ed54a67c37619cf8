"""Clips a minute with 1, 2 and 4 workers, from a zip to tracks that can be annotated.

    ./ava bench throughput
    python -m benchmarks.throughput --postgres URL     on an empty database of PostgreSQL

Every number of workers gets an installation of its own and the same rendered videos, which are
standardised, cut, searched for people with the demo's detector, and followed. One worker is the
peer of the others. Each worker uses several threads, so that two workers on two cores are not
twice as fast. The benchmark fails if more workers than one are slower than MIN_SHARE of one.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "demo" / "tiny_person.pth"
WORKERS = (1, 2, 4)
VIDEOS = 8
MIN_SHARE = 0.9  # of the clips a minute of one worker
SETTINGS = ["--detector", "rfdetr-file", "--weights", str(WEIGHTS), "--threshold", "0.45"]
COUNTS = """
import django
django.setup()
from tracking.models import TrackingRun
from datasets.models import Clip
done = TrackingRun.objects.done().values("clip").distinct().count()
print(Clip.objects.count(), done)
"""


class Result(NamedTuple):
    clips: int
    seconds: float
    cpu: float  # seconds, of the workers and their children

    @property
    def a_minute(self) -> float:
        return 60 * self.clips / self.seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgres", default="", help="URL of an empty database")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        videos = rendered_zip(Path(name))
        results = {count: measure(count, videos, options.postgres) for count in options.workers}
    alone = next(iter(results.values())).a_minute
    print(
        f"{'workers':>8} {'clips':>6} {'seconds':>8} {'clips a minute':>15} {'of one':>7} CPU s"
    )
    for count, one in results.items():
        print(
            f"{count:8}{one.clips:7}{one.seconds:9.1f}{one.a_minute:16.1f}"
            f"{one.a_minute / alone:8.2f} {one.cpu:5.0f}"
        )
    if any(one.a_minute < MIN_SHARE * alone for one in results.values()):
        print(f"More workers are slower than {MIN_SHARE} of one.")
        return 1
    return 0


def rendered_zip(folder: Path) -> Path:
    """A zip of small rendered videos that differ."""
    from datasets.core.zip_writer import new_zip
    from demo.world.renderer import render
    from demo.world.videos import small_videos

    target = folder / "videos.zip"
    with new_zip(target) as archive:
        for number in range(VIDEOS):
            spec = small_videos()[0]
            path = render(replace(spec, name=f"{spec.name}-{number}", seed=number), folder)
            archive.add_file(path.name, path)
    return target


def measure(count: int, videos: Path, postgres: str) -> Result:
    """The work of `count` worker processes on a new dataset, until nothing is left."""
    with tempfile.TemporaryDirectory() as name:
        environment = os.environ | {
            "AVA_DATA_DIR": name, "AVA_LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "avaproject.settings",
        }  # fmt: skip
        if postgres:
            environment["AVA_DATABASE_URL"] = postgres
            _manage(environment, "migrate")
            _manage(environment, "flush", "--no-input")
        _manage(environment, "import_videos", str(videos), "--dataset", "measured", *SETTINGS)
        began = time.monotonic()
        command = [sys.executable, "manage.py", "run_pipeline", "--once", "--plain"]
        workers = [
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
            for _ in range(count)
        ]
        cpu = sum(_wait(worker) for worker in workers)
        seconds = time.monotonic() - began
        counts = subprocess.run(
            [sys.executable, "-c", COUNTS],
            cwd=ROOT, env=environment, check=True, capture_output=True, text=True,
        )  # fmt: skip
        clips, done = map(int, counts.stdout.split())
        if not clips or clips != done:
            sys.exit(f"{done} of {clips} clips have tracks.")
        return Result(clips, seconds, cpu)


def _manage(environment: dict[str, str], *words: str) -> None:
    command = [sys.executable, "manage.py", *words]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def _wait(worker: subprocess.Popen[bytes]) -> float:
    """CPU seconds of a worker and of the children that it waited for, when it has ended."""
    _, status, usage = os.wait4(worker.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"A worker ended with {os.waitstatus_to_exitcode(status)}.")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
