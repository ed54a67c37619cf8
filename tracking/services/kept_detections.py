"""Detections kept while a clip is tracked: an attempt that is cut off loses only seconds.

Detection takes nearly all the time of tracking. Whole batches are kept, so that the result does
not depend on where an attempt ended.
"""

import hashlib
import json
import time
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avaproject.base.temporary import discard_kept, kept_folder, partial_path
from tracking.core.boxes import Detections
from tracking.models import TrackingRun

SECONDS_BETWEEN_PARTS = 10.0
Batch = list[Detections]


class KeptDetections:
    """The detections of the first batches of a run, on this machine.

    Args:
        run: A claimed run.
        about: What they depend on besides the run: the detector, its weights.
        batch_size: Frames of a batch.
    """

    def __init__(self, run: TrackingRun, about: Mapping[str, Any], batch_size: int) -> None:
        content = [run.config_key, dict(about), batch_size, str(run.clip.finished_at)]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode())
        self._run, self._key = run, digest.hexdigest()[:16]
        self._read: list[Batch] = []
        self._new: list[Batch] = []  # not yet written
        self._is_due_at = time.monotonic() + SECONDS_BETWEEN_PARTS
        for part in sorted(kept_folder(run).glob(f"{self._key}-*.npz")):
            first = int(part.stem.rpartition("-")[2])
            if first != len(self._read):
                break
            self._read += _read(part)
        self._written = len(self._read)

    def batch(self, number: int) -> Batch | None:
        """What an attempt before found in batch `number`; None if it did not come so far."""
        return self._read[number] if number < len(self._read) else None

    def add(self, found: Batch) -> None:
        """Add the next batch. Raises ClaimLostError if the claim is over."""
        self._new.append(found)
        if time.monotonic() >= self._is_due_at:
            self._run.got_further()
            target = kept_folder(self._run) / f"{self._key}-{self._written:06d}.npz"
            target.parent.mkdir(parents=True, exist_ok=True)
            with partial_path(target) as part:
                _write(self._new, part)
                part.replace(target)
            self._written += len(self._new)
            self._new = []
            self._is_due_at = time.monotonic() + SECONDS_BETWEEN_PARTS

    def discard(self) -> None:
        """Remove all that is kept of the run."""
        discard_kept(self._run)


def _write(batches: list[Batch], path: Any) -> None:
    frames = [one for batch in batches for one in batch]
    features = [one.features for one in frames if one.features is not None]
    more: dict[str, Any] = {"features": np.concatenate(features)} if features else {}
    with path.open("wb") as file:
        np.savez(
            file,
            frames=[len(batch) for batch in batches],
            persons=[len(one.scores) for one in frames],
            boxes=np.concatenate([one.boxes for one in frames] or [np.empty((0, 4))]),
            scores=np.concatenate([one.scores for one in frames] or [np.empty(0)]),
            classes=np.concatenate([_classes(one) for one in frames] or [np.empty(0, int)]),
            **more,
        )


def _classes(one: Detections) -> NDArray[np.int64]:
    return np.zeros(len(one.scores), np.int64) if one.classes is None else one.classes


def _read(path: Any) -> list[Batch]:
    """The batches in a part; none if it is damaged."""
    try:
        with path.open("rb") as file, np.load(file) as part:
            ends: Any = np.cumsum(part["persons"])[:-1] if len(part["persons"]) else []
            boxes, scores = np.split(part["boxes"], ends), np.split(part["scores"], ends)
            features = (
                np.split(part["features"], ends) if "features" in part else [None] * len(boxes)
            )
            classes = np.split(part["classes"], ends)
            frames = iter(map(Detections, boxes, scores, features, classes))
            return [[next(frames) for _ in range(count)] for count in part["frames"]]
    except (OSError, ValueError, KeyError, EOFError, StopIteration, zipfile.BadZipFile):
        return []
