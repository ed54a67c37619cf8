"""The sidebar of a dataset, which counts over all rooms."""

from typing import Any

from django import template

from datasets.models import Dataset
from qc.selectors.overview import navigation

register = template.Library()

# group, (URL name, icon, label, count); a page of several lights the first that matches
LINKS: tuple[tuple[str, tuple[tuple[str, str, str, str], ...]], ...] = (
    (
        "",
        (
            ("qc:overview", "layout-dashboard", "Overview", ""),
            ("datasets:videos", "film", "Videos", "videos"),
            ("qc:clips", "clapperboard", "Clips", "clips"),
            ("tracking:page", "scan-search", "Tracking", ""),
            ("qc:tasks", "tags", "Tasks", "tasks"),
            ("annotation:cvat", "package-check", "CVAT", "cvat"),
        ),
    ),
    (
        "Quality",
        (
            ("qc:review", "check-check", "Review queue", "pending"),
            ("qc:questions", "scale", "Open questions", "questions"),
            ("qc:agreement", "git-compare", "Agreement", ""),
            ("qc:gold", "user-check", "Gold checks", "flagged"),
        ),
    ),
    ("Output", (("qc:releases", "package", "Releases", "releases"),)),
)
BELONGS_TO = {
    "qc:clip": "qc:clips",
    "qc:decisions": "qc:questions",
    "qc:proposals": "tracking:page",
    "tracking:run": "tracking:page",
    "qc:opinions": "qc:questions",
    "qc:task": "qc:tasks",
    "qc:threshold": "qc:review",
    "qc:release-new": "qc:releases",
    "qc:release-order": "qc:releases",
    "datasets:upload": "datasets:videos",
    "datasets:delete": "datasets:videos",
    "datasets:delete-video": "datasets:videos",
    "annotation:plan": "qc:tasks",
    "annotation:cvat_connect": "annotation:cvat",
    "annotation:cvat_deliveries": "annotation:cvat",
    "annotation:cvat_members": "annotation:cvat",
    "qc:agreement-group": "qc:agreement",
    "qc:agreement-pair": "qc:agreement",
    "qc:agreement-annotator": "qc:agreement",
    "qc:agreement-clip": "qc:agreement",
    "qc:rules": "qc:agreement",
}


@register.inclusion_tag("qc/_nav.html", takes_context=True)
def dataset_nav(context: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Links to the pages of `dataset`, with counts, the current one marked."""
    match = context["request"].resolver_match
    current = BELONGS_TO.get(match.view_name, match.view_name) if match else ""
    counts = context["counts"] if "counts" in context else navigation(dataset)
    groups = [
        {
            "title": title,
            "links": [
                {
                    "page": page,
                    "icon": icon,
                    "label": label,
                    "count": counts.get(count),
                    "counted": count,
                    "current": page == current,
                }
                for page, icon, label, count in links
            ],
        }
        for title, links in LINKS
    ]
    return {"dataset": dataset, "groups": groups}
