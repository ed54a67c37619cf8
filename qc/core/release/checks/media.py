"""Checks of the frames and clips of a release, and of the sums of all its files."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from datasets.core.formats import ava
from datasets.core.hashing import sha256_of
from datasets.core.media.standard_video import FrameArray, read_frames
from datasets.core.media.video_reader import MediaError
from qc.core.release.checks.expectations import EXAMPLES, expect
from qc.core.release.checks.rows import FPS
from qc.core.release.images import frame_size
from qc.core.release.packing import MANIFEST, crc_of, release_entries
from qc.core.release.reader import ReleasedVideo, ReleaseReader

REDUCED = 8  # compared at an eighth; when made, they were compared with the clip bit for bit
BATCH = 50  # files that one thread reads in a row
SAMPLED_CLIPS = 5
MAX_DIFFERENCE = 2.0  # grey levels on average; JPEG alone makes less than 0.5 at that size
NEARER = 0.05  # grey levels by which another frame may look more alike, for noise
_FIRST_KEYFRAME = range(60, 61)
_HEAD: Any = [{"skip_frame": "all"}]  # opening a clip decodes none of it: a tenth of the time

_Thumbnail = NDArray[np.int16]  # shape (height, width, 3), in RGB


def check_frames(release: ReleaseReader) -> str:
    """Every frame of every clip has its image, and there are no other files."""
    if release.lacks("frames"):
        return "This download has no rawframes/: they are not checked."
    if not release.images().included:
        return expect(
            _unexpected_files(release.folder / "rawframes", set(), "rawframes"),
            _without(release),
        )

    def faults() -> Iterator[str]:
        yield from _unexpected_files(
            release.folder / "rawframes", set(release.videos()), "rawframes"
        )
        for video in release.videos().values():
            wanted = {ava.frame_file(frame) for frame in range(video.n_frames)}
            where = f"rawframes/{video.video_id}"
            yield from _unexpected_files(release.folder / where, wanted, where)

    count = sum(video.n_frames for video in release.videos().values())
    return expect(faults(), f"All {count} frames are there, and no other files.")


def _without(release: ReleaseReader) -> str:
    if release.images().clip_files:
        return "This release has no frames, only clips."
    return "This release has annotations alone, neither frames nor clips."


def _unexpected_files(folder: Path, wanted: set[str], where: str) -> Iterator[str]:
    """What is missing in a folder, and what should not be there."""
    found: set[str] = set()
    if folder.is_dir():
        with os.scandir(folder) as entries:
            found = {entry.name for entry in entries}
    for name in sorted(wanted ^ found)[:EXAMPLES]:
        state = "is missing" if name in wanted else "does not belong there"
        yield f"{where}/{name} {state}"


def check_frame_content(release: ReleaseReader) -> str:
    """Every frame is what the clip shows at that time.

    Clips that were compared when their frames were made are only sampled: that their files
    are still the same bytes is what the sums say.
    """
    if not release.images().included:
        return _without(release)
    if left_out := [folder for folder in release.left_out() if folder != "formats/"]:
        return f"This download has no {' and no '.join(left_out)}: nothing can be compared."
    videos = list(release.videos().values())
    known = [video.video_id for video in videos if video.video_id in release.compared]
    sample = set(known[:: -(-len(known) // SAMPLED_CLIPS) or 1])
    stretches = [
        (video, _FIRST_KEYFRAME if video.video_id in sample else range(video.n_frames))
        for video in videos
        if video.video_id not in release.compared or video.video_id in sample
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda each: list(_wrong_frames(release, *each)), stretches)
        faults = [fault for of_clip in found for fault in of_clip]
    count = sum(video.n_frames for video in videos)
    now = sum(len(frames) for _, frames in stretches)
    when_made = f" ({count - now} of them made from these very clips)" if now < count else ""
    return expect(faults, f"All {count} frames are those of the clips{when_made}.")


def _wrong_frames(release: ReleaseReader, video: ReleasedVideo, frames: range) -> Iterator[str]:
    side = release.images().longest_side
    size = frame_size(video.width, video.height, longest_side=side)
    frames = range(frames.start, min(frames.stop, video.n_frames))
    video_file = f"clips/{video.video_id}.mp4"
    # Decoding begins at a key frame: one before the first frame would cost a second of clip.
    start, at = frames.start - bool(frames.start % FPS), -1
    before: _Thumbnail | None = None
    here: _Thumbnail | None = None
    try:
        shown = read_frames(
            release.folder / video_file, start=start, count=frames.stop + 1 - start
        )
        for number, rgb in chain(shown, [(-1, None)]):
            after = None if rgb is None else _thumbnail(rgb, size)
            if here is not None and at in frames:
                name = f"rawframes/{video.video_id}/{ava.frame_file(at)}"
                content = _content(release.folder / name)
                if fault := _difference(content, here, size, (before, after)):
                    yield f"{name} {fault}"
            if rgb is not None:
                before, here, at = here, after, number
    except MediaError as error:
        yield f"{video_file}: {error}"
    if at < frames.stop - 1:
        yield f"{video_file} ends before frame {frames.stop - 1}"


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _thumbnail(rgb: FrameArray, size: tuple[int, int]) -> _Thumbnail:
    """The means of blocks of 8x8 pixels: what a JPEG of it keeps best."""
    if rgb.shape[1::-1] != size:
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    wide, high = -size[0] % REDUCED, -size[1] % REDUCED
    whole = cv2.copyMakeBorder(rgb, 0, high, 0, wide, cv2.BORDER_REPLICATE)
    blocks = ((size[0] + wide) // REDUCED, (size[1] + high) // REDUCED)
    return cv2.resize(whole, blocks, interpolation=cv2.INTER_AREA).astype(np.int16)


def _difference(
    content: bytes,
    wanted: _Thumbnail,
    size: tuple[int, int],
    neighbours: tuple[_Thumbnail | None, _Thumbnail | None],
) -> str:
    """What is wrong with a frame that should show `wanted`; empty if nothing is."""
    if not (content.startswith(b"\xff\xd8") and content.endswith(b"\xff\xd9")):
        return "is missing or broken"
    coded = np.frombuffer(content, dtype=np.uint8)
    image = cv2.imdecode(coded, cv2.IMREAD_REDUCED_COLOR_8)
    if image is None or image.shape != wanted.shape or _coded_size(content) != size:
        return f"is no frame of {size[0]}x{size[1]}"
    its = image[..., ::-1].astype(np.int16)
    apart = _grey_difference(its, wanted)
    if apart > MAX_DIFFERENCE:
        return f"shows something else than the clip ({apart:.0f} grey levels)"
    for neighbour, which in zip(neighbours, ("before", "after"), strict=True):
        if neighbour is not None and _grey_difference(its, neighbour) < apart - NEARER:
            return f"shows the frame {which}"
    return ""


def _grey_difference(a: _Thumbnail, b: _Thumbnail) -> float:
    return float(np.abs(a - b).mean())


def _coded_size(content: bytes) -> tuple[int, int]:
    """Width and height as the frame header of a JPEG has them (ITU T.81, B.2.2)."""
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            high, wide = content[place + 5 : place + 7], content[place + 7 : place + 9]
            return int.from_bytes(wide), int.from_bytes(high)
        place += 2 + length
    return 0, 0


def check_clips(release: ReleaseReader) -> str:
    """Every clip has a file whose packets are its frames, 30 per second without a gap.

    Of clips that were compared when their frames were made only the head is read again.
    """
    if release.lacks("clips"):
        return "This download has no clips/: they are not checked."
    if not release.images().clip_files:
        return expect(
            _unexpected_files(release.folder / "clips", set(), "clips"), _without(release)
        )

    def faults() -> Iterator[str]:
        clip_files = {f"{video_id}.mp4" for video_id in release.videos()}
        yield from _unexpected_files(release.folder / "clips", clip_files, "clips")
        for video in release.videos().values():
            if fault := _clip_fault(release, video):
                yield f"clips/{video.video_id}.mp4 {fault}"

    return expect(faults(), "Every clip file has the frames of its clip.")


def _clip_fault(release: ReleaseReader, video: ReleasedVideo) -> str:
    """What is wrong with the file of a clip; empty if nothing is."""
    path = release.folder / "clips" / f"{video.video_id}.mp4"
    try:
        with av.open(str(path), stream_options=_HEAD) as video_file:
            stream = video_file.streams.video[0]
            codec = stream.codec_context.name
            found = (stream.frames, stream.average_rate, stream.width, stream.height)
            is_known = video.video_id in release.compared
            clock = None if is_known else _frame_times(video_file, stream)
    except (OSError, av.FFmpegError, IndexError) as error:
        return f"cannot be read: {error}"
    if found != (video.n_frames, Fraction(FPS), video.width, video.height):
        return (
            f"has {found[0]} frames at {found[1]} a second, {found[2]}x{found[3]}, not "
            f"{video.n_frames} at {FPS}, {video.width}x{video.height}"
        )
    if codec != "h264":
        return f"is {codec}, not h264"
    if clock not in (None, list(range(video.n_frames))):
        return f"does not show frame n at n/{FPS} s, or is cut off"
    return ""


def _frame_times(video_file: InputContainer, stream: VideoStream) -> list[Fraction]:
    """The times of all packets in frames, ascending; those without content are left out."""
    base = (stream.time_base or Fraction(1, FPS)) * FPS
    return sorted(
        packet.pts * base
        for packet in video_file.demux(stream)
        if packet.pts is not None and packet.size and not packet.is_corrupt
    )


def check_sums(release: ReleaseReader) -> str:
    sums = release.sums()
    found = release_entries(release.folder)
    found.pop(MANIFEST, None)
    left_out = tuple(release.left_out())
    wanted = {path for path in sums if not path.startswith(left_out)}
    links = [path for path, entry in found.items() if entry.is_symlink()]
    both = [path for path in found if path in sums and path not in links]
    untouched = {
        path
        for path in both
        if path in release.known and release.known[path].is_of(found[path].stat())
    }
    read = [path for path in both if path not in untouched]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        batches = [read[first : first + BATCH] for first in range(0, len(read), BATCH)]
        found_now = pool.map(lambda some: [_sha256_now(release, p) for p in some], batches)
        now = dict(zip(read, chain.from_iterable(found_now), strict=True))
    now |= {path: release.known[path].sha256 for path in untouched}

    def faults() -> Iterator[str]:
        for link in links:
            yield f"{link} is a link: it would be missing in a copy"
        for path in sorted(found.keys() ^ wanted):
            where = "not in the manifest" if path in found else "in the manifest only"
            yield f"{path} is {where}"
        for path in both:
            if now[path] != sums[path]:
                yield f"{path} is not the file of the manifest"

    since = f" ({len(untouched)} unchanged since they were computed)" if untouched else ""
    without = f"; {', '.join(left_out)} are not in this download" if left_out else ""
    return expect(
        faults(),
        f"All {len(wanted)} files have the sha256 of the manifest{since}{without}.",
    )


def _sha256_now(release: ReleaseReader, path: str) -> str:
    """The SHA-256 of a file; the known one if the file still has the CRC it had then.

    A CRC sees every fault of a disk that matters here, at a quarter of the time.
    """
    known = release.known.get(path)
    if known is not None and crc_of(release.folder / path) == (known.size, known.crc):
        return known.sha256
    return sha256_of(release.folder / path)
