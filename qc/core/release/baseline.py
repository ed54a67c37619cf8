"""A trained baseline of a release: a linear classifier of what is seen in and around each box.

It is there to be beaten, and to tell whether labels can be learned from the footage at all. It
is trained on the true boxes of train, and scores the proposals of val as a model would. A box
is described by its place, by who is near, by how its pixels change within half a second, and by
its colours and edges, all computed from the release's own frames.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.core.formats import ava
from qc.core.release.frame_map import FrameMap, action_boxes
from qc.core.release.images import some_frames

FPS = 30
APART = 15  # frames before and after a keyframe, in which change is looked for
WIDE = 640  # pixels across of a clip, above which its images are read at half size
MOTION, COLOUR, EDGES = (3, 4), (2, 4), (2, 4)  # cells across and down
DIRECTIONS = 6  # of edges
RIDGE = 10.0  # weight of the penalty, for features of unit variance
MOST_KEYFRAMES = {"train": 600, "val": 600}  # spread evenly
LEAST_BOXES = {"train": 200, "val": 100}  # labelled ones, below which nothing is trained
DECIMALS = 4  # of features and scores, so that machines agree

Floats = NDArray[np.float64]
Keyframe = tuple[str, int]


class TrainedBaseline(NamedTuple):
    """How the classifier does on val.

    Attributes:
        mean_ap: Frame mAP at an IoU of 0.5; None if it was not trained.
        reason: Why not, as a sentence.
        boxes: Labelled boxes that it was trained on.
        keyframes: Of val, that it was measured on; all of them if fewer than the limit.
        features: Numbers by which a box is described.
    """

    mean_ap: float | None
    reason: str = ""
    boxes: int = 0
    keyframes: int = 0
    features: int = 0


NOT_TRAINED = TrainedBaseline(None)


class _Box(NamedTuple):
    corners: Floats  # shares of the frame
    actions: tuple[int, ...]  # ascending; empty for proposals


def trained_baseline(
    folder: Path, widths: Mapping[str, int], *, threshold: float, has_frames: bool
) -> TrainedBaseline:
    """Train and measure on a release folder, whose annotations and media are written.

    Args:
        widths: Of the frames of each clip, by its name; empty if there are no clips.
        threshold: Proposals of lower scores are not used.
        has_frames: Whether `rawframes/` is there; otherwise `clips/` is read.
    """
    if not widths:
        return TrainedBaseline(None, "Nothing is trained: there are no frames to learn from.")
    truth = {split: _truth(folder, split) for split in ("train", "val")}
    for split, least in LEAST_BOXES.items():
        count = sum(len(boxes) for boxes in truth[split].values())
        if count < least:
            return TrainedBaseline(
                None,
                f"Nothing is trained: {split} has {count} labelled boxes, and {least} are "
                "needed for a figure that says anything.",
            )
    train = _spread(truth["train"], MOST_KEYFRAMES["train"])
    proposed = _proposals(folder, threshold=threshold)
    val = _spread(
        {key: proposed.get(key, []) for key in _evaluated(folder)}, MOST_KEYFRAMES["val"]
    )
    seen = _described(folder, train, widths, has_frames=has_frames)
    learned = [one for boxes in train.values() for one in boxes]
    actions = sorted({action for one in learned for action in one.actions})
    wanted = np.array(
        [[action in one.actions for action in actions] for one in learned], dtype=np.float64
    )
    classifier = _Linear(np.concatenate([seen[key] for key in train]), wanted)
    shown = _described(folder, val, widths, has_frames=has_frames)
    metric = FrameMap()
    for key, boxes in val.items():
        people = truth["val"].get(key, [])
        rows = [(one.corners, action) for one in people for action in one.actions]
        scores = classifier.scores(shown[key])
        found = [(one.corners, action) for one in boxes for action in actions]
        metric.add(
            action_boxes([box for box, _ in rows], [action for _, action in rows]),
            found=action_boxes([box for box, _ in found], [action for _, action in found]),
            scores=scores.ravel(),
        )
    return TrainedBaseline(metric.result().mean, "", len(wanted), len(val), classifier.features)


class _Linear:
    """Ridge regression of each action, 0 or 1, on features of unit variance."""

    def __init__(self, features: Floats, wanted: Floats) -> None:
        self._mean = features.mean(axis=0)
        spread = features.std(axis=0)
        self._scale = np.where(spread > 1e-6, spread, np.inf)  # constant ones say nothing
        its = self._standard(features)
        self._offset = wanted.mean(axis=0)
        square = its.T @ its + RIDGE * np.eye(its.shape[1])
        self._weights = np.linalg.solve(square, its.T @ (wanted - self._offset))
        self.features = features.shape[1]

    def scores(self, features: Floats) -> Floats:
        """Of each box and action, shape `(boxes, actions)`."""
        return np.round(self._standard(features) @ self._weights + self._offset, DECIMALS)

    def _standard(self, features: Floats) -> Floats:
        return (features - self._mean) / self._scale


def _truth(folder: Path, split: str) -> dict[Keyframe, list[_Box]]:
    """The labelled boxes of a split, by keyframe."""
    content = (folder / f"annotations/ava_{split}.csv").read_bytes()
    found: dict[Keyframe, dict[int, tuple[str, list[int]]]] = defaultdict(dict)
    for row in ava.load_labels(content):
        _, actions = found[row.video_id, row.timestamp].setdefault(row.person_id, (row.box, []))
        actions.append(row.action_id)
    return {
        key: [_Box(ava.parse_box(box), tuple(sorted(ids))) for box, ids in persons.values()]
        for key, persons in found.items()
    }


def _evaluated(folder: Path) -> list[Keyframe]:
    """The annotated keyframes of val, those without labels too."""
    rows = ava.load_evaluation((folder / "annotations/ava_val_activitynet.csv").read_bytes())
    return sorted({(row[0], row[1]) for row in rows})


def _proposals(folder: Path, *, threshold: float) -> dict[Keyframe, list[_Box]]:
    content = (folder / "annotations/ava_val_predicted_boxes.csv").read_bytes()
    found: dict[Keyframe, list[_Box]] = defaultdict(list)
    for row in ava.load_predicted(content):
        if row.score >= threshold:
            found[row.video_id, row.timestamp].append(_Box(ava.parse_box(row.box), ()))
    return found


def _spread(keyframes: Mapping[Keyframe, list[_Box]], most: int) -> dict[Keyframe, list[_Box]]:
    """At most so many of them, evenly over all, sorted."""
    keys = sorted(keyframes)
    return {key: keyframes[key] for key in keys[:: max(1, -(-len(keys) // most))]}


def _described(
    folder: Path,
    keyframes: Mapping[Keyframe, list[_Box]],
    widths: Mapping[str, int],
    *,
    has_frames: bool,
) -> dict[Keyframe, Floats]:
    """The features of the boxes of each keyframe, shape `(boxes, features)`."""
    of_clip: dict[str, list[int]] = defaultdict(list)
    for video, at in keyframes:
        of_clip[video].append(at)

    def describe(video: str) -> dict[Keyframe, Floats]:
        found = {}
        middles = {at: FPS * (at - 900) for at in of_clip[video]}
        wanted = {f + step for f in middles.values() for step in (-APART, 0, APART)}
        frames = some_frames(
            folder, video, wanted, has_frames=has_frames, halved=widths[video] > WIDE
        )
        for at, middle in middles.items():
            around = [frames.get(middle + step) for step in (-APART, 0, APART)]
            boxes = np.array([one.corners for one in keyframes[video, at]]).reshape(-1, 4)
            found[video, at] = _features(boxes, around)
        return found

    described: dict[Keyframe, Floats] = {}
    with ThreadPoolExecutor(cpu_count()) as pool:
        for some in pool.map(describe, sorted(of_clip)):
            described |= some
    return described


def _features(boxes: Floats, around: Sequence[NDArray[np.uint8] | None]) -> Floats:
    """Features of the boxes of a keyframe; what a missing frame would show is 0."""
    before, here, after = around
    changes = [
        change
        for other in (before, after)
        if here is not None and other is not None and other.shape == here.shape
        for change in [_change(here, other)]
    ]
    change: NDArray[np.float32] | None = None
    if changes:
        change = np.stack(changes).mean(axis=0).astype(np.float32)
    background = 0.0 if change is None else float(np.median(change))
    parts: list[Floats] = [
        _places(boxes),
        _grid(change, boxes, MOTION),
        np.full((len(boxes), 1), background),
        _grid(None if here is None else here.astype(np.float32), boxes, COLOUR, 3),
        _grid(None if here is None else _edges(here), boxes, EDGES, DIRECTIONS),
    ]
    return np.concatenate(parts, axis=1).round(DECIMALS)


def _change(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (one, other)]
    return cv2.absdiff(*grey).astype(np.float32)


def _places(boxes: Floats) -> Floats:
    """Where boxes are, how large, and how far the next one is."""
    sides = boxes[:, 2:] - boxes[:, :2]
    centres = (boxes[:, 2:] + boxes[:, :2]) / 2
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    np.fill_diagonal(apart, 1.0)
    nearest = apart.min(axis=1, initial=1.0)[:, None]
    crowd = np.full((len(boxes), 1), len(boxes), dtype=np.float64)
    ratio = np.log(sides[:, :1] / sides[:, 1:])
    return np.concatenate([centres, sides, np.log(sides), ratio, nearest, crowd], axis=1)


def _edges(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How strong edges of each direction are, by pixel: `(height, width, DIRECTIONS)`."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    strength = np.sqrt(across**2 + down**2)
    turn = (np.arctan2(down, across) % np.pi) * (DIRECTIONS / np.pi)
    bins = np.minimum(turn.astype(np.int64), DIRECTIONS - 1)
    return np.where(np.arange(DIRECTIONS) == bins[..., None], strength[..., None], 0.0).astype(
        np.float32
    )


def _grid(
    image: NDArray[np.float32] | None, boxes: Floats, cells: tuple[int, int], channels: int = 1
) -> Floats:
    """The means of an image in the cells of each box."""
    if image is None:
        return np.zeros((len(boxes), cells[0] * cells[1] * channels))
    height, width = image.shape[:2]
    found = np.zeros((len(boxes), cells[0] * cells[1] * channels))
    for row, box in enumerate(boxes):
        left, top = min(int(box[0] * width), width - 1), min(int(box[1] * height), height - 1)
        right = max(left + 1, round(box[2] * width))
        bottom = max(top + 1, round(box[3] * height))
        region = image[top:bottom, left:right].reshape(bottom - top, right - left, -1)
        means = [
            cv2.resize(region[..., first : first + 3], cells, interpolation=cv2.INTER_AREA)
            for first in range(0, channels, 3)  # of more than four it takes none
        ]
        found[row] = np.concatenate([some.ravel() for some in means])
    return found
