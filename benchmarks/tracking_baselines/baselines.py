"""The baselines: other trackers on the same detections.

Every one also runs with linear interpolation of gaps up to a second, as ours does.
"""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import supervision as sv
import trackers
from numpy.typing import NDArray

from benchmarks.tracking_baselines.plain_sort import PlainSort
from tracking.core.boxes import Detections
from tracking.core.tracks_file import Track

TUNING = """\
How they were tuned: each has one set of parameters for all sequences.
  ours           what a new dataset uses: the scores follow its detection threshold; all else
                 was chosen on these sequences (MOT15: TUD, Venice-2, KITTI; SportsMOT with
                 simulated detections) by `mot_search.py`
  sort.py style  the published parameters, and two of a few ages and scores that did best on
                 the real public sequences, where they flatter the baseline
  trackers       the defaults of the package, with the frame rate; BoT-SORT without images
  + interp.      gaps of up to 30 frames filled on straight lines; no baseline does so itself"""

Baseline = Callable[[Sequence[Detections], float], list[Track]]
Found = dict[int, list[tuple[int, NDArray[np.float64]]]]


def plain_sort(*, max_age: int = 1, score: float = 0.0) -> Baseline:
    def run(frames: Sequence[Detections], fps: float) -> list[Track]:
        sort = PlainSort(max_age=max_age)
        seen: Found = {}
        for index, found in enumerate(frames):
            for number, box in sort.update(found.boxes[found.scores >= score]):
                seen.setdefault(number, []).append((index, box))
        return _tracks(seen)

    return run


def of_package(kind: str, **options: object) -> Baseline:
    """A tracker of the package `trackers`, its buffers set for the frame rate."""

    def run(frames: Sequence[Detections], fps: float) -> list[Track]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tracker = getattr(trackers, kind)(frame_rate=fps, **options)
            seen: Found = {}
            for index, found in enumerate(frames):
                given = sv.Detections(
                    found.boxes.astype(np.float32),
                    confidence=found.scores.astype(np.float32),
                    class_id=np.zeros(len(found.boxes), dtype=int),
                )
                result = tracker.update(given)
                if result.tracker_id is None:
                    continue
                for number, box in zip(result.tracker_id, result.xyxy, strict=True):
                    if number >= 0:
                        row = (index, box.astype(np.float64))
                        seen.setdefault(int(number), []).append(row)
        return _tracks(seen)

    return run


BASELINES: dict[str, Baseline] = {
    "sort.py style": plain_sort(),
    "sort.py style, age 30, score .4": plain_sort(max_age=30, score=0.4),
    "sort.py style, age 30, score .6": plain_sort(max_age=30, score=0.6),
    "trackers SORT": of_package("SORTTracker"),
    "trackers ByteTrack": of_package("ByteTrackTracker"),
    "trackers OC-SORT": of_package("OCSORTTracker"),
    "trackers BoT-SORT, no images": of_package("BoTSORTTracker", enable_cmc=False),
    "trackers C-BIoU": of_package("CBIoUTracker"),
}


def interpolated(tracks: Sequence[Track], *, max_gap: int) -> list[Track]:
    """The same tracks with gaps of up to `max_gap` frames filled on straight lines."""
    result = []
    for track in tracks:
        gaps = np.diff(track.frames)
        parts = [
            np.arange(start, start + (gap if gap <= max_gap else 1))
            for start, gap in zip(track.frames[:-1], gaps, strict=True)
        ]
        frames = np.concatenate([*parts, track.frames[-1:]])
        boxes = [np.interp(frames, track.frames, side) for side in track.boxes.T]
        result.append(Track(track.track_id, frames, np.stack(boxes, 1), np.ones(len(frames))))
    return result


def _tracks(seen: Found) -> list[Track]:
    return [
        Track(
            number,
            np.array([frame for frame, _ in rows]),
            np.array([box for _, box in rows]),
            np.ones(len(rows)),
        )
        for number, rows in sorted(seen.items())
    ]
