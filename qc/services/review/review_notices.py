"""Notices of review: the record of verdicts, and what annotators are told of work sent back."""

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from datasets.accounts.activity import record_many
from datasets.accounts.notifications import Kind, notify
from datasets.models import Dataset
from qc.models import Review


def tell_verdicts(tasks: Sequence[Any], verdict: str) -> None:
    """Record verdicts, and notify the annotators whose work comes back."""
    by_dataset: dict[Dataset, list[Any]] = {}
    for task in tasks:
        by_dataset.setdefault(task.annotator.dataset, []).append(task)
    for dataset, its in by_dataset.items():
        rejects = verdict == Review.Verdict.REJECTED
        record_many("reject" if rejects else "approve", its, "tasks", dataset=dataset)
        for annotator in {task.annotator for task in its if rejects}:
            notify(
                dataset, Kind.SENT_BACK, users=[annotator.user_id],
                text=_("Work of yours in %(dataset)s came back from review.")
                % {"dataset": dataset},
                url=reverse("qc:my"),
            )  # fmt: skip
