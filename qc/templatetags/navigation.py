"""The sidebar of a dataset, with counts from all apps."""

from typing import Any, NamedTuple

from django import template
from django.utils.translation import gettext_lazy as _

from annotation.models import Annotator
from avaproject.base.views import Text
from datasets.accounts.notifications import unread_count
from datasets.models import Dataset
from datasets.selectors import only_annotates
from qc.selectors.overview import sidebar_counts

register = template.Library()

# group, (URL name, icon, label, count, act)
LINKS: tuple[tuple[Text, tuple[tuple[str, str, Text, str, str], ...]], ...] = (
    (
        "",
        (
            ("qc:overview", "layout-dashboard", _("Overview"), "", "see"),
            ("datasets:videos", "film", _("Videos"), "videos", "see"),
            ("qc:clips", "clapperboard", _("Clips"), "clips", "see"),
            ("tracking:page", "scan-search", _("Tracking"), "", "see"),
            ("tracking:people-videos", "users", _("People"), "doubtful", "see"),
            ("annotation:guidelines", "info", _("Guidelines"), "", "read_guidelines"),
            ("qc:tasks", "tags", _("Tasks"), "tasks", "see_names"),
            ("annotation:cvat", "package-check", "CVAT", "cvat", "see_names"),
        ),
    ),
    (
        _("Quality"),
        (
            ("qc:review", "check-check", _("Review queue"), "pending", "review"),
            ("qc:adjudication", "scale", _("Adjudication"), "adjudication", "adjudicate"),
            ("qc:agreement", "git-compare", _("Agreement"), "", "see_names"),
            ("qc:gold", "user-check", _("Gold clips"), "flagged", "see_names"),
        ),
    ),
    (
        _("Output"),
        (("qc:releases", "package", _("Releases"), "releases", "see"),),
    ),
    (
        _("Team"),
        (
            ("workers:members", "users", _("Members"), "", "invite_annotators"),
            ("workers:activity", "activity", _("Activity"), "", "see_names"),
            ("workers:webhooks", "bell", _("Webhooks"), "", "configure"),
        ),
    ),
)
PARENT_PAGE = {
    "qc:cost": "qc:overview",
    "qc:clip": "qc:clips",
    "qc:decisions": "qc:adjudication",
    "qc:proposals": "tracking:page",
    "tracking:run": "tracking:page",
    "tracking:people": "tracking:people-videos",
    "tracking:people-alike": "tracking:people-videos",
    "qc:third-opinions": "qc:adjudication",
    "qc:task": "qc:tasks",
    "qc:approve-by-threshold": "qc:review",
    "qc:release-new": "qc:releases",
    "qc:release-create": "qc:releases",
    "datasets:upload": "datasets:videos",
    "datasets:recordings": "datasets:videos",
    "datasets:delete": "datasets:videos",
    "datasets:delete-video": "datasets:videos",
    "annotation:plan": "qc:tasks",
    "annotation:imports": "qc:tasks",
    "annotation:import": "qc:tasks",
    "annotation:guideline-text": "annotation:guidelines",
    "annotation:action-changes": "annotation:guidelines",
    "annotation:guideline-action": "annotation:guidelines",
    "annotation:guideline-pick": "annotation:guidelines",
    "datasets:vocabulary": "annotation:guidelines",
    "annotation:cvat_connect": "annotation:cvat",
    "annotation:cvat_deliveries": "annotation:cvat",
    "annotation:cvat_members": "annotation:cvat",
    "qc:agreement-group": "qc:agreement",
    "qc:agreement-pair": "qc:agreement",
    "qc:agreement-annotator": "qc:agreement",
    "qc:agreement-clip": "qc:agreement",
    "qc:quality-rules": "qc:agreement",
    "qc:datasheet": "qc:releases",
}


@register.inclusion_tag("qc/_sidebar.html", takes_context=True)
def dataset_nav(context: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Links to the pages of `dataset` with counts; the current page is marked."""
    match = context["request"].resolver_match
    current = PARENT_PAGE.get(match.view_name, match.view_name) if match else ""
    counts = context["counts"] if "counts" in context else sidebar_counts(dataset)
    groups = [
        {
            "title": title,
            "links": [
                {
                    "page": page,
                    "icon": icon,
                    "label": label,
                    "count": counts.get(count),
                    "count_name": count,
                    "current": page == current,
                }
                for page, icon, label, count, act in links
                if act in dataset.may
            ],
        }
        for title, links in LINKS
    ]
    return {"dataset": dataset, "groups": [group for group in groups if group["links"]]}


class StudioNav(NamedTuple):
    """Which links beside those of a dataset the user gets."""

    is_open: bool  # more than one's own tasks
    has_tasks: bool
    unread: int = 0  # notifications


@register.simple_tag(takes_context=True)
def studio_nav(context: dict[str, Any]) -> StudioNav:
    """The links of all pages for the user of the request; three queries."""
    user = context.get("user")
    if user is None or not user.is_authenticated:
        return StudioNav(is_open=True, has_tasks=False)
    is_open = not only_annotates(user)
    is_annotator = not is_open or Annotator.objects.filter(user=user).exists()
    return StudioNav(is_open, is_annotator, unread_count(user))
