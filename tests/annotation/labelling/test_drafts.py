"""Drafts of the label page through its endpoints: nothing is lost, doubled or merged."""

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.models import AnswerDraft, DraftOperation
from annotation.selectors.labelling import draft_state, label_task, operations_of
from annotation.services.labelling.drafts import append_operations, open_draft
from datasets.models import Member
from tests.annotation.labelling.conftest import new_tab
from tests.annotation.labelling.label_client import Tab
from tests.make import make_annotator, make_task, make_user


def keys(draft: AnswerDraft) -> list[str]:
    return [one["id"] for one in operations_of(draft)]


def sit(tab: Tab, second: int = 2) -> dict:
    return tab.operation("set", person="1", second=second, answers={"posture": "sit"})


def test_a_draft_begins_with_the_persons_given_out(tab, task):
    start = tab.open().json()["start"]
    assert set(start["persons"]) == {"1", "2"}
    assert start["persons"]["1"]["shapes"][0]["box"] == [100.0, 100.0, 150.0, 250.0]


def test_operations_count_once_however_often_they_arrive(tab):
    first, second = sit(tab), sit(tab, 3)
    assert tab.send(first, second).json()["last"] == 2
    assert tab.send(first, second).json()["last"] == 2
    assert tab.send(second).json()["last"] == 2
    draft = AnswerDraft.objects.get()
    assert keys(draft) == [first["id"], second["id"]]
    assert draft.active_ms == 1800


def test_operations_after_a_gap_are_asked_for_again(tab):
    first, second = sit(tab), sit(tab, 3)
    refused = tab.send(second)
    assert refused.status_code == 409
    assert refused.json()["code"] == "gap"
    assert refused.json()["last"] == 0
    assert tab.send(first, second).json()["last"] == 2


def test_a_pause_counts_no_longer_than_a_minute(tab):
    tab.send(sit(tab) | {"ms": 10**9})
    assert DraftOperation.objects.get().active_ms == 60_000


def test_a_second_tab_is_told_and_may_take_over(tab, task):
    tab.send(sit(tab))
    other = new_tab(task, "tab-b")
    refused = other.open()
    assert (refused.status_code, refused.json()["code"]) == (409, "held")
    assert refused.json()["held"]["count"] == 1
    assert [one["kind"] for one in other.open(take_over=True).json()["operations"]] == ["set"]
    late = tab.send(sit(tab, 3))
    assert (late.status_code, late.json()["code"]) == (409, "taken over")


def test_a_tab_that_was_closed_or_silent_is_taken_over_without_asking(tab, task):
    tab.send(release=True)
    other = new_tab(task, "tab-b")
    assert other.open().status_code == 200
    AnswerDraft.objects.update(held_at=timezone.now() - timedelta(minutes=11))
    assert new_tab(task, "tab-c").open().status_code == 200


def test_the_earlier_tab_keeps_its_own_and_the_others_stay_readable(tab, task):
    shared = sit(tab)
    tab.send(shared)
    other = new_tab(task, "tab-b")
    other.open(take_over=True)
    theirs = sit(other, 5)
    other.send(theirs)
    mine = sit(tab, 3)
    opened = tab.open(take_over=True, log=[shared["id"], mine["id"]])
    assert opened.json()["last"] == 1
    tab.send(mine)
    draft = AnswerDraft.objects.get()
    assert keys(draft) == [shared["id"], mine["id"]]
    readable = tab.client.get(f"/datasets/street/tasks/{task.pk}/label/discarded/").json()
    assert [one["id"] for one in readable["operations"]] == [theirs["id"]]


def test_an_operation_that_was_discarded_can_count_again(tab, task):
    first = sit(tab)
    tab.send(first)
    other = new_tab(task, "tab-b")
    other.open(take_over=True, log=[])
    other.send(sit(other, 4))
    tab.open(take_over=True, log=[first["id"]])
    assert tab.send(first).json()["last"] == 1
    assert keys(AnswerDraft.objects.get()) == [first["id"]]
    assert DraftOperation.objects.exclude(discarded_at=None).count() == 1


