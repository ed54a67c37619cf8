"""The sidebar of a dataset, with counts from all apps."""

from typing import Any, NamedTuple

from django import template

from annotation.models import Annotator
from datasets.models import Dataset
from datasets.selectors import only_annotates
from qc.selectors.overview import sidebar_counts

register = template.Library()

# group, (URL name, icon, label, count, act)
LINKS: tuple[tuple[str, tuple[tuple[str, str, str, str, str], ...]], ...] = (
    (
        "",
        (
            ("qc:overview", "layout-dashboard", "Overview", "", "see"),
            ("datasets:videos", "film", "Videos", "videos", "see"),
            ("qc:clips", "clapperboard", "Clips", "clips", "see"),
            ("tracking:page", "scan-search", "Tracking", "", "see"),
            ("annotation:guidelines", "info", "Guidelines", "", "read_guidelines"),
            ("qc:tasks", "tags", "Tasks", "tasks", "see_names"),
            ("annotation:cvat", "package-check", "CVAT", "cvat", "see_names"),
        ),
    ),
    (
        "Quality",
        (
            ("qc:review", "check-check", "Review queue", "pending", "review"),
            ("qc:adjudication", "scale", "Adjudication", "adjudication", "adjudicate"),
            ("qc:agreement", "git-compare", "Agreement", "", "see_names"),
            ("qc:gold", "user-check", "Gold clips", "flagged", "see_names"),
        ),
    ),
    (
        "Output",
        (("qc:releases", "package", "Releases", "releases", "see"),),
    ),
    (
        "Team",
        (("workers:members", "users", "Members", "", "invite_annotators"),),
    ),
)
PARENT_PAGE = {
    "qc:cost": "qc:overview",
    "qc:clip": "qc:clips",
    "qc:decisions": "qc:adjudication",
    "qc:proposals": "tracking:page",
    "tracking:run": "tracking:page",
    "qc:third-opinions": "qc:adjudication",
    "qc:task": "qc:tasks",
    "qc:approve-by-threshold": "qc:review",
    "qc:release-new": "qc:releases",
    "qc:release-create": "qc:releases",
    "datasets:upload": "datasets:videos",
    "datasets:delete": "datasets:videos",
    "datasets:delete-video": "datasets:videos",
    "annotation:plan": "qc:tasks",
    "annotation:guideline-text": "annotation:guidelines",
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


@register.simple_tag(takes_context=True)
def studio_nav(context: dict[str, Any]) -> StudioNav:
    """The links of all pages for the user of the request; two queries."""
    user = context.get("user")
    if user is None or not user.is_authenticated:
        return StudioNav(is_open=True, has_tasks=False)
    is_open = not only_annotates(user)
    is_annotator = not is_open or Annotator.objects.filter(user=user).exists()
    return StudioNav(is_open, is_annotator)
