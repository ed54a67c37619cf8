"""Who left and returned, by looks: in a clip, and over all clips of a video.

The two most alike groups of tracks become one person, and their looks are pooled, until no two
are alike enough: agglomerative clustering, with pairs that cannot be one person. By time alone
`nearest_in_time` says who may be one, for people to choose from.
"""

import math
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracking.core.appearance import concatenated, look_of
from tracking.core.features import Looks, by_colours, likeness, unit
from tracking.core.tracks_file import Track

PersonIds = Mapping[int, int]  # person id of each track id
Interval = tuple[float, float]  # first and last second

MIN_DIFFERENT = 5  # pairs of people at one time, from which on they say how alike others are
DIFFERENT_QUANTILE = 0.9  # of their likenesses; whoever returns is more alike
MIN_LIMIT = 0.6  # of likeness, however little alike people of one time are
DEFAULT_LIMIT = 0.85  # the same for colours where too few are seen at one time
OVERLAP_SECONDS = 0.6  # a track may begin so long before the one that it continues has ended
MOST_COMPARED = 4000  # people of a video: those who are seen for the longest time


def join_returned(
    clips: Sequence[Sequence[Track]],
    assigned: Sequence[PersonIds],
    starts: Sequence[int],
    *,
    fps: float = 30.0,
) -> list[dict[int, int]]:
    """`assigned`, with one id for whoever left and returned in a later clip, by looks.

    Args:
        clips: The tracks of each clip of a video, in order.
        assigned: The person of each track, clip by clip.
        starts: First frame of each clip in its video.
        fps: Frames per second.

    Returns:
        As `assign_identities`: numbers without gaps, in the order persons appear.
    """
    shown = _shown(clips, assigned)
    first: dict[int, int] = {}
    for label in {some[0][1].label for some in shown.values()}:
        persons = [
            person for person, some in sorted(shown.items()) if some[0][1].label == label
        ]
        roots = returning(
            [pooled_look([track for _, track in shown[person]]) for person in persons],
            [
                [_seconds(track, fps, starts[index]) for index, track in shown[person]]
                for person in persons
            ],
            # Tracks of one clip were compared when it was tracked.
            [{index for index, _ in shown[person]} for person in persons],
        )
        first |= {one: persons[root] for one, root in zip(persons, roots, strict=True)}
    numbers: dict[int, int] = {}
    for person in sorted(shown):
        root = first[person]
        numbers[person] = numbers.setdefault(root, len(set(numbers.values())) + 1)
    return [{track: numbers[person] for track, person in ids.items()} for ids in assigned]


def join_returning(tracks: Sequence[Track], fps: float) -> list[Track]:
    """The tracks of a clip; of somebody who left and returned only one, in order."""
    times = [[_seconds(track, fps)] for track in tracks]
    first = returning([pooled_look([track]) for track in tracks], times)
    result = []
    for index in sorted(set(first)):
        parts = [track for track, root in zip(tracks, first, strict=True) if root == index]
        result.append(concatenated(parts))
    return result


def person_features(
    clips: Sequence[tuple[Sequence[Track], PersonIds]],
) -> dict[int, NDArray[np.float32]]:
    """The look of each person of a video, of those who have one, shape `(P, D)`.

    Args:
        clips: The tracks of each clip, and the person id of each track id.
    """
    shown = _shown([tracks for tracks, _ in clips], [persons for _, persons in clips])
    features = {
        person: pooled_look([track for _, track in some]) for person, some in shown.items()
    }
    return {
        person: unit(look).astype(np.float32)
        for person, look in features.items()
        if look is not None
    }


def pooled_look(tracks: Sequence[Track]) -> Looks | None:
    """The sum of the looks of some tracks, each as long as its track; None without any."""
    features = [(len(track.frames), look_of(track)) for track in tracks]
    found = [frames * look for frames, look in features if look is not None]
    return np.sum(found, axis=0) if found else None


def _shown(
    clips: Sequence[Sequence[Track]], assigned: Sequence[PersonIds]
) -> dict[int, list[tuple[int, Track]]]:
    """The tracks of each person, with the index of their clip."""
    shown: dict[int, list[tuple[int, Track]]] = {}
    for index, (tracks, ids) in enumerate(zip(clips, assigned, strict=True)):
        for track in tracks:
            if track.track_id in ids:
                shown.setdefault(ids[track.track_id], []).append((index, track))
    return shown


def _seconds(track: Track, fps: float, start: int = 0) -> Interval:
    begin, end = (start + int(frame) for frame in track.frames[[0, -1]])
    return begin / fps, (end + 1) / fps


