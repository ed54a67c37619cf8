import pytest
from django.urls import reverse

from datasets.models import Clip
from qc.models import AgreementReport, Comment, Consensus, Review, ThirdOpinion
from qc.services.agreement.reports import plan_reports, report_agreement
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from qc.services.review.verdicts import approve, reject
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


@pytest.fixture
def tasks(dataset):
    """Two tasks of one clip whose answers differ at one keyframe."""
    run = make_run(make_clips(make_video(dataset, "aisle"))[0])
    tasks = [make_task(run, make_annotator(dataset, name)) for name in ("kim", "lee")]
    for task in tasks:
        version = make_version(task)
        sits = {"posture": "sit", "doing": ["wave"]}
        version.annotations.filter(second__gte=6).update(answers=sits)
    version.annotations.filter(second=2).update(answers=sits)
    plan_reports()
    plan_consensuses()
    report_agreement(AgreementReport.objects.get().pk)
    build_clip_consensus(Consensus.objects.get().pk)
    return tasks


def url(page, *arguments):
    return reverse(f"qc:{page}", args=["shop", *arguments])


def page_text(response):
    return response.content.decode()


def test_the_threshold_list_is_shown_before_approval(client, reviewer, tasks):
    client.force_login(reviewer)
    page = page_text(client.get(url("approve-by-threshold"), {"alpha": 0.5, "f1": 0.9}))
    assert "2 of 2 submissions match" in page
    assert page.count('name="tasks"') == 2
    assert not Review.objects.exists()
    page = page_text(client.get(url("approve-by-threshold"), {"alpha": 1, "f1": 0.9}))
    assert "No matches" in page
    assert "less than or equal to 1" in page_text(
        client.get(url("approve-by-threshold"), {"alpha": 2})
    )


def test_the_threshold_list_has_pages(client, reviewer, tasks, monkeypatch):
    monkeypatch.setattr("qc.views.review.TASKS_COMPARED", 1)
    client.force_login(reviewer)
    for number, task in enumerate(tasks, start=1):
        asked = {"alpha": 0.5, "f1": 0.9, "page": number}
        page = page_text(client.get(url("approve-by-threshold"), asked))
        assert f'name="tasks" value="{task.pk}"' in page
        assert (page.count('name="tasks"'), "1 of 1 submissions match" in page) == (1, True)
        assert "of 2 submissions, oldest first" in page
    page = page_text(client.get(url("approve-by-threshold"), {"alpha": 1, "f1": 0.9}))
    assert "No matches on this page" in page
    assert "alpha=1&amp;f1=0.9&amp;page=2" in page


def test_a_task_is_reviewed_on_its_page_with_history(client, reviewer, tasks):
    client.force_login(reviewer)
    page = url("task", tasks[0].pk)
    data = {"tasks": tasks[0].pk, "back": tasks[0].pk, "verdict": "rejected", "reason": "No."}
    assert client.post(url("verdict"), data)["Location"] == url("task", tasks[1].pk)
    client.post(url("task-comment", tasks[0].pk), {"text": "He waves."})
    make_version(tasks[0])
    shown = page_text(client.get(page))
    for sentence in (
        "Rejected, version 1",
        "He waves.",
        "Answers, version 2",
        "Resubmitted after",
    ):
        assert sentence in shown
    assert "Resubmitted" in page_text(client.get(url("review")))


def test_what_is_approved_is_not_offered_for_approval(client, reviewer, tasks):
    client.force_login(reviewer)
    offer, page = 'value="approved"', url("task", tasks[0].pk)
    assert offer in page_text(client.get(page))
    approve(tasks[:1], reviewer=reviewer)
    shown = page_text(client.get(page))
    assert (offer in shown, "Version 1 is approved." in shown) == (False, True)
    assert 'value="rejected"' in shown
    reject(tasks[:1], reviewer=reviewer, reason="Look again.")
    assert offer in page_text(client.get(page))


def test_a_version_that_was_not_seen_is_not_reviewed(client, reviewer, tasks):
    client.force_login(reviewer)
    shown = page_text(client.get(url("task", tasks[0].pk)))
    seen = tasks[0].versions.get().pk
    assert f'name="seen" value="{seen}"' in shown
    assert page_text(client.get(url("review"))).count('name="seen"') == 2
    make_version(tasks[0])
    for verdict in ({"verdict": "approved"}, {"verdict": "rejected", "reason": "No."}):
        data = {"tasks": tasks[0].pk, "seen": seen, f"despite-{tasks[0].pk}": "Fine."} | verdict
        answer = client.post(url("verdict"), data, follow=True)
        assert "has newer answers than you saw" in page_text(answer)
    assert not Review.objects.exists()


