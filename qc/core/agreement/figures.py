"""Figures of agreement as they are stored: of a clip, a pair, an annotator, a dataset.

A figure is a coefficient with its 95 % interval. What the ratings do not define has no value
but a reason in words: one category only, fewer than two raters, no unit that two rated.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, ClassVar, Self

from qc.core.json_record import JsonRecord

DIGITS = 6
NOTHING = "nothing was rated"
FEW_RATERS = "fewer than two raters"
NO_PAIR = "no unit was rated by two or more"
NOT_BOTH = "no unit was rated by both"
ONE_CATEGORY = "only one category was used"
NO_GROUP = "there is no group"

Interval = tuple[float, float]
GOOD, FAIR = 0.8, 0.667  # Krippendorff (2004): rely on it; draw tentative conclusions only


@dataclass(frozen=True)
class Coefficient(JsonRecord):
    """A coefficient of agreement, or why there is none.

    Attributes:
        value: None exactly when `reason` is not empty.
        reason: Why the coefficient is undefined, in words.
        units: Units that two or more raters rated: what the coefficient rests on.
    """

    value: float | None
    reason: str
    units: int

    def __post_init__(self) -> None:
        is_defined = self.value is not None and self.value == self.value  # nan is no value
        if is_defined == bool(self.reason):
            raise ValueError(f"a value {self.value} with the reason {self.reason!r}")


@dataclass(frozen=True)
class Figure(Coefficient):
    """A coefficient as it is stored: rounded, with its interval.

    Attributes:
        interval: 95 %; None if it would not hold, or was not computed.
        no_interval: Why it would not hold.
        left_out: Of a mean, how many coefficients are undefined and not in it.
    """

    interval: Interval | None = None
    left_out: int = 0
    no_interval: str = ""

    @classmethod
    def of(
        cls,
        coefficient: Coefficient,
        interval: Interval | None = None,
        no_interval: str = "",
        *,
        left_out: int = 0,
    ) -> Self:
        """The coefficient rounded; an interval only if it has a value.

        >>> Figure.of(Coefficient(1 / 3, "", 3), (0.1, 0.5)).value
        0.333333
        """
        value, reason, units = coefficient.value, coefficient.reason, coefficient.units
        if value is None:
            return cls(None, reason, units, None, left_out)
        return cls(round(value, DIGITS), "", units, interval, left_out, no_interval)

    @classmethod
    def share(
        cls,
        part: float,
        whole: int,
        reason: str,
        interval: Interval | None = None,
        no_interval: str = "",
    ) -> Self:
        """A share of a whole; `reason` says why there is none if the whole is 0.

        >>> Figure.share(1, 4, "nobody drew a box").value
        0.25
        """
        if whole == 0:
            return cls(None, reason, 0)
        return cls.of(Coefficient(part / whole, "", whole), interval, no_interval)

    @classmethod
    def mean(
        cls,
        coefficients: Iterable[Coefficient],
        interval: Interval | None = None,
        no_interval: str = "",
    ) -> Self:
        """The mean of those that are defined; if none is, the commonest reason.

        >>> one = Coefficient(None, "only one category was used", 3)
        >>> Figure.mean([Coefficient(0.5, "", 4), one]).left_out
        1
        """
        given = list(coefficients)
        values = [one.value for one in given if one.value is not None]
        if values:
            units = sum(one.units for one in given if one.value is not None)
            mean = Coefficient(fmean(values), "", units)
        else:
            reasons = Counter(one.reason for one in given).most_common()
            commonest = min(reasons, key=lambda one: (-one[1], one[0]), default=(NO_PAIR, 0))
            mean = Coefficient(None, commonest[0], 0)
        return cls.of(mean, interval, no_interval, left_out=len(given) - len(values))


@dataclass(frozen=True)
class BoxFigures(JsonRecord):
    """Box agreement: F1, mean IoU of matched boxes, shares of pairs of IoU 0.5 and 0.75."""

    f1: Figure
    mean_iou: Figure
    share_50: Figure
    share_75: Figure


@dataclass(frozen=True)
class KeyframeBoxes(JsonRecord):
    """The boxes of a clip's keyframes, see `box_sets`.

    Attributes:
        distances: By GIoU and centres, of each keyframe and two annotators.
        sample: The boxes of one annotator at one keyframe, of some of them.
        by_iou: Boxes of both of two annotators, then pairs of an IoU of each tolerance or more.
    """

    distances: list[Any]
    sample: list[Any]
    by_iou: list[int]


@dataclass(frozen=True)
class BoxChance(JsonRecord):
    """Box agreement beyond chance, by GIoU and by the distance of centres; F1 by tolerance."""

    alpha_giou: Figure
    alpha_centre: Figure
    sigma_giou: Figure
    sigma_centre: Figure
    by_iou: dict[str, Figure]


@dataclass(frozen=True)
class PairBoxFigures(JsonRecord):
    """The same of two annotators."""

    a: str
    b: str
    boxes: BoxFigures


@dataclass(frozen=True, kw_only=True)
class LabelFigures(JsonRecord):
    """Coefficients over label units, by their names in `coefficients`, and what they rest on.

    Attributes:
        units: Persons at keyframes.
        rated_by_two: Those with two answers or more.
        persons: Of those.
        asked: Annotators who drew the person, summed over the units.
        answered: The share of those who answered.
        coefficients: By name.
    """

    units: int
    rated_by_two: int
    answered: float | None
    coefficients: dict[str, Figure]
    persons: int = 0
    asked: int = 0

    @property
    def alpha(self) -> Figure:
        return self.coefficients["alpha"]


@dataclass(frozen=True)
class ActionFigures(JsonRecord):
    """One action, chosen or not.

    Attributes:
        coefficients: By name.
        chosen: Pairs of answers in which either or both chose it.
        share: Of the answers, those that chose it.
    """

    coefficients: dict[str, Figure]
    chosen: int
    share: float | None


@dataclass(frozen=True)
class PairKappa(JsonRecord):
    """Cohen's kappa of two annotators."""

    a: str
    b: str
    kappa: Figure


