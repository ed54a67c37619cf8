"""People have their pages whatever CVAT lets them be called."""

import pytest
from django.urls import reverse

from qc.models import AgreementReport, AgreementSummary
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
    make_user,
    make_version,
    make_video,
)

pytestmark = pytest.mark.django_db

NAMES = ("kim.lee+1@lab.org", "..a")


def test_names_with_every_sign_that_cvat_allows_have_their_pages(client):
    admin = make_user("boss")
    client.force_login(admin)
    dataset = make_dataset("shop", owner=admin)
    people = [make_annotator(dataset, name) for name in NAMES]
    for clip in make_clips(make_video(dataset, "aisle")):
        run = make_run(clip)
        for person, posture in zip(people, ("walk", "sit"), strict=True):
            make_version(make_task(run, person), {"posture": posture, "doing": []})
    plan_reports()
    for pk in AgreementReport.objects.claimable().values_list("pk", flat=True):
        report_agreement(pk)
    plan_summaries()
    for pk in AgreementSummary.objects.claimable().values_list("pk", flat=True):
        summarise(pk)
    pages = [("agreement",), ("agreement-pair", *NAMES), ("tasks",), ("review",), ("clips",)]
    pages += [("agreement-annotator", name) for name in NAMES]
    for page, *more in pages:
        shown = client.get(reverse(f"qc:{page}", args=["shop", *more]))
        assert shown.status_code == 200, page
        assert b"csrf" in shown.content
