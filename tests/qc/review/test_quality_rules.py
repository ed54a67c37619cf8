"""Rules of a dataset that somebody changes while workers compute by them."""

import threading

import pytest
from django.db import connection

from avaproject.base.work import Stage
from qc.core.consensus.skill_weighting import FittedRates
from qc.models import AgreementReport, AgreementSummary, Consensus
from qc.services.agreement import reports
from qc.services.agreement.reports import plan_reports, report_agreement
from qc.services.consensus import build_consensus
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from qc.services.review.quality_rules import change_rules
from tests.make import make_version

pytestmark = pytest.mark.django_db

RULE = "required-group-unset"
FIT = FittedRates("", ["walk"], [1.0], {"ann": [[1.0]]}, {"ann": 2}).to_json()
RATES = {"posture": {"fits": [FIT]}}


@pytest.fixture
def answers(tasks):
    for task in tasks:
        make_version(task, {"posture": "unset", "doing": []})
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
        monkeypatch, reports, "findings_of",
        lambda: change_rules(dataset, switched_off=[RULE], vote_rule="majority"),
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
    monkeypatch.setattr(
        build_consensus, "skill_weighted_votes", lambda boxes, questions, rates: boxes
    )
    changing(
        monkeypatch, build_consensus, "_read_inputs",
        lambda: change_rules(dataset, switched_off=[], vote_rule="dawid-skene"),
    )  # fmt: skip
    consensus = build_clip_consensus(Consensus.objects.get().pk)
    assert consensus.stage == Stage.DONE
    assert consensus.error_rates == {"posture": RATES["posture"]["fits"]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("model", "work"), [(AgreementReport, report_agreement), (Consensus, build_clip_consensus)]
)
def test_rules_changed_during_the_work_repeat_it(dataset, answers, monkeypatch, model, work):
    finish = model.finish

    def change():
        change_rules(dataset, switched_off=[RULE], vote_rule="dawid-skene")
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
