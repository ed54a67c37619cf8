"""What tables of figures are made of: columns and cells, the same on a page and as CSV."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any, Literal, NamedTuple

from qc.core.agreement.figures import FAIR, GOOD, Figure

FIGURE_PARTS = ("low", "high", "units", "undefined because", "no interval because")

# A rate is a figure that is not corrected for chance: the reading aid does not apply to it.
Kind = Literal["text", "link", "group", "figure", "rate", "share", "count", "number"]


def tone_of(value: float | None) -> str:
    """The colour of a chance-corrected coefficient."""
    if value is None:
        return "mut"
    return "ok" if value >= GOOD else "warn" if value >= FAIR else "bad"


class Column(NamedTuple):
    """A column: how its cells are shown, and as what it is exported."""

    title: str
    kind: Kind = "text"
    hint: str = ""
    if_known: bool = False  # pages leave it out where no row has a value

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
        """What the column is sorted by; undefined figures come last."""
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
    left_out: int = 0  # of the rows: they are only in the file

    @property
    def shown(self) -> list[list[Cell]]:
        return self.rows[: self.limit]

    @property
    def count(self) -> int:
        return len(self.rows) + self.left_out

    def for_page(self) -> "Table":
        """The same without the rows and columns that a page does not show."""
        shown = self.shown
        places = [
            place
            for place, column in enumerate(self.columns)
            if not column.if_known or any(row[place].value is not None for row in shown)
        ]
        return replace(
            self,
            columns=tuple(self.columns[place] for place in places),
            rows=[[row[place] for place in places] for row in shown],
            left_out=self.count - len(shown),
        )

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
        """All rows; a figure takes six columns: value, low, high, units, two reasons."""
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([_safe(title) for column in self.columns for title in _titles(column)])
        writer.writerows(
            [value for cell in row for value in _values(cell)] for row in self.rows
        )
        return text.getvalue()


def _titles(column: Column) -> list[str]:
    if column.kind not in ("figure", "rate"):
        return [column.title]
    return [column.title, *(f"{column.title}, {part}" for part in FIGURE_PARTS)]


def _values(cell: Cell) -> Iterator[Any]:
    if isinstance(cell.value, Figure):
        low, high = cell.value.interval or (None, None)
        yield from (_number(part) for part in (cell.value.value, low, high))
        yield from (cell.value.units, cell.value.reason, cell.value.no_interval)
    elif isinstance(cell.value, str):
        yield _safe(cell.value)
    else:
        yield _number(cell.value) if isinstance(cell.value, float) else cell.value


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.6f}"


def _safe(text: str) -> str:
    """The text, so that a spreadsheet does not take it for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text
