import pytest

from qc.core.annotator_keys import annotator_key
from qc.models import (
    Adjudication,
    AgreementReport,
    Consensus,
    ConsensusBox,
    ConsensusLabel,
)
from qc.selectors.consensus.adjudication_queue import (
    ItemKey,
    adjudication_items,
    item_keys,
    open_item_count,
)
from qc.selectors.consensus.decisions import decision_rows, reviewer_agreement
from qc.selectors.overview import sidebar_counts
from qc.selectors.statuses import refresh, refreshed_once
from qc.services.agreement.reports import plan_reports, report_agreement
from qc.services.consensus.adjudicate import adjudicate_all
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from tests.make import (
    make_annotator,
    make_run,
    make_task,
    make_user,
    make_version,
)

pytestmark = pytest.mark.django_db


def build_consensuses():
    plan_reports()
    plan_consensuses()
    for report in AgreementReport.objects.filter(stage="waiting"):
        report_agreement(report.pk)
    for consensus in Consensus.objects.filter(stage="waiting"):
        build_clip_consensus(consensus.pk)


def test_an_item_shows_the_answer_of_each_annotator(
    dataset, clip, tasks, django_assert_num_queries
):
    make_version(tasks[0], {"posture": "walk", "doing": []})
    make_version(tasks[1], {"posture": "unknown", "doing": []})
    build_consensuses()
    keys = item_keys(dataset, limit=99)
    seconds = clip.keyframes()
    assert keys == [ItemKey(clip.name, who, "posture", at) for who in (1, 2) for at in seconds]
    with refreshed_once():
        refresh()
        with django_assert_num_queries(8):
            item, *_ = adjudication_items(dataset, keys)
    assert {(answer.annotator, answer.answer) for answer in item.answers} == {
        ("kim", "walk"),
        ("lee", "unknown"),
    }
    assert {option.text: option.digit for option in item.given} == {
        "walk": "1",
        "unknown": "0",
    }
    assert [(option.text, option.digit) for option in item.others] == [
        ("stand", "2"),
        ("sit", "3"),
    ]
    assert item.reason == "A tie: walk 1, unknown 1."
    assert item.same_votes == seconds[1:]
    assert item.loop == (max(0, 30 * seconds[0] - 45), 30 * seconds[0] + 45)


def test_the_queue_continues_after_a_key(dataset, clip, tasks):
    for task, posture in zip(tasks, ("walk", "sit"), strict=True):
        make_version(task, {"posture": posture, "doing": []})
    build_consensuses()
    keys = item_keys(dataset, limit=99)
    assert item_keys(dataset, limit=3) == keys[:3]
    assert item_keys(dataset, after=keys[4], limit=3) == keys[5:8]
    assert item_keys(dataset, after=keys[-1]) == []
    assert open_item_count(dataset) == len(keys)


def test_same_votes_end_where_the_votes_change(dataset, clip, tasks):
    make_version(tasks[0], {"posture": "walk", "doing": []})
    version = make_version(tasks[1], {"posture": "sit", "doing": []})
    version.annotations.filter(person_id=1, second=5).update(
        answers={"posture": "stand", "doing": []}
    )
    build_consensuses()
    first, *_ = adjudication_items(dataset, item_keys(dataset, limit=1))
    assert first.same_votes == [second for second in clip.keyframes()[1:] if second < 5]


def test_what_most_say_is_the_first_answer(dataset, clip):
    run = make_run(clip)
    said = [["wave"], ["carry"], ["wave"], ["carry", "wave"], ["wave"], [], ["carry"]]
    for number, doing in enumerate(said):
        task = make_task(run, make_annotator(dataset, f"a{number}"))
        make_version(task, {"posture": "walk", "doing": doing})
    build_consensuses()
    ConsensusLabel.objects.filter(group="doing").update(rule="open")
    Consensus.objects.update(open_count=99)
    item, *_ = adjudication_items(dataset, item_keys(dataset, limit=1))
    assert [(option.text, len(option.answers), option.digit) for option in item.given][:2] == [
        ("wave", 3, "1"),
        ("carry", 2, "2"),
    ]
    assert sorted(option.text for option in item.given[2:]) == ["none", "wave, carry"]


