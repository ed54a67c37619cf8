"""What ingest costs, in seconds of computing, beside ffmpeg's command line at the same work.

    ./ava bench ingest
    python -m benchmarks.ingest --seconds 20

Every line is one process, its children included; time by the clock is not shown, for it says
little on a shared machine.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import av
import psutil

ROOT = Path(__file__).resolve().parents[1]
RATE = 30
CLIP = 450
X264 = [
    *("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-g", "30", "-keyint_min", "30"),
    *("-sc_threshold", "0", "-forced-idr", "1", "-flags", "+cgop", "-threads", "2"),
    *("-pix_fmt", "yuv420p", "-an"),
]
SCALE = ["-vf", "scale=1280:720:flags=bicubic"]
MOST_MEGABYTES = 250
MOST_IDLE = 0.15
TIMES = 3  # what takes little time is measured so often

OURS = """
from pathlib import Path
from datasets.core.clipping import clip_bounds
from datasets.core.confined import Caps, standardise
from datasets.core.media import Limits, cut
source, out = Path(sys.argv[1]), Path(sys.argv[2])
made = standardise(source, out / "full.mp4", longest_side=1280, limits=Limits(), caps=Caps())
for n, (start, count) in enumerate(clip_bounds(made.frame_count)):
    cut(out / "full.mp4", out / f"{n}.mp4", start_frame=start, frame_count=count)
"""
CUT = """
from pathlib import Path
from datasets.core.clipping import clip_bounds
from datasets.core.media import cut
source, out = Path(sys.argv[1]), Path(sys.argv[2])
import av
with av.open(str(source)) as film:
    frames = film.streams.video[0].frames
for n, (start, count) in enumerate(clip_bounds(frames)):
    cut(source, out / f"{n}.mp4", start_frame=start, frame_count=count)
"""
IMPORTS = "import datasets.core.media"
FRAMES = """
from pathlib import Path
from datasets.core.media import encode_jpeg, read_frames
for index, bgr in read_frames(Path(sys.argv[1]), order="bgr"):
    (Path(sys.argv[2]) / f"{index}.jpg").write_bytes(encode_jpeg(bgr, order="bgr"))
"""
BARE_FRAMES = """
import av, cv2
from pathlib import Path
with av.open(sys.argv[1]) as film:
    film.streams.video[0].thread_type = "AUTO"
    for index, frame in enumerate(film.decode(video=0)):
        done, jpeg = cv2.imencode(
            ".jpg", frame.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, 90]
        )
        (Path(sys.argv[2]) / f"{index}.jpg").write_bytes(jpeg.tobytes())
