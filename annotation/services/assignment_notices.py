"""Notices of an assignment: the record of who assigned, and what annotators are told."""

from collections.abc import Mapping

from django.urls import reverse
from django.utils.translation import ngettext

from annotation.models import Annotator
from datasets.accounts.activity import record
from datasets.accounts.notifications import Kind, notify
from datasets.models import Dataset


def tell_assigned(dataset: Dataset, counts: Mapping[Annotator, int]) -> None:
    """Record an assignment, and notify the accounts of those who got tasks."""
    if not counts:
        return
    names = ", ".join(sorted(one.name for one in counts))
    record("assign", tasks(sum(counts.values())), dataset=dataset, details=f"to {names}")
    for annotator, count in counts.items():
        sentence = ngettext(
            "%(count)s task in %(dataset)s was assigned to you.",
            "%(count)s tasks in %(dataset)s were assigned to you.",
            count,
        )
        notify(
            dataset, Kind.ASSIGNED, users=[annotator.user_id],
            text=sentence % {"count": count, "dataset": dataset}, url=reverse("qc:my"),
        )  # fmt: skip


def tasks(count: int) -> str:
    return ngettext("%d task", "%d tasks", count) % count