def returning(
    features: Sequence[Looks | None],
    times: Sequence[Sequence[Interval]],
    clips: Sequence[Set[int]] = (),
) -> list[int]:
    """Who is somebody that was seen before: for each person the first one that it is.

    Two are one if they are never seen at the same time, and are more alike than most who are.

    Args:
        features: Of each person, shape `(P, D)`, as long as it counts; None for one without.
        times: When each person is seen: intervals in seconds.
        clips: Where each person is seen; no two in one clip become one. Empty: anywhere.

    >>> red, blue = np.array([[1.0, 0]] * 4), np.array([[0, 1.0]] * 4)
    >>> returning([red, blue, red], [[(0, 1)], [(0, 1)], [(5, 6)]])
    [0, 1, 0]
    """
    group = list(range(len(features)))
    seen = [sum(end - begin for begin, end in some) for some in times]
    known = [index for index in group if features[index] is not None]
    known = sorted(sorted(known, key=lambda index: -seen[index])[:MOST_COMPARED])
    if len(known) < 2:
        return group
    pooled = np.stack([features[index] for index in known])  # type: ignore[misc]
    units = unit(pooled)
    alike = np.stack([np.nan_to_num(likeness(one, units)) for one in units])
    at_once = _at_once([times[index] for index in known])
    different = alike[np.triu(at_once, 1)]
    limit = by_colours(DEFAULT_LIMIT, math.inf, features)
    if len(different) >= MIN_DIFFERENT:
        limit = max(float(np.quantile(different, DIFFERENT_QUANTILE)), MIN_LIMIT)
    apart = ~at_once
    if clips:
        apart &= np.array([[not (clips[a] & clips[b]) for b in known] for a in known])
    np.fill_diagonal(apart, False)
    best = np.where(apart, alike, -1).max(axis=1)  # or more
    while best[row := int(best.argmax())] > limit:
        allowed = np.where(apart[row], alike[row], -1)
        column = int(allowed.argmax())
        if allowed[column] < best[row]:
            best[row] = allowed[column]
            continue
        row, column = min(row, column), max(row, column)
        pooled[row] += pooled[column]
        units[row] = unit(pooled[row])
        apart[row] = apart[:, row] = apart[row] & apart[column]
        apart[column] = apart[:, column] = False
        alike[row] = alike[:, row] = np.nan_to_num(likeness(units[row], units))
        best = np.maximum(best, np.where(apart[row], alike[row], -1))
        best[row], best[column] = np.where(apart[row], alike[row], -1).max(), -1
        one, other = known[row], known[column]
        group = [one if root == other else root for root in group]
    return group


def _at_once(times: Sequence[Sequence[Interval]]) -> NDArray[np.bool_]:
    """Who is seen at the same time, for longer than a track goes on too long: `(N, N)`."""
    rows = [(*interval, index) for index, some in enumerate(times) for interval in some]
    begin, end, owner = np.array(sorted(rows)).T
    result = np.zeros((len(times), len(times)), bool)
    for row, last in enumerate(np.searchsorted(begin, end - OVERLAP_SECONDS).tolist()):
        later = slice(row + 1, last)
        shared = np.minimum(end[later], end[row]) - begin[later]
        others = owner[later][shared > OVERLAP_SECONDS].astype(np.int64)
        result[int(owner[row]), others] = result[others, int(owner[row])] = True
    return result


class PersonSpan(NamedTuple):
    """When a person of a video is seen, in seconds of the video."""

    number: int
    first: int
    last: int


def nearest_in_time(
    spans: dict[int, PersonSpan], number: int, *, labels: Mapping[int, str], count: int
) -> list[int]:
    """Who is seen just before or after a person and never at the same time, nearest first.

    Args:
        labels: What each person is, by number; only who is the same is named.

    >>> spans = {n: PersonSpan(n, *at) for n, at in {1: (0, 4), 2: (9, 9), 3: (5, 8)}.items()}
    >>> nearest_in_time(spans, 1, labels=dict.fromkeys(spans, "person"), count=2)
    [3, 2]
    >>> nearest_in_time(spans, 1, labels={1: "person", 2: "person", 3: "car"}, count=2)
    [2]
    """
    if (own := spans.get(number)) is None:
        return []
    gaps = [
        (max(other.first - own.last, own.first - other.last), other.number)
        for other in spans.values()
        if other.number != number and labels.get(other.number) == labels.get(number)
    ]
    return [other for gap, other in sorted(gaps) if gap > 0][:count]
