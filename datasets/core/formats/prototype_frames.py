"""The bare files of a prototype as a bundle: `frames.zip` with `dense_proposals.pkl`.

`frames.zip` holds `<clip>_frame_%04d.jpg` in any folders, numbered from 0 or 1, one a second
unless stated otherwise; `dense_proposals.pkl` has tracks and boxes in pixels
(`formats.ava.dense_proposals`). `tracking_jsons.zip` may be there too. The videos are unknown,
so each clip becomes a video of its own, and its frames are all that is known of it.

The frames are converted here; `tracking.core.prototype_tracks` reads the tracks.
"""

import hashlib
import math
import re
import shutil
import zipfile
from collections.abc import Callable, Collection
from functools import reduce
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from datasets.core.formats import bundle_manifest as manifests
from datasets.core.formats.ava import AvaFormatError, load_track_proposals
from datasets.core.formats.ava.dense_proposals import TrackProposals
from datasets.core.formats.bundle_files import BundleError, open_zip, read_member
from datasets.core.formats.bundle_manifest import (
    DENSE,
    FRAMES,
    PROTOTYPE_KEY,
    TRACKS,
    ClipEntry,
    FileEntry,
    Manifest,
    VideoEntry,
)
from datasets.core.hashing import sha256_of
from datasets.core.media.clips_and_keyframes import (
    CLIP_SECONDS,
    FRAME_RATE,
    MIN_CLIP_FRAMES,
)
from datasets.core.media.stills import jpeg_size
from datasets.core.media.video_reader import MediaError
from datasets.core.naming import clip_name, frame_name, safe_name
from datasets.core.sizes import size_text
from datasets.core.zip_writer import ZipWriter, new_zip

FRAME_FILE = re.compile(r"(?P<clip>.+)_frame_(?P<number>\d{1,6})\.jpe?g", re.IGNORECASE)
MAX_FRAME_BYTES = 64 << 20
MAX_PICKLE_BYTES = 256 << 20  # some four million boxes
MAX_CLIP_SECONDS = 890  # AVA's timestamps end
NOTES_SHOWN = 20


class _Frames(NamedTuple):
    """The frames of one clip in `frames.zip`, in order."""

    clip: str
    members: list[zipfile.ZipInfo]
    first_number: int  # 0 or 1


def is_prototype_bundle(names: Collection[str]) -> bool:
    """Whether files of these names are a prototype's bare ones.

    With clips they are a bundle of ours, which has lost its manifest.
    """
    is_ours = manifests.FILE in names or manifests.CLIPS in names
    return FRAMES in names and DENSE in names and not is_ours


