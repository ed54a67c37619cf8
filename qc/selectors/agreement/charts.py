"""Charts as SVG: coordinates in a view box, ready for a template without arithmetic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.translation import gettext as _

from qc.core.agreement.explanations import with_interval
from qc.core.agreement.figures import Confusion, Figure
from qc.core.quality.control_charts import ControlLimits, control_limits
from qc.selectors.agreement.table_parts import tone_of

CELL = 54
LETTERS = (13, 24)  # of the names beside a grid: short ones, or where one is longer
LABELS = (96, 168)  # room for them
LEANS = (44, 96)  # how far the last name above, which leans to the right, reaches out
LARGE, HUGE = 7, 22  # names: beyond them it takes the whole width, or is moved sideways
SHADES = 5  # of a matrix, classes s0 to s5
WIDTH, HEIGHT, LEFT, TOP = 720, 220, 34, 12
NOTHING = "\u2013"
SHOWN = 80  # points at most


class Square(NamedTuple):
    """One square of a heat map or matrix."""

    x: int
    y: int
    text_x: float
    text_y: float
    css: str
    text: str
    title: str


@dataclass
class Grid:
    """Squares with names beside and above them."""

    names: list[str]
    columns: list[str]
    squares: list[Square]

    @property
    def size(self) -> str:
        """The class of a grid too large for a third of the page, or for the whole."""
        count = len(self.columns)
        return "huge" if count > HUGE else "large" if count > LARGE else ""

    @property
    def letters(self) -> int:
        return LETTERS[_has_long(self.names)]

    @property
    def label(self) -> int:
        return LABELS[_has_long(self.names)]

    @property
    def width(self) -> int:
        return self.label + CELL * len(self.columns) + LEANS[_has_long(self.names)]

    @property
    def height(self) -> int:
        return self.label + CELL * len(self.names)

    @property
    def left(self) -> list[tuple[str, float]]:
        return [(name, self.label + CELL * (n + 0.5) + 4) for n, name in enumerate(self.names)]

    @property
    def above(self) -> list[tuple[str, float]]:
        return [(name, self.label + CELL * (n + 0.5)) for n, name in enumerate(self.columns)]


def heat_map(pairs: Mapping[tuple[str, str], Figure]) -> Grid:
    """Annotators against annotators; a pair without common clips has no square."""
    names = sorted({name for pair in pairs for name in pair})
    squares = []
    for (a, b), found in sorted(pairs.items()):
        for row, column in ((a, b), (b, a)):
            text = NOTHING if found.value is None else f"{found.value:.2f}"
            text_of = f"undefined: {found.reason}" if found.value is None else text
            squares.append(
                _square(names, row, column, f"t-{tone_of(found.value)}", text,
                        f"{row}, {column}: {text_of}")
            )  # fmt: skip
    return Grid(names, names, squares)


def matrix(confusion: Confusion) -> Grid:
    """How often answers met, shaded by the share of the row."""
    names, squares = confusion.values, []
    for row, counts in enumerate(confusion.table):
        whole = sum(counts)
        for column, count in enumerate(counts):
            share = count / whole if whole else 0.0
            side = "same" if row == column else "other"
            title = _("%(row)s met %(column)s: %(count)s times, %(share)s") % {
                "row": names[row],
                "column": names[column],
                "count": count,
                "share": f"{share:.0%}",
            }
            css = f"{side} s{_shade(share)}"
            squares.append(_square(names, names[row], names[column], css, f"{count}", title))
    return Grid(names, names, squares)


def _shade(share: float) -> int:
    return 0 if share == 0 else min(1 + int(share * SHADES), SHADES)


def _has_long(names: Sequence[str]) -> bool:
    return max(map(len, names), default=0) > LETTERS[0]


def _square(names: list[str], row: str, column: str, css: str, text: str, title: str) -> Square:
    label = LABELS[_has_long(names)]
    x, y = label + CELL * names.index(column), label + CELL * names.index(row)
    return Square(x, y, x + CELL / 2, y + CELL / 2 + 4, css, text, title)


class Dot(NamedTuple):
    x: float
    y: float
    css: str
    title: str


class ChartLine(NamedTuple):
    """A horizontal line."""

    y: float
    css: str
    text: str


@dataclass
class ControlChart:
    """Shares over time with the limits between which a steady series stays."""

    dots: list[Dot]
    path: str
    rules: list[ChartLine]
    limits: ControlLimits | None
    outside: int
    left_out: int


def control_chart(points: Sequence[tuple[str, float]]) -> ControlChart:
    """Of (name, share) in the order of time; the newest are shown."""
    shown = points[-SHOWN:]
    limits = control_limits([share for _, share in points])
    step = (WIDTH - LEFT - 12) / max(len(shown) - 1, 1)
    dots = []
    for place, (name, share) in enumerate(shown):
        is_out = limits is not None and not limits.low <= share <= limits.high
        dots.append(
            Dot(round(LEFT + 6 + step * place, 1), _height(share), "out" if is_out else "",
                f"{name}: {share:.0%}{', outside the limits' if is_out else ''}")
        )  # fmt: skip
    rules = [ChartLine(_height(at), "grid", f"{at:.0%}") for at in (0.0, 0.5, 1.0)]
    if limits is not None:
        rules += [
            ChartLine(_height(limits.mean), "mean", ""),
            ChartLine(_height(limits.low), "limit", ""),
            ChartLine(_height(limits.high), "limit", ""),
        ]
    return ControlChart(
        dots=dots,
        path=" ".join(f"{dot.x},{dot.y}" for dot in dots),
        rules=rules,
        limits=limits,
        outside=sum(dot.css == "out" for dot in dots),
        left_out=len(points) - len(shown),
    )


def _height(share: float) -> float:
    return round(TOP + (HEIGHT - 2 * TOP) * (1 - share), 1)


class Whisker(NamedTuple):
    """An upright line over a 95 % interval."""

    x: float
    low: float
    high: float


@dataclass
class Curve:
    """Figures by something that is swept, with their intervals."""

    dots: list[Dot]
    whiskers: list[Whisker]
    path: str
    rules: list[ChartLine]
    ticks: list[tuple[float, str]]


def curve(figures: Mapping[str, Figure]) -> Curve:
    """Of figures from 0 to 1 by the name of their tick; undefined ones have no dot."""
    step = (WIDTH - LEFT - 40) / max(len(figures) - 1, 1)
    places = [(round(LEFT + 20 + step * n, 1), *one) for n, one in enumerate(figures.items())]
    dots = [
        Dot(x, _height(max(one.value, 0.0)), "", f"{name}: {with_interval(one)}")
        for x, name, one in places
        if one.value is not None
    ]
    return Curve(
        dots=dots,
        whiskers=[
            Whisker(x, *(_height(max(end, 0.0)) for end in one.interval))
            for x, _, one in places
            if one.interval
        ],
        path=" ".join(f"{dot.x},{dot.y}" for dot in dots),
        rules=[ChartLine(_height(at), "grid", f"{at:g}") for at in (0.0, 0.5, 1.0)],
        ticks=[(x, name) for x, name, _ in places],
    )


class BarLine(NamedTuple):
    """A bar of a chart, in units of its view box."""

    name: str
    tone: str
    y: int
    text_y: int
    width: float
    value: float


BAR_WIDTH, BAR_LABEL, BAR_VALUE, BAR_LINE = 296, 104, 36, 24


@dataclass
class Bars:
    """Bars from 0 to 1, one a line; what is below 0 has no length."""

    lines: list[BarLine]

    @property
    def height(self) -> int:
        return len(self.lines) * BAR_LINE + 18

    @property
    def axis(self) -> int:
        return len(self.lines) * BAR_LINE

    @property
    def ticks(self) -> list[tuple[float, str]]:
        space = BAR_WIDTH - BAR_LABEL - BAR_VALUE
        return [(BAR_LABEL + space * at, f"{at:g}") for at in (0, 0.5, 1)]


def bars(values: Sequence[tuple[str, float]]) -> Bars:
    space = BAR_WIDTH - BAR_LABEL - BAR_VALUE
    return Bars(
        [
            BarLine(
                name, tone_of(value), place * BAR_LINE + 6, place * BAR_LINE + 16,
                round(space * max(value, 0.0), 1), value,
            )
            for place, (name, value) in enumerate(values)
        ]
    )  # fmt: skip
