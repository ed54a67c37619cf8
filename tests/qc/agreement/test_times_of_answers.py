"""Times of answers beside agreement: on the label page and in CVAT, as table, page and CSV."""

import csv
import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.models import AnnotationTask, AnswerDraft, AnswerVersion, JobTimes
from qc.core.agreement.summary_figures import SummaryFigures
from qc.models import AgreementReport, AgreementSummary
from qc.selectors.agreement.newest import Newest
from qc.services.agreement.reports import (
    plan_reports,
    plan_summaries,
    report_agreement,
    summarise,
)
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_run,
    make_task,
    make_version,
    make_video,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def tasks() -> list[AnnotationTask]:
    """One clip with two annotators."""
    dataset = make_dataset("shop")
    run = make_run(make_clips(make_video(dataset, "aisle"))[0])
    tasks = [make_task(run, make_annotator(dataset, name)) for name in ("ann", "bob")]
    for task in tasks:
        make_version(task)
    return tasks


def summarised() -> SummaryFigures:
    plan_reports()
    for pk in AgreementReport.objects.claimable().values_list("pk", flat=True):
        report_agreement(pk)
    plan_summaries()
    for pk in AgreementSummary.objects.claimable().values_list("pk", flat=True):
        summarise(pk)
    figures = Newest(AgreementSummary.objects.latest("pk"), is_coming=False).complete()
    assert figures is not None
    return figures


def kept_at_once(task: AnnotationTask) -> None:
    """Keep the first two keyframes of a person, one with a box that was moved, in 0.4 s."""
    version = task.versions.get()
    first, second = version.annotations.filter(person_id=1)[:2]
    version.annotations.filter(pk=second.pk).update(x1=second.x1 + 3)
    draft = AnswerDraft.objects.create(task=task, revision=1, start={}, version=version)
    content = {
        "kind": "keep", "person": "1", "first": first.second, "last": second.second,
        "shown": 400,
    }  # fmt: skip
    draft.operations.create(key="1", number=1, content=content, active_ms=5000)


def annotator_page(client: Client, name: str) -> str:
    url = reverse("qc:agreement-annotator", args=["shop", name])
    return client.get(url).content.decode()


def test_boxes_accepted_within_a_second_are_counted_beside_agreement(
    tasks: list[AnnotationTask], client: Client, admin_user: User
) -> None:
    """Those of one segment: without a box that was moved, and without blind work."""
    for task in tasks:
        kept_at_once(task)
    AnnotationTask.objects.filter(pk=tasks[1].pk).update(is_blind=True)
    ann, bob = summarised().annotators
    assert ann.boxes_at_once is not None
    assert (ann.boxes_at_once.value, ann.boxes_at_once.units) == (1.0, 1)
    assert ann.kept_at_once is not None
    assert ann.kept_at_once.value == 1.0  # by the time of display, not of the pause before
    assert bob.boxes_at_once is not None
    assert bob.boxes_at_once.value is None
    assert "no pre-drawn box" in bob.boxes_at_once.reason
    client.force_login(admin_user)
    page = annotator_page(client, "ann")
    assert "of 1 pre-drawn box left as it was" in page
    assert "a share of 1.00 was accepted within one second" in page
    assert "undefined: no pre-drawn box" in annotator_page(client, "bob")


def test_times_in_cvat_stand_beside_those_of_the_label_page(
    tasks: list[AnnotationTask], client: Client, admin_user: User
) -> None:
    AnswerVersion.objects.update(source=AnswerVersion.Source.CVAT)
    now = timezone.now()
    JobTimes.objects.create(
        version=tasks[0].versions.get(), finished_at=now - timedelta(hours=1), asked_at=now,
        working_ms=1_800_000, answers=4, answer_ms=10_000,
    )  # fmt: skip
    summarised()
    client.force_login(admin_user)
    url = reverse("qc:agreement", args=["shop"])
    text = client.get(url, {"csv": "annotators"}).content.decode("utf-8-sig")
    rows = {row["Annotator"]: row for row in csv.DictReader(io.StringIO(text))}
    column = "Seconds per answer, CVAT"
    assert {name: row[column] for name, row in rows.items()} == {"ann": "2.500000", "bob": ""}
    ann, bob = annotator_page(client, "ann"), annotator_page(client, "bob")
    assert "of 4 answers set; 0.5 h of work, told of 1 of 1 versions" in ann
    assert "In CVAT setting an answer took 2.50 s on average." in ann
    assert "not told by this CVAT" in bob
