"""Doubts about the persons of a video: how likely the tracks of one show somebody else as well.

The signs, by what was seen when tracks were inspected: a person hidden by somebody else and
found again is wrong in about a quarter of the cases; a box that lies on another person's is a
second one of the same; who is seen for a moment only, or mostly interpolated, may be nobody.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from datasets.core.translation import gettext as _
from tracking.core.boxes import pairwise_iou
from tracking.core.tracks_file import Track, person_label

DOUBTFUL = 0.5  # from here on somebody is asked to look
RESUMED_SECONDS = 0.27  # not seen for so long and found again
HIDING_IOU = 0.15  # of the box of somebody hidden with that of whoever hides them
DOUBLED_IOU = 0.6  # of two persons' boxes, on average, if both are one
DOUBLED_SHARE = 0.6  # of the frames of the shorter track
SHORT_SECONDS = 1.0
MOSTLY_FILLED = 0.5  # share of frames without a detection
STEP = 5  # every so many frames of a clip are compared


class Doubt(NamedTuple):
    """How much a person is in doubt, 0 to 1, and the strongest reason, empty for none."""

    value: float
    reason: str


def doubts_of(
    clips: Sequence[tuple[Sequence[Track], Mapping[int, int]]], *, fps: float = 30.0
) -> dict[int, Doubt]:
    """The doubt about each person of a video.

    Args:
        clips: The tracks of each clip, and the person id of each track id; tracks without one
            are ignored.
        fps: Frames per second.

    Returns:
        By person id; empty without persons.

    >>> box = np.tile([[0.0, 0, 10, 20]], (15, 1))
    >>> moment = Track(1, np.arange(15), box, np.ones(15))
    >>> doubts_of([([moment], {1: 4})])
    {4: Doubt(value=0.5, reason='seen for 0.5 s only')}
    """
    found: dict[int, list[Doubt]] = {}
    seconds: dict[int, float] = {}
    for tracks, persons in clips:
        known = [track for track in tracks if track.track_id in persons]
        boxes = [_by_frame(track) for track in known]
        for place, track in enumerate(known):
            person = persons[track.track_id]
            seconds[person] = seconds.get(person, 0.0) + len(track.frames) / fps
            signs = found.setdefault(person, [])
            signs += _resumptions(place, known, boxes, fps)
            signs += _doubles(place, known, boxes, persons)
            if np.isnan(track.scores).mean() > MOSTLY_FILLED:
                signs.append(Doubt(0.6, _("mostly interpolated")))
    for person, lasted in seconds.items():
        if lasted < SHORT_SECONDS:
            found[person].append(Doubt(0.5, _("seen for %.1f s only") % lasted))
    return {person: _together(signs) for person, signs in sorted(found.items())}


def _together(signs: list[Doubt]) -> Doubt:
    """Independent signs: the doubt grows with each, and the strongest is named."""
    if not signs:
        return Doubt(0.0, "")
    right = float(np.prod([1.0 - sign.value for sign in signs]))
    return Doubt(round(1.0 - right, 3), max(signs, key=lambda sign: sign.value).reason)


def _resumptions(
    place: int, tracks: Sequence[Track], boxes: Sequence[dict[int, np.ndarray]], fps: float
) -> list[Doubt]:
    """A sign for every time the track went on after somebody hid the person."""
    track = tracks[place]
    seen = track.frames[~np.isnan(track.scores)]
    gaps = np.diff(seen)
    result = []
    for index in np.flatnonzero(gaps >= RESUMED_SECONDS * fps):
        first, last = int(seen[index]), int(seen[index + 1])
        if _is_hidden(place, boxes, first, last):
            result.append(Doubt(0.3, _("hidden by somebody at %.1f s") % (first / fps)))
    return result


def _is_hidden(
    place: int, boxes: Sequence[dict[int, np.ndarray]], first: int, last: int
) -> bool:
    own = boxes[place]
    for frame in (first, (first + last) // 2, last):
        box = own.get(frame, own[first])
        others = [
            other[frame] for at, other in enumerate(boxes) if at != place and frame in other
        ]
        if others and pairwise_iou(box[None], np.array(others)).max() >= HIDING_IOU:
            return True
    return False


def _doubles(
    place: int,
    tracks: Sequence[Track],
    boxes: Sequence[dict[int, np.ndarray]],
    persons: Mapping[int, int],
) -> list[Doubt]:
    """A sign for every longer track whose boxes this one's lie on."""
    track, own = tracks[place], boxes[place]
    result = []
    for at, other in enumerate(tracks):
        if at == place or (len(other.frames), -at) < (len(track.frames), -place):
            continue
        if other.label != track.label:
            continue  # whoever is in a vehicle is no second one of it
        frames = [frame for frame in own if frame % STEP == 0 and frame in boxes[at]]
        least = max(1, round(DOUBLED_SHARE * len(track.frames) / STEP))
        if len(frames) < least:
            continue
        pairs = [pairwise_iou(own[frame][None], boxes[at][frame][None]) for frame in frames]
        if float(np.mean(pairs)) >= DOUBLED_IOU:
            number = persons[other.track_id]
            name = person_label(number, {number: other.label})
            said = _("its boxes lie on those of %(person)s") % {"person": name}
            result.append(Doubt(0.7, said))
    return result


def _by_frame(track: Track) -> dict[int, np.ndarray]:
    return dict(zip(track.frames.tolist(), track.boxes, strict=True))
