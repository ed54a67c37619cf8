"""Figures of a summary as they are stored: of a dataset, its pairs, annotators and clips."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from qc.core.agreement.figures import (
    BoxChance,
    BoxFigures,
    Figure,
    GroupFigures,
    LabelFigures,
    LowestAlpha,
)
from qc.core.consensus.calibration import Calibration
from qc.core.consensus.skill_weighting import GroupErrorRates
from qc.core.json_record import JsonRecord


@dataclass(frozen=True, kw_only=True)
class PairFigures(LabelFigures):
    """Two annotators: means over the groups, and each group."""

    a: str
    b: str
    boxes: BoxFigures
    groups: list[GroupFigures]
    edited: LabelFigures


@dataclass(frozen=True)
class ClipComparison(JsonRecord):
    """One clip of an annotator: how many answers were those of the others, and what it took."""

    clip: str
    at: str
    same: int
    compared: int
    seconds: float | None
    boxes: int

    @property
    def share(self) -> float | None:
        return self.same / self.compared if self.compared else None


@dataclass(frozen=True, kw_only=True)
class AnnotatorFigures(LabelFigures):
    """One annotator against all others: means over the groups, each group, clip by clip."""

    name: str
    boxes: BoxFigures
    groups: list[GroupFigures]
    edited: LabelFigures
    flicker: Figure
    unedited: Figure  # share of the tracks left as the tracker made them
    clips: list[ClipComparison]
    kept_at_once: Figure | None = None  # share of what was kept, within a second
    decisions: int = 0  # answers set or kept on the label page
    seconds_per_decision: float | None = None


@dataclass(frozen=True)
class FindingCounts(JsonRecord):
    """How often quality rules are broken."""

    blocks: int = 0
    warns: int = 0
    rules: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetFigures(JsonRecord):
    """All units of a dataset; `clips_compared` have two annotators or more."""

    clips: int
    clips_compared: int
    annotators: list[str]
    boxes: BoxFigures
    groups: list[GroupFigures]
    findings: FindingCounts
    box_chance: BoxChance | None = None


@dataclass(frozen=True)
class ClipSummary(JsonRecord):
    """One clip in a list: the group with the lowest alpha, F1 of its boxes, its findings."""

    clip: str
    lowest: LowestAlpha
    f1: Figure
    findings: int


@dataclass(frozen=True)
class GroupAnchoring(JsonRecord):
    """Agreement on one group where some worked blind: with boxes, one blind, both blind."""

    name: str
    seen: GroupFigures
    mixed: GroupFigures
    blind: GroupFigures


@dataclass(frozen=True)
class SummaryFigures(JsonRecord):
    """The summary of a dataset or period: everything its pages and tables show.

    Attributes:
        error_rates: By group.
        calibration: Of the votes weighted by them on gold clips, by group.
        anchoring: Of groups with clips that some annotated blind and others did not.
        clips: In the order of their reports.
        reports: Keys of the reports that were pooled.
    """

    VERSION: ClassVar[int | None] = 1

    dataset: DatasetFigures
    pairs: list[PairFigures]
    annotators: list[AnnotatorFigures]
    error_rates: dict[str, GroupErrorRates]
    anchoring: list[GroupAnchoring]
    clips: Sequence[ClipSummary]
    reports: list[int]
    calibration: dict[str, Calibration] = field(default_factory=dict)
