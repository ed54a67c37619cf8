"""Imported boxes in the frames of a standard video: 30 a second, in its pixels.

A file that names another rate or size is converted; one that fits neither is refused.
"""

from fractions import Fraction
from pathlib import Path

import numpy as np
from django.utils.translation import gettext as _

from datasets.core.media.clips_and_keyframes import FRAME_RATE
from tracking.detectors.detection_files import DetectionFile, DetectionRows, StatedFrames
from tracking.detectors.registry import DetectorError

SAME_SHAPE = 0.03  # difference of width by height that is still the same frame
LONGER, MORE_FRAMES = 0.01, 2  # by which a file may go on after the end
MAX_OUTSIDE = 0.1  # share of the boxes whose middle may be outside of the frame
IN_SHARES = 1.5  # pixels; boxes that all lie within are shares of the frame


def in_standard_frames(
    found: DetectionFile, file: Path, *, size: tuple[int, int], frame_count: int
) -> DetectionRows:
    """The rows of `file`, in frames and pixels of the standard video.

    Args:
        size: Width and height of the standard video.
        frame_count: Of what the file is for, a clip or a video; 0 if not known yet.

    Raises:
        DetectorError: The frames have another shape or end later, or boxes are elsewhere.
    """
    rows = _at_its_rate(found.rows, found.frames.fps)
    rows = rows._replace(boxes=rows.boxes * _scale(found.frames, file, size))
    if not len(rows.frames):
        return rows
    last = int(rows.frames.max())
    if frame_count and last >= frame_count * (1 + LONGER) + MORE_FRAMES:
        raise DetectorError(
            _(
                "%(file)s has boxes in frame %(last)d, counted from 0, but there are only "
                "%(count)d: count the frames of the standard video, %(rate)d a second, not "
                "those of the uploaded one."
            )
            % {"file": file, "last": last, "count": frame_count, "rate": FRAME_RATE}
        )
    _check_boxes(rows, file, size)
    return rows


def _at_its_rate(rows: DetectionRows, fps: float) -> DetectionRows:
    """Rows in the frames of 30 a second that show the frames of `fps`, as resampling does.

    >>> boxes, one = np.zeros((3, 4)), np.ones(3)
    >>> rows = DetectionRows(np.array([0.0, 1, 2]), boxes, one, one, one, one)
    >>> _at_its_rate(rows, 15).frames.tolist(), _at_its_rate(rows, 60).frames.tolist()
    ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 1.0])
    """
    if fps in (0, FRAME_RATE):
        return rows
    rate = Fraction(fps).limit_denominator(1001)
    begin, end = (
        (2 * FRAME_RATE * rate.denominator * frames + rate.numerator) // (2 * rate.numerator)
        for frames in (rows.frames, rows.frames + 1)
    )
    counts = (end - begin).astype(np.int64)
    which = np.repeat(np.arange(len(counts)), counts)
    later = np.arange(len(which)) - np.repeat(counts.cumsum() - counts, counts)
    return rows.take(which)._replace(frames=begin[which] + later)


def _scale(frames: StatedFrames, file: Path, size: tuple[int, int]) -> list[float]:
    """What the sides of boxes are to be multiplied by."""
    width, height = size
    if not (frames.width and frames.height):
        return [1.0] * 4
    if abs(frames.width / frames.height / (width / height) - 1) > SAME_SHAPE:
        raise DetectorError(
            _(
                "%(file)s is about frames of %(its_width)dx%(its_height)d pixels, of other "
                "proportions than the video's, %(width)dx%(height)d: is it of another one?"
            )
            % {
                "file": file, "its_width": frames.width, "its_height": frames.height,
                "width": width, "height": height,
            }
        )  # fmt: skip
    return [width / frames.width, height / frames.height] * 2


def _check_boxes(rows: DetectionRows, file: Path, size: tuple[int, int]) -> None:
    middles = (rows.boxes[:, :2] + rows.boxes[:, 2:]) / 2
    outside = int(((middles < 0) | (middles > size)).any(axis=1).sum())
    what = {"file": file, "outside": outside, "count": len(middles)}
    what |= {"width": size[0], "height": size[1]}
    if rows.boxes.max() <= IN_SHARES:
        raise DetectorError(
            _(
                "The boxes in %(file)s are shares of the frame: bring them in pixels of the "
                "standard video, which has %(width)dx%(height)d."
            )
            % what
        )
    if outside > MAX_OUTSIDE * len(middles):
        raise DetectorError(
            _(
                "%(file)s has %(outside)d of %(count)d boxes outside of the frame: bring them "
                "in pixels of the standard video, which has %(width)dx%(height)d, as left, "
                "top, width and height (corners in the JSON of AVA Studio alone)."
            )
            % what
        )