def convert_prototype(
    folder: Path,
    target: Path,
    *,
    rate: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> list[str]:
    """Write the files in `folder` as a bundle into the empty folder `target`.

    The files with tracks are copied as they are.

    Args:
        rate: Frames a second; when None, 1, or if that made clips longer than ours, what the
            numbers in the pickle imply.
        progress: Called with the share done.

    Returns:
        Messages: what was skipped, and why.

    Raises:
        BundleError: A file is missing or damaged, or a value cannot be right.
    """
    for name in (FRAMES, DENSE):
        if not (folder / name).is_file():
            raise BundleError(f"{folder} lacks {name}")
    dense = read_dense(folder)
    videos: list[VideoEntry] = []
    with open_zip(folder / FRAMES) as archive, new_zip(target / FRAMES) as frames:
        clips = _clips(archive)
        rate = _implied_rate(dense, clips) if rate is None else _checked_rate(rate)
        unknown = sorted(dense.keys() - {clip.clip for clip in clips})
        notes = [f"{name}: {DENSE} names it, {FRAMES} lacks it" for name in unknown]
        for number, clip in enumerate(clips):
            progress(number / len(clips))
            if _is_too_short(clip, rate):
                notes.append(
                    f"{clip.clip}: {len(clip.members)} frames at {rate} a second are less than "
                    f"{MIN_CLIP_FRAMES // FRAME_RATE} s"
                )
                continue
            name = safe_name(f"{clip.clip}.mp4", taken={video.name for video in videos})
            videos.append(_add_video(archive, clip, frames, name=name, rate=rate))
    if not videos:
        raise BundleError(f"no clip of {FRAMES} can be imported: {'; '.join(notes[:3])}")
    _write_manifest(folder, target, rate, videos)
    if len(notes) > NOTES_SHOWN:
        notes[NOTES_SHOWN:] = [f"and {len(notes) - NOTES_SHOWN} more clips that were skipped"]
    return notes


def _is_too_short(clip: _Frames, rate: int) -> bool:
    """Raises BundleError if the clip is too long."""
    count = len(clip.members) * FRAME_RATE // rate
    if count > MAX_CLIP_SECONDS * FRAME_RATE:
        raise BundleError(
            f"{clip.clip} has {len(clip.members)} frames at {rate} per second: "
            f"a clip has at most {MAX_CLIP_SECONDS} s"
        )
    return count < MIN_CLIP_FRAMES


def read_dense(folder: Path) -> TrackProposals:
    """The `dense_proposals.pkl` in `folder`. Raises BundleError if it is not such a file."""
    path = folder / DENSE
    if path.stat().st_size > MAX_PICKLE_BYTES:
        raise BundleError(f"{DENSE} has more than {size_text(MAX_PICKLE_BYTES)}")
    try:
        return load_track_proposals(path.read_bytes())
    except AvaFormatError as error:
        raise BundleError(f"{DENSE}: {error}") from error


def _add_video(
    archive: zipfile.ZipFile, clip: _Frames, frames: ZipWriter, *, name: str, rate: int
) -> VideoEntry:
    ours = clip_name(name, 0)
    digest, size = hashlib.sha256(clip.clip.encode()), None
    for index, info in enumerate(clip.members):
        content = read_member(archive, info, max_bytes=MAX_FRAME_BYTES)
        size = _same_size(info.filename, content, size)
        digest.update(len(content).to_bytes(8) + content)
        frames.add(f"{ours}/{frame_name(ours, index)}", content)
    width, height = size or (0, 0)
    count = len(clip.members) * FRAME_RATE // rate
    entry = ClipEntry(ours, 0, 0, count, first_number=clip.first_number)
    return VideoEntry(name, clip.clip, digest.hexdigest(), width, height, count, (entry,), rate)


def _write_manifest(folder: Path, target: Path, rate: int, videos: list[VideoEntry]) -> None:
    for name in (DENSE, TRACKS):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, target / name)
    files = {
        path.name: FileEntry(path.stat().st_size, sha256_of(path))
        for path in sorted(target.iterdir())
    }
    manifest = Manifest(
        "prototype", PROTOTYPE_KEY, rate, tuple(videos), files, is_prototype=True
    )
    (target / manifests.FILE).write_bytes(manifests.dump(manifest))


def _clips(archive: zipfile.ZipFile) -> list[_Frames]:
    """The clips in `frames.zip` by name, each with all its frames."""
    found: dict[str, dict[int, zipfile.ZipInfo]] = {}
    for info in archive.infolist():
        match = FRAME_FILE.fullmatch(PurePosixPath(info.filename.replace("\\", "/")).name)
        if match is None or "__MACOSX" in info.filename:
            continue
        numbers = found.setdefault(match["clip"], {})
        if numbers.setdefault(int(match["number"]), info) is not info:
            raise BundleError(f"{FRAMES} has {info.filename} twice")
    if not found:
        raise BundleError(f"{FRAMES} has no frames named <clip>_frame_0000.jpg")
    clips = []
    for name, numbers in sorted(found.items()):
        first = min(numbers)
        missing = set(range(first, first + len(numbers))) - numbers.keys()
        if first > 1 or missing:
            lacks = min(missing, default=0) if first <= 1 else 0
            raise BundleError(f"{FRAMES} lacks frame {lacks} of {name}")
        clips.append(_Frames(name, [numbers[number] for number in sorted(numbers)], first))
    return clips


def _implied_rate(dense: TrackProposals, clips: list[_Frames]) -> int:
    """Frames a second, since those with boxes are a second apart."""
    if max(len(clip.members) for clip in clips) <= CLIP_SECONDS + 1:
        return 1
    steps = set()
    for frames in dense.values():
        numbers = sorted(
            int(match["number"])
            for frame in frames
            if (match := FRAME_FILE.fullmatch(PurePosixPath(frame).name))
        )
        steps |= {later - one for one, later in pairwise(numbers)}
    rate = reduce(math.gcd, steps, 0)
    return rate if rate and FRAME_RATE % rate == 0 else 1


def _checked_rate(rate: int) -> int:
    if rate < 1 or FRAME_RATE % rate:
        raise BundleError(f"{rate} frames a second do not divide {FRAME_RATE}")
    return rate


def _same_size(name: str, content: bytes, size: tuple[int, int] | None) -> tuple[int, int]:
    try:
        found = jpeg_size(content)
    except MediaError as error:
        raise BundleError(f"{name} is {error}") from error
    if size not in (None, found):
        raise BundleError(f"{name} has {found[0]}x{found[1]} pixels, unlike those before it")
    return found
