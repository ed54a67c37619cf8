import threading
import time

import pytest
from django.db import connection
from django.utils import timezone

from avaproject.base.work import Stage
from datasets.core.action_groups import UNKNOWN, UNSET
from datasets.models import Member
from qc.core.annotator_keys import annotator_key
from qc.models import Adjudication, Consensus, ConsensusBox, ConsensusLabel
from qc.selectors.agreement.dataset import single_votes
from qc.selectors.clips import consensus_by_keyframe
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
    make_task,
    make_user,
    make_version,
)
from tracking.models import DrawnPerson

pytestmark = pytest.mark.django_db

WALK = {"posture": "walk", "doing": []}
SIT = {"posture": "sit", "doing": ["wave"]}
DRAWN = {"x1": 400.0, "y1": 100.0, "x2": 450.0, "y2": 250.0}


@pytest.fixture
def dataset():
    return make_dataset("shop")


def answered(run, annotators, *answers):
    return [
        make_version(make_task(run, who), said)
        for who, said in zip(annotators, answers, strict=False)
    ]


def built_consensus():
    plan_consensuses()
    for pk in Consensus.objects.claimable().order_by("pk").values_list("pk", flat=True):
        build_clip_consensus(pk)
    return Consensus.objects.order_by("-pk").first()


def content(consensus):
    labels = ("group", "actions", "votes", "rule")
    boxes = ("second", "person_id", "x1", "y1", "x2", "y2", "drawn_by", "status")
    return [
        ([getattr(box, name) for name in boxes], list(box.labels.values(*labels)))
        for box in consensus.boxes.all()
    ]


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


def rules(consensus, group):
    labels = ConsensusLabel.objects.filter(box__consensus=consensus, group=group)
    return set(labels.values_list("rule", flat=True))


def draw(version, *, second, track=9, by=0.0, answers=None):
    box = {name: value + by for name, value in DRAWN.items()}
    return version.annotations.create(
        second=second, track=track, answers=answers or WALK, **box
    )


def test_unanimous_answers_are_the_consensus(runs, annotators):
    answered(runs[0], annotators, WALK, WALK, WALK)
    consensus = built_consensus()
    assert consensus.open_count == 0
    assert consensus.boxes.count() == 2 * len(runs[0].clip.keyframes())
    assert rules(consensus, "posture") == rules(consensus, "doing") == {"unanimous"}
    label = ConsensusLabel.objects.filter(group="posture").first()
    assert label.actions == ["walk"]
    assert label.votes == {annotator_key(who.pk): "walk" for who in annotators}


def test_two_annotators_who_disagree_leave_every_label_open(runs, annotators):
    answered(runs[0], annotators, WALK, SIT)
    consensus = built_consensus()
    assert rules(consensus, "posture") == rules(consensus, "doing") == {"open"}
    assert consensus.open_count == 2 * consensus.boxes.count()


def test_labels_hold_nothing_but_actions(runs, annotators):
    unknown = {"posture": UNKNOWN, "doing": []}
    answered(runs[0], annotators, unknown, unknown, {"posture": UNSET, "doing": ["carry"]})
    consensus = built_consensus()
    labels = ConsensusLabel.objects.filter(box__consensus=consensus)
    assert {action for one in labels for action in one.actions} == set()
    assert rules(consensus, "posture") == {"majority"}


def test_boxes_are_the_median_of_those_drawn(runs, annotators):
    versions = answered(runs[0], annotators, WALK, WALK, WALK)
    second = runs[0].clip.keyframes()[0]
    for by, version in zip((2, 4, 30), versions, strict=True):
        mine = version.annotations.get(second=second, person_id=1)
        version.annotations.filter(pk=mine.pk).update(x2=mine.x2 + by)
    box = built_consensus().boxes.get(second=second, person_id=1)
    assert (box.x1, box.x2) == (100.0, 154.0)


def test_a_person_that_most_annotators_removed_is_dropped_but_recorded(runs, annotators):
    versions = answered(runs[0], annotators, WALK, WALK, WALK)
    for version in versions[:2]:
        version.annotations.filter(person_id=2).delete()
    consensus = built_consensus()
    assert set(consensus.boxes.filter(person_id=2).values_list("status", flat=True)) == {
        "dropped"
    }
    assert consensus.boxes.filter(person_id=2).first().drawn_by == [
        annotator_key(annotators[2].pk)
    ]
    assert consensus.open_count == 0


def test_a_person_that_all_removed_is_on_record_too(runs, annotators):
    for version in answered(runs[0], annotators, WALK, WALK):
        version.annotations.filter(person_id=2).delete()
    box = built_consensus().boxes.filter(person_id=2).first()
    assert (box.status, box.drawn_by, box.labels.count()) == ("dropped", [], 0)


def test_a_person_that_two_of_three_drew_has_one_new_id(runs, annotators):
    versions = answered(runs[1], annotators, WALK, WALK, WALK)
    seconds = runs[1].clip.keyframes()
    for second in seconds[:4]:
        draw(versions[0], second=second)
        draw(versions[2], second=second, track=3, by=4.0)
    boxes = built_consensus().boxes.filter(person_id__gt=2)
    assert [(box.second, box.person_id, box.status) for box in boxes] == [
        (second, 3, "agreed") for second in seconds[:4]
    ]
    assert boxes[0].drawn_by == [annotator_key(annotators[place].pk) for place in (0, 2)]
    assert boxes[0].x1 == 402.0


