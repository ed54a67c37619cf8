"""Template tags and filters of all apps (`{% load ui %}`): icons, badges, bars, times, avatars.

Variable sizes are drawn as SVG, because the content security policy forbids inline styles.
"""

import zlib
from datetime import UTC, datetime
from typing import Any

from django import template
from django.forms import BoundField
from django.template.defaultfilters import filesizeformat
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from avaproject.base.work import Stage

register = template.Library()

STAGE_TONES = {
    Stage.WAITING: "grey",
    Stage.RUNNING: "info",
    Stage.DONE: "ok",
    Stage.FAILED: "bad",
}
PALETTE_SIZE = 12
DASH = "\u2013"
STEPS = ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600), (86400 * 30, "d", 86400))


@register.simple_tag
def icon(name: str, css: str = "i") -> SafeString:
    """An icon of the sprite, hidden from screen readers."""
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>',
        css, static("icons/lucide.svg"), name,
    )  # fmt: skip


@register.simple_tag
def badge(text: str, tone: str = "grey") -> SafeString:
    return format_html('<span class="badge b-{}">{}</span>', tone, text)


@register.simple_tag
def stage_badge(stage: str) -> SafeString:
    """The stage of a background job."""
    return badge(Stage(stage).label, STAGE_TONES[Stage(stage)])


@register.simple_tag
def bar(percent: float, tone: str = "info", label: str = "") -> SafeString:
    """A bar filled to `percent` of 100."""
    return format_html(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" '
        'aria-label="{}: {}%"><rect class="bg" width="100" height="6"/>'
        '<rect class="f-{}" width="{}" height="6"/></svg>',
        label or "done", round(percent), tone, round(min(max(percent, 0), 100), 1),
    )  # fmt: skip


@register.simple_tag
def avatar(name: str) -> SafeString:
    """Initials on a colour that depends on the name only."""
    words = [word for word in name.replace("-", " ").replace("_", " ").split() if word]
    letters = "".join(word[0] for word in words[:2]) if len(words) > 1 else name[:2]
    number = "".join(c for c in name if c.isdigit())[-1:]
    text = (letters[:1] + number if number else letters).upper()
    tone = zlib.crc32(name.encode()) % 5
    return format_html('<span class="ava c{}" title="{}">{}</span>', tone, name, text)


@register.simple_tag
def when(moment: datetime | None) -> SafeString | str:
    """Date and time in UTC; the page script converts it to the local time zone."""
    if moment is None:
        return DASH
    utc = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" data-local class="nowrap">{} UTC</time>',
        utc.isoformat(timespec="seconds"), utc.strftime("%Y-%m-%d %H:%M"),
    )  # fmt: skip


@register.simple_tag
def ago(moment: datetime | None) -> SafeString | str:
    """Time elapsed, with the exact time as title."""
    if moment is None:
        return DASH
    utc = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(timespec="seconds"), utc.strftime("%Y-%m-%d %H:%M:%S"),
        _elapsed((timezone.now() - moment).total_seconds()),
    )  # fmt: skip


def _elapsed(seconds: float) -> str:
    if seconds < 5:
        return "just now"
    for limit, unit, size in STEPS:
        if seconds < limit:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds // (86400 * 30))} months ago"


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as text.

    >>> duration(6180), duration(64), duration(9.5)
    ('1 h 43 min', '1 min 4 s', '9.5 s')
    """
    if seconds is None:
        return DASH
    if seconds < 60:
        return f"{round(seconds, 1):g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


@register.filter
def as_count(value: Any) -> float:
    """The number that decides between singular and plural, as `pluralize` takes it.

    >>> as_count([1, 2]), as_count("3"), as_count("1,024"), as_count(None)
    (2, 3.0, 1024.0, 1)
    """
    try:
        return float(value.replace(",", "") if isinstance(value, str) else value)
    except ValueError:
        return 1
    except TypeError:
        return len(value) if hasattr(value, "__len__") else 1


@register.filter
def work_time(hours: float) -> str:
    """Hours of work as text, no finer than five minutes.

    >>> work_time(0.02), work_time(0.7), work_time(3.26)
    ('5 min', '40 min', '3.3 h')
    """
    if hours < 1:
        return f"{max(round(hours * 12), 1 if hours else 0) * 5} min"
    return f"{hours:.1f} h"


@register.filter
def size(count: int | None) -> str:
    """Bytes as text."""
    return DASH if count is None else filesizeformat(count)


@register.filter
def percent(share: float) -> int:
    """A share of 1 as whole percent."""
    return round(share * 100)


@register.filter
def colour(person_id: int) -> str:
    """The colour class of a person."""
    return f"p{person_id % PALETTE_SIZE}"


@register.inclusion_tag("_field.html")
def field(bound: BoundField) -> dict[str, object]:
    """A form field with label, help text and errors, linked for screen readers."""
    return {"field": bound, "label": bound.label_tag(label_suffix="")}
