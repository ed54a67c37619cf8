"""What an hour of video takes: hours of one core by step, bytes by folder, and its backup.

    ./ava bench size
    python -m benchmarks.size --video shop.mp4 --weights detector.onnx --longest-side 1280

Every step runs alone in this process; its CPU time, with that of its children, is divided by
the length of the video. It depends on the processor, not on what else the machine does.
"""

import argparse
import os
import resource
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
parser = argparse.ArgumentParser(prog="./ava bench size", description=__doc__.splitlines()[0])
parser.add_argument("--video", type=Path, default=SHARED / "videos/street_1_loop33s_audio.mp4")
parser.add_argument("--weights", type=Path, default=SHARED / "weights/yolox_nano_384x640.onnx")
parser.add_argument("--longest-side", type=int, default=1280)
parser.add_argument("--frame-stride", type=int, default=1)
options = parser.parse_args()
if not options.video.exists():
    sys.exit(f"There is no {options.video}: name a video with --video.")

folder = tempfile.TemporaryDirectory()
os.environ |= {"AVA_DATA_DIR": folder.name, "AVA_LOG_LEVEL": "ERROR"}
os.environ["DJANGO_SETTINGS_MODULE"] = "avaproject.settings"

import django

django.setup()

from django.core.management import call_command

from datasets.models import Clip, Video
from datasets.services.create import create_dataset
from datasets.services.upload import receive_zip
from qc.services.release.export_media import export_clip, request_clip_export, video_sum
from workers.backup.backup import check_backup, make_backup
from workers.backup.places import place_at
from workers.loop import Loop
from workers.pipeline import STEPS

STEPS_MEASURED = ("unpack", "standardise", "cut", "track", "assign identities")
WHAT = {
    "raw": "the raw video",
    "videos": "its standard video",
    "clips": "clips",
    "frames": "annotation frames",
    "posters": "posters",
    "tracks": "tracks",
    "exportframes": "frames and clips for releases",
}


@contextmanager
def cpu(name: str, times: dict[str, float]) -> Iterator[None]:
    def now() -> float:
        both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        return sum(sum(resource.getrusage(who)[:2]) for who in both)

    began = now()
    yield
    times[name] = now() - began


def run_pipeline(times: dict[str, float]) -> None:
    for step in STEPS:
        if step.name in STEPS_MEASURED:
            with cpu(step.name, times):
                loop = Loop(steps=[step], on_result=lambda outcome: None)
                loop.run(once=True)
            if loop.failures:
                sys.exit(f"{step.name}: {loop.failures[0].error}")


def export(times: dict[str, float]) -> None:
    with cpu("export clips", times):
        for clip in Clip.objects.all():
            summed = video_sum(clip.video)
            export_clip(request_clip_export(clip, video_sum=summed, longest_side=None).pk)


def disk() -> Counter[str]:
    """Bytes by folder of the dataset; files that are one by hard links count once."""
    top, seen, found = Path(folder.name) / "media" / "size", set(), Counter[str]()
    for path in top.rglob("*"):
        stat = path.stat()
        if path.is_file() and stat.st_ino not in seen:
            seen.add(stat.st_ino)
            found[path.relative_to(top).parts[0]] += stat.st_size
    return found


def back_up(times: dict[str, float], size: int) -> None:
    quiet: Callable[[str, int, int], None] = lambda what, done, total: None  # noqa: E731
    place = place_at(f"{folder.name}/backup")
    for name, work in (
        ("first", lambda: make_backup(place, quiet)),
        ("second", lambda: make_backup(place, quiet)),
        ("check", lambda: check_backup(place, quiet)),
    ):
        with cpu(name, times):
            work()
    gigabytes = size / 1e9
    print(
        f"backup: {times['first'] / gigabytes:.1f} CPU s per GB, again {times['second']:.1f} s"
    )
    print(f"check_backup: {times['check'] / gigabytes:.1f} CPU s per GB")


def main() -> None:
    call_command("bootstrap", verbosity=0)
    dataset = create_dataset(
        "size", detector="onnx", weights=str(options.weights.resolve()),
        longest_side=options.longest_side, frame_stride=options.frame_stride,
    )  # fmt: skip
    archive = Path(folder.name) / "videos.zip"
    with zipfile.ZipFile(archive, "w") as videos:
        videos.write(options.video, options.video.name)
    receive_zip(dataset, archive, original_name="videos.zip")
    times: dict[str, float] = {}
    run_pipeline(times)
    export(times)
    video = Video.objects.get()
    seconds = (video.frame_count or 0) / 30
    print(f"{options.video.name}: {seconds:.0f} s, {video.width}x{video.height}")
    for name, took in times.items():
        print(f"{name}: {took / seconds:.2f} hours of a core per hour of video")
    sizes = disk()
    for name, size in sizes.most_common():
        print(f"{WHAT.get(name, name)}: {size / seconds * 3600 / 1e9:.2f} GB per hour of video")
    print(f"all: {sizes.total() / seconds * 3600 / 1e9:.2f} GB per hour of video")
    back_up(times, sizes.total())


if __name__ == "__main__":
    main()