"""


class Cost(NamedTuple):
    seconds: float
    megabytes: float


def cost_of(*command: str | Path) -> Cost:
    """What a command costs, the processes it starts included."""
    # A process begins with the memory of the one that starts it: this one keeps small.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([str(word) for word in command], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} ended with code {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def python(program: str, *arguments: Path) -> Cost:
    return cost_of(sys.executable, "-c", "import sys\n" + program, *arguments)


def idle_share(film: Path, folder: Path) -> float:
    """How much of this machine idles while a worker for every two cores has a video in hand."""
    processes = []
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for number in range(max((os.cpu_count() or 1) // 2, 1)):  # as `up` does
        place = folder / f"worker{number}"
        place.mkdir()
        command = [sys.executable, "-c", "import sys\n" + OURS, str(film), str(place)]
        processes.append(subprocess.Popen(command, env=environment))
    before = psutil.cpu_times()
    processes[0].wait()
    after = psutil.cpu_times()
    for process in processes:
        process.wait()
    spent = [now - then for now, then in zip(after, before, strict=True)]
    return (after.idle - before.idle) / sum(spent)


def shortened(source: Path, target: Path, seconds: int) -> Path:
    """The first `seconds` of a film, its packets copied."""
    with av.open(str(source)) as film, av.open(str(target), "w") as out:
        copy = out.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(video=0):
            if packet.size and packet.pts * packet.time_base < seconds:
                packet.stream = copy
                out.mux(packet)
    return target


def ffmpeg(*words: str | Path) -> Cost:
    return cost_of("ffmpeg", "-y", "-loglevel", "error", "-nostdin", *words)


def one_pass(source: Path, out: Path, frames: int) -> Cost:
    cuts = ",".join(str(frame) for frame in range(CLIP, frames, CLIP)) or str(frames)
    segments = ["-f", "segment", "-segment_frames", cuts, "-reset_timestamps", "1"]
    return ffmpeg("-i", source, *SCALE, *X264, *segments, out / "cli%d.mp4")


def two_passes(source: Path, out: Path, seconds: int) -> Cost:
    """The usual recipe: the whole film first, then each clip of it coded again."""
    costs = [ffmpeg("-i", source, *SCALE, *X264, out / "whole.mp4")]
    costs += [
        ffmpeg("-ss", str(start), "-t", "15", "-i", out / "whole.mp4", *X264, out / "c.mp4")
        for start in range(0, seconds, CLIP // RATE)
    ]
    return Cost(sum(cost.seconds for cost in costs), max(cost.megabytes for cost in costs))


def show(what: str, cost: Cost, note: str = "") -> None:
    print(f"{what:<52} {cost.seconds:7.2f} s {cost.megabytes:6.0f} MB  {note}", flush=True)


def measure(folder: Path, seconds: int) -> bool:
    """Print all lines; whether every limit was kept that could be measured."""
    film, out = folder / "film.mp4", folder / "out"
    out.mkdir()
    cost_of(sys.executable, "-m", "benchmarks._film", film, str(seconds))
    kept = []

    def limit(what: str, ratio: float, most: float) -> str:
        kept.append(ratio <= most)
        return f"{ratio:.2f} x {what}, at most {most}" + ("" if kept[-1] else "  EXCEEDED")

    start = python(IMPORTS)
    show("an interpreter with our modules, in each line of ours", start)
    ours = python(OURS, film, out)
    memory = f"at most {MOST_MEGABYTES} MB"
    kept.append(ours.megabytes <= MOST_MEGABYTES)
    show(f"standardise and cut {seconds} s of 1080p30", ours, memory)
    third = max(seconds // 3, 1)
    short = python(OURS, shortened(film, folder / "short.mp4", third), out)
    growth = ours.megabytes / short.megabytes
    show(f"the same with {third} s", short, f"memory grows {growth:.2f} times from here")
    if shutil.which("ffmpeg"):
        command_line = one_pass(film, out, seconds * RATE)
        note = limit("ffmpeg", ours.seconds / command_line.seconds, 1.05)
        show("ffmpeg, one pass to clips", command_line, f"ours: {note}")
        twice = two_passes(film, out, seconds)
        note = limit("two passes", ours.seconds / twice.seconds, 0.6)
        show("ffmpeg, whole film and then each clip", twice, f"ours: {note}")
    else:
        print("ffmpeg is not installed: NOT COMPARED (apt-get install ffmpeg, then run again)")
    python(OURS, film, out)
    standard = shutil.copyfile(out / "full.mp4", folder / "standard.mp4")
    again = python(OURS, standard, out)
    show(
        "a film that conforms: checked, copied, cut",
        again,
        f"{ours.seconds / again.seconds:.1f} times cheaper",
    )
    only = python(CUT, standard, out)
    show("cutting alone", only, f"{only.seconds - start.seconds:.2f} s without the start")
    ratios = []
    for _ in range(TIMES):
        bare = python(BARE_FRAMES, out / "0.mp4", out)
        frames = python(FRAMES, out / "0.mp4", out)
        ratios.append(frames.seconds / bare.seconds)
    note = limit(f"decode and imencode (median of {TIMES})", statistics.median(ratios), 1.1)
    show("all JPEG frames of a clip", frames, note)
    idle = idle_share(film, folder)
    kept.append(idle <= MOST_IDLE)
    print(
        f"{os.cpu_count()} cores, as many workers as `up` starts: {idle:.0%} of them idle, "
        f"at most {MOST_IDLE:.0%}" + ("" if kept[-1] else "  EXCEEDED")
    )
    return all(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="length of the film")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        if not measure(Path(folder), seconds):
            sys.exit("A limit was exceeded.")


if __name__ == "__main__":
    main()
