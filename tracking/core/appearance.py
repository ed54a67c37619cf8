"""Appearance: what people look like, to tell whether a track still shows the same person.

A look is an array of shape `(P, D)`: P parts of a person, each a vector of length 1, or of
zeros where the part cannot be seen. The likeness of two is the mean product of the parts that
both show: 1 for the same, 0 for nothing in common. The built-in look is a histogram of
colours in four stripes from head to feet; a re-identification model gives one part.

No limit is fixed for a camera or a model: each clip says how much people change who are in
plain view all the time, and only what differs more than that is taken for somebody else.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

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

MIN_SCORE = 0.25  # of a detection whose look counts
COVERED = 0.35  # share of a box behind other boxes, from which on it shows somebody else, too
WINDOW_SECONDS = 1.0
EVENT_SECONDS = 0.27  # without a clear view, after which a look is compared
MIN_VIEWS = 3  # clear views on either side
SAME_QUANTILE = 0.05  # of the likenesses of the same people: so many of these break in vain
MIN_PAIRS = 20  # of the same people, before their likeness counts
DEFAULT_LIMIT = 0.55
RETURN_QUANTILE = 0.5  # whoever returns must be like that half of the same people
RETURN_LIMIT = 0.85  # of their likeness, where few different show what it means
MIN_DIFFERENT = 10  # pairs of people seen at the same time
RETURN_MARGIN = 0.06  # and so much more like one person than any other


class ClipLimits(NamedTuple):
    """How alike the same people look in a clip."""

    same: float  # whoever is less alike is somebody else
    returning: float  # whoever is more alike may have returned


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
    views = clear_views(found.boxes) & (found.scores >= MIN_SCORE)
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
    total = features.sum(axis=0)
    length = np.linalg.norm(total, axis=-1, keepdims=True)
    return np.asarray(total / np.maximum(length, 1e-9), dtype=np.float32)


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
    """How alike people look who are in plain view, a second apart, in the same track."""
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
    if len(found) < MIN_PAIRS:
        return ClipLimits(DEFAULT_LIMIT, 1.0)
    return ClipLimits(*np.quantile(found, [SAME_QUANTILE, RETURN_QUANTILE]).tolist())


def split_by_look(tracks: Sequence[Track], limits: ClipLimits, fps: float) -> list[Track]:
    """The tracks, cut where the look after an event is not that before it.

    The cut lies where the person was found again after the longest time unseen, or in the
    middle if it was always seen. Parts have the id of their track.
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
        result += _parts(track, cuts)
    return sorted(result, key=lambda one: int(one.frames[0]))


def _parts(track: Track, cuts: list[int]) -> list[Track]:
    if not cuts or track.features is None:
        return [track]
    columns = (track.frames, track.boxes, track.scores, track.features)
    parts = zip(*(np.split(column, cuts) for column in columns), strict=True)
    return [Track(track.track_id, *part) for part in parts]


def join_returning(tracks: Sequence[Track], limits: ClipLimits, fps: float) -> list[Track]:
    """The tracks of a clip; of somebody who left and returned only one, in order."""
    features = [look_of(track) for track in tracks]
    times = [[(track.frames[0] / fps, (track.frames[-1] + 1) / fps)] for track in tracks]
    first = returning(features, times, limits.returning)
    result = []
    for index in sorted(set(first)):
        parts = [track for track, root in zip(tracks, first, strict=True) if root == index]
        result.append(concatenated(parts))
    return result


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


def returning(
    features: Sequence[NDArray[np.float32] | None],
    times: Sequence[Sequence[tuple[float, float]]],
    limit: float,
) -> list[int]:
    """Who is somebody that was seen before: for each person the first one that it is.

    Two are one if they are never seen at the same time, are more alike than `limit` and than
    nearly all who are seen at the same time, and neither is about as much like somebody who is
    seen at the same time as the other: then nothing tells which of the two it is.

    Args:
        features: Of each person; None for one without.
        times: When each person is seen: intervals in seconds.
        limit: 0 to 1; nobody returns with 1.

    >>> red, blue = np.array([[1.0, 0]]), np.array([[0, 1.0]])
    >>> returning([red, blue, red], [[(0, 1)], [(0, 1)], [(5, 6)]], 0.8)
    [0, 1, 0]
    """
    known = [index for index, look in enumerate(features) if look is not None]
    group = list(range(len(features)))
    if len(known) < 2 or limit >= 1:
        return group
    stack = np.stack([features[index] for index in known])  # type: ignore[misc]
    alike = np.nan_to_num(likeness(stack[:, None], stack[None]), nan=0.0)
    apart = np.array([[not _overlap(times[a], times[b]) for b in known] for a in known])
    different = alike[np.triu(~apart, 1)]
    few = len(different) < MIN_DIFFERENT
    limit = max(limit, RETURN_LIMIT if few else float(np.quantile(different, 0.95)))
    rows, columns = np.nonzero(np.triu(apart & (alike > limit), 1))
    for place in np.argsort(-alike[rows, columns], kind="stable").tolist():
        row, column = int(rows[place]), int(columns[place])
        if _has_rival(alike, apart, row, column) or _has_rival(alike, apart, column, row):
            continue
        one, other = sorted((group[known[row]], group[known[column]]))
        members = [index for index in known if group[index] in (one, other)]
        if all(a == b or not _overlap(times[a], times[b]) for a in members for b in members):
            group = [one if root == other else root for root in group]
    return group


def _has_rival(
    alike: NDArray[np.float64], apart: NDArray[np.bool_], row: int, column: int
) -> bool:
    """Whether somebody seen at the same time as `column` is about as much like `row`."""
    others = apart[row] & ~apart[column]
    others[[row, column]] = False
    return bool((alike[row][others] > alike[row, column] - RETURN_MARGIN).any())


def _overlap(a: Sequence[tuple[float, float]], b: Sequence[tuple[float, float]]) -> bool:
    return any(one[0] < other[1] and other[0] < one[1] for one in a for other in b)
