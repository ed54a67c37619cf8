"""Tracks that a file of detections has already: each id is a track, its boxes as they come."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from tracking.core.tracks_file import Track
from tracking.detectors.detection_files import NO_ID, DetectionRows

HIGHEST_ID = 2**31 - 1  # of a person in the database


class FileTracks(NamedTuple):
    """The tracks of a clip in a file."""

    tracks: list[Track]  # by id, which is that of the file; frames of the clip
    is_of_video: bool  # the file is for the video: an id is the same person in all its clips


class IdsError(ValueError):
    """The ids of a file can't be kept; the message says where and what to do."""


def check_ids(rows: DetectionRows, file: Path, names: Sequence[str]) -> None:
    """Check that every id of a file is one track.

    Args:
        rows: All rows of `file`; none is right.
        file: Named in messages.
        names: What each of `rows.classes` is.

    Raises:
        IdsError: An id is missing, below 1 or too large, is twice in one frame, or is of two
            classes.
    """
    if not len(rows.ids):
        return
    if (rows.ids == NO_ID).all():
        raise IdsError(
            _(
                "%(file)s has no ids to keep. Add them (the second column of MOT, track_id or "
                "instance_id of COCO), or use a configuration that does not keep ids (page "
                "Tracking)."
            )
            % {"file": file}
        )
    bad = np.flatnonzero((rows.ids < 1) | (rows.ids > HIGHEST_ID))
    if len(bad):
        number = int(rows.ids[bad[0]])
        found = _("it has no id") if number == NO_ID else _("its id is %d") % number
        raise IdsError(
            _(
                "%(place)s: %(found)s. To keep ids, give every box one from 1 to %(highest)d, "
                "or leave the box out."
            )
            % {"place": _place(rows, bad[0], file), "found": found, "highest": HIGHEST_ID}
        )
    order = np.lexsort((rows.lines, rows.frames, rows.ids))
    ids, frames, classes = rows.ids[order], rows.frames[order], rows.classes[order]
    is_same = ids[1:] == ids[:-1]
    twice = order[1:][is_same & (frames[1:] == frames[:-1])]
    if len(twice):
        raise IdsError(
            _(
                "%(place)s: the id %(id)d is in this frame already. Keep one of its boxes, or "
                "give the other one another id."
            )
            % {"place": _place(rows, min(twice), file), "id": rows.ids[min(twice)]}
        )
    changed = np.flatnonzero(is_same & (classes[1:] != classes[:-1]))
    if len(changed):
        before, after = order[changed[0]], order[changed[0] + 1]
        raise IdsError(
            _(
                "%(place)s: the id %(id)d is of the class %(class)s, but %(before)s before. "
                "Give each class ids of its own, or follow only one of them."
            )
            % {
                "place": _place(rows, after, file), "id": rows.ids[after],
                "class": names[rows.classes[after]], "before": names[rows.classes[before]],
            }
        )  # fmt: skip


def _place(rows: DetectionRows, row: int, file: Path) -> str:
    """Where a row is, as its file counts: lines and frames of MOT from 1."""
    is_mot = file.suffix != ".json"
    text = _("%(file)s, line %(line)d, frame %(frame)d") if is_mot else _(
        "%(file)s, entry %(line)d, frame %(frame)d"
    )  # fmt: skip
    frame = int(rows.frames[row]) + is_mot
    return text % {"file": file, "line": rows.lines[row], "frame": frame}


def tracks_of_rows(rows: DetectionRows, names: Sequence[str]) -> list[Track]:
    """A track for each id of checked `rows`, by id; empty for none.

    >>> one, box = np.ones(1, np.int64), np.array([[0.0, 0, 5, 9]])
    >>> rows = DetectionRows(one * 3.0, box, np.ones(1), one * 7.0, one * 0, one)
    >>> [(track.track_id, track.frames.tolist()) for track in tracks_of_rows(rows, ["person"])]
    [(7, [3])]
    """
    order: NDArray[np.int64] = np.lexsort((rows.frames, rows.ids))
    borders = np.flatnonzero(np.diff(rows.ids[order])) + 1
    return [
        Track(
            int(rows.ids[some[0]]), rows.frames[some].astype(np.int64), rows.boxes[some],
            rows.scores[some], label=names[rows.classes[some[0]]],
        )
        for some in np.split(order, borders)
        if len(some)
    ]  # fmt: skip
