import pytest
from django.utils import timezone

from avaproject.base.work import Stage
from datasets.core.action_groups import UNKNOWN, UNSET
from qc.core.annotator_keys import annotator_key
from qc.models import Consensus, ConsensusBox, ConsensusLabel
from qc.selectors.clips import consensus_by_keyframe
from qc.selectors.consensus.decisions import single_votes
from qc.services.consensus.adjudicate import (
    adjudicate,
)
from qc.services.consensus.build_consensus import (
    build_clip_consensus,
    plan_consensuses,
)
from tests.make import (
    make_task,
    make_user,
    make_version,
)
from tests.qc.consensus.answers import SIT, WALK, answered, built_consensus, content, draw
from tracking.models import highest_person_id

pytestmark = pytest.mark.django_db


def rules(consensus, group):
    labels = ConsensusLabel.objects.filter(box__consensus=consensus, group=group)
    return set(labels.values_list("rule", flat=True))


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
    assert highest_person_id(runs[0].clip.video) == 4


def test_drawn_persons_of_two_clips_of_a_video_have_different_numbers(runs, annotators):
    assert runs[0].clip.video == runs[1].clip.video
    for run in runs:
        draw(answered(run, annotators[:1], WALK)[0], second=5)
    built_consensus()
    numbers = ConsensusBox.objects.filter(person_id__gt=2).values_list("person_id", flat=True)
    assert sorted(numbers) == [3, 4, 5]
