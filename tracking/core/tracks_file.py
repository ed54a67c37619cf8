"""Tracks file `<clip>.tracks.json.gz`: the tracks of one clip at 30 frames a second.

Frames are 0-based clip frames at 30 a second; boxes are `(x1, y1, x2, y2)` float pixels of the
standard video, x2 and y2 exclusive. The same tracks give the same bytes.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.core.untrusted import UntrustedDataError, gunzip, read_json, shown

FORMAT = "ava-studio-tracks/1"
PERSON = "person"  # the label of a track that says none
MAX_LABEL = 80
MAX_BYTES = 256 << 20  # of a clip's tracks, unpacked


class TracksFileError(UntrustedDataError):
    """The bytes are not a tracks file."""


def with_class(name: str, label: str) -> str:
    """The name of a track or person on pages: what is no person says what it is.

    >>> with_class("P3", "person"), with_class("P4", "vehicle")
    ('P3', 'P4 vehicle')
    """
    return name if label == PERSON else f"{name} {label}"


def person_label(person_id: int, classes: Mapping[int, str] | None = None) -> str:
    """A person by its number in the source video, with the class of what is no person.

    Args:
        classes: What those are who are no persons, by number; None if all are.

    >>> person_label(3), person_label(4, {4: "vehicle"})
    ('P3', 'P4 vehicle')
    """
    return with_class(f"P{person_id}", (classes or {}).get(person_id, PERSON))


def person_in_sentence(person_id: int, label: str) -> str:
    """The same in a sentence that says what a number is.

    >>> person_in_sentence(3, "person"), person_in_sentence(4, "vehicle")
    ('person 3', 'P4 vehicle')
    """
    if label == PERSON:
        return f"person {person_id}"
    return person_label(person_id, {person_id: label})


@dataclass(frozen=True)
class Track:
    """The boxes of one person in a clip.

    Attributes:
        track_id: From 1, unique in its clip.
        frames: Shape `(n,)`, int, ascending, gaps allowed; n >= 1.
        boxes: Shape `(n, 4)`, float pixels.
        scores: Shape `(n,)`, 0 to 1; nan where the tracker filled a gap.
        features: Looks (`appearance.py`), shape `(n, P, D)` while the clip is tracked, zeros
            where nothing is seen clearly; `(1, P, D)` of the whole track in a file; or None.
        label: What it is, of the classes that the dataset follows.
    """

    track_id: int
    frames: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    features: NDArray[np.float32] | None = None
    label: str = PERSON

    @property
    def mean_score(self) -> float:
        """Mean over the frames that were detected; 0 if there is none."""
        seen = self.scores[~np.isnan(self.scores)]
        return float(seen.mean()) if len(seen) else 0.0


@dataclass(frozen=True)
class TracksFile:
    """All tracks of one clip, and what made them."""

    clip: str
    width: int
    height: int
    frame_count: int
    tracks: list[Track]
    fps: int = 30
    made_by: dict[str, Any] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)  # first frame of each later scene


def dump(file: TracksFile) -> bytes:
    """The gzipped JSON of `file`; boxes with two decimals, scores with four."""
    content = {
        "format": FORMAT,
        "clip": file.clip,
        "fps": file.fps,
        "width": file.width,
        "height": file.height,
        "frame_count": file.frame_count,
        "made_by": file.made_by,
        "cuts": file.cuts,
        "tracks": [
            {
                "track_id": track.track_id,
                "frames": track.frames.tolist(),
                "boxes": np.round(track.boxes, 2).tolist(),
                "scores": [None if np.isnan(s) else round(float(s), 4) for s in track.scores],
            }
            | (
                {}
                if track.features is None
                else {"look": np.round(track.features[0], 3).tolist()}
            )
            | ({} if track.label == PERSON else {"label": track.label})
            for track in file.tracks
        ],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def load(content: bytes) -> TracksFile:
    """The tracks in `content`. Raises TracksFileError if it is not a tracks file.

    >>> track = Track(1, np.array([0]), np.array([[0.0, 0, 5, 5]]), np.array([0.5]))
    >>> load(dump(TracksFile("a-c0000", 64, 36, 450, [track]))).tracks[0].boxes.tolist()
    [[0.0, 0.0, 5.0, 5.0]]
    """
    try:
        text = gunzip(content, max_bytes=MAX_BYTES)
    except UntrustedDataError as error:
        raise TracksFileError(f"not a tracks file: {error}") from error
    return parse(text)


def parse(text: bytes) -> TracksFile:
    """The tracks in the JSON of a tracks file. Raises TracksFileError if it is none."""
    try:
        raw = read_json(text, max_bytes=MAX_BYTES)
        if raw["format"] != FORMAT:
            raise TracksFileError(
                f"a tracks file of format {shown(raw['format'])}, not {FORMAT!r}"
            )
        cuts = raw.get("cuts", [])
        if not all(isinstance(cut, int) for cut in cuts):
            raise ValueError("its cuts are not frames")
        return TracksFile(
            raw["clip"], int(raw["width"]), int(raw["height"]), int(raw["frame_count"]),
            [_track(one) for one in raw["tracks"]], int(raw["fps"]), raw["made_by"],
            sorted(cuts),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError,
            RecursionError) as error:  # fmt: skip
        if isinstance(error, TracksFileError):
            raise
        raise TracksFileError(f"not a tracks file: {error}") from error


def _track(raw: dict[str, Any]) -> Track:
    frames = np.array(raw["frames"])
    scores = np.array([np.nan if s is None else s for s in raw["scores"]], dtype=np.float64)
    if frames.size and frames.dtype.kind not in "iu":
        raise ValueError(f"track {raw['track_id']} has frames that are not integers")
    if frames.ndim != 1 or scores.ndim != 1:
        raise ValueError(f"track {raw['track_id']} has nested lists")
    boxes = np.array(raw["boxes"], dtype=np.float64).reshape(-1, 4)
    look = np.array([raw["look"]], dtype=np.float32) if "look" in raw else None
    if look is not None and (look.ndim != 3 or not np.isfinite(look).all()):
        raise ValueError(f"track {raw['track_id']} has a look that is no list of vectors")
    label = raw.get("label", PERSON)
    if not isinstance(label, str) or not 0 < len(label) <= MAX_LABEL:
        raise ValueError(f"track {raw['track_id']} has a label that is no short text")
    return Track(int(raw["track_id"]), frames.astype(np.int64), boxes, scores, look, label)
