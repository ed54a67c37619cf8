"""Tracks from the bare files of a prototype: `dense_proposals.pkl`, `tracking_jsons.zip`.

`datasets.core.formats.prototype_frames` has made a manifest of the frames; here the boxes of
each clip in it become tracks. `tracking_jsons.zip` may be missing. It is compared with the
pickle, and gives the track ids to one that has none.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from datasets.core.formats.ava import TrackedBox
from datasets.core.formats.bundle_files import BundleError, open_zip, read_member
from datasets.core.formats.bundle_manifest import DENSE, FRAMES, TRACKS, ClipEntry, VideoEntry
from datasets.core.formats.prototype_frames import FRAME_FILE, read_dense
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from tracking.core.boxes import pairwise_iou
from tracking.core.tracks_file import Track, TracksFile
from tracking.core.tracks_json import load_boxes

MAX_JSON_BYTES = 256 << 20
SAME_IOU = 0.9

StatedTracks = dict[str, dict[str, list[TrackedBox]]]  # by clip and frame


class PrototypeTracks:
    """The tracks in the bare files in `folder`. Raises BundleError if they cannot be read."""

    def __init__(self, folder: Path) -> None:
        self._dense = read_dense(folder)
        self._stated = _stated_tracks(folder)

    def tracks_of(self, video: VideoEntry, clip: ClipEntry) -> TracksFile:
        """The tracks of one clip; a gap of up to a second is interpolated.

        Raises BundleError if a value cannot be right.
        """
        name, step = video.original_name, FRAME_RATE // video.frame_rate
        found: dict[int, dict[int, TrackedBox]] = {}
        for frame, rows in self._dense.get(name, {}).items():
            place = _place(video, clip, frame)
            for box in self._boxes(name, frame, rows):
                _check_box(name, frame, box, video.width, video.height)
                if found.setdefault(box.person_id, {}).setdefault(place * step, box) is not box:
                    raise BundleError(f"{name}, {frame}: {box.person_id} is there twice")
        shift = 1 if 0 in found else 0  # ours start at 1
        tracks = [_track(number + shift, boxes) for number, boxes in sorted(found.items())]
        detector = {
            "name": "files of the prototype",
            "clip": name,
            "frames_per_second": video.frame_rate,
        }
        return TracksFile(
            clip.name, video.width, video.height, clip.frame_count, tracks,
            made_by={"detector": detector},
        )  # fmt: skip

    def _boxes(self, clip: str, frame: str, rows: list[list[float]]) -> list[TrackedBox]:
        name = PurePosixPath(frame).name
        stated = self._stated.get(clip, {}).get(name, [])
        boxes = []
        for x1, y1, x2, y2, score, *ids in rows:
            corners, given = (x1, y1, x2, y2), ids[0] if ids else -1
            number = _stated_id(clip, frame, corners, stated) if given == -1 else given
            if number != int(number) or not 0 <= number < 2**31 - 1:
                raise BundleError(f"{clip}, {frame}: {number} is not a track id")
            boxes.append(TrackedBox(name, int(number), corners, score))
        of = {box.person_id: box for box in boxes}
        for other in stated:
            ours = of.get(other.person_id)
            if ours and _iou([ours.box], [other.box])[0, 0] < SAME_IOU:
                raise BundleError(
                    f"{clip}, {frame}: track {other.person_id} is elsewhere in {TRACKS} than "
                    f"in {DENSE}; the files do not belong together"
                )
        return boxes


def _stated_tracks(folder: Path) -> StatedTracks:
    """The boxes in `tracking_jsons.zip`; empty without that file."""
    if not (folder / TRACKS).is_file():
        return {}
    found: StatedTracks = {}
    with open_zip(folder / TRACKS) as archive:
        for info in archive.infolist():
            name = PurePosixPath(info.filename).name
            if not name.endswith(".json") or name.endswith(".tracks.json"):
                continue
            content = read_member(archive, info, max_bytes=MAX_JSON_BYTES)
            try:
                for clip, box in load_boxes(content):
                    found.setdefault(clip, {}).setdefault(box.frame, []).append(box)
            except ValueError as error:
                raise BundleError(f"{TRACKS}: {name} cannot be read: {error}") from error
    return found


def _place(video: VideoEntry, clip: ClipEntry, frame: str) -> int:
    match = FRAME_FILE.fullmatch(PurePosixPath(frame).name)
    if match is None or match["clip"] != video.original_name:
        raise BundleError(f"{DENSE}: {frame!r} is not a frame of {video.original_name}")
    place = int(match["number"]) - clip.first_number
    if not 0 <= place < clip.frame_count * video.frame_rate // FRAME_RATE:
        raise BundleError(f"{DENSE} names {frame}, which {FRAMES} lacks")
    return place


def _check_box(clip: str, frame: str, box: TrackedBox, width: int, height: int) -> None:
    x1, y1, x2, y2 = box.box
    where = f"{clip}, {frame}: track {box.person_id}"
    if not 0 <= box.score <= 1:
        raise BundleError(f"{where} has the score {box.score}, which is not from 0 to 1")
    if x2 - x1 < 1 or y2 - y1 < 1:
        raise BundleError(f"{where} has a box without area in pixels: {list(box.box)}")
    is_near = x1 > -width / 2 and y1 > -height / 2 and x2 < 1.5 * width and y2 < 1.5 * height
    if not is_near or x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        raise BundleError(f"{where} is not in the image of {width}x{height}: {box.box}")


def _stated_id(
    clip: str, frame: str, corners: Sequence[float], stated: list[TrackedBox]
) -> int:
    is_near = _iou([corners], [one.box for one in stated])[0] >= SAME_IOU
    near = [one.person_id for one, is_same in zip(stated, is_near, strict=True) if is_same]
    if len(near) != 1:
        raise BundleError(f"{clip}, {frame}: a box has no track id; import {TRACKS} with it")
    return near[0]


def _iou(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> Any:
    mine, other = (np.array(boxes, dtype=float).reshape(-1, 4) for boxes in (ours, theirs))
    return pairwise_iou(mine, other)


def _track(number: int, found: dict[int, TrackedBox]) -> Track:
    known = np.array(sorted(found))
    boxes = np.array([found[frame].box for frame in known])
    frames = np.concatenate(
        [known[:1]]
        + [
            np.arange(one + 1, other + 1) if other - one <= FRAME_RATE else np.array([other])
            for one, other in pairwise(known)
        ]
    )
    between = np.stack([np.interp(frames, known, boxes[:, side]) for side in range(4)], axis=1)
    scores = np.full(len(frames), np.nan)
    scores[np.isin(frames, known)] = [found[frame].score for frame in known]
    return Track(number, frames, between, scores)
