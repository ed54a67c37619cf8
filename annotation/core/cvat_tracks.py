"""CVAT tracks: pre-annotation made from tracks, and interpolation at every AVA keyframe.

A person's track is sent with reduced keyframes and without an answer. Interpolation is that of
CVAT: between two stored boxes the sides move linearly and the attributes are those of the
earlier; after the last box the track stays where it is; from an outside box on, the
person is absent until the next box.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotation.core.keyframe_reduction import reduce_keyframes
from datasets.core.formats.cvat_document import Box, Shape, XmlTrack
from datasets.core.formats.cvat_labels import PERSON_ID
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from tracking.core.boxes import area, clip_boxes
from tracking.core.tracks_file import Track, TracksFile


class KeyframeBox(NamedTuple):
    """Box and attributes of a track at one AVA keyframe."""

    second: int  # whole clip second
    box: Box
    attributes: dict[str, str]


def task_frame_count(frame_count: int, *, annotation_fps: int) -> int:
    """Number of frames of the CVAT task of a clip with `frame_count` frames.

    >>> task_frame_count(450, annotation_fps=5), task_frame_count(121, annotation_fps=5)
    (75, 21)
    """
    return len(range(0, frame_count, FRAME_RATE // annotation_fps))


def pre_annotation_tracks(
    file: TracksFile,
    person_ids: Mapping[int, int],
    *,
    seconds: Collection[int],
    annotation_fps: int,
) -> tuple[XmlTrack, ...]:
    """The pre-annotation made from `file`, by person id; boxes clip_boxes to the frame.

    Args:
        file: The full-rate tracks of the clip.
        person_ids: Person of each track id; a track that is not in it is left out.
        seconds: AVA keyframes; a track that is visible at none of them is left out.
        annotation_fps: Frames of the task per second.
    """
    found = []
    for track in sorted(
        (track for track in file.tracks if track.track_id in person_ids),
        key=lambda track: person_ids[track.track_id],
    ):
        attributes = {PERSON_ID: str(person_ids[track.track_id])}
        shapes = _shapes(file, track, seconds, annotation_fps, attributes)
        if shapes:
            found.append(XmlTrack(shapes, track.label))
    return tuple(found)


def interpolate_at_keyframes(
    track: XmlTrack, seconds: Iterable[int], *, annotation_fps: int
) -> list[KeyframeBox]:
    """The box of `track` at each of `seconds` at which it is inside the frame.

    Clip second `k` is task frame `k * annotation_fps`.

    >>> still = Shape(0, (0.0, 0.0, 10.0, 10.0), False, True, {"posture": "sit"})
    >>> moved = still._replace(frame=10, box=(20.0, 0.0, 30.0, 10.0))
    >>> interpolate_at_keyframes(XmlTrack((still, moved)), [1], annotation_fps=5)
    [KeyframeBox(second=1, box=(10.0, 0.0, 20.0, 10.0), attributes={'posture': 'sit'})]
    """
    frames = [shape.frame for shape in track.shapes]
    found = []
    for second in seconds:
        frame = second * annotation_fps
        after = bisect_right(frames, frame)
        if after == 0 or track.shapes[after - 1].outside:
            continue
        before = track.shapes[after - 1]
        following = track.shapes[after] if after < len(frames) else before
        found.append(KeyframeBox(second, _between(before, following, frame), before.attributes))
    return found


def _shapes(
    file: TracksFile,
    track: Track,
    seconds: Collection[int],
    annotation_fps: int,
    attributes: dict[str, str],
) -> tuple[Shape, ...]:
    boxes = np.round(clip_boxes(track.boxes, width=file.width, height=file.height), 2)
    seen = area(boxes) > 0
    kept = reduce_keyframes(
        track.frames[seen],
        boxes[seen],
        keyframes=[second * FRAME_RATE for second in seconds],
        step=FRAME_RATE // annotation_fps,
        task_frames=task_frame_count(file.frame_count, annotation_fps=annotation_fps),
    )
    return tuple(
        Shape(one.frame, _as_box(one.box), one.outside, True, dict(attributes)) for one in kept
    )


def _as_box(box: NDArray[np.float64]) -> Box:
    x1, y1, x2, y2 = box.tolist()
    return (x1, y1, x2, y2)


def _between(before: Shape, after: Shape, frame: int) -> Box:
    if before.frame == frame or before is after:
        return before.box
    share = (frame - before.frame) / (after.frame - before.frame)
    x1, y1, x2, y2 = (a + share * (b - a) for a, b in zip(before.box, after.box, strict=True))
    return (x1, y1, x2, y2)
