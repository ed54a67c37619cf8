"""Template filters: a coefficient of agreement with its interval, and its colour."""

from django import template
from django.template.defaultfilters import floatformat
from django.utils.html import format_html
from django.utils.safestring import SafeString

from qc.core.agreement.figures import Coefficient, Figure
from qc.selectors.agreement.tables import tone_of

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
