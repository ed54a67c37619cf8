"""Tables of figures, the same on a page and as CSV."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Literal, NamedTuple

GOOD, FAIR = 0.8, 0.667  # Krippendorff (2004): rely on it; draw tentative conclusions only

# A rate is a figure that is not corrected for chance: the reading aid does not apply to it.
Kind = Literal["text", "link", "group", "figure", "rate", "share", "count", "number"]


def tone_of(value: float | None) -> str:
    """How good a chance-corrected coefficient is."""
    if value is None:
        return "mut"
    return "ok" if value >= GOOD else "warn" if value >= FAIR else "bad"


class Figure(NamedTuple):
    """One coefficient; `value` is None exactly when `reason` says why."""

    value: float | None
    reason: str
    units: int
    interval: tuple[float, float] | None = None
    left_out: int = 0  # of a mean: those that are not defined

    @property
    def tone(self) -> str:
        return tone_of(self.value)


def figure(raw: Mapping[str, Any], interval: Sequence[float] | None = None) -> Figure:
    """A figure out of a report; `interval` comes beside it there."""
    low_high = None if interval is None else (interval[0], interval[1])
    return Figure(raw["value"], raw["reason"], raw["units"], low_high, raw.get("left_out", 0))


def figure_of(figures: Mapping[str, Any], name: str) -> Figure:
    """The figure `name` of a report, with its interval if it has one."""
    return figure(figures[name], figures.get(f"{name}_interval"))


class Column(NamedTuple):
    """A column: how its cells are shown, and as what it is exported."""

    title: str
    kind: Kind = "text"
    hint: str = ""

    @property
    def is_words(self) -> bool:
        return self.kind in ("text", "link", "group")


@dataclass
class Cell:
    """One cell. `value` is a Figure, a number or a text; `url` makes it a link."""

    kind: Kind
    value: Any
    url: str = ""

    @property
    def order(self) -> float | str:
        """What the column is sorted by; what is not defined comes last."""
        value = self.value.value if isinstance(self.value, Figure) else self.value
        return float("inf") if value is None else value


@dataclass
class Table:
    """Rows of cells under columns; `name` is that of its CSV file."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: list[list[Cell]] = field(default_factory=list)
    sub: str = ""
    limit: int | None = None  # of the rows on a page; the file has all

    @property
    def shown(self) -> list[list[Cell]]:
        return self.rows[: self.limit]

    def add(self, *values: Any) -> None:
        """A row; in a column of links or groups a pair `(text, url)`, or a text alone."""
        cells = []
        for column, value in zip(self.columns, values, strict=True):
            has_url = column.kind in ("link", "group") and isinstance(value, tuple)
            text, url = value if has_url else (value, "")
            cells.append(Cell(column.kind, text, url))
        self.rows.append(cells)

    def worst_first(self, column: int) -> "Table":
        """The same, sorted by a column of figures, then by the first column."""
        self.rows.sort(key=lambda cells: (cells[column].order, str(cells[0].value)))
        return self

    def as_csv(self) -> str:
        """All rows; a figure takes five columns: value, low, high, units, reason."""
        lines = StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        titles = [title for column in self.columns for title in _titles(column)]
        writer.writerow(map(_safe, titles))  # names of actions and annotators are titles, too
        for cells in self.rows:
            writer.writerow([text for cell in cells for text in _texts(cell)])
        return lines.getvalue()


def _titles(column: Column) -> list[str]:
    if column.kind not in ("figure", "rate"):
        return [column.title]
    return [column.title, *(f"{column.title}, {part}" for part in
                            ("low", "high", "units", "not defined because"))]  # fmt: skip


def _texts(cell: Cell) -> Iterator[str]:
    if cell.kind in ("figure", "rate"):
        one: Figure = cell.value
        low, high = one.interval or (None, None)
        yield from (_number(part) for part in (one.value, low, high))
        yield from (str(one.units), one.reason)
    elif cell.value is None:
        yield ""
    else:
        yield _number(cell.value) if isinstance(cell.value, float) else _safe(str(cell.value))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _safe(text: str) -> str:
    """The text, so that a spreadsheet does not take it for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text
