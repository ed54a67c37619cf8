"""Blurred faces: which regions of a frame are blurred, and how.

A face is either what a face detector finds, or the upper part of a person's box: three quarters
of the box's width, a quarter of its height at least, with a margin. Boxes are rows of
`(x1, y1, x2, y2)` in pixels of the standard video. A region becomes 4 means along its longer
side, with smooth steps between them: nobody can be recognised in it, and nothing gives it back.
"""

import hashlib
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

HEADS = "heads"  # the upper part of each person's box; any other method is a detector's file
METHOD = "blur-1"  # to be counted up when the same boxes are blurred otherwise
OF_WIDTH, OF_HEIGHT = 0.75, 0.25  # of the box of a person, which its head takes at most
MARGIN = 0.1  # of the box's width, around a head: trackers are off by some pixels
FACE_MARGIN = 0.25  # of a face's sides, around it: detectors leave out hair and chin
CELLS = 4  # along the longer side of a region
HELD = 2  # frames before and after, on which a face is blurred: a detector misses some
BETWEEN = 30  # frames over which a person's boxes are interpolated
AROUND = 5  # frames before and after a track: it begins late, and ends with the last detection
BEYOND = 15  # frames to which a box that was drawn at a keyframe alone is kept

Boxes = NDArray[np.float64]  # (N, 4)


def heads_of(boxes: Boxes) -> Boxes:
    """The upper parts of the boxes of persons, with a margin.

    >>> heads_of(np.array([[100.0, 50, 140, 150]])).tolist()
    [[96.0, 46.0, 144.0, 84.0]]
    """
    width = boxes[:, 2] - boxes[:, 0]
    height = boxes[:, 3] - boxes[:, 1]
    head = np.minimum(np.maximum(OF_WIDTH * width, OF_HEIGHT * height), height)
    margin = MARGIN * width
    corners = (
        boxes[:, 0] - margin, boxes[:, 1] - margin,
        boxes[:, 2] + margin, boxes[:, 1] + head + margin,
    )  # fmt: skip
    return np.stack(corners, axis=1)


def faces_of(boxes: Boxes) -> Boxes:
    """The boxes of faces, with a margin.

    >>> faces_of(np.array([[10.0, 10, 30, 50]])).tolist()
    [[5.0, 0.0, 35.0, 60.0]]
    """
    margin = FACE_MARGIN * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def on_every_frame(
    frames: NDArray[np.int64], boxes: Boxes, *, beyond: int = 0
) -> tuple[NDArray[np.int64], Boxes]:
    """The boxes of one person on every frame: interpolated over gaps of up to a second.

    Args:
        frames: Ascending; shape `(n,)`, n >= 1.
        boxes: Shape `(n, 4)`.
        beyond: Frames before and after each stretch without a longer gap, to which its first
            and its last box are kept.

    >>> its = np.array([1, 3]), np.array([[0.0, 0, 4, 4], [2, 0, 6, 4]])
    >>> frames, boxes = on_every_frame(*its)
    >>> frames.tolist(), boxes[:, 0].tolist()
    ([1, 2, 3], [0.0, 1.0, 2.0])
    """
    ends = np.flatnonzero(np.diff(frames) > BETWEEN) + 1
    numbers, found = [], []
    for its, corners in zip(np.split(frames, ends), np.split(boxes, ends), strict=True):
        every = np.arange(its[0] - beyond, its[-1] + beyond + 1)
        numbers.append(every)
        found.append(np.stack([np.interp(every, its, side) for side in corners.T], axis=1))
    return np.concatenate(numbers), np.concatenate(found)


class Regions:
    """What is blurred of a video: boxes by frame, numbered as in the standard video."""

    def __init__(
        self, parts: Iterable[tuple[NDArray[np.int64], Boxes]], *, held: int = 0
    ) -> None:
        """Boxes out of parts.

        Args:
            parts: Frames, shape `(n,)`, with a box for each, shape `(n, 4)`.
            held: Frames before and after, on which a box is blurred, too.
        """
        some = [(np.zeros(0, np.int64), np.zeros((0, 4))), *parts]
        frames = np.concatenate([frames for frames, _ in some])
        boxes = np.round(np.concatenate([boxes for _, boxes in some]), 1)
        order = np.lexsort((*boxes.T, frames))
        self._frames, self._boxes, self._held = frames[order], boxes[order], held

    def at(self, frame: int) -> Boxes:
        """What is blurred on a frame.

        >>> regions = Regions([(np.array([3]), np.array([[0.0, 0, 9, 9]]))], held=2)
        >>> len(regions.at(0)), len(regions.at(1))
        (0, 1)
        """
        return self._boxes[self._between(range(frame - self._held, frame + self._held + 1))]

    def digest(self, frames: range) -> str:
        """A hash of what is blurred of these frames."""
        near = self._between(range(frames.start - self._held, frames.stop + self._held))
        content = self._frames[near].tobytes() + self._boxes[near].tobytes()
        return hashlib.sha256(content).hexdigest()

    def _between(self, frames: range) -> slice:
        first, stop = np.searchsorted(self._frames, (frames.start, frames.stop))
        return slice(int(first), int(stop))


def blur(image: NDArray[np.uint8], boxes: Boxes, *, scale: float = 1.0) -> None:
    """Blur regions of an image in place.

    Args:
        image: Shape `(height, width)` or `(height, width, channels)`.
        boxes: In pixels of the video; what lies outside of the image is left out.
        scale: Pixels of the image for one of the video.
    """
    height, width = image.shape[:2]
    sharp = image.copy()  # where regions overlap, none is blurred twice
    for box in boxes * scale:
        left, top = (max(0, int(np.floor(side))) for side in box[:2])
        right, bottom = (
            min(most, int(np.ceil(side)))
            for side, most in zip(box[2:], (width, height), strict=True)
        )
        if right <= left or bottom <= top:
            continue
        region = sharp[top:bottom, left:right]
        cell = max(right - left, bottom - top) / CELLS
        cells = (max(1, round((right - left) / cell)), max(1, round((bottom - top) / cell)))
        small = cv2.resize(region, cells, interpolation=cv2.INTER_AREA)
        smooth = cv2.resize(small, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
        image[top:bottom, left:right] = smooth.reshape(region.shape)


def blur_planes(planes: NDArray[np.uint8], boxes: Boxes) -> None:
    """Blur regions of a yuv420p frame in place: Y, then U and V at half the size.

    Args:
        planes: Shape `(height * 3 / 2, width)`, as `read_frames` gives them.
    """
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    blur(planes[:height], boxes)
    for plane in planes[height:].reshape(2, height // 2, width // 2):
        blur(plane, boxes, scale=0.5)


def blurring_sentence(method: str, sha256: str = "") -> str:
    """What a card says of blurred faces.

    Args:
        method: `HEADS`, or the file of a face detector.
        sha256: Of that file.

    >>> blurring_sentence("faces.onnx", "ab12").partition(":")[0]
    'Faces are blurred on all frames and clips'
    """
    if method == HEADS:
        where = (
            "no face was looked for; the upper part of the box of every person who was tracked "
            f"or drawn is blurred ({OF_WIDTH:g} of the box's width, at least {OF_HEIGHT:g} of "
            "its height). Whoever was neither tracked nor drawn is not blurred; frames outside "
            "of all tracked clips are blurred as a whole."
        )
    else:
        where = (
            f"where the face detector {method} (SHA-256 {sha256}) finds them, and on "
            f"{HELD} frames before and after. Faces that it misses are not blurred."
        )
    return (
        f"Faces are blurred on all frames and clips: {where} Boxes and labels were made "
        "before, and are kept."
    )