def test_what_a_tab_gives_up_is_kept_readable_and_does_not_count(tab, task):
    mine = sit(tab)
    other = new_tab(task, "tab-b")
    other.open(take_over=True)
    assert tab.post("discard", {"operations": [mine]}).json() == {"discarded": 1}
    assert tab.post("discard", {"operations": [mine]}).json() == {"discarded": 0}
    assert keys(AnswerDraft.objects.get()) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"holder": 3}', b'{"holder": "x", "operations": [{"id": "a"}]}',
     b'{"holder": "x", "operations": [{"id": "a", "number": 1, "kind": 3}]}',
     b'{"holder": "x", "operations": [{"id": "a b", "number": 1, "kind": "set"}]}',
     b'{"holder": "x", "operations": [NaN]}', b"[" * 60_000, b'{"holder": "\\u0000"}'],
    ids=["empty", "list", "holder", "number", "kind", "id", "nan", "deep", "nul"],
)  # fmt: skip
def test_a_request_that_no_page_makes_is_refused_with_a_sentence(tab, task, body):
    url = f"/datasets/street/tasks/{task.pk}/label/operations/"
    answer = tab.client.post(url, body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "malformed"
    assert answer.json()["error"]


def test_what_makes_no_sense_is_stored_and_changes_nothing(tab, task):
    odd = tab.operation("set", person={"a": 1}, second="x", answers=[1])
    assert tab.send(odd).status_code == 200
    draft = AnswerDraft.objects.get()
    assert draft_state(draft, label_task(task)).to_json() == draft.start


def test_a_batch_that_is_too_large_is_refused(tab):
    big = tab.operation("reply", remark="a", text="x" * 70_000)
    assert tab.send(big).status_code == 400


def test_another_annotators_task_cannot_be_labelled(task):
    make_user("bob")
    stranger = new_tab(task, "tab-b", user="bob")
    assert stranger.open().status_code == 404
    assert stranger.send().status_code == 404
    bobs = make_task(task.run, make_annotator(task.clip.video.dataset, "bob"))
    assert new_tab(bobs, "tab-a").open().status_code == 404
    reviewer = make_user("reviewer")
    dataset = task.clip.video.dataset
    Member.objects.create(dataset=dataset, user=reviewer, role=Member.Role.REVIEWER)
    look_on = new_tab(bobs, "tab-c", user="reviewer")
    assert look_on.open().status_code == 404
    url = f"/datasets/street/tasks/{bobs.pk}/label/operations/"
    assert look_on.client.get(url).json()["operations"] == []


def test_a_batch_costs_a_fixed_number_of_queries(tab, task, django_assert_max_num_queries):
    tab.send(*(sit(tab, 3) for _ in range(5)))
    many = [sit(tab, 3) for _ in range(100)]
    with django_assert_max_num_queries(14):
        assert tab.send(*many).status_code == 200


def test_any_order_of_repeats_losses_and_cuts_ends_in_the_whole_log(tab, task):
    rng = random.Random(7)
    log = [sit(tab, 2 + n % 9) for n in range(60)]
    acknowledged = 0
    while acknowledged < len(log):
        start = max(0, acknowledged - rng.randint(0, 3))
        batch = log[start : start + rng.randint(1, 8)]
        answer = tab.send(*batch)
        if rng.random() < 0.6:  # else the answer is lost
            acknowledged = answer.json()["last"]
        if rng.random() < 0.2:
            assert tab.open().json()["last"] >= acknowledged
    assert keys(AnswerDraft.objects.get()) == [one["id"] for one in log]


def test_a_killed_request_leaves_all_of_a_batch_or_nothing(tab, task, monkeypatch):
    batch = [sit(tab), sit(tab, 3)]

    def kill(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(AnswerDraft, "save", kill)
    with pytest.raises(KeyboardInterrupt):
        append_operations(task, holder="tab-a", operations=batch)
    assert not DraftOperation.objects.exists()
    monkeypatch.undo()
    assert append_operations(task, holder="tab-a", operations=batch).last == 2


def test_two_first_openings_begin_one_draft(task):
    open_draft(task, holder="a")
    assert open_draft(task, holder="b", take_over=True).draft.revision == 1
    assert AnswerDraft.objects.count() == 1