def test_clips_with_missing_answers_have_no_items(dataset, clip, tasks):
    for task, posture in zip(tasks, ("walk", "sit"), strict=True):
        make_version(task, {"posture": posture, "doing": []})
    build_consensuses()
    third = make_task(tasks[0].run, make_annotator(dataset, "mia"))
    assert item_keys(dataset) == []
    make_version(third, {"posture": "walk", "doing": []})
    build_consensuses()
    assert open_item_count(dataset) == 0


def test_box_disagreements_are_listed_until_a_box_is_chosen(dataset, clip, tasks):
    make_version(tasks[0])
    version = make_version(tasks[1])
    version.annotations.filter(second=4, person_id=2).update(x2=280)
    build_consensuses()
    (key,) = item_keys(dataset, kind="boxes")
    assert key == ItemKey(clip.name, 2, "~box", 4)
    (item,) = adjudication_items(dataset, [key])
    assert (item.given[0].text, item.given[0].digit) == ("Mean of both boxes", "1")
    assert {option.value for option in item.given[1:]} == {
        "[200.0, 100.0, 250.0, 250.0]",
        "[200.0, 100.0, 280.0, 250.0]",
    }
    adjudicate_all(clip, seconds=[4], person_id=2, box=[200, 100, 250, 250], user=make_user())
    assert open_item_count(dataset, "boxes") == 0


def test_a_person_that_only_some_annotators_drew_is_an_item(dataset, clip, tasks):
    versions = [make_version(task) for task in tasks]
    consensus = Consensus.objects.create(
        clip=clip, versions=[version.pk for version in versions], stage="done", open_count=1
    )
    ConsensusBox.objects.create(
        consensus=consensus, second=2, person_id=9, x1=0, y1=0, x2=20, y2=40,
        drawn_by=[annotator_key(tasks[0].annotator_id)], status="disputed",
    )  # fmt: skip
    (item,) = adjudication_items(dataset, item_keys(dataset))
    assert (item.group, item.title) == (None, "Is this a person?")
    assert {(answer.annotator, answer.answer) for answer in item.answers} == {
        ("kim", "drawn"),
        ("lee", "not drawn"),
    }
    assert [option.text for option in item.given] == ["Person", "Not a person"]
    assert item.reason == "1 of 2 annotators has this person; more than half must."


def test_an_answer_that_would_be_refused_is_not_offered(dataset, clip, tasks):
    dataset.groups.filter(name="doing").update(max_per_person=1)
    for task in tasks:
        make_version(task, {"posture": "walk", "doing": ["wave", "carry"]})
    build_consensuses()
    item = adjudication_items(dataset, item_keys(dataset))[0]
    assert {answer.answer for answer in item.answers} == {"wave, carry"}
    assert [option.text for option in (*item.given, *item.others)] == ["none"]
    assert item.reason == (
        "2 actions have a majority (wave, carry), but at most 1 can be chosen."
    )


def test_only_the_newest_consensus_has_items(dataset, clip):
    for versions, status in (([1], "disputed"), ([1, 2], "agreed")):
        consensus = Consensus.objects.create(
            clip=clip, versions=versions, versions_key=str(versions), stage="done",
            open_count=int(status == "disputed"),
        )  # fmt: skip
        ConsensusBox.objects.create(
            consensus=consensus, second=2, person_id=1, x1=0, y1=0, x2=9, y2=9,
            drawn_by=["kim"], status=status,
        )  # fmt: skip
    assert item_keys(dataset) == []
    assert sidebar_counts(dataset)["adjudication"] == 0


def test_annotators_are_compared_with_the_decisions(dataset, clip, tasks):
    make_version(tasks[0], {"posture": "walk", "doing": []})
    make_version(tasks[1], {"posture": "sit", "doing": []})
    build_consensuses()
    user = make_user()
    about = {"person_id": 1, "group": "posture", "user": user}
    adjudicate_all(clip, seconds=[2, 3, 4], actions=["walk"], **about)
    adjudicate_all(clip, seconds=[5], actions=["stand"], **about)
    assert [tuple(one) for one in reviewer_agreement(dataset)] == [("kim", 3, 4), ("lee", 0, 4)]
    (newest, *_) = rows = decision_rows(
        list(Adjudication.objects.order_by("-pk")), user=user, may_override=False
    )
    assert (newest.about, newest.answer, newest.can_undo, len(rows)) == (
        "Posture",
        "stand",
        True,
        4,
    )
    (row,) = decision_rows([newest.decision], user=make_user(), may_override=False)
    assert not row.can_undo
