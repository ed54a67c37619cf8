"""Check of boxes with a detector of persons: it finds again what the boxes show.

Nothing is tuned here: the detector is run as it is on a few keyframes, and compared with how
well the release's own proposals find the same persons.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from datasets.core.formats import ava
from qc.core.release.checks.expectations import CheckFailedError
from qc.core.release.checks.pixels import FPS, frames_of, has_media
from qc.core.release.checks.proposals import persons_at, proposals_at
from qc.core.release.frame_map import SAME_PERSON_IOU
from qc.core.release.oracle_ap import overlaps
from qc.core.release.reader import ReleaseReader
from qc.core.release.records import PERSON, ReleasedPerson
from tracking.core.boxes import pairwise_iou

KEYFRAMES = 20
LEAST_BOXES = 15  # below which a share says nothing
FAR_BELOW = 0.5  # of the share that the proposals find

Image = NDArray[np.uint8]  # RGB, shape (height, width, 3)
Detect = Callable[[Sequence[Image]], list[NDArray[np.float64]]]  # boxes in pixels, (N, 4)


def check_detector(release: ReleaseReader, detect: Detect) -> str:
    """A detector finds the persons of some keyframes, about as well as the proposals do.

    It finds no other classes, so these do not count.
    Raises CheckFailedError if it finds fewer than half as many, unless faces are blurred.
    """
    if not has_media(release):
        return "There are neither frames nor clips for the detector."
    found = promised = count = 0
    example = ""
    chosen = _keyframes(release)
    for split, video, at in chosen:
        persons = _persons(release, split, video, at)
        frame = FPS * (at - 900)
        images = frames_of(release, release.videos()[video], {frame})
        if frame not in images:
            continue  # other checks name it
        height, width = images[frame].shape[:2]
        (boxes,) = detect([images[frame]])
        wanted = np.stack([ava.parse_box(one.box) for one in persons])
        hits = _found(pairwise_iou(boxes / [width, height, width, height], wanted))
        proposed = proposals_at(release, split).get((video, at), [])
        promised += int(_found(overlaps(proposed, persons)).sum())
        found, count = found + int(hits.sum()), count + len(persons)
        if not hits.all() and not example:
            person = persons[int(np.argmin(hits))]
            example = f"person {person.person_id} of {video} at {at}"
    if count < LEAST_BOXES:
        return f"{len(chosen)} keyframes show {count} persons: too few for the detector."
    said = (
        f"the detector finds {found} of {count} boxes of {len(chosen)} keyframes again (IoU "
        f"{SAME_PERSON_IOU}), the proposals {promised}"
    )
    if release.manifest().get("faces"):
        return f"{said[0].upper()}{said[1:]}; blurred faces hide persons, so nothing follows."
    if found < FAR_BELOW * promised:
        raise CheckFailedError(
            f"{said[0].upper()}{said[1:]}: do the boxes belong to these frames? It misses "
            f"{example}, for example."
        )
    return f"{said[0].upper()}{said[1:]}."


def _found(iou: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which persons any box shows; `iou` has a row for each box, a column for each person."""
    return iou.max(axis=0, initial=0.0) >= SAME_PERSON_IOU


def _persons(release: ReleaseReader, split: str, video: str, at: int) -> list[ReleasedPerson]:
    """The persons at a keyframe, without those of other classes."""
    return [
        one
        for one in persons_at(release, split)[video, at]
        if release.class_of(video, one.person_id) == PERSON
    ]


def _keyframes(release: ReleaseReader) -> list[tuple[str, str, int]]:
    """Split, video and timestamp of some keyframes with persons, evenly over all."""
    every = [
        (split, video, at)
        for split in release.splits
        for video, at in sorted(persons_at(release, split))
        if video in release.videos() and _persons(release, split, video, at)
    ]
    return every[:: max(1, -(-len(every) // KEYFRAMES))]
