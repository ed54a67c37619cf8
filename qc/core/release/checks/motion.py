"""Check of people who move: pixels change where their boxes are, at their time.

Nothing here knows how the files were written. Pixels are asked only where they must answer: a
person who walks changes the pixels under the box, if the camera stands still.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.core.formats import ava
from qc.core.release.checks.expectations import expect
from qc.core.release.checks.pixels import FPS, WIDE, frames_of, has_frames, has_media
from qc.core.release.checks.proposals import persons_at
from qc.core.release.checks.provenance import persons_of
from qc.core.release.reader import ReleasedVideo, ReleaseReader

APART = 7  # frames before and after a keyframe between which pixels are compared
STILL_CAMERA = 3.0  # grey levels that change in half of the frame while a camera stands still
MOVED = (
    0.3  # of its width or height that a box moves in a second, so that its pixels must change
)
FAR = 0.5  # the same, so that the box of another second can be told apart
LEAST = 0.5  # grey levels above the own change of the frame that a moving person makes
MANY, MANY_SHARE = 10, 0.5  # moving boxes of a release without motion
FEW, FEW_SHARE = 4, 0.8  # of one clip
DECISIVE, WINNING = 15, 0.75  # boxes that fit another second better
CERTAIN = 0.9  # of boxes that fit better when turned
BETTER = 1.15  # times the motion of another box
MAX_KEYFRAMES = 2000  # of which frames are read
MAX_DECODED = 400  # the same where a clip must be decoded
OTHER_CLIPS = 6  # whose boxes are held against the pixels of a clip
DECIDED = 4  # keyframes that fit the boxes of another clip better, or do not
Faults = Iterator[str]
Box = tuple[float, float, float, float]


class MovingBox(NamedTuple):
    """A person who moves, and how much changes (grey levels) under boxes at that keyframe."""

    video_id: str
    timestamp: int
    row: str
    background: float
    changes: Mapping[str, float]  # of the box as it is (""), and of others by name
    of_others: Mapping[str, float]  # the mean under boxes of people who move in other clips


def check_motion(release: ReleaseReader) -> str:
    """Where a person moves, pixels change: under the box, at its time."""
    if not has_media(release):
        return "There are neither frames nor clips."
    moving = moving_boxes(release)
    still = [box for box in moving if box.background <= STILL_CAMERA]
    return expect(
        [
            *_without_motion(still),
            *_turned(still),
            *_of_another_time(moving),
            *_of_another_clip(still),
        ],
        f"Of {len(still)} boxes of people who move, pixels change under "
        f"{sum(_moves(box) for box in still)}.",
    )


def _moves(box: MovingBox, name: str = "") -> bool:
    return box.changes.get(name, 0.0) >= 1.5 * box.background + LEAST


def _without_motion(boxes: list[MovingBox]) -> Faults:
    """People who move where nothing does, in all of the release or in one clip."""
    quiet = [box for box in boxes if not _moves(box)]
    if len(boxes) >= MANY and len(quiet) >= MANY_SHARE * len(boxes):
        others = Counter(
            name for box in boxes for name in box.changes if name and _moves(box, name)
        )
        first = (
            f"{quiet[0].row} (a person of {quiet[0].video_id} at {quiet[0].timestamp}) and "
            f"{len(quiet) - 1} more of {len(boxes)} boxes move where no pixel does"
        )
        name, count = max(others.items(), key=lambda one: one[1], default=("", 0))
        fits = f"; {name}, {count} would be on motion" if count > len(boxes) * 0.75 else ""
        yield first + fits
        return
    of_clip: dict[str, list[MovingBox]] = defaultdict(list)
    for box in boxes:
        of_clip[box.video_id].append(box)
    for video, its in sorted(of_clip.items()):
        count = sum(not _moves(box) for box in its)
        if len(its) >= FEW and count >= FEW_SHARE * len(its):
            yield (
                f"clips/{video}.mp4 does not show the people of {its[0].row}: under {count} of "
                f"{len(its)} boxes that move no pixel does"
            )


def _turned(boxes: list[MovingBox]) -> Faults:
    """Boxes that fit the people when mirrored, turned or with their axes swapped."""
    for name in ("mirrored", "upside down", "turned by half", "with x and y swapped"):
        wins = [box for box in boxes if _is_better(box.changes[name], box.changes[""])]
        losses = sum(_is_better(box.changes[""], box.changes[name]) for box in boxes)
        decided = len(wins) + losses
        if decided >= DECISIVE and len(wins) >= CERTAIN * decided:
            yield (
                f"{name}, {len(wins)} of {decided} boxes of people who move would be on more "
                f"motion (such as {wins[0].row})"
            )
            return


def _is_better(change: float, other: float) -> bool:
    return change > BETTER * other + LEAST


def _of_another_time(boxes: list[MovingBox]) -> Faults:
    for name in ("a second later", "a second earlier"):
        wins = losses = 0
        for box in boxes:
            if name in box.changes:
                wins += _is_better(box.changes[name], box.changes[""])
                losses += _is_better(box.changes[""], box.changes[name])
        if wins + losses >= DECISIVE and wins >= WINNING * (wins + losses):
            yield (
                f"the boxes are at another second than the people: {wins} of {wins + losses} "
                f"fit better as they are {name} (such as {boxes[0].row})"
            )


def _of_another_clip(boxes: list[MovingBox]) -> Faults:
    """Clips whose people move where the boxes of another clip are."""
    at: dict[tuple[str, int], list[MovingBox]] = defaultdict(list)
    for box in boxes:
        at[box.video_id, box.timestamp].append(box)
    wins: Counter[tuple[str, str]] = Counter()
    losses: Counter[tuple[str, str]] = Counter()
    for (video, _), its in at.items():
        own = float(np.mean([box.changes[""] for box in its]))
        for other, change in its[0].of_others.items():
            wins[video, other] += _is_better(change, own)
            losses[video, other] += _is_better(own, change)
    for (video, other), count in sorted(wins.items()):
        decided = count + losses[video, other]
        if count >= DECIDED and count >= CERTAIN * decided:
            yield (
                f"the pixels of {video} move under the boxes of {other}, not under its own, at "
                f"{count} of {decided} keyframes"
            )


def moving_boxes(release: ReleaseReader) -> list[MovingBox]:
    """What changes under the boxes of people who move, at a sample of keyframes."""
    found = []
    jobs = _sample(release)
    with ThreadPoolExecutor(cpu_count()) as pool:
        for of_clip in pool.map(lambda job: _of_clip(release, *job), jobs):
            found += of_clip
    return found


def _sample(release: ReleaseReader) -> list[tuple[ReleasedVideo, list[int]]]:
    """The keyframes to look at, clip by clip: those with people, evenly over all clips."""
    at: dict[str, list[int]] = defaultdict(list)
    for split in release.splits:
        for video, second in sorted(persons_at(release, split)):
            at[video].append(second)
    most = MAX_KEYFRAMES if has_frames(release) else MAX_DECODED
    step = max(1, -(-sum(map(len, at.values())) // most))
    return [(video, at[name][::step]) for name, video in release.videos().items() if name in at]


def _of_clip(
    release: ReleaseReader, video: ReleasedVideo, seconds: list[int]
) -> list[MovingBox]:
    persons = persons_at(release, video.split)
    wanted = {}
    for at in seconds:
        frame = FPS * (at - 900)
        if _moving(persons, video.video_id, at) and APART <= frame < video.n_frames - APART:
            wanted[at] = (frame - APART, frame + APART)
    frames = frames_of(release, video, {frame for both in wanted.values() for frame in both})
    found = []
    neighbours = _neighbours(release, video)
    for at, (before, after) in wanted.items():
        if before not in frames or after not in frames:
            continue
        change = _change(frames[before], frames[after])
        background = float(np.median(change))
        of_others = {
            other.video_id: float(np.mean([_mean(change, box) for box, _ in moving.values()]))
            for other in neighbours
            if (moving := _moving(persons_at(release, other.split), other.video_id, at))
        }
        for person, (box, near) in _moving(persons, video.video_id, at).items():
            x1, y1, x2, y2 = box
            others: dict[str, Box] = {
                "": box, "mirrored": (1 - x2, y1, 1 - x1, y2),
                "upside down": (x1, 1 - y2, x2, 1 - y1),
                "turned by half": (1 - x2, 1 - y2, 1 - x1, 1 - y1),
                "with x and y swapped": (y1, x1, y2, x2),
            } | near  # fmt: skip
            row = persons_of(release)[video.video_id, at, person].row
            changes = {name: _mean(change, other) for name, other in others.items()}
            found.append(MovingBox(video.video_id, at, row, background, changes, of_others))
    return found


def _neighbours(release: ReleaseReader, video: ReleasedVideo) -> list[ReleasedVideo]:
    """Some other clips of the same size: those of its source first, then by name."""
    others = [
        other
        for other in release.videos().values()
        if other.video_id != video.video_id
        and (other.width, other.height) == (video.width, video.height)
    ]
    names = sorted(release.videos())
    place = names.index(video.video_id)
    return sorted(
        others,
        key=lambda other: (
            other.source_video != video.source_video, abs(names.index(other.video_id) - place)
        ),
    )[:OTHER_CLIPS]  # fmt: skip


def _moving(
    persons: Mapping[tuple[str, int], Sequence[Any]], video: str, at: int
) -> dict[int, tuple[Box, dict[str, Box]]]:
    """The persons who move at a keyframe: the box, and those of a second earlier and later."""
    here = _boxes_of(persons, video, at)
    found = {}
    for person, box in here.items():
        near: dict[str, Box] = {}
        moved = 0.0
        for second, name in ((at - 1, "a second earlier"), (at + 1, "a second later")):
            other = _boxes_of(persons, video, second).get(person)
            if other is None:
                continue
            across = abs(box[0] + box[2] - other[0] - other[2]) / 2 / (box[2] - box[0])
            down = abs(box[1] + box[3] - other[1] - other[3]) / 2 / (box[3] - box[1])
            step = max(across, down)
            moved = max(moved, step)
            if step >= FAR:
                near[name] = other
        if moved >= MOVED:
            found[person] = (box, near)
    return found


def _boxes_of(
    persons: Mapping[tuple[str, int], Sequence[Any]], video: str, at: int
) -> dict[int, Box]:
    return {
        person.person_id: tuple(ava.parse_box(person.box).tolist())  # type: ignore[attr-defined]
        for person in persons.get((video, at), [])
    }


def _change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey levels by which two frames differ, at a width of at most `WIDE`."""
    grey = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (before, after)]
    height, width = grey[0].shape
    scale = min(1.0, WIDE / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = [cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in grey]
    return np.abs(small[0].astype(np.float32) - small[1].astype(np.float32))


def _mean(change: NDArray[np.float32], box: Box) -> float:
    """The mean change in a box, whose corners are shares of the frame."""
    height, width = change.shape
    x1, y1, x2, y2 = (min(max(side, 0.0), 1.0) for side in box)
    left, top = min(int(x1 * width), width - 1), min(int(y1 * height), height - 1)
    right, bottom = max(left + 1, round(x2 * width)), max(top + 1, round(y2 * height))
    return float(change[top:bottom, left:right].mean())