def test_a_person_that_one_of_three_drew_waits_for_a_reviewer(runs, annotators):
    versions = answered(runs[0], annotators, WALK, WALK, WALK)
    draw(versions[0], second=5)
    consensus = built_consensus()
    box = consensus.boxes.get(person_id=3)
    assert (box.status, consensus.open_count) == (ConsensusBox.Status.DISPUTED, 1)


def test_building_a_consensus_twice_gives_the_same(runs, annotators):
    versions = answered(runs[0], annotators, WALK, SIT, WALK)
    draw(versions[0], second=5)
    consensus = built_consensus()
    before = content(consensus)
    assert build_clip_consensus(consensus.pk) is None
    Consensus.objects.filter(pk=consensus.pk).update(stage=Stage.WAITING)
    again = build_clip_consensus(consensus.pk)
    assert content(again) == before
    assert ConsensusBox.objects.count() == len(before)
    again.delete()
    assert content(built_consensus()) == before


def test_planning_twice_creates_nothing_twice(runs, annotators):
    answered(runs[0], annotators, WALK)
    assert (plan_consensuses(), plan_consensuses()) == (1, 0)


def test_a_claimed_row_is_not_sent_twice(runs, annotators):
    answered(runs[0], annotators, WALK)
    plan_consensuses()
    pk = Consensus.objects.get().pk
    Consensus.objects.claim(pk)
    assert build_clip_consensus(pk) is None
    assert ConsensusBox.objects.count() == 0


def test_deleted_answers_fail_the_consensus_with_a_message(runs, annotators):
    version, _ = answered(runs[0], annotators, WALK, SIT)
    plan_consensuses()
    version.delete()
    consensus = build_clip_consensus(Consensus.objects.get().pk)
    assert consensus.stage == Stage.FAILED
    assert "import them again" in consensus.error


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


def test_with_two_annotators_a_person_that_one_deleted_is_a_question(runs, annotators):
    first, _ = answered(runs[0], annotators[:2], WALK, WALK)
    first.annotations.filter(person_id=2).delete()
    consensus = built_consensus()
    found = consensus.boxes.filter(person_id=2)
    assert set(found.values_list("status", flat=True)) == {"disputed"}
    assert consensus.open_count == len(runs[0].clip.keyframes())


def test_labels_on_one_vote_are_counted_by_plan_and_by_absence(runs, annotators, dataset):
    answered(runs[0], annotators[:1], WALK)
    answered(runs[1], annotators[:1], WALK)
    answered(runs[2], annotators[:2], WALK, WALK)
    make_task(runs[1], annotators[1], unassigned_at=timezone.now())
    built_consensus()
    first, second = (4 * len(run.clip.keyframes()) for run in runs[:2])  # groups by persons
    assert single_votes(dataset) == (first + second, second)


def test_who_is_renamed_keeps_their_votes(runs, annotators, dataset):
    answered(runs[0], annotators, WALK, WALK, SIT)
    before = content(built_consensus())
    annotators[0].name = "anna"
    annotators[0].save()
    Consensus.objects.update(stage=Stage.WAITING)
    build_clip_consensus(Consensus.objects.get().pk)
    assert content(Consensus.objects.get()) == before
    shown = consensus_by_keyframe(runs[0].clip)[0].boxes[0]
    assert shown.drawn_by == ["anna", "bob", "eve"]
    assert dict(shown.labels.all()[1].votes)["anna"] == "walk"


def test_nobody_is_compared_with_themselves(runs, annotators):
    """A job that was reassigned in CVAT to somebody who had done the clip already."""
    versions = answered(runs[0], annotators[:2], WALK, SIT)
    versions[0].author = annotators[1]
    versions[0].save()
    consensus = built_consensus()
    assert rules(consensus, "posture") == {"single"}
    labels = ConsensusLabel.objects.filter(box__consensus=consensus, group="posture")
    assert {tuple(one.votes) for one in labels} == {(annotator_key(annotators[1].pk),)}


def test_the_number_of_a_drawn_person_is_never_given_again(runs, annotators):
    """Somebody else who is drawn later is not what a reviewer decided on."""
    versions = answered(runs[0], annotators[:2], WALK, WALK)
    draw(versions[0], second=5)
    built_consensus()
    adjudicate(runs[0].clip, second=5, person_id=3, user=make_user(), is_person=False)
    newer = [make_version(version.task, WALK) for version in versions]
    assert not built_consensus().boxes.filter(person_id__gt=2).exists()
    for version in newer:
        draw(make_version(version.task, WALK), second=5)
    found = built_consensus().boxes.filter(person_id__gt=2)
    assert list(found.values_list("person_id", "status")) == [(4, "agreed")]
    assert DrawnPerson.next_number(runs[0].clip.video) == 5


def test_drawn_persons_of_two_clips_of_a_video_have_different_numbers(runs, annotators):
    assert runs[0].clip.video == runs[1].clip.video
    for run in runs:
        draw(answered(run, annotators[:1], WALK)[0], second=5)
    built_consensus()
    numbers = ConsensusBox.objects.filter(person_id__gt=2).values_list("person_id", flat=True)
    assert sorted(numbers) == [3, 4, 5]


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
        AdjudicationError, match="or an admin of the dataset can undo this decision"
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
