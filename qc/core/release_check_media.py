"""Checks of the pictures, films, lists and settings of a release, and of its sums."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np

from datasets.core import ava
from datasets.core.media import MediaError, Picture, read_frames
from qc.core.packing import MANIFEST, crc_of, release_paths, sha256_of
from qc.core.pictures import picture_size
from qc.core.release_check_rows import FPS
from qc.core.release_faults import EXAMPLES, unless
from qc.core.release_reader import ReleasedVideo, ReleaseReader

REDUCED = 8  # compared at an eighth; when made, they were held against the film bit for bit
BATCH = 50  # files that one thread reads in a row
SAMPLED_CLIPS = 5
MOST_DIFFERENCE = 4.0  # grey levels on average; JPEG alone makes less than 1 at that size


def check_pictures(release: ReleaseReader) -> str:
    if not release.pictures().included:
        return _without(release)

    def faults() -> Iterator[str]:
        for video in release.videos().values():
            folder = release.folder / "rawframes" / video.video_id
            found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
            wanted = {ava.frame_file(frame) for frame in range(video.n_frames)}
            for name in sorted(wanted ^ found)[:EXAMPLES]:
                state = "is missing" if name in wanted else "does not belong there"
                yield f"rawframes/{video.video_id}/{name} {state}"

    count = sum(video.n_frames for video in release.videos().values())
    return unless(faults(), f"All {count} pictures are there, and none that does not belong.")


def _without(release: ReleaseReader) -> str:
    if release.pictures().films:
        return "This release has no pictures, only films."
    return "This release has annotations alone, neither pictures nor films."


def check_keyframe_pictures(release: ReleaseReader) -> str:
    """The picture of every keyframe is what the film shows at that time.

    Clips that were compared when their pictures were made are only sampled: that their files
    are still the same bytes is what the sums say.
    """
    if not release.pictures().included:
        return _without(release)
    seconds: dict[str, list[int]] = defaultdict(list)
    for video_id, at in sorted(release.keyframes("annotated")):
        seconds[video_id].append(at - 900)
    known = sorted(seconds.keys() & release.compared)
    sample = set(known[:: max(1, len(known) // SAMPLED_CLIPS)])
    for video_id in known:
        seconds[video_id] = seconds[video_id][:1] if video_id in sample else []
    videos = [release.videos()[video_id] for video_id in seconds if seconds[video_id]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(
            lambda v: list(_wrong_pictures(release, v, seconds[v.video_id])), videos
        )
        faults = [fault for of_video in found for fault in of_video]
    now, count = sum(map(len, seconds.values())), len(release.keyframes("annotated"))
    when_made = f" ({count - now} of them compared when they were made)" if now < count else ""
    return unless(
        faults, f"The pictures of all {count} keyframes are those of the films{when_made}."
    )


def _wrong_pictures(
    release: ReleaseReader, video: ReleasedVideo, seconds: list[int]
) -> Iterator[str]:
    side = release.pictures().longest_side
    size = picture_size(video.width, video.height, longest_side=side)
    film = release.folder / "clips" / f"{video.video_id}.mp4"
    left = dict.fromkeys(FPS * second for second in seconds)
    try:
        first, last = min(left), max(left)
        for frame, rgb in read_frames(film, start=first, step=FPS, count=last - first + 1):
            if frame not in left:
                continue
            del left[frame]
            name = f"rawframes/{video.video_id}/{ava.frame_file(frame)}"
            if fault := _difference(_content(release.folder / name), rgb, size):
                yield f"{name}, a keyframe, {fault}"
    except MediaError as error:
        yield str(error)
    if left:
        yield f"clips/{video.video_id}.mp4 ends before the keyframe {900 + min(left) // FPS}"


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _difference(content: bytes, rgb: Picture, size: tuple[int, int]) -> str:
    """What is wrong with a picture that should show `rgb`; empty if nothing is."""
    if not (content.startswith(b"\xff\xd8") and content.endswith(b"\xff\xd9")):
        return "is missing or broken"
    coded = np.frombuffer(content, dtype=np.uint8)
    picture = cv2.imdecode(coded, cv2.IMREAD_REDUCED_COLOR_8)
    small = (-(-size[0] // REDUCED), -(-size[1] // REDUCED))
    if picture is None or picture.shape[1::-1] != small:
        return f"is no picture of {size[0]}x{size[1]}"
    wanted = cv2.cvtColor(
        cv2.resize(rgb, small, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR
    )
    apart = float(np.abs(picture.astype(np.int16) - wanted).mean())
    return f"shows something else than the film ({apart:.0f} grey levels)" * (
        apart > MOST_DIFFERENCE
    )


def check_films(release: ReleaseReader) -> str:
    if not release.pictures().films:
        return _without(release)

    def faults() -> Iterator[str]:
        for video in release.videos().values():
            name = f"clips/{video.video_id}.mp4"
            try:
                with av.open(str(release.folder / name)) as film:
                    stream = film.streams.video[0]
                    found = (stream.frames, stream.average_rate, stream.width, stream.height)
            except (OSError, av.FFmpegError, IndexError) as error:
                yield f"{name} cannot be read: {error}"
                continue
            if found != (video.n_frames, FPS, video.width, video.height):
                yield (
                    f"{name} has {found[0]} frames at {found[1]} a second, {found[2]}x"
                    f"{found[3]}, not {video.n_frames} at {FPS}, {video.width}x{video.height}"
                )

    return unless(faults(), "Every clip has its film, frame for frame.")


def check_frame_lists(release: ReleaseReader) -> str:
    def faults() -> Iterator[str]:
        for split in release.splits:
            survivors = _survivors(release, split)
            yield from _list_faults(release, split, survivors, "SlowFast would stop")
            if split != "train":
                known = {row.video_id for row in release.labels(split)}
                known |= {row.video_id for row in release.predicted(split)}
                yield from _list_faults(
                    release, f"{split}_all", known, "pytorchvideo would stop"
                )

    return unless(faults(), "The frame lists hold every frame of the clips with boxes.")


def _list_faults(
    release: ReleaseReader, name: str, wanted: set[str], else_: str
) -> Iterator[str]:
    listed: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in release.frames(name):
        listed[row.video_id].append((row.frame, row.path))
    for video in sorted(listed.keys() ^ wanted):
        state = "listed without a box" if video in listed else "not listed"
        yield f"frame_lists/{name}.csv: {video} is {state}; {else_}"
    for video in sorted(listed.keys() & wanted):
        count = release.videos()[video].n_frames
        if listed[video] != [(i, f"{video}/{ava.frame_file(i)}") for i in range(count)]:
            yield f"frame_lists/{name}.csv: the frames of {video} are not 1 to {count}"


def _survivors(release: ReleaseReader, split: str) -> set[str]:
    """The clips that SlowFast finds boxes of, with the threshold of the configuration."""
    if split == "train":
        return {label.video_id for label in release.labels(split)}
    threshold = release.slowfast_number("DETECTION_SCORE_THRESH")
    return {row.video_id for row in release.predicted(split) if row.score >= threshold}


def check_configurations(release: ReleaseReader) -> str:
    top = max((action.action_id for action in release.actions()), default=0)

    def faults() -> Iterator[str]:
        if release.slowfast_number("NUM_CLASSES") != top:
            yield f"configs/slowfast_ava.yaml does not have NUM_CLASSES: {top}"
        for name in ("mmaction2_ava.py", "mmaction2_slowfast_r50.py"):
            text = release.text(f"configs/{name}")
            if not re.search(rf"^num_classes = {top + 1}\b", text, re.MULTILINE):
                yield f"configs/{name} does not have num_classes = {top + 1}"

    return unless(faults(), f"The configurations are for {top} actions.")


def check_sums(release: ReleaseReader) -> str:
    sums = release.sums()
    found = set(release_paths(release.folder)) - {MANIFEST}
    both = sorted(found & sums.keys())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        batches = [both[first : first + BATCH] for first in range(0, len(both), BATCH)]
        found_now = pool.map(lambda some: [_sha256_now(release, p) for p in some], batches)
        now = chain.from_iterable(found_now)

        def faults() -> Iterator[str]:
            for path in sorted(found ^ sums.keys()):
                where = "not in the manifest" if path in found else "in the manifest only"
                yield f"{path} is {where}"
            for path, its in zip(both, now, strict=True):
                if its != sums[path]:
                    yield f"{path} is not the file of the manifest"

        return unless(faults(), f"All {len(sums)} files have the sha256 of the manifest.")


def _sha256_now(release: ReleaseReader, path: str) -> str:
    """The SHA-256 of a file; the known one if the file still has the CRC it had then.

    A CRC sees every fault of a disk that matters here, at a quarter of the time.
    """
    known = release.known.get(path)
    if known is not None and crc_of(release.folder / path) == (known.size, known.crc):
        return known.sha256
    return sha256_of(release.folder / path)
