"""Labels over time corrected for chance: segments of persons, and agreement within seconds.

The distance of two annotators' segments of a person is 1 less their temporal IoU, matched one
to one by action. An action at a keyframe is agreed on within n seconds if the other annotator
chose it for the person at most n seconds earlier or later. Chance is what two annotators say of
persons in different clips.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qc.core.agreement.chance import Apart, alpha_of, chance_pairs
from qc.core.agreement.coefficient_counts import Codes
from qc.core.agreement.figures import ClipUnits, Figure
from qc.core.agreement.label_agreement import Units
from qc.core.agreement.labels_over_time import WITHIN, OverTime, over_time

PAIRS_BY_CHANCE = 2_000  # at most
PERSONS_KEPT = 2  # of each clip, to tell chance from


class TimeFigures(NamedTuple):
    segment_alpha: Figure
    by_seconds: dict[str, Figure]


@dataclass
class PooledTime:
    """The labels of one group over time, of several clips."""

    clips: list[int] = field(default_factory=list)  # of `summed`
    summed: list[list[float]] = field(default_factory=list)  # OverTime.summed, less segments
    names: list[str] = field(default_factory=list)  # of each answer's clip
    numbers: list[int] = field(default_factory=list)  # of the clip
    answers: list[tuple[Codes, NDArray[np.int64]]] = field(default_factory=list)  # and seconds

    def add_pair(self, clip: int, summed: list[float]) -> None:
        """What two annotators have in common in a clip."""
        self.clips.append(clip)
        self.summed.append(summed)

    def add_clip(self, clip: int, name: str, codes: Codes, units: ClipUnits) -> None:
        """Keep what each annotator said of some persons."""
        of_unit, at = np.array(units.persons, np.int64), np.array(units.seconds, np.int64)
        there = np.unique(of_unit)
        kept = np.unique(np.linspace(0, len(there) - 1, PERSONS_KEPT).round().astype(int))
        for person in there[kept] if len(there) else ():
            here = np.flatnonzero(of_unit == person)
            for row in codes[:, here]:
                if (row >= 0).any():
                    self.names.append(name)
                    self.numbers.append(clip)
                    self.answers.append((row, at[here]))

    def figures(self, cluster_of: NDArray[np.int64], units: Units) -> TimeFigures:
        """Alpha of segments, and agreement within WITHIN seconds beyond chance.

        Args:
            cluster_of: The cluster of each clip by its number.
            units: Of the group, for what its values mean.
        """
        clusters = cluster_of[np.array(self.clips, dtype=np.int64)]
        sums = np.array(self.summed, dtype=np.float64).reshape(-1, 3 + len(WITHIN))
        apart, persons, labelled = sums[:, :3].T
        both, chance = self._by_chance(cluster_of, units)
        kept = chance.both
        return TimeFigures(
            alpha_of(
                Apart.of(clusters, apart, persons), Apart.of(both[:, kept], chance.apart[kept])
            ),
            {
                f"within {within} s": alpha_of(
                    Apart.of(clusters, labelled - hits, labelled),
                    Apart.of(both, chance.labelled - of_chance, chance.labelled),
                )
                for within, hits, of_chance in zip(
                    WITHIN, sums[:, 3:].T, chance.hits.T, strict=True
                )
            },
        )

    def _by_chance(
        self, cluster_of: NDArray[np.int64], units: Units
    ) -> tuple[NDArray[np.int64], OverTime]:
        """Clusters of pairs of answers to different clusters, and what they have in common."""
        order = [*map(np.ndarray.tolist, units.member)]  # whatever actions are called
        keys = [
            (at.tolist(), [order[code] if code >= 0 else [] for code in row.tolist()], name)
            for (row, at), name in zip(self.answers, self.names, strict=True)
        ]  # whoever gave them, in whatever order the clips came
        places = sorted(range(len(keys)), key=keys.__getitem__)
        answers = [self.answers[one] for one in places]
        numbers = cluster_of[np.array(self.numbers, dtype=np.int64)[places]]
        pairs = chance_pairs(numbers, limit=PAIRS_BY_CHANCE)
        count = int(max((at.max() for _, at in answers), default=0)) + 1
        grid = np.full((len(answers), count), -1, dtype=np.int64)
        for row, (codes, at) in zip(grid, answers, strict=True):
            row[at] = codes
        codes = grid[pairs].reshape(2, -1)
        persons, seconds = np.repeat(np.arange(pairs.shape[1]), count), np.arange(count)
        found = over_time(codes, persons, np.tile(seconds, pairs.shape[1]), units.member)[0, 1]
        return numbers[pairs], found
