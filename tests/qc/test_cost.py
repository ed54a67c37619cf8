"""Cost meter: measured hours by annotator and tool, and the forecast at the measured pace."""

import pytest
from django.urls import reverse

from annotation.forms.tasks import PlanForm
from annotation.models import AnswerVersion
from qc.models import AgreementReport, AgreementSummary
from qc.selectors.cost import cost_meter
from qc.services.agreement.reports import (
    plan_reports,
    plan_summaries,
    report_agreement,
    summarise,
)
from tests.make import make_annotator, make_task, make_user, make_version
from tests.qc.test_my_tasks import give, submit

pytestmark = pytest.mark.django_db


def test_nothing_is_claimed_before_a_time_is_known(client):
    tasks = give(make_user("ann"), "shop")
    meter = cost_meter(tasks[0].clip.video.dataset)
    assert (meter.per_hour, meter.is_measured, meter.rows) == (None, False, [])
    assert meter.forecast > 0


def test_hours_on_the_label_page_are_the_working_time(client):
    tasks = give(make_user("ann"), "shop")
    dataset = tasks[0].clip.video.dataset
    submit(tasks[0], seconds=360, keyframes=120)
    [row] = cost_meter(dataset).rows
    assert (row.annotator, row.hours, row.pace, row.is_bound) == ("ann", 0.1, 3.0, False)
    meter = cost_meter(dataset)
    hours_of_video = tasks[0].clip.frame_count / 30 / 3600
    assert meter.per_hour == pytest.approx(0.1 / hours_of_video)
    left = 2 * sum(len(task.clip.keyframes()) for task in tasks[1:])
    assert meter.hours_left == pytest.approx(left * 3.0 / 3600)


def test_the_forecast_counts_every_annotator_of_a_clip(client):
    tasks = give(make_user("ann"), "shop", clips=1)
    dataset = tasks[0].clip.video.dataset
    alone = cost_meter(dataset).forecast
    make_task(tasks[0].run, make_annotator(dataset, "kim"))
    assert cost_meter(dataset).forecast == pytest.approx(2 * alone)


def test_times_with_other_tools_are_bounds_and_stay_apart(client):
    tasks = give(make_user("ann"), "shop", clips=1)
    dataset = tasks[0].clip.video.dataset
    make_version(tasks[0])
    make_version(make_task(tasks[0].run, make_annotator(dataset, "kim")))
    AnswerVersion.objects.filter(task=tasks[0]).update(source=AnswerVersion.Source.CVAT)
    plan_reports()
    report_agreement(AgreementReport.objects.get().pk)
    plan_summaries()
    summarise(AgreementSummary.objects.get(period="").pk)
    meter = cost_meter(dataset)
    assert {row.annotator for row in meter.rows} == {"ann", "kim"}
    assert all(row.is_bound for row in meter.rows)
    assert len(meter.tools) == 2


def test_the_plan_starts_with_the_measured_pace(client):
    tasks = give(make_user("ann"), "shop")
    dataset = tasks[0].clip.video.dataset
    assert "pace" not in PlanForm.of(dataset)
    submit(tasks[0], seconds=250, keyframes=100)
    assert PlanForm.of(dataset)["pace"] == 2.5


def test_the_page_of_cost_and_the_overview_show_it(client):
    tasks = give(make_user("ann"), "shop")
    submit(tasks[0], seconds=3600, keyframes=100)
    client.force_login(tasks[0].clip.video.dataset.members.get(role="owner").user)
    page = client.get(reverse("qc:cost", args=["shop"])).content.decode()
    assert "36.0" in page
    overview = client.get(reverse("qc:overview", args=["shop"])).content.decode()
    assert "1.0 h on the label page so far" in overview
