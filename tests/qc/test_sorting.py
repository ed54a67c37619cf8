"""Lists are sorted by every column, and acts reach all that match, on all pages."""

import pytest
from django.urls import reverse

from annotation.models import AnnotationTask
from qc.models import Adjudication, AgreementReport, ClipStatus, Consensus, Review, ThirdOpinion
from qc.selectors.clip_and_task_filters import REVIEW_ORDERS
from qc.selectors.consensus.adjudication_queue import ORDERS, item_keys, open_item_count
from qc.selectors.review.review_queue import pending
from qc.selectors.statuses import clip_statuses
from qc.services.agreement.reports import plan_reports, report_agreement
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from qc.views import review, third_opinions
from qc.views.adjudication import DECISION_COLUMNS, DECISION_ORDERS
from tests.make import (
    make_annotator,
    make_clips,
    make_run,
    make_task,
    make_version,
    make_video,
)

pytestmark = pytest.mark.django_db

WALK, SIT = {"posture": "walk", "doing": []}, {"posture": "sit", "doing": []}


@pytest.fixture
def clips(dataset):
    """Three clips with one, three and two persons, on which two annotators disagree."""
    clips = make_clips(make_video(dataset, "aisle"))
    people = [make_annotator(dataset, name) for name in ("ann", "bob")]
    for clip, persons in zip(clips, (1, 3, 2), strict=True):
        run = make_run(clip, persons=persons)
        for annotator, said in zip(people, (WALK, SIT), strict=True):
            make_version(make_task(run, annotator), said)
    plan_reports()
    plan_consensuses()
    for report in AgreementReport.objects.all():
        report_agreement(report.pk)
    for consensus in Consensus.objects.all():
        build_clip_consensus(consensus.pk)
    return clips


def url(page):
    return reverse(f"qc:{page}", args=["shop"])


def text_of(answer):
    return answer.content.decode()


def test_review_is_sorted_by_every_column_both_ways(client, reviewer, dataset, clips):
    client.force_login(reviewer)
    everything = sorted(pending(dataset).values_list("pk", flat=True))
    assert set(review.COLUMNS) == set(REVIEW_ORDERS)
    for name in REVIEW_ORDERS:
        for sort in (name, f"-{name}"):
            assert sorted(one.pk for one in pending(dataset, {"sort": sort})) == everything
    first = client.get(url("review"), {"sort": "-name"}).context["rows"][0]
    assert first.task.clip == clips[-1]
    page = text_of(client.get(url("review"), {"sort": "persons"}))
    assert page.count("aria-sort") == len(REVIEW_ORDERS)
    assert 'aria-sort="ascending"' in page


def test_the_lowest_agreement_of_boxes_of_a_clip_is_kept(dataset, clips):
    clip_statuses(dataset)
    assert set(ClipStatus.objects.values_list("lowest_box_f1", flat=True)) == {1.0}


def test_the_list_of_tasks_has_a_column_for_every_order(client, reviewer, clips):
    client.force_login(reviewer)
    page = client.get(url("tasks"), {"sort": "-persons"})
    assert page.context["rows"][0].task.clip == clips[1]
    assert page.context["rows"][0].clip.person_count == 3
    assert text_of(page).count("aria-sort") == len(page.context["heads"]) == 9


@pytest.mark.parametrize("sort", ["", *ORDERS, *(f"-{name}" for name in ORDERS)])
def test_every_order_of_adjudication_leads_through_all_items_once(dataset, clips, sort):
    query = {"sort": sort}
    found = item_keys(dataset, query=query, limit=2)
    while more := item_keys(dataset, query=query, after=found[-1], limit=2):
        found += more
    assert len(found) == len(set(found)) == open_item_count(dataset)


def test_adjudication_begins_with_most_persons_if_asked(client, reviewer, dataset, clips):
    keys = item_keys(dataset, query={"sort": "-persons"}, limit=1000)
    names = list(dict.fromkeys(key.clip for key in keys))
    assert names == [clips[1].name, clips[2].name, clips[0].name]
    client.force_login(reviewer)
    page = text_of(client.get(url("adjudication"), {"sort": "-persons"}))
    assert '<option value="-persons" selected>Most persons first' in page
    assert 'data-query="sort=-persons"' in page
    assert f'data-key="{clips[1].name}.' in page


def test_decisions_are_sorted_by_every_column(client, reviewer, clips):
    client.force_login(reviewer)
    for second, answer in ((3, "walk"), (2, "sit")):
        data = {"clip": clips[0].name, "second": second, "person_id": 1, "group": "posture"}
        client.post(url("adjudicate"), data | {"answer": answer})
    assert Adjudication.objects.count() == 2
    assert set(DECISION_COLUMNS) == set(DECISION_ORDERS)
    for name in DECISION_ORDERS:
        assert len(client.get(url("decisions"), {"sort": name}).context["rows"]) == 2
    rows = client.get(url("decisions"), {"sort": "second"}).context["rows"]
    assert [row.decision.second for row in rows] == [2, 3]


def test_all_above_the_threshold_are_approved_on_all_pages(
    client, reviewer, dataset, monkeypatch
):
    run = make_run(make_clips(make_video(dataset, "yard"))[0])
    for name in ("ann", "bob"):
        task = make_task(run, make_annotator(dataset, name))
        version = make_version(task)
        version.annotations.filter(second__gte=6).update(answers=SIT)
    plan_reports()
    report_agreement(AgreementReport.objects.get().pk)
    monkeypatch.setattr(review, "TASKS_COMPARED", 1)
    client.force_login(reviewer)
    asked = {"alpha": "0.5", "f1": "0.9"}
    page = client.get(url("approve-by-threshold"), asked)
    assert "All that match, on all pages" in text_of(page)
    low = {"verdict": "approved", "all": page.context["newest"], "alpha": "1", "f1": "1"}
    late = make_version(AnnotationTask.objects.first())
    client.post(url("verdict"), low | asked)
    approved = Review.objects.values_list("version", flat=True)
    assert late.pk not in approved  # it came after the page was shown
    assert len(approved) == 1


def test_third_opinions_keep_ticks_after_a_refusal_and_reach_all_pages(
    client, admin, dataset, clips, monkeypatch
):
    make_annotator(dataset, "eve")
    client.force_login(admin)
    refused = client.post(url("third-opinions"), {"clips": [clips[0].name]})
    page = text_of(refused)
    assert "Select at least one annotator." in page
    assert f'aria-label="{clips[0].name}" checked' in page
    assert f'aria-label="{clips[1].name}" checked' not in page
    monkeypatch.setattr(third_opinions, "CLIPS_SHOWN", 1)
    assert "All 3 that match" in text_of(client.get(url("third-opinions")))
    client.post(url("third-opinions"), {"all": "1", "annotators": ["eve"]})
    assert ThirdOpinion.objects.count() == 3


def test_third_opinions_are_sorted_by_clip(client, admin, clips):
    client.force_login(admin)
    rows = client.get(url("third-opinions"), {"sort": "-name"}).context["rows"]
    assert [row.clip.name for row in rows] == sorted((c.name for c in clips), reverse=True)
