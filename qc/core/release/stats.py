"""Figures of a release for its card, counted clip by clip."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

import numpy as np

from datasets.core.action_groups import counts_as_vote
from qc.core.release.records import PERSON, ReleaseClip, ReleasedPerson

SAMPLE_FRAMES = 6


SIZE_BANDS = ("small", "medium", "large")  # below a quarter, below half, half of the height
CROWD_BANDS = ("1 person", "2 to 4 persons", "5 or more")


def size_band(height: float) -> str:
    """The band of a box by its height as a share of the frame.

    >>> size_band(0.2), size_band(0.25), size_band(0.9)
    ('small', 'medium', 'large')
    """
    return SIZE_BANDS[(height >= 0.25) + (height >= 0.5)]


def crowd_band(persons: int) -> str:
    """The band of a keyframe by how many persons it shows.

    >>> crowd_band(1), crowd_band(4), crowd_band(5)
    ('1 person', '2 to 4 persons', '5 or more')
    """
    return CROWD_BANDS[(persons > 1) + (persons > 4)]


class SamplePerson(NamedTuple):
    """A person at a keyframe that the card shows."""

    person_id: int
    box: str
    actions: tuple[str, ...]  # their names
    label: str  # what it is


class ReleaseSample(NamedTuple):
    """A keyframe worth showing on the card."""

    video_id: str
    timestamp: int
    persons: tuple[SamplePerson, ...]


@dataclass
class VideoStats:
    clips: int = 0
    keyframes: int = 0
    boxes: int = 0
    labels: int = 0


@dataclass
class ReleaseStats:
    """What the card says beyond the counts of the splits."""

    names: Mapping[int, str] = field(default_factory=dict)  # of the actions
    videos: dict[str, VideoStats] = field(default_factory=dict)
    together: Counter[tuple[int, int]] = field(default_factory=Counter)
    samples: dict[str, ReleaseSample] = field(default_factory=dict)  # by source video
    unlabelled: int = 0
    rules: Counter[str] = field(default_factory=Counter)  # of label rows
    single: Counter[str] = field(default_factory=Counter)  # label rows on one vote, by clip
    groups: Counter[tuple[str, str]] = field(
        default_factory=Counter
    )  # (group, split), the same
    sizes: Counter[tuple[str, str]] = field(default_factory=Counter)  # (band, split), boxes
    crowds: Counter[tuple[str, str]] = field(default_factory=Counter)  # (band, split), boxes
    classes: Counter[tuple[str, str]] = field(default_factory=Counter)  # (class, split), boxes
    votes: Counter[int] = field(default_factory=Counter)  # by action, of rows with two or more
    dissent: Counter[int] = field(default_factory=Counter)  # those that do not name it
    _heights: dict[str, Counter[int]] = field(default_factory=dict)

    @property
    def class_names(self) -> list[str]:
        """What was released, by name; empty if all are persons."""
        found = sorted({label for label, _ in self.classes})
        return found if set(found) - {PERSON} else []

    def add(self, clip: ReleaseClip) -> None:
        """Count one clip."""
        video = self.videos.setdefault(clip.source_video, VideoStats())
        video.clips += 1
        video.keyframes += len(clip.annotated)
        video.boxes += len(clip.persons)
        self.classes.update((person.label, clip.split) for person in clip.persons)
        heights = self._heights.setdefault(clip.split, Counter())
        for person in clip.persons:
            video.labels += len(person.action_ids)
            self.unlabelled += not person.action_ids
            self.together.update(combinations(person.action_ids, 2))
            for origin in person.origins:
                self.rules[origin.rule] += len(origin.action_ids)
                self.groups[origin.group, clip.split] += len(origin.action_ids)
                if origin.rule == "single":
                    self.single[clip.name] += len(origin.action_ids)
            self._count_votes(person)
            top, bottom = map(float, person.box.split(",")[1::2])
            self.sizes[size_band(bottom - top), clip.split] += 1
            self.crowds[crowd_band(len(clip.at(person.timestamp))), clip.split] += 1
            heights[round((bottom - top) * clip.height)] += 1
        self._show(clip)

    def _count_votes(self, person: ReleasedPerson) -> None:
        """How many votes there are for each action, and how many are for another."""
        for origin in person.origins:
            counted = [vote for _, vote in origin.votes if counts_as_vote(vote)]
            if len(counted) < 2:
                continue
            for action in origin.action_ids:
                name = self.names.get(action, "")
                named = sum(
                    name in (vote if isinstance(vote, list) else [vote]) for vote in counted
                )
                self.votes[action] += len(counted)
                self.dissent[action] += len(counted) - named

    def _show(self, clip: ReleaseClip) -> None:
        if clip.source_video in self.samples or len(self.samples) == SAMPLE_FRAMES:
            return
        at = max(clip.annotated, key=lambda each: len(clip.at(each)), default=0)
        persons = tuple(
            SamplePerson(
                one.person_id, one.box,
                tuple(self.names.get(action, str(action)) for action in one.action_ids),
                one.label,
            )
            for one in clip.at(at)
        )  # fmt: skip
        if persons:
            self.samples[clip.source_video] = ReleaseSample(clip.name, at, persons)

    def heights(self, split: str) -> list[float]:
        """Percentiles 10, 50 and 90 of the heights of a split's boxes, in pixels of the clips.

        Empty if it has no box.
        """
        counts = sorted(self._heights.get(split, Counter()).items())
        if not counts:
            return []
        values = np.repeat([height for height, _ in counts], [count for _, count in counts])
        percentiles: list[float] = np.percentile(values, (10, 50, 90)).tolist()
        return percentiles
