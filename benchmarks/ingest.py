"""CPU seconds of standardising and cutting, compared with the ffmpeg command line.

    ./ava bench ingest
    python -m benchmarks.ingest --seconds 20

Every line is one process with its children. Wall clock time is not shown, because it means
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
MAX_MEGABYTES = 250
MAX_IDLE_SHARE = 0.15
REPEATS = 3  # of short measurements

PIPELINE = """
from pathlib import Path
from datasets.core.media.clips_and_keyframes import clip_bounds
from datasets.core.media.sandboxed_decoder import ResourceLimits, standardise_sandboxed
from datasets.core.media.standard_video import cut
from datasets.core.media.video_reader import VideoLimits
source, out = Path(sys.argv[1]), Path(sys.argv[2])
options = {"longest_side": 1280, "limits": VideoLimits(), "resources": ResourceLimits()}
made = standardise_sandboxed(source, out / "full.mp4", **options)
for n, (start, count) in enumerate(clip_bounds(made.frame_count)):
    cut(out / "full.mp4", out / f"{n}.mp4", start_frame=start, frame_count=count)
"""
CUT = """
from pathlib import Path
from datasets.core.media.clips_and_keyframes import clip_bounds
from datasets.core.media.standard_video import cut
source, out = Path(sys.argv[1]), Path(sys.argv[2])
import av
with av.open(str(source)) as container:
    frames = container.streams.video[0].frames
for n, (start, count) in enumerate(clip_bounds(frames)):
    cut(source, out / f"{n}.mp4", start_frame=start, frame_count=count)
"""
IMPORTS = "import datasets.core.media.standard_video"
FRAMES = """
from pathlib import Path
from datasets.core.media.standard_video import encode_jpeg, read_frames
for index, bgr in read_frames(Path(sys.argv[1]), order="bgr"):
    (Path(sys.argv[2]) / f"{index}.jpg").write_bytes(encode_jpeg(bgr, order="bgr"))
"""
BARE_FRAMES = """
import av, cv2
from pathlib import Path
with av.open(sys.argv[1]) as container:
    container.streams.video[0].thread_type = "AUTO"
    for index, frame in enumerate(container.decode(video=0)):
        done, jpeg = cv2.imencode(
            ".jpg", frame.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, 90]
        )
        (Path(sys.argv[2]) / f"{index}.jpg").write_bytes(jpeg.tobytes())
"""


class Cost(NamedTuple):
    seconds: float
    megabytes: float


def cost_of(*command: str | Path) -> Cost:
    """The cost of a command with its child processes."""
    # A child starts with the memory of its parent, so this process stays small.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([str(word) for word in command], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} ended with code {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def python(program: str, *arguments: Path) -> Cost:
    return cost_of(sys.executable, "-c", "import sys\n" + program, *arguments)


def idle_share(video: Path, folder: Path) -> float:
    """Idle share of the CPU while one worker per two cores converts a video."""
    processes = []
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for number in range(max((os.cpu_count() or 1) // 2, 1)):  # as `up` does
        target = folder / f"worker{number}"
        target.mkdir()
        command = [sys.executable, "-c", "import sys\n" + PIPELINE, str(video), str(target)]
        processes.append(subprocess.Popen(command, env=environment))
    before = psutil.cpu_times()
    processes[0].wait()
    after = psutil.cpu_times()
    for process in processes:
        process.wait()
    spent = [now - then for now, then in zip(after, before, strict=True)]
    return (after.idle - before.idle) / sum(spent)


def shortened(source: Path, target: Path, seconds: int) -> Path:
    """The first `seconds` of a video, by stream copy."""
    with av.open(str(source)) as container, av.open(str(target), "w") as out:
        copy = out.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(video=0):
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
    """The usual way: convert the whole video first, then re-encode each clip."""
    costs = [ffmpeg("-i", source, *SCALE, *X264, out / "whole.mp4")]
    costs += [
        ffmpeg("-ss", str(start), "-t", "15", "-i", out / "whole.mp4", *X264, out / "c.mp4")
        for start in range(0, seconds, CLIP // RATE)
    ]
    return Cost(sum(cost.seconds for cost in costs), max(cost.megabytes for cost in costs))


def show(what: str, cost: Cost, note: str = "") -> None:
    print(f"{what:<52} {cost.seconds:7.2f} s {cost.megabytes:6.0f} MB  {note}", flush=True)


def measure(folder: Path, seconds: int) -> bool:
    """Print all lines; return whether every measured limit was met."""
    video, out = folder / "video.mp4", folder / "out"
    out.mkdir()
    cost_of(sys.executable, "-m", "benchmarks._video", video, str(seconds))
    within_limits = []

    def limit(what: str, ratio: float, maximum: float) -> str:
        within_limits.append(ratio <= maximum)
        return f"{ratio:.2f} x {what}, at most {maximum}" + (
            "" if within_limits[-1] else "  EXCEEDED"
        )

    start = python(IMPORTS)
    show("interpreter and imports, part of each pipeline line", start)
    pipeline = python(PIPELINE, video, out)
    memory = f"at most {MAX_MEGABYTES} MB"
    within_limits.append(pipeline.megabytes <= MAX_MEGABYTES)
    show(f"standardise and cut {seconds} s of 1080p30", pipeline, memory)
    third = max(seconds // 3, 1)
    short = python(PIPELINE, shortened(video, folder / "short.mp4", third), out)
    growth = pipeline.megabytes / short.megabytes
    show(f"the same with {third} s", short, f"memory grows {growth:.2f} times from this")
    if shutil.which("ffmpeg"):
        command_line = one_pass(video, out, seconds * RATE)
        note = limit("ffmpeg", pipeline.seconds / command_line.seconds, 1.05)
        show("ffmpeg, one pass to clips", command_line, f"pipeline: {note}")
        twice = two_passes(video, out, seconds)
        note = limit("two passes", pipeline.seconds / twice.seconds, 0.6)
        show("ffmpeg, whole video and then each clip", twice, f"pipeline: {note}")
    else:
        print("ffmpeg is not installed: NOT COMPARED (apt-get install ffmpeg, then run again)")
    python(PIPELINE, video, out)
    standard = shutil.copyfile(out / "full.mp4", folder / "standard.mp4")
    again = python(PIPELINE, standard, out)
    show(
        "a standard video: checked, copied, cut",
        again,
        f"{pipeline.seconds / again.seconds:.1f} times cheaper",
    )
    only = python(CUT, standard, out)
    show("cutting only", only, f"{only.seconds - start.seconds:.2f} s without the start")
    ratios = []
    for _ in range(REPEATS):
        bare = python(BARE_FRAMES, out / "0.mp4", out)
        frames = python(FRAMES, out / "0.mp4", out)
        ratios.append(frames.seconds / bare.seconds)
    note = limit(f"decode and imencode (median of {REPEATS})", statistics.median(ratios), 1.1)
    show("all JPEG frames of a clip", frames, note)
    idle = idle_share(video, folder)
    within_limits.append(idle <= MAX_IDLE_SHARE)
    print(
        f"{os.cpu_count()} cores, as many workers as `up` starts: {idle:.0%} of them idle, "
        f"at most {MAX_IDLE_SHARE:.0%}" + ("" if within_limits[-1] else "  EXCEEDED")
    )
    return all(within_limits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="length of the video")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        if not measure(Path(folder), seconds):
            sys.exit("A limit was exceeded.")


if __name__ == "__main__":
    main()
