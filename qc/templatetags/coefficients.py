"""Template filter: the colour of a coefficient of agreement."""

from django import template

from qc.selectors.agreement.tables import tone_of

register = template.Library()
register.filter("tone", tone_of)