@dataclass(frozen=True)
class Confusion(JsonRecord):
    """How often each value met each other in answers of two annotators, either way round."""

    values: list[str]
    table: list[list[int]]


@dataclass(frozen=True)
class Disagreement(JsonRecord):
    """Two different answers to the same unit, and how often they met."""

    a: Any  # an action, or a list of actions
    b: Any
    count: int


@dataclass(frozen=True, kw_only=True)
class GroupFigures(LabelFigures):
    """One action group.

    Attributes:
        edited: Of the units that at least one annotator changed from the pre-annotation.
        kappa_pairs: Of the annotators two by two.
        confusion: None for a choice of many.
        disagreements: The most frequent first.
        flicker: Share of consecutive keyframes at which a label changes.
        segment_iou: Mean temporal IoU of the segments of an action.
        segment_alpha: The same corrected for chance; of a dataset.
        by_seconds: Agreement on an action within so many seconds, beyond chance; likewise.
    """

    name: str
    choice: str
    edited: LabelFigures
    required: bool = False
    kappa_pairs: list[PairKappa] = field(default_factory=list)
    actions: dict[str, ActionFigures] = field(default_factory=dict)
    confusion: Confusion | None = None
    disagreements: list[Disagreement] = field(default_factory=list)
    flicker: Figure | None = None
    segment_iou: Figure | None = None
    segment_alpha: Figure | None = None
    by_seconds: dict[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class LowestAlpha(JsonRecord):
    """The group with the lowest alpha; if alpha is defined for none, "" and a reason."""

    group: str
    alpha: Figure

    @classmethod
    def of(cls, groups: Iterable[GroupFigures]) -> Self:
        """The lowest of `groups`; of equals, the first by name."""
        alphas = [(one.alpha, one.name) for one in groups]
        defined = [(one.value, name, one) for one, name in alphas if one.value is not None]
        if defined:
            _, name, alpha = min(defined, key=lambda one: one[:2])
            return cls(name, alpha)
        return cls("", alphas[0][0] if alphas else Figure(None, NO_GROUP, 0))


@dataclass(frozen=True)
class GroupUnits(JsonRecord):
    """Answers to one group: a code of each annotator and unit, see `label_agreement`."""

    values: list[Any]
    codes: list[list[int]]


@dataclass(frozen=True)
class ClipUnits(JsonRecord):
    """The label units of a clip: persons at keyframes, and who answered what."""

    persons: list[int]
    seconds: list[int]
    groups: dict[str, GroupUnits]


@dataclass(frozen=True)
class GroupOverTime(JsonRecord):
    """`[changed, consecutive]` of each annotator, `[a, b, *PairOverTime]` of each pair."""

    flicker: dict[str, list[int]]
    segments: list[list[Any]]


@dataclass(frozen=True)
class ClipFinding(JsonRecord):
    """A broken quality rule in one version of a task's answers."""

    annotator: str
    task: int
    version: int
    rule: str
    severity: str
    sentence: str
    seconds: list[int]
    track: int | None
    person_id: int | None


@dataclass(frozen=True)
class AnnotatorWork(JsonRecord):
    """What one version of a task's answers took, and what is in it."""

    at: str  # ISO 8601
    seconds: float | None
    boxes: int
    tracks: int
    unedited: int  # tracks
    decisions: int = 0  # answers set or kept on the label page
    decision_ms: int = 0  # working time of these
    kept: int = 0  # of these, what was offered and kept as it was
    kept_at_once: int = 0  # within a second of being shown
    boxes_kept: int = 0  # pre-drawn boxes left as they were, on the label page
    boxes_kept_at_once: int = 0  # within a second of being shown


@dataclass(frozen=True)
class ClipFigures(JsonRecord):
    """The report of one clip.

    Attributes:
        box_pairs: Box agreement two by two.
        box_units: `[a, b, person, *BoxCounts]`, what a dataset's box agreement is pooled from.
        over_time: By group.
        others: Of each annotator, how many comparisons with another's answer came out the same,
            and how many there are, over the units of all groups that somebody edited.
        work: By annotator.
        blind: Annotators who did not see the proposals.
    """

    VERSION: ClassVar[int | None] = 1

    annotators: list[str]
    boxes: BoxFigures
    box_pairs: list[PairBoxFigures]
    box_units: list[list[Any]]
    groups: list[GroupFigures]
    lowest: LowestAlpha
    over_time: dict[str, GroupOverTime]
    others: dict[str, list[int]]
    units: ClipUnits
    findings: list[ClipFinding] = field(default_factory=list)
    work: dict[str, AnnotatorWork] = field(default_factory=dict)
    blind: list[str] = field(default_factory=list)
    keyframes: KeyframeBoxes | None = None  # None in reports of version 0.2 and before
