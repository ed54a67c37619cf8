"""Template filters: figures of agreement with their intervals and colours, cells of tables."""

from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.template.defaultfilters import floatformat
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from avaproject.base.template_tags import percent
from qc.core.agreement.figures import Coefficient, Figure
from qc.selectors.agreement.table_parts import Cell, tone_of
from qc.selectors.display_names import group_title

NOTHING = mark_safe('<span class="mut">&ndash;</span>')
NUMBER = mark_safe(' class="num"')
SHORT_NUMBER = mark_safe(' class="num nowrap"')
CELL_CLASSES = {"text": "", "link": "", "group": "", "figure": NUMBER, "rate": NUMBER}

register = template.Library()
register.filter("tone", tone_of)


@register.filter
def coefficient(figure: Coefficient) -> SafeString:
    """The value of a chance-corrected coefficient in its colour, or why it is undefined."""
    return _shown(figure, f"k {tone_of(figure.value)}")


@register.filter
def rate(figure: Coefficient) -> SafeString:
    """The same without a colour, for what is not corrected for chance."""
    return _shown(figure, "k")


@register.filter
def table_cell(cell: Cell) -> SafeString:
    """A cell of a table; in Python, because a page has thousands of them."""
    style = CELL_CLASSES.get(cell.kind, SHORT_NUMBER)
    return format_html('<td data-order="{}"{}>{}</td>', cell.order, style, _content(cell))


def _content(cell: Cell) -> Any:
    if cell.kind in ("link", "group"):
        text = group_title(cell.value) if cell.kind == "group" else cell.value
        link = '<a class="title-link" href="{}"><b>{}</b></a>'
        return format_html(link, cell.url, text) if cell.url else text
    if cell.kind == "figure":
        return coefficient(cell.value)
    if cell.kind == "rate":
        return rate(cell.value)
    if cell.value is None:
        return NOTHING
    if cell.kind == "share":
        return f"{percent(cell.value)} %"
    return intcomma(cell.value) if cell.kind == "count" else cell.value


def _shown(figure: Coefficient, style: str) -> SafeString:
    if figure.value is None:
        undefined = '<span class="mut small note-cell">Undefined: {}</span>'
        return format_html(undefined, figure.reason)
    shown = format_html('<span class="{}">{}</span>', style, floatformat(figure.value, 2))
    if not isinstance(figure, Figure):
        return shown
    if figure.interval:
        ends = (floatformat(end, 2) for end in figure.interval)
        shown += format_html(' <span class="mut small nowrap">{} to {}</span>', *ends)
    elif figure.no_interval:
        shown += format_html(
            ' <span class="mut small nowrap" title="{0}">no interval'
            '<span class="vh">: {0}</span></span>', figure.no_interval,
        )  # fmt: skip
    if figure.left_out:
        left_out = ' <span class="mut small nowrap">{} undefined</span>'
        shown += format_html(left_out, figure.left_out)
    return shown
