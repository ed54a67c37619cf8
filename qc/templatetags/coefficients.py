"""Template filters: figures of agreement with their intervals and colours, rows of tables.

A page has thousands of cells: these are plain strings until the end, escaped by `_escaped`.
"""

from collections.abc import Iterable
from functools import lru_cache
from html import escape

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.template.defaultfilters import floatformat
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from avaproject.base.template_tags import percent
from qc.core.agreement.figures import Coefficient, Figure
from qc.selectors.agreement.table_parts import Cell, tone_of
from qc.selectors.display_names import group_title

NOTHING = '<span class="mut">&ndash;</span>'
NUMBER = ' class="num"'
SHORT_NUMBER = ' class="num nowrap"'
CELL_CLASSES = {"text": "", "link": "", "group": "", "figure": NUMBER, "rate": NUMBER}
FIGURES_KEPT = 10_000  # rounded, of a few pages

register = template.Library()
register.filter("tone", tone_of)


@register.filter
def coefficient(figure: Coefficient) -> SafeString:
    """The value of a chance-corrected coefficient in its colour, or why it is undefined."""
    return _safe(_shown(figure, f"k {tone_of(figure.value)}"))


@register.filter
def rate(figure: Coefficient) -> SafeString:
    """The same without a colour, for what is not corrected for chance."""
    return _safe(_shown(figure, "k"))


@register.filter
def table_rows(rows: Iterable[Iterable[Cell]]) -> SafeString:
    """The rows of a table of figures; empty without any."""
    return _safe("".join(f"<tr>{''.join(map(_cell, cells))}</tr>" for cells in rows))


def _cell(cell: Cell) -> str:
    style = CELL_CLASSES.get(cell.kind, SHORT_NUMBER)
    return f'<td data-order="{_escaped(cell.order)}"{style}>{_content(cell)}</td>'


def _content(cell: Cell) -> str:
    value, kind = cell.value, cell.kind
    if kind == "figure":
        return _shown(value, f"k {tone_of(value.value)}")
    if kind == "rate":
        return _shown(value, "k")
    if kind in ("link", "group"):
        text = _escaped(group_title(value) if kind == "group" else value)
        if not cell.url:
            return text
        return f'<a class="title-link" href="{_escaped(cell.url)}"><b>{text}</b></a>'
    if value is None:
        return NOTHING
    if kind == "share":
        return f"{percent(value)} %"
    return _escaped(intcomma(value) if kind == "count" else value)


def _shown(figure: Coefficient, style: str) -> str:
    if figure.value is None:
        reason = _escaped(figure.reason)
        return f'<span class="mut small note-cell">Undefined: {reason}</span>'
    shown = f'<span class="{style}">{_rounded(figure.value, get_language())}</span>'
    if not isinstance(figure, Figure):
        return shown
    if figure.interval:
        low, high = (_rounded(end, get_language()) for end in figure.interval)
        shown += f' <span class="mut small nowrap">{low} to {high}</span>'
    elif figure.no_interval:
        reason = _escaped(figure.no_interval)
        shown += (
            f' <span class="mut small nowrap" title="{reason}">no interval'
            f'<span class="vh">: {reason}</span></span>'
        )
    if figure.left_out:
        shown += f' <span class="mut small nowrap">{figure.left_out} undefined</span>'
    return shown


@lru_cache(FIGURES_KEPT)
def _rounded(value: float, language: str | None) -> str:
    """The value with two decimals, as the language writes it."""
    return _escaped(floatformat(value, 2))


def _escaped(value: object) -> str:
    return escape(str(value))


def _safe(html: str) -> SafeString:
    return mark_safe(html)  # noqa: S308  all its parts are escaped
