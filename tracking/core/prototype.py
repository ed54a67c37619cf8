"""A prototype's bare files made into a bundle of ours: `frames.zip`, `dense_proposals.pkl`.

`frames.zip` holds `<clip>_frame_%04d.jpg` in whatever folders, numbered from 0 or 1, one a
second unless somebody says otherwise; `dense_proposals.pkl` is what `tracking.core.legacy`
reads, boxes in pixels. `tracking_jsons.zip` may lie beside them: it is held against the pickle,
and gives the track ids to one that has none. Nothing is known of the films, so each clip is a
video of its own, and its pictures are all that is ever seen of it.
"""

import gzip
import hashlib
import json
import math
import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import reduce
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from datasets.core import manifest as manifests
from datasets.core.bundle import BundleError, content_of, opened
from datasets.core.clipping import CLIP_SECONDS, FRAME_RATE, SHORTEST_CLIP_FRAMES
from datasets.core.hashing import sha256_of
from datasets.core.manifest import ClipEntry, FileEntry, Manifest, VideoEntry
from datasets.core.naming import clip_name, frame_name, safe_name
from datasets.core.slides import jpeg_size
from datasets.core.source import MediaError
from datasets.core.zipping import NewZip, new_zip
from tracking.core.boxes import pairwise_iou
from tracking.core.legacy import DenseProposals, LegacyFormatError, load_dense
from tracking.core.trackfile import Track, TrackFile, dump

FRAMES, DENSE, TRACKS = "frames.zip", "dense_proposals.pkl", "tracking_jsons.zip"
RECIPE = "files of the prototype"
PICTURE = re.compile(r"(?P<clip>.+)_frame_(?P<number>\d{1,6})\.jpe?g", re.IGNORECASE)
LARGEST_PICTURE = 64 << 20  # bytes
LARGEST_PICKLE = 256 << 20  # bytes; some four million boxes
LARGEST_JSON = 256 << 20
LONGEST_CLIP = 890  # seconds; AVA's timestamps end
SAME_IOU = 0.9
NOTES_SHOWN = 20


class _Box(NamedTuple):
    track_id: int
    box: tuple[float, float, float, float]
    score: float


class _Clip(NamedTuple):
    """One clip as it came: its pictures by place, from 0."""

    name: str
    members: list[zipfile.ZipInfo]
    first: int  # number of the first picture, 0 or 1


def is_prototype(names: Collection[str]) -> bool:
    """Whether files of these names are a prototype's bare ones."""
    return FRAMES in names and DENSE in names and manifests.FILE not in names


