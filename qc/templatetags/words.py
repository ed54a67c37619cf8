"""`group_words` and `person_words` as filters: {% load words %}."""

from django import template

from qc.selectors.words import group_words, person_words

register = template.Library()
register.filter(group_words)
register.filter(person_words)