def test_an_empty_comment_is_refused(client, reviewer, tasks):
    client.force_login(reviewer)
    answer = client.post(url("task-comment", tasks[0].pk), {"text": " "}, follow=True)
    assert "The comment is empty." in page_text(answer)
    assert not Comment.objects.exists()


def test_a_task_without_answers_has_no_verdict_form(client, reviewer, dataset, tasks):
    task = make_task(tasks[0].run, make_annotator(dataset, "mia"))
    client.force_login(reviewer)
    assert "No answers imported yet." in page_text(client.get(url("task", task.pk)))


def test_admins_request_third_opinions_and_reviewers_can_not(
    client, admin, reviewer, dataset, tasks
):
    make_annotator(dataset, "mia")
    client.force_login(reviewer)
    assert client.get(url("third-opinions")).status_code == 404
    client.force_login(admin)
    assert "aisle-c0000" in page_text(client.get(url("third-opinions")))
    data = {"clips": ["aisle-c0000"], "annotators": ["kim"]}
    assert "select another annotator" in page_text(client.post(url("third-opinions"), data))
    assert "Select at least one clip" in page_text(client.post(url("third-opinions"), {}))
    data["annotators"].append("mia")
    assert client.post(url("third-opinions"), data)["Location"] == url("adjudication")
    assert ThirdOpinion.objects.get().annotator.name == "mia"


def test_a_stranger_finds_no_task_and_comments_on_none(client, tasks):
    client.force_login(make_user())
    pk = tasks[0].pk
    for page in (url("task", pk), url("approve-by-threshold"), url("third-opinions")):
        assert client.get(page).status_code == 404
    assert client.post(url("task-comment", pk), {"text": "x"}).status_code == 404
    other = make_dataset("other", owner=make_user("other-boss"))
    client.force_login(other.members.get().user)
    assert client.get(reverse("qc:task", args=["other", pk])).status_code == 404


def test_a_refused_verdict_keeps_what_was_selected_and_written(client, reviewer, tasks):
    client.force_login(reviewer)
    make_version(tasks[0], {"posture": "unset", "doing": []}, unfinished=24)
    data = {"tasks": [tasks[0].pk], "verdict": "approved", f"despite-{tasks[0].pk}": " "}
    answer = client.post(url("verdict"), data)
    assert answer.status_code == 422
    text = page_text(answer)
    assert f'name="tasks" value="{tasks[0].pk}" aria-label="{tasks[0]}" checked' in text
    assert f'name="tasks" value="{tasks[1].pk}" aria-label="{tasks[1]}">' in text
    answer = client.post(url("verdict"), {"tasks": [tasks[1].pk], "verdict": "rejected"})
    assert f'name="tasks" value="{tasks[1].pk}" aria-label="{tasks[1]}" checked' in page_text(
        answer
    )


def test_a_verdict_on_one_task_leads_to_the_next_and_the_last_to_the_next_step(
    client, reviewer, tasks
):
    client.force_login(reviewer)
    first, second = tasks
    data = {"verdict": "approved", "tasks": first.pk, "back": first.pk}
    assert client.post(url("verdict"), data)["Location"] == url("task", second.pk)
    data |= {"tasks": second.pk, "back": second.pk}
    assert client.post(url("verdict"), data)["Location"] == url("overview")


def test_two_versions_are_compared_in_the_player(client, reviewer, tasks):
    client.force_login(reviewer)
    earlier, later = tasks[0].versions.get(), make_version(tasks[0], {"posture": "sit"})
    Clip.objects.update(file="shop/clip.mp4")
    shown = page_text(client.get(url("task", tasks[0].pk), {"compare": earlier.pk}))
    assert f"?version={later.pk}&amp;version={earlier.pk}" in shown
    clip = tasks[0].clip
    versions = {"version": [later.pk, earlier.pk]}
    scene = client.get(url("scene", clip.name), versions).json()
    votes = next(iter(scene["answers"].values()))["1"]["labels"]["posture"]["votes"]
    assert {name.rsplit(", ")[-1]: vote for name, vote in votes.items()} == {
        "version 1": "walk", "version 2": "sit",
    }  # fmt: skip
    other = client.get(url("scene", clip.name), {"version": 10**9}).json()
    assert other["answers"] == {}
