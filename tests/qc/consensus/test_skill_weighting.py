"""A dataset whose votes are weighted by error rates, from answers to labels."""

import pytest

from qc.core.annotator_keys import annotator_key
from qc.models import AgreementReport, AgreementSummary, Consensus, ConsensusLabel
from qc.services.agreement.reports import (
    plan_reports,
    plan_summaries,
    report_agreement,
    summarise,
)
from qc.services.consensus.adjudicate import adjudicate
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from qc.services.review.quality_rules import change_rules
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

ACTIONS = ("stand", "walk", "sit")


@pytest.fixture
def dataset():
    """Ann and bob always agree; eve says the next action at every third keyframe, and joe
    another one than everybody at every other.
    """
    dataset = make_dataset("shop")
    annotators = [make_annotator(dataset, name) for name in ("ann", "bob", "eve", "joe")]
    for clip in make_clips(make_video(dataset, "aisle")):
        run = make_run(clip)
        for who in annotators:
            version = make_version(make_task(run, who))
            for one in version.annotations.all():
                one.answers = {"posture": _said(who.name, one.second), "doing": []}
                one.save()
    return dataset


def _said(who, second):
    slip = {"ann": 0, "bob": 0, "eve": second % 3 == 0, "joe": second % 2}[who]
    return ACTIONS[(second + int(slip)) % 3]


def reckon():
    plan_reports()
    for pk in AgreementReport.objects.claimable().values_list("pk", flat=True):
        report_agreement(pk)
    plan_summaries()
    for pk in AgreementSummary.objects.claimable().values_list("pk", flat=True):
        summarise(pk)
    plan_consensuses()
    for pk in Consensus.objects.claimable().values_list("pk", flat=True):
        build_clip_consensus(pk)


def rules():
    return set(ConsensusLabel.objects.filter(group="posture").values_list("rule", flat=True))


def weigh(dataset):
    change_rules(dataset, switched_off=(), vote_rule="dawid-skene")
    reckon()


def test_votes_are_weighted_if_the_dataset_says_so(dataset):
    reckon()
    assert rules() == {"unanimous", "majority", "open"}  # two against two is open
    weigh(dataset)
    assert rules() == {"unanimous", "weighted"}
    for label in ConsensusLabel.objects.filter(group="posture").select_related("box"):
        assert label.actions == [ACTIONS[label.box.second % 3]]
        assert len(label.votes) == 4


def test_error_rates_are_stored_with_the_consensus(dataset):
    reckon()
    weigh(dataset)
    consensus = Consensus.objects.first()
    keys = {annotator_key(one.pk) for one in dataset.annotators.all()}
    assert consensus.error_rates["posture"][0]["confusion"].keys() == keys
    change_rules(dataset, switched_off=(), vote_rule="majority")
    reckon()
    consensus.refresh_from_db()
    assert consensus.error_rates == {}
    assert "weighted" not in rules()


def test_without_a_summary_the_majority_decides(dataset):
    change_rules(dataset, switched_off=(), vote_rule="dawid-skene")
    plan_consensuses()
    for consensus in Consensus.objects.all():
        build_clip_consensus(consensus.pk)
    assert "weighted" not in rules()


def test_a_decision_overrides_weighted_votes(dataset):
    reckon()
    weigh(dataset)
    label = (
        ConsensusLabel.objects.filter(rule="weighted").select_related("box__consensus").first()
    )
    clip, box = label.box.consensus.clip, label.box
    adjudicate(
        clip, second=box.second, person_id=box.person_id, group="posture", actions=["unknown"],
        user=make_user(),
    )  # fmt: skip
    decided = ConsensusLabel.objects.get(
        box__consensus__clip=clip, box__second=box.second, box__person_id=box.person_id,
        group="posture",
    )  # fmt: skip
    assert (decided.rule, decided.actions) == ("adjudicated", [])


def test_building_twice_with_the_same_rates_gives_the_same(dataset):
    reckon()
    weigh(dataset)
    rows = ("box__second", "box__person_id", "group", "actions", "rule")
    before = list(ConsensusLabel.objects.order_by("box", "group").values_list(*rows))
    weigh(dataset)
    assert list(ConsensusLabel.objects.order_by("box", "group").values_list(*rows)) == before
