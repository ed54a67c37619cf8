"""What quality rules check: one version of a task's answers, and what it is judged by.

Boxes are pixels, x2 and y2 exclusive.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from datasets.core.action_groups import ActionGroupSpec, Answers
from tracking.core.tracks_file import PERSON, person_label, with_class


class AnnotatedBox(NamedTuple):
    """One person at one keyframe, as one version of the answers has it."""

    second: int
    track: int
    person_id: int | None  # None for a person the annotator drew
    box: tuple[float, float, float, float]
    answers: Answers
    label: str = PERSON  # what it is

    @property
    def person(self) -> str:
        """The same over the keyframes of a version.

        >>> AnnotatedBox(2, 0, 7, (0, 0, 20, 40), {}).person
        'P7'
        """
        return person_label(self.person_id) if self.person_id else f"drawn {self.track}"

    @property
    def name(self) -> str:
        """The same for readers, with the class of what is no person.

        >>> AnnotatedBox(2, 0, 7, (0, 0, 20, 40), {}, "vehicle").name
        'P7 vehicle'
        """
        return with_class(self.person, self.label)


@dataclass(frozen=True)
class CheckedAnswers:
    """One version of a task's answers, and what it is judged by.

    Attributes:
        boxes: In any order.
        groups: The groups of the dataset.
        width: Of the frame, pixels.
        proposals: The pre-annotation's boxes by (second, person id).
        lone_frames: Of each track that is visible in a single frame, when: clip seconds.
        missing_persons: Given out, but nowhere in the answers, not even as outside.
        classes: What those are who were given out and are no persons, by number.
        is_mixed: Others than persons can be drawn.
        seconds_spent: On the task; None if unknown.
        median_seconds: Of the dataset's tasks; None if unknown.
    """

    boxes: Sequence[AnnotatedBox]
    groups: Sequence[ActionGroupSpec]
    width: int
    height: int
    proposals: Mapping[tuple[int, int], Sequence[float]] = field(default_factory=dict)
    lone_frames: Mapping[int, float] = field(default_factory=dict)
    missing_persons: Collection[int] = ()
    classes: Mapping[int, str] = field(default_factory=dict)
    is_mixed: bool = False
    seconds_spent: float | None = None
    median_seconds: float | None = None
