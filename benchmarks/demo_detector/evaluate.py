"""Evaluation of the demo's detector: average precision and IoU of boxes, on held-out scenes.

    python -m benchmarks.demo_detector.evaluate [demo/tiny_person.pth]

Persons of whom less than `MIN_VISIBLE` is seen do not count, whether found or not.
"""

import logging
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rfdetr import RFDETR

from benchmarks.demo_detector.training_scenes import (
    FIRST_HELD_OUT,
    MIN_VISIBLE,
    TrainingSample,
    random_spec,
    sample,
    samples,
    with_random_people,
)
from demo.world.renderer import DEMO_VIDEOS
from tracking.core.boxes import pairwise_iou

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DetectorScore:
    """Quality of a detector: average precision at IoU 0.5, and the IoU of its boxes."""

    ap50: float
    mean_iou: float
    recall: float  # of the persons, at the threshold
    precision: float  # of the boxes above the threshold


def evaluate_checkpoint(path: Path) -> DetectorScore:
    """Log the scores of a checkpoint on held-out scenes; return that on the demo's videos."""
    model = RFDETR.from_checkpoint(str(path), device="cpu")
    size = model.model.resolution
    for name, scenes in (
        (
            "demo places with other people",
            [
                with_random_people(place, FIRST_HELD_OUT + n)
                for place in DEMO_VIDEOS
                for n in range(10)
            ],
        ),
        ("random scenes", [random_spec(FIRST_HELD_OUT + n) for n in range(20)]),
    ):
        seen = [
            one
            for scene in scenes
            for one in samples(scene, frames=100 // len(scenes), size=size, crops=False)
        ]
        log.info("%s: %s", name, evaluate(model, seen))
    everything = []
    for spec in DEMO_VIDEOS:
        seen = [sample(spec, n, size=size) for n in range(0, spec.frame_count, 20)]
        log.info("%s: %s", spec.name, evaluate(model, seen))
        everything += seen
    score = evaluate(model, everything)
    log.info("the demo: %s", score)
    return score


def evaluate(
    model: RFDETR, seen: Sequence[TrainingSample], *, threshold: float = 0.45
) -> DetectorScore:
    """Compare detections with ground truth; nearly occluded persons are ignored."""
    outcomes: list[tuple[float, float]] = []  # score, IoU with a person or 0
    persons = 0
    for first in range(0, len(seen), 16):
        some = seen[first : first + 16]
        found: Any = model.predict(
            [one.image for one in some], threshold=0.05, include_source_image=False
        )
        for one, boxes in zip(some, found, strict=True):
            size = one.image.shape[0]
            persons += int((one.visible >= MIN_VISIBLE).sum())
            people = boxes.class_id == 0
            outcomes += _outcomes(one, boxes.xyxy[people] / size, boxes.confidence[people])
    outcomes.sort(reverse=True)
    hits = np.array([iou >= 0.5 for _, iou in outcomes], bool)
    recalls = np.cumsum(hits) / max(persons, 1)
    precisions = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precisions[::-1])[::-1]
    above = np.array([score > threshold for score, _ in outcomes], bool)
    ious = [iou for score, iou in outcomes if iou >= 0.5 and score > threshold]
    return DetectorScore(
        round(float(np.sum(np.diff(recalls, prepend=0) * best)), 4),
        round(float(np.mean(ious)), 4) if ious else math.nan,
        round(float(hits[above].sum() / max(persons, 1)), 4),
        round(float(hits[above].mean()), 4) if above.any() else math.nan,
    )


def _outcomes(
    one: TrainingSample, boxes: NDArray[np.floating], scores: NDArray[np.floating]
) -> list[tuple[float, float]]:
    taken: set[int] = set()
    outcomes = []
    ious = pairwise_iou(boxes.astype(float), one.boxes.astype(float))
    for number in np.argsort(-scores):
        free = [(0.0 if n in taken else float(iou), n) for n, iou in enumerate(ious[number])]
        iou, person = max(free, default=(0.0, -1))
        if iou >= 0.5:
            taken.add(person)
            if one.visible[person] < MIN_VISIBLE:
                continue
        outcomes.append((float(scores[number]), iou if iou >= 0.5 else 0.0))
    return outcomes


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(message)s")
    evaluate_checkpoint(Path(sys.argv[1] if len(sys.argv) > 1 else "demo/tiny_person.pth"))
