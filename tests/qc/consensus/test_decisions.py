import threading
import time

import pytest
from django.db import connection

from avaproject.base.work import Stage
from datasets.models import Member
from qc.core.annotator_keys import annotator_key
from qc.models import Adjudication, Consensus, ConsensusBox, ConsensusLabel
from qc.services.consensus.adjudicate import (
    AdjudicationError,
    adjudicate,
    adjudicate_all,
    withdraw_decisions,
)
from qc.services.consensus.build_consensus import (
    build_clip_consensus,
    newest_consensus,
    plan_consensuses,
)
from tests.make import (
    make_dataset,
    make_user,
    make_version,
)
from tests.qc.consensus.answers import SIT, WALK, answered, built_consensus, content, draw

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_a_decision_made_while_a_newer_consensus_is_built_is_not_lost(
    runs, annotators, dataset, monkeypatch
):
    answered(runs[0], annotators[:2], WALK, SIT)
    built_consensus()
    make_version(runs[0].clip.tasks.first(), WALK)
    plan_consensuses()
    computed, finish = threading.Event(), Consensus.finish

    def slow_finish(self, **results):
        computed.set()
        time.sleep(1)  # the decision is made now, or waits for the end of this
        finish(self, **results)

    def work(pk):
        build_clip_consensus(pk)
        connection.close()

    monkeypatch.setattr(Consensus, "finish", slow_finish)
    newer = Consensus.objects.get(stage=Stage.WAITING)
    worker = threading.Thread(target=work, args=[newer.pk])
    worker.start()
    assert computed.wait(30)
    adjudicate(
        runs[0].clip, second=2, person_id=1, group="posture", actions=["sit"], user=make_user()
    )
    worker.join(30)
    newest = newest_consensus(runs[0].clip)
    assert newest == newer
    label = newest.boxes.get(second=2, person_id=1).labels.get(group="posture")
    assert (label.rule, label.actions) == ("adjudicated", ["sit"])


def test_a_decision_overrides_the_votes_at_once(runs, annotators):
    answered(runs[0], annotators, WALK, SIT)
    consensus, user = built_consensus(), make_user("rev")
    clip, second = runs[0].clip, runs[0].clip.keyframes()[0]
    adjudicate(
        clip, second=second, person_id=1, group="posture", actions=["stand"], is_person=True,
        user=user, reason="seen",
    )  # fmt: skip
    label = ConsensusLabel.objects.get(box__second=second, box__person_id=1, group="posture")
    assert (label.actions, label.rule) == (["stand"], "adjudicated")
    before = consensus.open_count
    consensus.refresh_from_db()
    assert (consensus.open_count, consensus.stage) == (before - 1, Stage.DONE)
    assert Adjudication.objects.get().decided_by == user


def test_deciding_one_item_gives_the_same_as_a_full_rebuild(runs, annotators):
    answered(runs[0], annotators, WALK, SIT)
    consensus = built_consensus()
    about = {"second": runs[0].clip.keyframes()[0], "person_id": 1, "user": make_user()}
    adjudicate(runs[0].clip, group="posture", actions=["stand"], **about)
    consensus.refresh_from_db()
    decided = content(consensus), consensus.open_count
    Consensus.objects.filter(pk=consensus.pk).update(stage=Stage.WAITING, open_count=None)
    again = build_clip_consensus(consensus.pk)
    assert (content(again), again.open_count) == decided


def test_the_newest_decision_counts(runs, annotators):
    answered(runs[0], annotators, WALK, SIT)
    built_consensus()
    about = {"second": runs[0].clip.keyframes()[0], "person_id": 1, "user": make_user()}
    for action in ("stand", "sit"):
        adjudicate(runs[0].clip, group="posture", actions=[action], **about)
    adjudicate(runs[0].clip, is_person=False, **about)
    assert ConsensusBox.objects.get(second=about["second"], person_id=1).status == "dropped"
    adjudicate(runs[0].clip, is_person=True, **about)
    box = ConsensusBox.objects.get(second=about["second"], person_id=1)
    assert box.labels.get(group="posture").actions == ["sit"]


def test_decisions_outlive_new_versions_and_name_the_same_drawn_person(runs, annotators):
    versions = answered(runs[0], annotators, WALK, WALK, WALK)
    draw(versions[0], second=5)
    built_consensus()
    user = make_user()
    adjudicate(runs[0].clip, second=5, person_id=3, user=user, is_person=True)
    newer = make_version(versions[0].task, WALK)
    draw(newer, second=3, track=8, by=120.0)
    draw(newer, second=5)
    consensus = built_consensus()
    found = consensus.boxes.filter(person_id__gt=2).values_list("second", "person_id", "status")
    assert list(found) == [(3, 4, "disputed"), (5, 3, "agreed")]


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"person_id": 77}, "no person 77 at second"),
        ({"group": "hats"}, "no action group hats"),
        ({"group": "posture", "actions": ["fly"]}, "fly is not an action of posture"),
        ({"group": "posture", "actions": ["walk", "sit"]}, "only one action of posture"),
        ({"group": "posture", "actions": []}, "posture needs an action or unknown"),
        (
            {"group": "doing", "actions": ["wave", "unknown"]},
            "unknown cannot be combined with an action of doing",
        ),
    ],
)
def test_an_invalid_decision_is_refused(runs, annotators, about, sentence):
    answered(runs[0], annotators, WALK, SIT)
    built_consensus()
    known = {"second": runs[0].clip.keyframes()[0], "person_id": 1, "user": make_user()}
    with pytest.raises(AdjudicationError, match=sentence):
        adjudicate(runs[0].clip, **(known | about))
    assert Adjudication.objects.count() == 0