def adopt(
    folder: Path,
    target: Path,
    *,
    rate: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> list[str]:
    """Write what lies in `folder` as a bundle into the empty folder `target`.

    Args:
        rate: Pictures a second; when None, 1, or if that made clips longer than ours, what
            the numbers in the pickle tell.
        progress: Told the share done.

    Returns:
        Sentences: what of the files was not taken, and why.

    Raises:
        BundleError: A file is missing or damaged, or a value cannot be right.
    """
    for name in (FRAMES, DENSE):
        if not (folder / name).is_file():
            raise BundleError(f"{folder} lacks {name}")
    dense = _read_dense(folder / DENSE)
    with opened(folder / FRAMES) as pictures:
        clips = _clips(pictures)
        rate = _found_rate(dense, clips) if rate is None else _checked_rate(rate)
        adoption = _Adoption(pictures, dense, rate, _said_tracks(folder))
        return adoption.write(clips, target, progress)


class _Adoption:
    """One set of files on its way to be a bundle."""

    def __init__(
        self,
        pictures: zipfile.ZipFile,
        dense: DenseProposals,
        rate: int,
        said: dict[str, dict[str, list[_Box]]],
    ) -> None:
        self.pictures = pictures
        self.dense = dense
        self.rate = rate
        self.said = said
        self.notes: list[str] = []
        self.videos: list[VideoEntry] = []

    def write(
        self, clips: list[_Clip], target: Path, progress: Callable[[float], None]
    ) -> list[str]:
        unknown = sorted(self.dense.keys() - {clip.name for clip in clips})
        self.notes += [f"{name}: {DENSE} names it, {FRAMES} lacks it" for name in unknown]
        with new_zip(target / FRAMES) as frames, new_zip(target / TRACKS) as tracks:
            for number, clip in enumerate(clips):
                progress(number / len(clips))
                self._add(clip, frames, tracks)
        if not self.videos:
            raise BundleError(f"no clip of {FRAMES} can be taken: {'; '.join(self.notes[:3])}")
        files = {
            name: FileEntry((target / name).stat().st_size, sha256_of(target / name))
            for name in (FRAMES, TRACKS)
        }
        manifest = Manifest("prototype", RECIPE, self.rate, tuple(self.videos), files)
        (target / manifests.FILE).write_bytes(manifests.dump(manifest))
        if len(self.notes) > NOTES_SHOWN:
            more = len(self.notes) - NOTES_SHOWN
            self.notes[NOTES_SHOWN:] = [f"and {more} more clips that were not taken"]
        return self.notes

    def _add(self, clip: _Clip, frames: NewZip, tracks: NewZip) -> None:
        count = len(clip.members) * FRAME_RATE // self.rate
        if count < SHORTEST_CLIP_FRAMES:
            least = SHORTEST_CLIP_FRAMES // FRAME_RATE
            self.notes.append(
                f"{clip.name}: {len(clip.members)} pictures at {self.rate} a second are less "
                f"than {least} s"
            )
            return
        if count > LONGEST_CLIP * FRAME_RATE:
            raise BundleError(
                f"{clip.name} has {len(clip.members)} pictures at {self.rate} a second: a clip "
                f"has at most {LONGEST_CLIP} s"
            )
        name = safe_name(f"{clip.name}.mp4", taken={video.name for video in self.videos})
        ours = clip_name(name, 0)
        digest, size = hashlib.sha256(clip.name.encode()), None
        for index, info in enumerate(clip.members):
            content = content_of(self.pictures, info, most=LARGEST_PICTURE)
            size = _same_size(info.filename, content, size)
            digest.update(len(content).to_bytes(8) + content)
            frames.add(f"{ours}/{frame_name(ours, index)}", content)
        width, height = size or (0, 0)
        found = self._tracks(clip, width, height)
        about = {"name": RECIPE, "clip": clip.name, "pictures_a_second": self.rate}
        file = TrackFile(ours, width, height, count, found, made_by={"detector": about})
        tracks.add(f"{ours}.tracks.json", gzip.decompress(dump(file)))
        persons = {track.track_id: track.track_id for track in found}
        entry = ClipEntry(ours, 0, 0, count, persons)
        self.videos.append(
            VideoEntry(
                name, clip.name, digest.hexdigest(), width, height, count, (entry,), self.rate
            )
        )

    def _tracks(self, clip: _Clip, width: int, height: int) -> list[Track]:
        """The tracks of one clip; a gap of up to a second is filled between two boxes."""
        seen: dict[int, dict[int, _Box]] = {}
        step = FRAME_RATE // self.rate
        for frame, rows in self.dense.get(clip.name, {}).items():
            place = _place(clip, frame)
            for box in self._boxes(clip.name, frame, rows):
                _check_box(clip.name, frame, box, width, height)
                if seen.setdefault(box.track_id, {}).setdefault(place * step, box) is not box:
                    raise BundleError(f"{clip.name}, {frame}: {box.track_id} is there twice")
        shift = 1 if 0 in seen else 0  # ours begin at 1
        return [_track(number + shift, boxes) for number, boxes in sorted(seen.items())]

    def _boxes(self, clip: str, frame: str, rows: list[list[float]]) -> list[_Box]:
        said = self.said.get(clip, {}).get(PurePosixPath(frame).name, [])
        boxes = []
        for *sides, score, given in [row if len(row) == 6 else [*row, -1] for row in rows]:
            number = _number_of(clip, frame, sides, said) if given == -1 else given
            if number != int(number) or not 0 <= number < 2**31 - 1:
                raise BundleError(f"{clip}, {frame}: {number} is no number of a track")
            boxes.append(_Box(int(number), (sides[0], sides[1], sides[2], sides[3]), score))
        of = {box.track_id: box for box in boxes}
        for other in said:
            ours = of.get(other.track_id)
            if ours and _iou([ours.box], [other.box])[0, 0] < SAME_IOU:
                raise BundleError(
                    f"{clip}, {frame}: track {other.track_id} is elsewhere in {TRACKS} than in "
                    f"{DENSE}; the files do not belong together"
                )
        return boxes


def _read_dense(path: Path) -> DenseProposals:
    if path.stat().st_size > LARGEST_PICKLE:
        raise BundleError(f"{DENSE} has more than {LARGEST_PICKLE >> 20} MB")
    try:
        return load_dense(path.read_bytes())
    except LegacyFormatError as error:
        raise BundleError(f"{DENSE}: {error}") from error


def _clips(archive: zipfile.ZipFile) -> list[_Clip]:
    """The clips in `frames.zip` by name, each with all its pictures."""
    found: dict[str, dict[int, zipfile.ZipInfo]] = {}
    for info in archive.infolist():
        match = PICTURE.fullmatch(PurePosixPath(info.filename.replace("\\", "/")).name)
        if match is None or "__MACOSX" in info.filename:
            continue
        numbers = found.setdefault(match["clip"], {})
        if numbers.setdefault(int(match["number"]), info) is not info:
            raise BundleError(f"{FRAMES} has {info.filename} twice")
    if not found:
        raise BundleError(f"{FRAMES} has no pictures named <clip>_frame_0000.jpg")
    clips = []
    for name, numbers in sorted(found.items()):
        first = min(numbers)
        missing = set(range(first, first + len(numbers))) - numbers.keys()
        if first > 1 or missing:
            lacks = min(missing, default=0) if first <= 1 else 0
            raise BundleError(f"{FRAMES} lacks picture {lacks} of {name}")
        clips.append(_Clip(name, [numbers[number] for number in sorted(numbers)], first))
    return clips


def _found_rate(dense: DenseProposals, clips: list[_Clip]) -> int:
    """Pictures a second, since those with boxes are a second apart."""
    if max(len(clip.members) for clip in clips) <= CLIP_SECONDS + 1:
        return 1
    steps = set()
    for frames in dense.values():
        numbers = sorted(
            int(match["number"])
            for frame in frames
            if (match := PICTURE.fullmatch(PurePosixPath(frame).name))
        )
        steps |= {later - one for one, later in pairwise(numbers)}
    rate = reduce(math.gcd, steps, 0)
    return rate if rate and FRAME_RATE % rate == 0 else 1


def _checked_rate(rate: int) -> int:
    if rate < 1 or FRAME_RATE % rate:
        raise BundleError(f"{rate} pictures a second do not divide {FRAME_RATE}")
    return rate


def _said_tracks(folder: Path) -> dict[str, dict[str, list[_Box]]]:
    """The boxes in `tracking_jsons.zip`, by clip and picture; empty without that file."""
    if not (folder / TRACKS).is_file():
        return {}
    found: dict[str, dict[str, list[_Box]]] = {}
    with opened(folder / TRACKS) as archive:
        for info in archive.infolist():
            name = PurePosixPath(info.filename).name
            if not name.endswith(".json") or name.endswith(".tracks.json"):
                continue
            content = content_of(archive, info, most=LARGEST_JSON)
            for clip, frame, box in _said_rows(name, content):
                found.setdefault(clip, {}).setdefault(frame, []).append(box)
    return found


def _said_rows(name: str, content: bytes) -> Iterator[tuple[str, str, _Box]]:
    try:
        for row in json.loads(content):
            x1, y1, x2, y2 = map(float, row["bbox"])
            if not all(map(math.isfinite, (x1, y1, x2, y2))):
                raise ValueError(f"{row['bbox']} is no box")
            frame = PurePosixPath(str(row["frame"])).name
            yield str(row["video_id"]), frame, _Box(int(row["track_id"]), (x1, y1, x2, y2), 0.0)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BundleError(f"{TRACKS}: {name} cannot be read: {error!r}") from error


def _same_size(name: str, content: bytes, size: tuple[int, int] | None) -> tuple[int, int]:
    try:
        found = jpeg_size(content)
    except MediaError as error:
        raise BundleError(f"{name} is {error}") from error
    if size not in (None, found):
        raise BundleError(f"{name} has {found[0]}x{found[1]} pixels, those before it not")
    return found


def _place(clip: _Clip, frame: str) -> int:
    match = PICTURE.fullmatch(PurePosixPath(frame).name)
    if match is None or match["clip"] != clip.name:
        raise BundleError(f"{DENSE}: {frame!r} is no picture of {clip.name}")
    place = int(match["number"]) - clip.first
    if not 0 <= place < len(clip.members):
        raise BundleError(f"{DENSE} names {frame}, which {FRAMES} lacks")
    return place


def _check_box(clip: str, frame: str, box: _Box, width: int, height: int) -> None:
    x1, y1, x2, y2 = box.box
    where = f"{clip}, {frame}: track {box.track_id}"
    if not 0 <= box.score <= 1:
        raise BundleError(f"{where} has the score {box.score}, which is not from 0 to 1")
    if x2 - x1 < 1 or y2 - y1 < 1:
        raise BundleError(f"{where} has a box without area in pixels: {list(box.box)}")
    is_near = x1 > -width / 2 and y1 > -height / 2 and x2 < 1.5 * width and y2 < 1.5 * height
    if not is_near or x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        raise BundleError(f"{where} is not in the picture of {width}x{height}: {box.box}")


def _number_of(clip: str, frame: str, sides: list[float], said: list[_Box]) -> int:
    is_near = _iou([sides], [one.box for one in said])[0] >= SAME_IOU
    near = [one.track_id for one, is_same in zip(said, is_near, strict=True) if is_same]
    if len(near) != 1:
        raise BundleError(
            f"{clip}, {frame}: a box has no number of its track; bring {TRACKS} with it"
        )
    return near[0]


def _iou(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> Any:
    mine, other = (np.array(boxes, dtype=float).reshape(-1, 4) for boxes in (ours, theirs))
    return pairwise_iou(mine, other)


def _track(number: int, seen: dict[int, _Box]) -> Track:
    known = np.array(sorted(seen))
    boxes = np.array([seen[frame].box for frame in known])
    frames = np.concatenate(
        [known[:1]]
        + [
            np.arange(one + 1, other + 1) if other - one <= FRAME_RATE else np.array([other])
            for one, other in pairwise(known)
        ]
    )
    between = np.stack([np.interp(frames, known, boxes[:, side]) for side in range(4)], axis=1)
    scores = np.full(len(frames), np.nan)
    scores[np.isin(frames, known)] = [seen[frame].score for frame in known]
    return Track(number, frames, between, scores)
