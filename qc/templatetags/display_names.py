"""`group_title` and `person_label` as filters: {% load display_names %}."""

from django import template

from qc.selectors.display_names import group_title
from tracking.core.tracks_file import person_label

register = template.Library()
register.filter(group_title)
register.filter(person_label)