def test_a_clip_without_a_consensus_cannot_be_decided_on(runs):
    with pytest.raises(AdjudicationError, match="no consensus yet"):
        adjudicate(runs[0].clip, second=2, person_id=1, user=make_user())


def test_an_undone_decision_restores_the_votes(runs, annotators):
    answered(runs[0], annotators, WALK, SIT)
    consensus, user = built_consensus(), make_user()
    before = content(consensus), consensus.open_count
    about = {"person_id": 1, "group": "posture", "actions": ["sit"], "user": user}
    made = adjudicate_all(runs[0].clip, seconds=[2, 3, 4], **about)
    consensus.refresh_from_db()
    assert consensus.open_count == before[1] - 3
    keys = [one.pk for one in made]
    dataset = runs[0].clip.video.dataset
    assert len(withdraw_decisions(dataset, keys, user=user)) == 3
    consensus.refresh_from_db()
    assert (content(consensus), consensus.open_count) == before
    assert withdraw_decisions(dataset, keys, user=user) == []
    kept = Adjudication.objects.values_list("withdrawn_by", "actions")
    assert list(kept) == [(user.pk, ["sit"])] * 3


def test_an_earlier_decision_counts_again_when_the_later_one_is_undone(runs, annotators):
    answered(runs[0], annotators, WALK, SIT)
    built_consensus()
    about = {"second": 2, "person_id": 1, "group": "posture", "user": make_user()}
    adjudicate(runs[0].clip, actions=["stand"], **about)
    later = adjudicate(runs[0].clip, actions=["sit"], **about)
    withdraw_decisions(runs[0].clip.video.dataset, [later.pk], user=about["user"])
    label = ConsensusLabel.objects.get(box__second=2, box__person_id=1, group="posture")
    assert (label.actions, label.rule) == (["stand"], "adjudicated")


def test_only_the_reviewer_and_admins_can_undo_a_decision(runs, annotators, dataset):
    answered(runs[0], annotators, WALK, SIT)
    built_consensus()
    made = adjudicate(runs[0].clip, second=2, person_id=1, is_person=False, user=make_user())
    with pytest.raises(
        AdjudicationError, match="or a manager of the dataset can undo this decision"
    ):
        withdraw_decisions(dataset, [made.pk], user=make_user())
    boss = make_user()
    Member.objects.create(dataset=dataset, user=boss)
    assert withdraw_decisions(dataset, [made.pk], user=boss) == [made]
    elsewhere = make_dataset("elsewhere")
    with pytest.raises(AdjudicationError, match="elsewhere has no such decision"):
        withdraw_decisions(elsewhere, [made.pk], user=boss)


def test_a_decision_on_several_keyframes_is_saved_for_all_or_none(runs, annotators):
    answered(runs[0], annotators, WALK, SIT)
    built_consensus()
    about = {"person_id": 1, "group": "posture", "actions": ["sit"], "user": make_user()}
    with pytest.raises(AdjudicationError, match="no person 1 at second 99"):
        adjudicate_all(runs[0].clip, seconds=[2, 99], **about)
    assert not Adjudication.objects.exists()


def test_a_decided_box_is_used_and_survives_new_answers(runs, annotators):
    versions = answered(runs[0], annotators, WALK, WALK)
    mine = versions[0].annotations.get(second=2, person_id=1)
    versions[0].annotations.filter(pk=mine.pk).update(x2=mine.x2 + 20)
    box = built_consensus().boxes.get(second=2, person_id=1)
    ann, bob = (annotator_key(who.pk) for who in annotators[:2])
    assert box.drawn == {ann: [100, 100, 170, 250], bob: [100, 100, 150, 250]}
    assert box.min_iou == pytest.approx(50 / 70)
    decided = (101.5, 90.0, 160.0, 251.0)
    made = adjudicate(runs[0].clip, second=2, person_id=1, box=decided, user=make_user())
    make_version(versions[1].task, SIT)
    box = built_consensus().boxes.get(second=2, person_id=1)
    assert ((box.x1, box.y1, box.x2, box.y2), box.is_box_decided) == (decided, True)
    withdraw_decisions(runs[0].clip.video.dataset, [made.pk], user=made.decided_by)
    box = box.consensus.boxes.get(second=2, person_id=1)
    assert (box.x2, box.is_box_decided) == (160.0, False)


def test_a_box_is_clipped_to_the_frame_and_has_a_minimum_size(runs, annotators):
    answered(runs[0], annotators, WALK)
    built_consensus()
    about = {"second": 2, "person_id": 1, "user": make_user()}
    made = adjudicate(runs[0].clip, box=(-20, 10, 700, 90), **about)
    assert made.box == (0, 10, 640, 90)
    for box in ((10, 10, 11, 90), (900, 10, 950, 90), (50, 50, 20, 20)):
        with pytest.raises(AdjudicationError, match="is too small: draw it around"):
            adjudicate(runs[0].clip, box=box, **about)
    with pytest.raises(AdjudicationError, match="not on both"):
        adjudicate(runs[0].clip, box=(0, 0, 9, 9), group="posture", actions=["sit"], **about)
