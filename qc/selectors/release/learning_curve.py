"""The learning curve of a dataset: mAP of models against labelled time, over its releases."""

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.translation import gettext as _

from datasets.models import Dataset
from qc.models import ReleaseEvaluation

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 240, 56, 24, 14, 34
TONES = 12  # of lines, four colours, solid, dashed and dotted; further models share them
X_TICKS = 4
MAX_LABEL = 24  # characters of a model's name in the key; of longer ones both ends


class CurvePoint(NamedTuple):
    """One evaluation, in units of the view box."""

    x: float
    y: float
    title: str


@dataclass(frozen=True)
class ModelLine:
    """The evaluations of one model on one split, by labelled time."""

    name: str
    model: str
    tone: int  # class of its colour, from 0
    points: list[CurvePoint]

    @property
    def path(self) -> str:
        return " ".join(f"{point.x},{point.y}" for point in self.points)


class EvaluationRow(NamedTuple):
    """One evaluation in the table; `of_ceiling` is its share of the best possible mAP."""

    release: int
    labelled: str
    model: str
    split: str
    mean_ap: float
    of_ceiling: float | None


@dataclass(frozen=True)
class LearningCurve:
    """Lines, axes and the table of the same figures."""

    lines: list[ModelLine]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    unit: str  # of the labelled time
    rows: list[EvaluationRow]


def learning_curve(dataset: Dataset) -> LearningCurve | None:
    """Every recorded evaluation of the releases of a dataset; None if there is none.

    The labelled time is that of the annotated keyframes of train, one second each.
    """
    found = ReleaseEvaluation.objects.filter(release__dataset=dataset)
    evaluations = list(
        found.select_related("release").order_by("model", "split", "release__number")
    )
    if not evaluations:
        return None
    seconds = {one.pk: labelled_seconds(one) for one in evaluations}
    most = max(seconds.values())
    unit, per_unit = ("hours", 3600) if most >= 3600 else ("minutes", 60)
    x_top = _round_up(most / per_unit or 1.0)
    y_top = math.ceil(max(one.mean_ap for one in evaluations) * 10) / 10 or 0.1
    groups: dict[tuple[str, str], list[ReleaseEvaluation]] = defaultdict(list)
    for one in evaluations:
        groups[one.model, one.split].append(one)
    lines = []
    sentence = _(
        "%(model)s, release %(release)s: mAP %(map).3f on %(split)s, "
        "%(amount).2f %(unit)s labelled"
    )
    for place, ((model, split), its) in enumerate(groups.items()):
        points = [
            CurvePoint(
                _x(seconds[one.pk] / per_unit / x_top), _y(one.mean_ap / y_top),
                sentence % {
                    "model": model, "release": one.release.number, "map": one.mean_ap,
                    "split": split, "amount": seconds[one.pk] / per_unit, "unit": unit,
                },
            )
            for one in its
        ]  # fmt: skip
        lines.append(ModelLine(_name(model, split), model, place % TONES, sorted(points)))
    return LearningCurve(
        lines,
        x_ticks=[(_x(n / X_TICKS), f"{x_top * n / X_TICKS:g}") for n in range(X_TICKS + 1)],
        y_ticks=[(_y(n / 2), f"{y_top * n / 2:g}") for n in range(3)],
        unit=unit,
        rows=[
            EvaluationRow(
                one.release.number, f"{seconds[one.pk] / per_unit:.2f}", one.model, one.split,
                one.mean_ap, of_ceiling(one),
            )
            for one in sorted(evaluations, key=lambda one: -one.release.number)
        ],
    )  # fmt: skip


def labelled_seconds(evaluation: ReleaseEvaluation) -> int:
    """The annotated keyframes of the train split, one second each; 0 if they are unknown."""
    return int(evaluation.release.counts.get("splits", {}).get("train", {}).get("keyframes", 0))


def of_ceiling(evaluation: ReleaseEvaluation) -> float | None:
    """The mAP over the best that the proposals of the split allow; None if that is unknown."""
    best = evaluation.release.counts.get("oracle_aps", {}).get(evaluation.split)
    return evaluation.mean_ap / best if best else None


def _name(model: str, split: str) -> str:
    end = MAX_LABEL // 2
    short = model if len(model) <= MAX_LABEL else f"{model[: end - 1]}…{model[-end:]}"
    return short if split == "val" else f"{short} ({split})"


def _round_up(value: float) -> float:
    """The next of 1, 2, 4 or 8 times a power of ten.

    >>> _round_up(0.7), _round_up(3.1), _round_up(40.0)
    (0.8, 4.0, 40.0)
    """
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        round(factor * power, 9) for factor in (1, 2, 4, 8, 10) if factor * power >= value
    )


def _x(share: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * share, 1)


def _y(share: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - share), 1)
