"""Bytes that an hour of 1080p takes beside the raw video.

    ./ava bench space
    python -m benchmarks.space --seconds 60

The standard video, the part of each clip that is not in it, posters and fingerprints.
Annotation frames are made when they are wanted and have a limit of their own; what all of them
would take is shown, too.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks._video import make_video_file
from datasets.core.media.clips_and_keyframes import clip_bounds
from datasets.core.media.standard_video import cut, encode_jpeg, read_frames, shared_bytes
from datasets.core.media.standardising import standardise
from datasets.core.media.video_reader import VideoLimits

MAX_GIGABYTES = 3.5
FRAME_STEP = 6  # five annotation frames a second


def measure(folder: Path, seconds: int) -> dict[str, int]:
    """Bytes of each kind of file for a video of so many seconds."""
    source, full, clip = (folder / name for name in ("raw.mp4", "full.mp4", "clip.mp4"))
    make_video_file(source, seconds)
    made = standardise(
        source, full, longest_side=1280, limits=VideoLimits(), thumbnails=folder / "thumbnails"
    )
    sizes = {
        "standard video": full.stat().st_size,
        "fingerprint": (folder / "thumbnails").stat().st_size + 8 * seconds,
        "clips": 0, "clips as whole files": 0, "posters": 0, "annotation frames": 0,
    }  # fmt: skip
    for start, count in clip_bounds(made.frame_count):
        cut(full, clip, start_frame=start, frame_count=count)
        whole = clip.stat().st_size
        shared = shared_bytes(clip, full, start_frame=start)
        sizes["clips as whole files"] += whole
        sizes["clips"] += shared.own_start if shared else whole
        for index, bgr in read_frames(clip, step=FRAME_STEP, order="bgr"):
            sizes["annotation frames"] += len(encode_jpeg(bgr, order="bgr"))
            if index == 0:
                small = np.ascontiguousarray(bgr[::3, ::3])
                sizes["posters"] += len(encode_jpeg(small, quality=85, order="bgr"))
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="length of the video")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        sizes = measure(Path(folder), seconds)
    an_hour = {name: size * 3600 / seconds / 1e9 for name, size in sizes.items()}
    for name, gigabytes in an_hour.items():
        print(f"{name:<22} {gigabytes:6.2f} GB an hour")
    kept = sum(an_hour[name] for name in ("standard video", "fingerprint", "clips", "posters"))
    print(f"{'stored':<22} {kept:6.2f} GB an hour, at most {MAX_GIGABYTES}")
    if kept > MAX_GIGABYTES:
        sys.exit("The limit was exceeded.")


if __name__ == "__main__":
    main()
