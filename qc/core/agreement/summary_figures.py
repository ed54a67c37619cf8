"""Figures of a summary as they are stored: of a dataset, its pairs, annotators and clips.

`split` takes out what a page of the dataset does not show: the figures of every pair and
annotator in single groups, and the lists of clips. `joined` puts some of it in again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Self

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


@dataclass(frozen=True)
class ClipTotals(JsonRecord):
    """Sums over the clips of an annotator; seconds and boxes of those whose time is known."""

    clips: int = 0
    same: int = 0
    compared: int = 0
    seconds: float = 0.0
    boxes: int = 0

    @classmethod
    def of(cls, clips: Sequence[ClipComparison]) -> Self:
        timed = [one for one in clips if one.seconds is not None and one.boxes]
        return cls(
            len(clips),
            sum(one.same for one in clips),
            sum(one.compared for one in clips),
            sum(one.seconds or 0.0 for one in timed),
            sum(one.boxes for one in timed),
        )

    @property
    def share(self) -> float | None:
        """Answers that were those of the others."""
        return self.same / self.compared if self.compared else None

    @property
    def seconds_per_box(self) -> float | None:
        return self.seconds / self.boxes if self.boxes else None


@dataclass(frozen=True, kw_only=True)
class AnnotatorFigures(LabelFigures):
    """One annotator against all others: means over the groups, each group, clip by clip."""

    name: str
    boxes: BoxFigures
    groups: list[GroupFigures]
    edited: LabelFigures
    flicker: Figure
    unedited: Figure  # share of the tracks left as the tracker made them
    clips: list[ClipComparison] = field(default_factory=list)
    totals: ClipTotals = ClipTotals()
    kept_at_once: Figure | None = None  # share of what was kept, within a second
    boxes_at_once: Figure | None = None  # share of the boxes left as they were, likewise
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
        clips: In the order of their reports; split, the lowest of them, lowest first.
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


LOWEST_CLIPS = 12
DATASET = ""  # the name of its part; that of an annotator is its key, that of a pair both


class FiguresPart(NamedTuple):
    """What was taken out: JSON of figures by group, and of clips."""

    groups: dict[str, Any]
    clips: list[Any]


def split(figures: SummaryFigures) -> tuple[dict[str, Any], dict[str, FiguresPart]]:
    """JSON of a summary, and by name the parts that were taken out of it."""
    head = figures.to_json()
    parts = {DATASET: FiguresPart({}, head["clips"])}
    lowest = sorted(figures.clips, key=_lowest_first)[:LOWEST_CLIPS]
    head["clips"] = [one.to_json() for one in lowest]
    for one in (*head["pairs"], *head["annotators"]):
        groups = {group["name"]: group for group in one["groups"]}
        parts[_name(one)] = FiguresPart(groups, one.pop("clips", []))
        one["groups"] = []
    return head, parts


def joined(head: dict[str, Any], parts: Mapping[str, FiguresPart]) -> dict[str, Any]:
    """JSON of a summary with `parts`, by their names, in their places."""
    found = dict(head)
    if DATASET in parts:
        found["clips"] = parts[DATASET].clips
    for kind in ("pairs", "annotators"):
        found[kind] = [_with(one, parts.get(_name(one))) for one in head[kind]]
    return found


def _with(one: dict[str, Any], part: FiguresPart | None) -> dict[str, Any]:
    if part is None:
        return one
    return one | {"groups": [*part.groups.values()], "clips": part.clips}


def _name(of: Mapping[str, Any]) -> str:
    return f"{of['a']} {of['b']}" if "a" in of else str(of["name"])


def _lowest_first(one: ClipSummary) -> tuple[bool, float, str]:
    value = one.lowest.alpha.value
    return value is None, value or 0.0, one.clip
