import pytest
from django.urls import reverse

from qc.models import AgreementReport, Comment, Consensus, Review, ThirdOpinion
from qc.services.agree import plan_reports, report_agreement
from qc.services.review.verdicts import approve, reject
from qc.services.consensus.build_consensus import plan_consensuses, settle_clip
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_pull,
    make_run,
    make_task,
    make_user,
    make_video,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def tasks(dataset):
    """Two tasks of one clip whose answers differ at one keyframe."""
    run = make_run(make_clips(make_video(dataset, "aisle"))[0])
    tasks = [make_task(run, make_annotator(dataset, name)) for name in ("kim", "lee")]
    for task in tasks:
        pull = make_pull(task)
        sits = {"posture": "sit", "doing": ["wave"]}
        pull.annotations.filter(second__gte=6).update(answers=sits)
    pull.annotations.filter(second=2).update(answers=sits)
    plan_reports()
    plan_consensuses()
    report_agreement(AgreementReport.objects.get().pk)
    settle_clip(Consensus.objects.get().pk)
    return tasks


def url(page, *arguments):
    return reverse(f"qc:{page}", args=["shop", *arguments])


def text_of(response):
    return response.content.decode()


def test_the_list_by_threshold_is_shown_before_it_acts(client, reviewer, tasks):
    client.force_login(reviewer)
    page = text_of(client.get(url("threshold"), {"alpha": 0.5, "f1": 0.9}))
    assert "2 of 2 waiting tasks" in page
    assert page.count('name="tasks"') == 2
    assert not Review.objects.exists()
    page = text_of(client.get(url("threshold"), {"alpha": 1, "f1": 0.9}))
    assert "No task is that good" in page
    assert "less than or equal to 1" in text_of(client.get(url("threshold"), {"alpha": 2}))


def test_the_list_by_threshold_is_shown_page_by_page(client, reviewer, tasks, monkeypatch):
    monkeypatch.setattr("qc.views.review.LOOKED_THROUGH", 1)
    client.force_login(reviewer)
    for number, task in enumerate(tasks, start=1):
        asked = {"alpha": 0.5, "f1": 0.9, "page": number}
        page = text_of(client.get(url("threshold"), asked))
        assert f'name="tasks" value="{task.pk}"' in page
        assert (page.count('name="tasks"'), "1 of 1 waiting tasks" in page) == (1, True)
        assert "of 2 waiting tasks, oldest answers first" in page
    page = text_of(client.get(url("threshold"), {"alpha": 1, "f1": 0.9}))
    assert "No task on this page is that good" in page
    assert "alpha=1&amp;f1=0.9&amp;page=2" in page


def test_one_task_is_judged_on_its_page_which_tells_its_history(client, reviewer, tasks):
    client.force_login(reviewer)
    page = url("task", tasks[0].pk)
    data = {"tasks": tasks[0].pk, "back": tasks[0].pk, "verdict": "rejected", "reason": "No."}
    assert client.post(url("verdict"), data)["Location"] == page
    client.post(url("comment", tasks[0].pk), {"text": "He waves."})
    make_pull(tasks[0])
    shown = text_of(client.get(page))
    for sentence in (
        "Sent back, version 1",
        "He waves.",
        "Answers, version 2",
        "Back after",
    ):
        assert sentence in shown
    assert "Back again" in text_of(client.get(url("review")))


def test_what_is_approved_is_not_offered_for_approval(client, reviewer, tasks):
    client.force_login(reviewer)
    offer, page = 'value="approved"', url("task", tasks[0].pk)
    assert offer in text_of(client.get(page))
    approve(tasks[:1], reviewer=reviewer)
    shown = text_of(client.get(page))
    assert (offer in shown, "Version 1 is approved." in shown) == (False, True)
    assert 'value="rejected"' in shown
    reject(tasks[:1], reviewer=reviewer, reason="Look again.")
    assert offer in text_of(client.get(page))


def test_a_version_that_nobody_looked_at_is_not_judged(client, reviewer, tasks):
    client.force_login(reviewer)
    shown = text_of(client.get(url("task", tasks[0].pk)))
    seen = tasks[0].pulls.get().pk
    assert f'name="seen" value="{seen}"' in shown
    assert text_of(client.get(url("review"))).count('name="seen"') == 2
    make_pull(tasks[0])
    for verdict in ({"verdict": "approved"}, {"verdict": "rejected", "reason": "No."}):
        data = {"tasks": tasks[0].pk, "seen": seen, "despite_findings": "on"} | verdict
        answer = client.post(url("verdict"), data, follow=True)
        assert "was answered again since you looked" in text_of(answer)
    assert not Review.objects.exists()


def test_an_empty_comment_is_refused(client, reviewer, tasks):
    client.force_login(reviewer)
    answer = client.post(url("comment", tasks[0].pk), {"text": " "}, follow=True)
    assert "Write the comment first." in text_of(answer)
    assert not Comment.objects.exists()


def test_a_task_without_answers_has_nothing_to_judge(client, reviewer, dataset, tasks):
    task = make_task(tasks[0].run, make_annotator(dataset, "mia"))
    client.force_login(reviewer)
    assert "nothing to judge" in text_of(client.get(url("task", task.pk)))


def test_an_admin_asks_for_third_opinions_and_a_reviewer_does_not(
    client, admin, reviewer, dataset, tasks
):
    make_annotator(dataset, "mia")
    client.force_login(reviewer)
    assert client.get(url("opinions")).status_code == 404
    client.force_login(admin)
    assert "aisle-c0000" in text_of(client.get(url("opinions")))
    data = {"clips": ["aisle-c0000"], "annotators": ["kim"]}
    assert "choose somebody else" in text_of(client.post(url("opinions"), data))
    assert "Tick at least one clip" in text_of(client.post(url("opinions"), {}))
    data["annotators"].append("mia")
    assert client.post(url("opinions"), data)["Location"] == url("questions")
    assert ThirdOpinion.objects.get().annotator.name == "mia"


def test_a_stranger_finds_no_task_and_comments_on_none(client, tasks):
    client.force_login(make_user())
    pk = tasks[0].pk
    for page in (url("task", pk), url("threshold"), url("opinions")):
        assert client.get(page).status_code == 404
    assert client.post(url("comment", pk), {"text": "x"}).status_code == 404
    other = make_dataset("other", admin=make_user("other-boss"))
    client.force_login(other.members.get().user)
    assert client.get(reverse("qc:task", args=["other", pk])).status_code == 404
