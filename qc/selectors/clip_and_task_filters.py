"""Finding clips and tasks: the filters and orders of their lists, all of which are in the URL.

The same filters narrow down the lists of clips, tasks, submissions to review and items to
adjudicate. They read kept states only, so that a list of 10 000 clips costs a few queries.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from avaproject.base.views import Text, parse_key
from datasets.models import Action, Dataset, Video
from qc.core.agreement.figures import FAIR, GOOD
from qc.models import ConsensusAction, SavedView, TaskStatus
from qc.selectors.display_names import group_title

CLIP, TASK = "", "task__clip__status__"  # the way from a row to the ClipStatus of its clip


class Choice(NamedTuple):
    """One option of a filter."""

    value: str
    label: Text
    is_chosen: bool


class Filter(NamedTuple):
    """A filter as the filter bar shows it; without choices it is a text."""

    name: str
    label: Text
    value: str
    choices: list[Choice]
    without: str  # the query without it

    @property
    def chosen_label(self) -> Text:
        return next((one.label for one in self.choices if one.is_chosen), self.value)


class FilterBar(NamedTuple):
    """The filters of a list, and the rest of its query that they keep."""

    filters: list[Filter]
    kept: list[tuple[str, str]]  # as hidden fields
    query: str  # of the filters that are used, and the order
    is_used: bool
    orders: list[Choice]  # none if the headings of columns sort

    @property
    def used(self) -> list[Filter]:
        return [one for one in self.filters if one.value]


Narrow = Callable[[str, str], Any]  # value, way to the ClipStatus -> a condition


def _video(value: str, of: str) -> Q:
    names = ("name", "clip__video__name", "clip__video__original_name")
    condition = Q()
    for name in names:
        condition |= Q(**{f"{of}{name}__icontains": value})
    return condition


def _label(value: str, of: str) -> Any:
    group, _, action = value.partition("/")
    return Exists(
        ConsensusAction.objects.filter(
            consensus=OuterRef(f"{of}consensus"), group=group, action=action
        )
    )


def _annotator(value: str, of: str) -> Any:
    if of:
        return Q(annotator__name=value)
    tasks = TaskStatus.objects.filter(task__clip=OuterRef("clip_id"), is_counting=True)
    return Exists(tasks.filter(annotator__name=value))


def _persons(value: str, of: str) -> Q:
    low, _, high = value.partition("-")
    return Q(**{
        f"{of}person_count__gte": parse_key(low) or 0,
        f"{of}person_count__lte": parse_key(high) if parse_key(high) is not None else 10**6,
    })  # fmt: skip


def _size(value: str, of: str) -> Q:
    width, height = map(parse_key, (value.partition("x")[0], value.partition("x")[2]))
    return Q(**{f"{of}clip__video__width": width, f"{of}clip__video__height": height})


def _agreement(value: str, of: str) -> Q:
    alpha = f"{of}lowest_alpha"
    return {
        "low": Q(**{f"{alpha}__lt": FAIR}),
        "fair": Q(**{f"{alpha}__gte": FAIR, f"{alpha}__lt": GOOD}),
        "good": Q(**{f"{alpha}__gte": GOOD}),
        "none": Q(**{f"{alpha}__isnull": True}),
    }.get(value, Q())


def _number(field: str) -> Narrow:
    return lambda value, of: (
        Q(**{f"{of}{field}": 0}) if value == "no" else Q(**{f"{of}{field}__gt": 0})
    )


FILTERS: dict[str, tuple[Text, Narrow]] = {
    "q": (_("Video or clip"), _video),
    "label": (_("Label"), _label),
    "annotator": (_("Annotator"), _annotator),
    "persons": (_("Persons"), _persons),
    "agreement": (_("Agreement"), _agreement),
    "findings": (_("Findings"), _number("findings")),
    "open": (_("Open questions"), _number("open_items")),
    "size": (_("Size"), _size),
}
CHOICES: dict[str, list[tuple[str, Text]]] = {
    "persons": [
        ("0-0", _("None")), ("1-2", _("1 or 2")), ("3-5", _("3 to 5")), ("6-", _("6 or more"))
    ],
    "agreement": [
        ("low", format_lazy(_("Low: alpha below {alpha}"), alpha=FAIR)),
        ("fair", format_lazy(_("Tentative: alpha from {alpha}"), alpha=FAIR)),
        ("good", format_lazy(_("Reliable: alpha from {alpha}"), alpha=GOOD)),
        ("none", _("Not measured")),
    ],
    "findings": [("yes", _("With findings")), ("no", _("Without findings"))],
    "open": [("yes", _("With open questions")), ("no", _("Without open questions"))],
}  # fmt: skip
ORDERS = {  # of clips; the name decides between equals
    "name": "name", "state": "state", "length": "clip__frame_count", "persons": "person_count",
    "tasks": "task_count", "agreement": "lowest_alpha", "findings": "findings",
    "open": "open_items", "changed": "active_at",
}  # fmt: skip
TASK_ORDERS = {
    "name": "name", "annotator": "annotator__name", "state": "state",
    "persons": f"{TASK}person_count", "agreement": f"{TASK}lowest_alpha",
    "findings": f"{TASK}findings", "version": "version__number",
    "unfinished": "version__unfinished", "changed": f"{TASK}active_at",
}  # fmt: skip

REVIEW_ORDERS = {  # of tasks that wait for review; agreement and findings are those of the clip
    "name": "name", "annotator": "annotator__name", "version": "version__number",
    "persons": "version__person_count", "unfinished": "version__unfinished",
    "agreement": f"{TASK}lowest_alpha", "boxes": f"{TASK}lowest_box_f1",
    "findings": f"{TASK}findings",
}  # fmt: skip


def narrowed(rows: QuerySet[Any], query: Mapping[str, str], *, of: str = CLIP) -> QuerySet[Any]:
    """The rows that fit the filters in `query`; `of` is CLIP or TASK, what the rows are."""
    for name, (__, narrow) in FILTERS.items():
        if value := query.get(name, "").strip():
            rows = rows.filter(narrow(value, of))
    return rows


def ordered(
    rows: QuerySet[Any],
    query: Mapping[str, str],
    orders: Mapping[str, str],
    *,
    ties: tuple[str, ...] = ("name", "pk"),
) -> QuerySet[Any]:
    """The rows in the order that `sort` names, `-` before it for the other way round.

    Nulls are last both ways; `ties` decide between equals.
    """
    sort = query.get("sort", "")
    name = sort.removeprefix("-")
    if name not in orders:
        return rows
    field = F(orders[name])
    order = field.desc(nulls_last=True) if sort[:1] == "-" else field.asc(nulls_last=True)
    return rows.order_by(order, *ties)


def filter_bar(
    dataset: Dataset,
    query: Mapping[str, str],
    *,
    with_names: bool,
    further: tuple[str, ...] = (),
    orders: Sequence[tuple[str, Text]] = (),
) -> FilterBar:
    """The filters that fit `dataset`; three queries.

    Args:
        query: Of the page.
        with_names: Whether the user may see who has annotated what.
        further: Other names of the query, which a new filter does not change.
        orders: Of a list without columns: value of `sort` and label, the default first.
    """
    actions = Action.objects.filter(dataset=dataset).select_related("group")
    labels: list[tuple[str, Text]] = [
        (f"{one.group.name}/{one.name}", f"{group_title(one.group.name)}: {one.name}")
        for one in actions.order_by("group__position", "action_id")
    ]
    sizes = Video.objects.filter(dataset=dataset, width__isnull=False).order_by()
    shapes = sorted(sizes.values_list("width", "height").distinct())
    own: dict[str, list[tuple[str, Text]]] = {
        "label": labels,
        "size": [(f"{width}x{height}", f"{width}x{height}") for width, height in shapes],
        "annotator": [(one, one) for one in dataset.annotators.values_list("name", flat=True)],
    }  # fmt: skip
    options = {**CHOICES, **own}
    names = [name for name in FILTERS if with_names or name != "annotator"]
    used = {name: query[name].strip() for name in names if query.get(name, "").strip()}
    sort = query.get("sort", "")
    order = [("sort", sort)] if sort else []
    kept = [(name, query[name]) for name in ("view", *further) if query.get(name)]
    filters = [
        Filter(
            name, FILTERS[name][0], used.get(name, ""),
            [Choice(*one, one[0] == used.get(name)) for one in options.get(name, [])],
            urlencode(order + kept + [each for each in used.items() if each[0] != name]),
        )
        for name in names
        if name == "q" or len(options[name]) > 1 or name in used
    ]  # fmt: skip
    return FilterBar(
        filters, kept if orders else order + kept, urlencode(order + kept + list(used.items())),
        bool(used), [Choice(value, label, value == sort) for value, label in orders],
    )  # fmt: skip


def saved_views(user: Any, dataset: Dataset, page: str) -> QuerySet[SavedView]:
    """The views of a list that the user has saved."""
    return SavedView.objects.filter(user=user.pk, dataset=dataset, page=page).order_by("name")


class SortHeading(NamedTuple):
    """The heading of a column by which a list can be sorted."""

    label: Text
    query: str  # sorts by it; if it does already, the other way round
    direction: str  # ascending, descending or none


def headings(
    query: Mapping[str, str], columns: Mapping[str, Text], *, default: str
) -> dict[str, SortHeading]:
    """Headings of the columns {order: label}; `default` is the order of a list without one.

    >>> headings({"sort": "name", "page": "2"}, {"name": "Clip"}, default="name")["name"]
    SortHeading(label='Clip', query='sort=-name', direction='ascending')
    """
    sort = query.get("sort", "") or default
    found = {}
    for name, label in columns.items():
        rest = {key: value for key, value in query.items() if key not in ("sort", "page")}
        target = f"-{name}" if sort == name else name
        state = {name: "ascending", f"-{name}": "descending"}.get(sort, "none")
        found[name] = SortHeading(label, urlencode(rest | {"sort": target}), state)
    return found
