"""Person identities: one id over all clips of a video, and the same id in another tracking."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from tracking.core.appearance import DIFFERENT_QUANTILE, MIN_DIFFERENT, different_people
from tracking.core.association import hungarian
from tracking.core.boxes import Boxes, pairwise_iou
from tracking.core.features import Looks, by_colours, likeness
from tracking.core.tracklet_merging import TrackletMerging, match_ends, track_ends
from tracking.core.tracks_file import Track

MAX_GAP_BETWEEN_CLIPS = 1.5  # seconds; tracks end at a clip's border for no other reason
SAME_IOU = 0.5
STEP = 15  # every so many frames two trackings are compared
MIN_PAIRS = 5  # on both sides of borders, before their likeness counts
BETTER_HALF = 0.75  # quantile of their likenesses: the middle of the better half
OUTLIER = 5  # times as far from 1 as that
LEAST_LIKENESS = 0.8  # of colours on both sides of a clip's border, if a video tells too little

PersonIds = Mapping[int, int]  # person id of each track id


def assign_identities(
    clips: Sequence[Sequence[Track]],
    steps: Sequence[int],
    *,
    fps: float = 30.0,
    merging: TrackletMerging | None = None,
    given: Sequence[Mapping[int, int]] | None = None,
    cuts: Sequence[Sequence[int]] | None = None,
    highest: int = 0,
) -> list[dict[int, int]]:
    """Give every person of a video one id over all its clips.

    Args:
        clips: The tracks of each clip of the video, in order.
        steps: Frames from the start of each clip to the start of the next: its length, or more
            where something between them was cut out. The last one is not used.
        fps: Frames per second.
        merging: When two tracks are one person. The defaults if None, with a larger gap, and
            and looks not less alike than `least_likeness` says.
        given: For each clip the person ids its tracks have already, which they keep.
        cuts: For each clip the first frame of each later scene: no person continues over a cut.
        highest: Person id that is taken; new ones count on from there.

    Returns:
        For each clip `{track_id: person_id}`; person ids count from 1 over the video in the
        order persons appear, and are unique in a clip.

    >>> box = np.tile([[0.0, 0, 10, 20]], (3, 1))
    >>> late = Track(4, np.array([7, 8, 9]), box, np.ones(3))
    >>> early = Track(2, np.array([0, 1, 2]), box, np.ones(3))
    >>> assign_identities([[late], [early]], [10, 10], fps=10)
    [{4: 1}, {2: 1}]
    """
    merging = merging or _between_clips(clips, steps, fps)
    given = given or [{} for _ in clips]
    cuts = cuts or [[] for _ in clips]
    assigned: list[dict[int, int]] = []
    count = max((person for ids in given for person in ids.values()), default=0)
    count = max(count, highest)
    for index, tracks in enumerate(clips):
        known = dict(given[index])
        if index:
            last_cut = max(cuts[index - 1], default=0)
            first_cut = min(cuts[index], default=math.inf)
            ended = [track for track in clips[index - 1] if track.frames[-1] >= last_cut]
            begun = [track for track in tracks if track.frames[0] < first_cut]
            for label in sorted({track.label for track in begun}):
                pairs = _match_across_clips(
                    [track for track in ended if track.label == label],
                    [track for track in begun if track.label == label],
                    steps[index - 1], fps, merging,
                )  # fmt: skip
                for before, after in pairs:
                    person = assigned[-1][before]
                    if after not in known and person not in known.values():
                        known[after] = person
        for track in sorted(tracks, key=lambda one: (int(one.frames[0]), one.track_id)):
            if track.track_id not in known:
                count += 1
                known[track.track_id] = count
        assigned.append(dict(sorted(known.items())))
    return assigned


def _between_clips(
    clips: Sequence[Sequence[Track]], steps: Sequence[int], fps: float
) -> TrackletMerging:
    """When two tracks on both sides of a border are one person, in these clips of a video."""
    by_place = TrackletMerging(max_gap_seconds=MAX_GAP_BETWEEN_CLIPS)
    pairs: list[tuple[Looks, Looks]] = []
    different: list[float] = []
    for label in sorted({one.label for tracks in clips for one in tracks}):
        shown = [[one for one in tracks if one.label == label] for tracks in clips]
        features = [{one.track_id: one.features for one in tracks} for tracks in shown]
        for index in range(len(clips) - 1):
            two = shown[index], shown[index + 1]
            for before, after in _match_across_clips(*two, steps[index], fps, by_place):
                a, b = features[index][before], features[index + 1][after]
                if a is not None and b is not None:
                    pairs.append((a[0], b[0]))
        different += [alike for tracks in shown for alike in different_people(tracks)]
    return replace(by_place, min_likeness=least_likeness(pairs, different))


def least_likeness(pairs: Sequence[Sequence[Looks]], different: Sequence[float]) -> float:
    """How alike somebody looks at least who goes on over the border of two clips.

    Midway between those who go on by place alone, the better half of them (others may be
    somebody else), and most people of one time. Where these look the same, who goes on may be
    `OUTLIER` times as far from being alike as that half.

    Args:
        pairs: The looks before and after a border of those who may be one.
        different: The likenesses of people of one time.
    """
    alike = [float(likeness(before, after)) for before, after in pairs]
    same = [one for one in alike if not np.isnan(one)]
    if len(same) < MIN_PAIRS or len(different) < MIN_DIFFERENT:
        return by_colours(LEAST_LIKENESS, -math.inf, (look for pair in pairs for look in pair))
    near = float(np.quantile(same, BETTER_HALF))
    most = float(np.quantile(different, DIFFERENT_QUANTILE))
    return min((most + near) / 2, 1 - OUTLIER * (1 - near))


def _match_across_clips(
    before: Sequence[Track],
    after: Sequence[Track],
    step: int,
    fps: float,
    merging: TrackletMerging,
) -> list[tuple[int, int]]:
    """Track ids `(before, after)` of the same persons; `step` frames between the starts."""
    if not before or not after:
        return []
    ends = track_ends(before, fps, merging, last=True)
    starts = track_ends(after, fps, merging, last=False)
    starts = starts._replace(frames=starts.frames + step)
    pairs = match_ends(ends, starts, fps, merging)
    return [
        (before[row].track_id, after[column].track_id)
        for row, column in zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True)
    ]


def match_identities(
    clips: Sequence[tuple[Sequence[Track], PersonIds]],
    others: Sequence[tuple[Sequence[Track], PersonIds]],
) -> dict[int, int]:
    """The person of another tracking that each person is, by the boxes they share most.

    Both are of one class: a number never becomes something else.

    Args:
        clips: The tracks of each clip of a video, and the persons they show.
        others: The same of the other tracking, by clip; tracks without an id are ignored.

    Returns:
        `{person id: person id of the others}`, one to one; persons without a match are missing.
    """
    counts: dict[tuple[int, int], int] = {}
    for (tracks, ids), (other_tracks, other_ids) in zip(clips, others, strict=True):
        for label in sorted({track.label for track in tracks}):
            ours = _by_frame([one for one in tracks if one.label == label], STEP)
            theirs = _by_frame([one for one in other_tracks if one.label == label], STEP)
            for mine, other in chain.from_iterable(_same(ours, theirs)):
                if mine in ids and other in other_ids:
                    pair = ids[mine], other_ids[other]
                    counts[pair] = counts.get(pair, 0) + 1
    if not counts:
        return {}
    rows = sorted({mine for mine, _ in counts})
    columns = sorted({other for _, other in counts})
    shared = np.array([[float(counts.get((a, b), 0)) for b in columns] for a in rows])
    found = hungarian(shared, min_gain=1.0)
    return {
        rows[row]: columns[column]
        for row, column in zip(found.rows, found.columns, strict=True)
    }


def _by_frame(tracks: Sequence[Track], step: int) -> dict[int, tuple[list[int], Boxes]]:
    """Track ids and boxes of every `step`-th frame that has any."""
    found: dict[int, list[tuple[int, np.ndarray]]] = {}
    for track in tracks:
        for place in np.flatnonzero(track.frames % step == 0):
            row = (track.track_id, track.boxes[place])
            found.setdefault(int(track.frames[place]), []).append(row)
    return {
        frame: ([number for number, _ in rows], np.array([box for _, box in rows]))
        for frame, rows in found.items()
    }


def _same(
    ours: dict[int, tuple[list[int], Boxes]], theirs: dict[int, tuple[list[int], Boxes]]
) -> list[list[tuple[int, int]]]:
    """In each frame that both have, the track ids whose boxes are the same."""
    result = []
    for frame in sorted(ours.keys() & theirs.keys()):
        (ids, boxes), (other_ids, other_boxes) = ours[frame], theirs[frame]
        found = hungarian(pairwise_iou(boxes, other_boxes), min_gain=SAME_IOU)
        pairs = zip(found.rows.tolist(), found.columns.tolist(), strict=True)
        result.append([(ids[row], other_ids[column]) for row, column in pairs])
    return result
