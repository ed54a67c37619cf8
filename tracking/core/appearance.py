"""Appearance: what people look like, to tell whether a track still shows the same person.

A look is an array of shape `(P, D)`: P parts of a person, each a vector of length 1, or of
zeros where the part cannot be seen. The likeness of two is the mean product of the parts that
both show: 1 for the same, 0 for nothing in common. The built-in look is a histogram of
colours in four stripes from head to feet; a re-identification model gives one part.

No limit is fixed for a camera or a model: each clip says how much people change who are in
plain view all the time, and how alike different people are, who are seen at the same time. Only
who is less alike than both is taken for somebody else.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tracking.core.boxes import Boxes, Detections, area
from tracking.core.tracks_file import Track

Looks = NDArray[np.float32]  # (N, P, D)
Image = NDArray[np.uint8]
Describe = Callable[[Image, Boxes], Looks]

STRIPES = 4
ROWS, COLUMNS = 12, 16  # pixels of a stripe
CENTRE = 0.7  # share of a box's width that is looked at
BODY_RATIO = 1.8  # height of a body by the width of its box; a shorter box shows a part of it
MIN_VISIBLE = 0.5  # of a stripe
DARK, GREY, GREYS, HUES = 45, 55, (110, 180), 12
BINS = 1 + len(GREYS) + 1 + 2 * HUES

MIN_SCORE = 0.25  # of a detection whose look counts, and that covers others
COVERED = 0.35  # share of a box behind other boxes, from which on it shows somebody else, too
WINDOW_SECONDS = 1.0
EVENT_SECONDS = 0.27  # without a clear view, after which a look is compared
MIN_VIEWS = 3  # clear views on either side
SAME_QUANTILE = 0.05  # of the likenesses of the same people: so many of these break in vain
MIN_PAIRS = 20  # of the same people, before their likeness counts
DIFFERENT_QUANTILE = 0.9  # of the likenesses of different people, who are seen at one time
CHANGE_QUANTILE = 0.75  # the same for a change in plain view, which is rarer
MIN_DIFFERENT, MAX_DIFFERENT = 10, 2000  # pairs of them that are needed, and that are looked at
DEFAULT_LIMIT = 0.55
RETURN_QUANTILE = 0.5  # of the same people, for who returns where few different are seen


class ClipLimits(NamedTuple):
    """How alike the same people look in a clip."""

    same: float  # whoever is less alike after an event is somebody else
    returning: float  # whoever is more alike may have returned, where few others are seen
    change: float = 0.0  # whoever is less alike in plain view is somebody else


def describe(image: Image, boxes: Boxes) -> Looks:
    """The features of the people in `boxes`, by colour: shape `(N, 4, 28)`.

    Args:
        image: RGB, shape `(height, width, 3)`.
        boxes: Shape `(N, 4)`, pixels; parts outside of the image are not looked at.

    >>> image = np.zeros((40, 40, 3), np.uint8)
    >>> describe(image, np.array([[0.0, 0, 10, 40]]))[0, :, 0]
    array([1., 1., 1., 1.], dtype=float32)
    """
    if not len(boxes):
        return np.zeros((0, STRIPES, BINS), np.float32)
    height, width = image.shape[:2]
    patches = np.zeros((len(boxes), STRIPES, ROWS, COLUMNS, 3), np.uint8)
    seen = np.zeros((len(boxes), STRIPES), bool)
    for number, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        stripe = max(y2 - y1, BODY_RATIO * (x2 - x1)) / STRIPES
        inset = (1 - CENTRE) / 2 * (x2 - x1)
        left, right = max(0, round(x1 + inset)), min(width, round(x2 - inset))
        if right <= left:
            continue
        for part in range(STRIPES):
            top, bottom = y1 + part * stripe, min(y1 + (part + 1) * stripe, y2, height)
            if bottom - max(top, 0) < max(MIN_VISIBLE * stripe, 1):
                continue
            crop = image[max(0, round(top)) : max(round(bottom), round(top) + 1), left:right]
            if crop.size:
                patches[number, part] = cv2.resize(
                    crop, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA
                )
                seen[number, part] = True
    bins = _bins(patches.reshape(-1, COLUMNS, 3)).reshape(len(boxes) * STRIPES, -1)
    offsets = np.arange(len(bins))[:, None] * BINS
    counts = np.bincount((bins + offsets).ravel(), minlength=len(bins) * BINS)
    features = np.sqrt(counts.reshape(-1, BINS) / (ROWS * COLUMNS)).astype(np.float32)
    return features.reshape(len(boxes), STRIPES, BINS) * seen[..., None]


def _bins(rgb: Image) -> NDArray[np.int64]:
    """The colour of each pixel: dark, one of some greys, or a dark or light hue."""
    hue, saturation, value = np.moveaxis(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV), -1, 0)
    grey = 1 + np.digitize(value, GREYS)
    first = 2 + len(GREYS)
    colour = first + 2 * (hue.astype(np.int64) * HUES // 180) + (value > GREYS[0])
    found = np.where(saturation < GREY, grey, colour)
    return np.where(value < DARK, 0, found)


def describe_clearly(image: Image, found: Detections, describe: Describe) -> Detections:
    """`found` with the features of those who are seen clearly; zeros for the others."""
    views = found.scores >= MIN_SCORE  # others are often second boxes of the same person
    views[views] = clear_views(found.boxes[views])
    some = describe(image, found.boxes[views])
    features = np.zeros((len(found.boxes), *some.shape[1:]), np.float32)
    features[views] = some
    return found._replace(features=features)


def likeness(a: Looks, b: Looks) -> NDArray[np.float64]:
    """How alike features are, shape `(..., P, D)` each; nan where no part is seen in both.

    >>> a = np.array([[1.0, 0], [0, 0]]), np.array([[0.6, 0.8], [1, 0]])
    >>> round(float(likeness(*a)), 3)
    0.6
    """
    product = (a * b).sum(axis=-1)
    both = (a != 0).any(axis=-1) & (b != 0).any(axis=-1)
    shared = both.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return np.where(
            shared > 0, (product * both).sum(axis=-1) / np.maximum(shared, 1), np.nan
        )


def mean_look(features: Looks) -> NDArray[np.float32]:
    """One look of several of a person, shape `(P, D)`; each part over those that show it."""
    return _unit(features.sum(axis=0)).astype(np.float32)


def _unit(total: NDArray[Any]) -> NDArray[Any]:
    """Vectors of length 1; zeros stay."""
    return total / np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-9)


def clear_views(boxes: Boxes) -> NDArray[np.bool_]:
    """Which boxes of a frame no other one covers much, shape `(N,)`.

    Of two boxes that overlap the one that ends lower is in front.

    >>> clear_views(np.array([[0.0, 0, 10, 20], [2, 5, 12, 30]]))
    array([False,  True])
    """
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=-1) / np.maximum(area(boxes), 1e-9)[:, None]
    is_behind = boxes[:, None, 3] < boxes[None, :, 3]
    return np.asarray((np.where(is_behind, shared, 0.0) < COVERED).all(axis=1))


def events(track: Track, fps: float) -> list[tuple[int, int]]:
    """Rows of clear views `(before, after)` between which a track could not be seen well.

    Empty for a track without features.
    """
    views = _views(track)
    apart = np.flatnonzero(np.diff(track.frames[views]) >= EVENT_SECONDS * fps)
    return [(int(views[place]), int(views[place + 1])) for place in apart]


def _views(track: Track) -> NDArray[np.int64]:
    """Rows of a track that show it clearly."""
    if track.features is None:
        return np.empty(0, np.int64)
    return np.flatnonzero((track.features != 0).any(axis=(1, 2)))


def _look_at(track: Track, row: int, fps: float, *, before: bool) -> NDArray[np.float32] | None:
    """The look in the second up to `row`, or from it on; None if it is seen too rarely."""
    views = _views(track)
    frames, at = track.frames[views], track.frames[row]
    window = WINDOW_SECONDS * fps
    near = (frames <= at) & (frames > at - window) if before else (
        (frames >= at) & (frames < at + window)
    )  # fmt: skip
    if track.features is None or near.sum() < MIN_VIEWS:
        return None
    return mean_look(track.features[views[near]])


def end_look(track: Track, fps: float, *, last: bool) -> NDArray[np.float32] | None:
    """The look in the last or the first second that a track is seen clearly; None without."""
    views = _views(track)
    if track.features is None or not len(views):
        return None
    if len(track.features) != len(track.frames):  # read from a file: one of the whole track
        return track.features[0]
    return _look_at(track, int(views[-1 if last else 0]), fps, before=last)


def look_of(track: Track) -> NDArray[np.float32] | None:
    """The look of a whole track; None if it is seen clearly too rarely."""
    views = _views(track)
    if track.features is not None and len(track.features) != len(track.frames):
        return track.features[0]
    if track.features is None or len(views) < MIN_VIEWS:
        return None
    return mean_look(track.features[views])


def person_features(
    clips: Sequence[tuple[Sequence[Track], Mapping[int, int]]],
) -> dict[int, NDArray[np.float32]]:
    """The look of each person of a video, of those who have one, shape `(P, D)`.

    Args:
        clips: The tracks of each clip, and the person id of each track id.
    """
    found: dict[int, list[NDArray[np.float32]]] = {}
    for tracks, persons in clips:
        for track in tracks:
            if track.track_id in persons and (look := look_of(track)) is not None:
                found.setdefault(persons[track.track_id], []).append(look)
    return {person: mean_look(np.stack(features)) for person, features in found.items()}


def clip_limits(tracks: Sequence[Track], fps: float) -> ClipLimits:
    """How alike people look in a clip, of those in plain view a second apart in one track.

    Different people are those of tracks at the same time; limits lie below most of them.
    """
    found: list[float] = []
    for track in tracks:
        views = _views(track)
        if not len(views):
            continue
        edges = {row for pair in events(track, fps) for row in pair}
        frames = track.frames[views]
        step = round(WINDOW_SECONDS * fps)
        for at in range(int(frames[0]) + step, int(frames[-1]) - step + 1, step):
            row = views[np.searchsorted(frames, at)]
            if any(abs(int(track.frames[edge]) - at) <= step for edge in edges):
                continue
            a = _look_at(track, row - 1 if row else row, fps, before=True)
            b = _look_at(track, row, fps, before=False)
            if a is not None and b is not None and not np.isnan(alike := likeness(a, b)):
                found.append(float(alike))
    limits, change, back = [], 0.0, 1.0
    if len(found) >= MIN_PAIRS:
        low, back = np.quantile(found, [SAME_QUANTILE, RETURN_QUANTILE]).tolist()
        limits.append(low)
    different = _different(tracks)
    if len(different) >= MIN_DIFFERENT:
        change, far = np.quantile(different, [CHANGE_QUANTILE, DIFFERENT_QUANTILE]).tolist()
        limits.append(far)
    same = min(limits, default=DEFAULT_LIMIT)
    return ClipLimits(same, back, min(same, change))


def _different(tracks: Sequence[Track]) -> NDArray[np.float64]:
    """The likenesses of tracks that are seen at the same time."""
    looks = [(track, look) for track in tracks if (look := look_of(track)) is not None]
    if len(looks) < 2:
        return np.empty(0)
    begin = np.array([track.frames[0] for track, _ in looks])
    end = np.array([track.frames[-1] for track, _ in looks])
    rows, columns = np.nonzero(np.triu((begin[:, None] <= end) & (begin <= end[:, None]), 1))
    some = slice(None, None, len(rows) // MAX_DIFFERENT + 1)
    stack = np.stack([look for _, look in looks])
    alike = likeness(stack[rows[some]], stack[columns[some]])
    return alike[~np.isnan(alike)]


def split_by_look(tracks: Sequence[Track], limits: ClipLimits, fps: float) -> list[Track]:
    """The tracks, cut where the look is not that of before: after an event, or in plain view.

    After an event the cut lies where the person was found again after the longest time unseen,
    or in the middle if it was always seen. Parts have the id of their track.
    """
    result = []
    for track in tracks:
        cuts = []
        for before, after in events(track, fps):
            a = _look_at(track, before, fps, before=True)
            b = _look_at(track, after, fps, before=False)
            if a is not None and b is not None and likeness(a, b) < limits.same:
                gaps = np.diff(track.frames[before : after + 1])
                longest = int(gaps.argmax())
                cuts.append(
                    before + 1 + longest if gaps[longest] > 1 else (before + after + 1) // 2
                )
        for part in _parts(track, cuts):
            result += _parts(part, _changes(part, limits.change, fps))
    return sorted(result, key=lambda one: int(one.frames[0]))


def _changes(track: Track, limit: float, fps: float) -> list[int]:
    """Rows from which on a track looks less like in the second before than `limit`.

    Where it changes most, and no other one within a second.
    """
    views = _views(track)
    if track.features is None or limit <= 0 or len(views) < 2 * MIN_VIEWS:
        return []
    frames, window = track.frames[views], WINDOW_SECONDS * fps
    at = np.arange(MIN_VIEWS, len(views) - MIN_VIEWS + 1)
    first = np.searchsorted(frames, frames[at - 1] - window, side="right")
    last = np.searchsorted(frames, frames[at] + window)
    at, first, last = (
        one[(at - first >= MIN_VIEWS) & (last - at >= MIN_VIEWS)] for one in (at, first, last)
    )
    sums = np.cumsum(track.features[views], axis=0, dtype=np.float64)
    sums = np.concatenate([np.zeros_like(sums[:1]), sums])
    alike = likeness(_unit(sums[at] - sums[first]), _unit(sums[last] - sums[at]))
    cuts: list[int] = []
    for place in np.argsort(alike, kind="stable"):
        row = at[place]
        if alike[place] < limit and all(
            abs(frames[row] - frames[cut]) > window for cut in cuts
        ):
            cuts.append(int(row))
    return sorted(int(views[row - 1] + views[row] + 1) // 2 for row in cuts)


def _parts(track: Track, cuts: list[int]) -> list[Track]:
    if not cuts or track.features is None:
        return [track]
    columns = (track.frames, track.boxes, track.scores, track.features)
    parts = zip(*(np.split(column, cuts) for column in columns), strict=True)
    return [Track(track.track_id, *part) for part in parts]


def concatenated(parts: Sequence[Track]) -> Track:
    """The boxes of some tracks, one after the other in time, as one track."""
    if len(parts) == 1:
        return parts[0]
    parts = sorted(parts, key=lambda part: int(part.frames[0]))
    features = [part.features for part in parts if part.features is not None]
    return Track(
        parts[0].track_id,
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate(features) if len(features) == len(parts) else None,
    )
