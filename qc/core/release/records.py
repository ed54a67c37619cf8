"""What a release holds of each clip: its keyframes, persons and proposals, and their origin.

Timestamps and boxes are those of `datasets.core.formats.ava`. Annotators and reviewers are
numbers from 1, in the order in which the dataset came to know them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from datasets.core.media.clips_and_keyframes import ExportWindow

PERSON = "person"
ANNOTATED = "annotated"
EXCLUDED = "excluded"


class Origin(NamedTuple):
    """How the answer to one group came about for one person at one keyframe."""

    group: str
    action_ids: tuple[int, ...]  # ascending
    rule: str  # unanimous, majority, single, adjudicated or open
    votes: tuple[tuple[int, Any], ...]  # (annotator, answer), by annotator
    reviewer: int = 0  # who decided; 0 where votes did
    decided_at: str = ""  # ISO 8601, UTC
    reason: str = ""


class ReleaseAnswer(NamedTuple):
    """The answers of one annotator that a clip's consensus was computed from."""

    annotator: int
    version: int
    sha256: str  # of the file as it came


class ReleasedPerson(NamedTuple):
    """A person at an annotated keyframe."""

    timestamp: int
    person_id: int
    box: str
    action_ids: tuple[int, ...]  # ascending; empty if none was given
    drawn_by: tuple[int, ...] = ()  # annotators
    origins: tuple[Origin, ...] = ()  # by group
    drawn: tuple[tuple[float, ...], ...] = ()  # their boxes in pixels, in that order
    is_box_decided: bool = False  # a reviewer chose the box
    label: str = PERSON  # what it is, of the classes that the dataset follows


def coarse_box(box: str) -> tuple[str, ...]:
    """A box at two decimals: pytorchvideo takes persons whose boxes agree so far as one.

    >>> coarse_box("0.1001,0.2000,0.3049,0.9000")
    ('0.10', '0.20', '0.30', '0.90')
    """
    return tuple(f"{float(corner):.2f}" for corner in box.split(","))


class ReleasedProposal(NamedTuple):
    box: str
    score: float
    person_id: int = 0


@dataclass(frozen=True)
class ReleaseClip:
    """Everything that the files of a release say of one clip.

    Attributes:
        keyframes: Timestamp -> ANNOTATED or EXCLUDED, ascending.
        persons: Of annotated keyframes only, by timestamp and id.
        proposals: Of annotated keyframes only; the best score first.
        versions: What the consensus was computed from, by annotator.
    """

    name: str
    split: str
    source_video: str
    width: int
    height: int
    window: ExportWindow
    keyframes: dict[int, str]
    persons: list[ReleasedPerson]
    proposals: dict[int, list[ReleasedProposal]]
    versions: tuple[ReleaseAnswer, ...] = ()

    @cached_property
    def _persons_at(self) -> dict[int, list[ReleasedPerson]]:
        found: dict[int, list[ReleasedPerson]] = {}
        for person in self.persons:
            found.setdefault(person.timestamp, []).append(person)
        return found

    @property
    def annotated(self) -> list[int]:
        """Timestamps of the annotated keyframes, ascending."""
        return [at for at, status in self.keyframes.items() if status == ANNOTATED]

    def at(self, timestamp: int) -> list[ReleasedPerson]:
        """The persons at one keyframe, by id; empty if nobody is there."""
        return self._persons_at.get(timestamp, [])
