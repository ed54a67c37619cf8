"""Sheets of each time that a track of a video goes on after somebody was not seen.

    python -m benchmarks.tracking_baselines.resumptions VIDEO MODEL.onnx OUT

A sheet shows each time that a track goes on after 0.27 s or more unseen, up to three images
before and three after; `resumptions.csv` says whether it does so without looks, and with them.
Whether it is the same person is judged by eye, in `street_1_resumptions.csv` for that video,
and counted here. Do not tune on it.
"""

import csv
import os
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import cv2
import django
import numpy as np

django.setup()
from tracking.core.appearance import describe_clearly
from tracking.core.boxes import Detections, pairwise_iou
from tracking.core.features import describe
from tracking.core.image_grid import crop_person, draw_sheet
from tracking.core.sort import TrackerParameters, track
from tracking.core.tracks_file import Track
from tracking.detectors.registry import open_detector

FPS = 30
STRIDE = 2  # frames from one detection to the next, as notes of this video were made
THRESHOLD = 0.3  # of the detections in a video, as in the notes
UNSEEN_SECONDS = 0.27


class Resumption(NamedTuple):
    """A person who was found again after `UNSEEN_SECONDS` or more, as a run has it."""

    before: tuple[int, tuple[int, ...]]  # the last frame and box, and ...
    after: tuple[int, tuple[int, ...]]  # ... the first one afterwards


def sheets(video: Path, weights: str, out: Path) -> None:
    """Sheets of the resumptions in `video`, and `resumptions.csv` with which runs have them.

    Judgements beside this file, in `<video>_resumptions.csv`, are counted if there are any.
    """
    out.mkdir(parents=True, exist_ok=True)
    images, found = _looked_at(video, weights)
    parameters = TrackerParameters.for_threshold(THRESHOLD)
    plain = [one and one._replace(features=None) for one in found]
    runs = {
        "without": track(plain, fps=FPS, parameters=parameters),
        "with": track(found, fps=FPS, parameters=parameters),
    }
    of_run = {name: _resumptions(tracks, plain) for name, tracks in runs.items()}
    every = sorted({**of_run["without"], **of_run["with"]})
    lines = ["sheet,frame_before,box_before,frame_after,box_after,without,with"]
    for number, one in enumerate(every, start=1):
        name = f"r{number:03}"
        shown = of_run["without"].get(one) or of_run["with"][one]
        parts = [
            crop_person(cv2.imdecode(images[frame], 1), np.array(box)) for frame, box in shown
        ]
        (out / f"{name}.png").write_bytes(draw_sheet(parts, [str(frame) for frame, _ in shown]))
        boxes = [f"{frame},{' '.join(map(str, box))}" for frame, box in one]
        there = [str(int(one in of_run[run])) for run in ("without", "with")]
        lines.append(",".join([name, *boxes, *there]))
    (out / "resumptions.csv").write_text("\n".join(lines) + "\n")
    judged = Path(__file__).with_name(f"{video.stem}_resumptions.csv")
    if judged.exists():
        _count_judged(judged, of_run)


def _looked_at(video: Path, weights: str) -> tuple[list, list[Detections | None]]:
    """The frames of a video as JPEG, and the detections in each `STRIDE`-th with features."""
    detector = open_detector("onnx", weights=weights, threshold=0.1)
    images, found = [], []
    reader = cv2.VideoCapture(str(video))
    while (read := reader.read())[0]:
        rgb = cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)
        is_skipped = len(images) % STRIDE
        images.append(cv2.imencode(".jpg", read[1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1])
        seen = None if is_skipped else detector.detect([rgb])[0]
        found.append(seen and describe_clearly(rgb, seen, describe))
    return images, found


def _resumptions(
    tracks: list[Track], found: list[Detections | None]
) -> dict[Resumption, list[tuple[int, tuple[float, ...]]]]:
    """The resumptions of some tracks, named by detections; up to six boxes around each."""
    result = {}
    for one in tracks:
        rows = np.flatnonzero(~np.isnan(one.scores))
        gaps = np.flatnonzero(np.diff(one.frames[rows]) >= UNSEEN_SECONDS * FPS)
        for gap in gaps.tolist():
            ends = [_detected(one, rows[place], found) for place in (gap, gap + 1)]
            near = [*range(gap - 8, gap + 1, 4), *range(gap + 1, gap + 10, 4)]
            near = [rows[place] for place in near if 0 <= place < len(rows)]
            shown = [(int(one.frames[row]), tuple(one.boxes[row].tolist())) for row in near]
            result[Resumption(*ends)] = shown
    return result


def _detected(
    track: Track, row: int, found: list[Detections | None]
) -> tuple[int, tuple[int, ...]]:
    """The frame, and the box that was detected there, which smoothing has moved a little."""
    frame = int(track.frames[row])
    boxes = found[frame].boxes
    best = pairwise_iou(track.boxes[row][None], boxes)[0].argmax()
    return frame, tuple(boxes[best].round().astype(int).tolist())


def _count_judged(file: Path, of_run: dict[str, dict]) -> None:
    """Print how many resumptions of each run are right, of those that were judged."""
    judged = {}
    for row in csv.DictReader(file.open()):
        ends = [
            (int(row[f"frame_{end}"]), tuple(map(int, row[f"box_{end}"].split())))
            for end in ("before", "after")
        ]
        judged[Resumption(*ends)] = row["judged"]
    for name, resumptions in of_run.items():
        counts = Counter(judged.get(one, "not judged") for one in resumptions)
        print(f"{name} looks: {len(resumptions)} resumptions, {dict(counts)}")


if __name__ == "__main__":
    sheets(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
