"""Figures of a release for its card, counted clip by clip."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

import numpy as np

from qc.core.release.records import ReleaseClip

SAMPLE_FRAMES = 6


class ReleaseSample(NamedTuple):
    """A keyframe worth showing on the card."""

    video_id: str
    timestamp: int
    boxes: tuple[str, ...]


@dataclass
class VideoStats:
    clips: int = 0
    keyframes: int = 0
    boxes: int = 0
    labels: int = 0


@dataclass
class ReleaseStats:
    """What the card says beyond the counts of the splits."""

    videos: dict[str, VideoStats] = field(default_factory=dict)
    together: Counter[tuple[int, int]] = field(default_factory=Counter)
    samples: dict[str, ReleaseSample] = field(default_factory=dict)  # by source video
    unlabelled: int = 0
    rules: Counter[str] = field(default_factory=Counter)  # of label rows
    single: Counter[str] = field(default_factory=Counter)  # label rows on one vote, by clip
    groups: Counter[tuple[str, str]] = field(
        default_factory=Counter
    )  # (group, split), the same
    _heights: dict[str, Counter[int]] = field(default_factory=dict)

    def add(self, clip: ReleaseClip) -> None:
        """Count one clip."""
        video = self.videos.setdefault(clip.source_video, VideoStats())
        video.clips += 1
        video.keyframes += len(clip.annotated)
        video.boxes += len(clip.persons)
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
            top, bottom = map(float, person.box.split(",")[1::2])
            heights[round((bottom - top) * clip.height)] += 1
        self._show(clip)

    def _show(self, clip: ReleaseClip) -> None:
        if clip.source_video in self.samples or len(self.samples) == SAMPLE_FRAMES:
            return
        at = max(clip.annotated, key=lambda each: len(clip.at(each)), default=0)
        if boxes := tuple(person.box for person in clip.at(at)):
            self.samples[clip.source_video] = ReleaseSample(clip.name, at, boxes)

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
