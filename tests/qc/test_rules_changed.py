"""Rules of a dataset that somebody changes while workers compute by them."""

import threading

import pytest
from django.db import connection

from avaproject.base.work import Stage
from qc.models import AgreementReport, AgreementSummary, Consensus
from qc.services import agree
from qc.services.consensus import build_consensus
from qc.services.agree import plan_reports, report_agreement
from qc.services.review.quality_rules import change_rules
from qc.services.consensus.build_consensus import plan_consensuses, settle_clip
from tests.make import make_pull

pytestmark = pytest.mark.django_db

RULE = "required-group-unset"
RATES = {"posture": {"estimates": [{"annotators": 2}], "beside": {}}}


@pytest.fixture
def answers(tasks):
    for task in tasks:
        make_pull(task, {"posture": "unset", "doing": []})
    plan_reports()
    plan_consensuses()


def rules_found():
    return {one["rule"] for one in AgreementReport.objects.get().figures["findings"]}


def changing(monkeypatch, module, name, change):
    """The function `name` of `module` works, and then `change` is called, the first time."""
    function, calls = getattr(module, name), []

    def changed(*arguments, **named):
        answer = function(*arguments, **named)
        if not calls:
            calls.append(change())
        return answer

    monkeypatch.setattr(module, name, changed)


def test_a_report_goes_by_the_rules_as_they_are_when_it_is_done(dataset, answers, monkeypatch):
    changing(
        monkeypatch, agree, "findings_of",
        lambda: change_rules(dataset, switched_off=[RULE], decides="majority"),
    )  # fmt: skip
    report = report_agreement(AgreementReport.objects.get().pk)
    assert report.stage == Stage.DONE
    assert RULE not in rules_found()


def test_a_consensus_goes_by_the_rules_as_they_are_when_it_is_done(
    dataset, answers, monkeypatch
):
    AgreementSummary.objects.create(
        dataset=dataset, stage=Stage.DONE, figures={"error_rates": RATES}
    )
    monkeypatch.setattr(build_consensus, "weighed", lambda boxes, questions, rates: boxes)
    changing(
        monkeypatch, build_consensus, "_known",
        lambda: change_rules(dataset, switched_off=[], decides="dawid-skene"),
    )  # fmt: skip
    consensus = settle_clip(Consensus.objects.get().pk)
    assert consensus.stage == Stage.DONE
    assert consensus.rates == {"posture": RATES["posture"]["estimates"]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("model", "work"), [(AgreementReport, report_agreement), (Consensus, settle_clip)]
)
def test_rules_changed_at_the_last_moment_order_the_work_anew(
    dataset, answers, monkeypatch, model, work
):
    finish = model.finish

    def change():
        change_rules(dataset, switched_off=[RULE], decides="dawid-skene")
        connection.close()

    changer = threading.Thread(target=change)

    def slow_finish(self, **results):
        changer.start()
        changer.join(1)  # they are changed now, or wait for the end of this
        finish(self, **results)

    with monkeypatch.context() as patched:
        patched.setattr(model, "finish", slow_finish)
        work(model.objects.get().pk)
    changer.join(30)
    assert not changer.is_alive()
    assert model.objects.get().stage == Stage.WAITING
