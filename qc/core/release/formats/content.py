"""What format writers share: their context, boxes in pixels, runs of keyframes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats import ava
from datasets.core.media.clips_and_keyframes import FIRST_TIMESTAMP, FRAME_RATE
from qc.core.release.images import frame_size
from qc.core.release.records import PERSON, ReleaseClip, ReleasedPerson


@dataclass(frozen=True)
class FormatContext:
    """What a writer must know besides the clips.

    Attributes:
        folder: Its own, empty.
        labels: Classes of what is in it, by which formats number them from 1.
        longest_side: Of the release's frames in pixels; None for the size of the clips.
    """

    folder: Path
    title: str
    actions: Sequence[ava.AvaAction]
    groups: Sequence[ActionGroupSpec]
    splits: Sequence[str]
    longest_side: int | None = None
    labels: Sequence[str] = (PERSON,)

    def frame_size(self, clip: ReleaseClip) -> tuple[int, int]:
        """Width and height of the frames of a clip, in which boxes in pixels are given."""
        return frame_size(clip.width, clip.height, longest_side=self.longest_side)

    @property
    def is_of_persons(self) -> bool:
        return list(self.labels) == [PERSON]

    def number_of(self, label: str) -> int:
        return self.labels.index(label) + 1

    @property
    def names(self) -> dict[int, str]:
        return {action.action_id: action.name for action in self.actions}


class FormatWriter(Protocol):
    def add(self, clip: ReleaseClip) -> None: ...

    def finish(self) -> None: ...


def frame_of(timestamp: int) -> int:
    """Frame of an exported clip, from 0.

    >>> frame_of(902)
    60
    """
    return FRAME_RATE * (timestamp - FIRST_TIMESTAMP)


def pixels(box: str, *, width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom in pixels, of the very text that the AVA files hold.

    >>> pixels("0.1000,0.2000,0.3000,0.9000", width=640, height=360)
    (64.0, 72.0, 192.0, 324.0)
    """
    x1, y1, x2, y2 = map(float, box.split(","))
    return (
        round(x1 * width, 4), round(y1 * height, 4),
        round(x2 * width, 4), round(y2 * height, 4),
    )  # fmt: skip


def runs(persons: Iterable[ReleasedPerson]) -> Iterator[list[ReleasedPerson]]:
    """Cut one person's keyframes, ascending, where a second is missing."""
    run: list[ReleasedPerson] = []
    for person in persons:
        if run and person.timestamp != run[-1].timestamp + 1:
            yield run
            run = []
        run.append(person)
    if run:
        yield run


def by_person(clip: ReleaseClip) -> dict[int, list[ReleasedPerson]]:
    """The keyframes of each person of a clip, by id; ascending."""
    found: dict[int, list[ReleasedPerson]] = {}
    for person in clip.persons:
        found.setdefault(person.person_id, []).append(person)
    return dict(sorted(found.items()))
