"""The pages of agreement at the width of a laptop, in a real browser."""

import os

import pytest
from django.urls import reverse

from datasets.models import ActionGroup
from qc.models import AgreementReport, AgreementSummary
from qc.services.agreement.reports import (
    plan_reports,
    plan_summaries,
    report_agreement,
    summarise,
)
from tests.browser import CHROMIUM, chromium_page
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

MUST_HAVE = os.environ.get("AVA_TEST_REQUIRES_SERVICES") == "1"
PAGES = {
    "agreement": (),
    "agreement-group": ("posture",),
    "agreement-annotator": ("annotator-1",),
    "agreement-clip": ("aisle-c0000",),
}
BEYOND = """() => Object.fromEntries(
    [document.documentElement, ...document.querySelectorAll("section .tw")]
        .filter((one) => one.scrollWidth > one.clientWidth)
        .map((one) => [one.tagName === "HTML" ? "page" : one.ariaLabel,
            one.scrollWidth - one.clientWidth]))"""
POSTURES = ("stand", "walk", "sit")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not CHROMIUM.exists() and not MUST_HAVE, reason="needs Debian's package chromium"
    ),
]


@pytest.fixture
def dataset(monkeypatch):
    """Clips of four annotators each, who differ now and then."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    dataset = make_dataset("shop", owner=make_user("boss"))
    ActionGroup.objects.filter(name="doing").update(name="object_manipulation")
    people = [make_annotator(dataset, f"annotator-{number}") for number in range(4)]
    for clip in make_clips(make_video(dataset, "aisle")):
        run = make_run(clip)
        for place, who in enumerate(people):
            version = make_version(make_task(run, who))
            for one in version.annotations.all():
                slip = place * one.second % 5 == 3
                said = ["wave"] if (one.second + slip) % 3 else ["wave", "carry"]
                posture = POSTURES[(one.second + one.person_id + slip) % 3]
                one.answers = {"posture": posture, "object_manipulation": said}
                one.save()
    plan_reports()
    for report in AgreementReport.objects.all():
        report_agreement(report.pk)
    plan_summaries()
    summarise(AgreementSummary.objects.get().pk)
    return dataset


def test_the_tables_have_the_space_they_need(dataset, live_server, client):
    """At 1440 pixels none of them scrolls sideways; on a phone the page itself does not."""
    client.force_login(dataset.members.get().user)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    with chromium_page() as page:
        page.context.add_cookies([cookie | {"url": live_server.url}])
        for name, about in PAGES.items():
            page.set_viewport_size({"width": 1440, "height": 900})
            page.goto(live_server.url + reverse(f"qc:{name}", args=["shop", *about]))
            assert page.get_by_role("region", name="Labels by action").count() == 1
            assert page.evaluate(BEYOND) == {}
            page.set_viewport_size({"width": 390, "height": 844})
            assert "page" not in page.evaluate(BEYOND)
