"""My tasks: the page that annotators land on."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from annotation.models import AnnotationTask, AnswerDraft
from annotation.selectors.pace import expected_pace, measured_pace
from datasets.models import Member
from qc.models import AgreementReport, AgreementSummary, Review
from qc.selectors.my_tasks import my_datasets
from qc.services.agreement.reports import (
    plan_reports,
    plan_summaries,
    report_agreement,
    summarise,
)
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
def ann(client):
    user = make_user("ann")
    client.force_login(user)
    return user


def give(user, name, *, clips=3, role="annotator"):
    """A dataset with tasks of `user` on clips of 15 s with two persons."""
    dataset = make_dataset(name, owner=make_user(f"boss-of-{name}"))
    Member.objects.create(dataset=dataset, user=user, role=role)
    annotator = make_annotator(dataset, user.username, user=user)
    made = make_clips(make_video(dataset, f"{name}-aisle", frame_count=450 * clips))
    return [make_task(make_run(clip), annotator) for clip in made]


def submit(task, *, seconds, keyframes):
    version = make_version(task)
    AnswerDraft.objects.create(
        task=task, revision=1, start={}, version=version, active_ms=1000 * seconds,
        done=keyframes, total=keyframes, saved_at=timezone.now(),
    )  # fmt: skip
    return version


def test_an_annotator_lands_on_their_tasks_over_all_datasets(client, ann):
    give(ann, "shop")
    give(ann, "street", clips=1)
    page = client.get("/", follow=True)
    assert page.redirect_chain[-1][0] == reverse("qc:my")
    text = page.content.decode()
    assert "4 tasks left" in text
    assert 'href="/datasets/"' not in text
    assert 'href="/work/"' not in text


def test_the_primary_button_is_what_came_back_with_its_remarks(client, ann):
    tasks = give(ann, "shop")
    version = submit(tasks[1], seconds=60, keyframes=20)
    Review.objects.create(
        task=tasks[1], version=version, verdict="rejected", reviewer=make_user(),
        reason="Second 4: He carries a bag.",
    )  # fmt: skip
    text = client.get(reverse("qc:my")).content.decode()
    label = reverse("qc:label", args=["shop", tasks[1].pk])
    assert re.search(rf'id="next-task" href="{label}"', text)
    assert "He carries a bag." in text
    assert f'href="{label}?second=4"' in text


def test_what_was_begun_comes_before_what_was_not(ann):
    tasks = give(ann, "shop")
    AnswerDraft.objects.create(task=tasks[2], revision=1, start={}, done=10, total=26)
    [shop] = my_datasets(ann)
    assert shop.next.task == tasks[2]
    assert shop.next.keyframes == 16


def test_hours_left_come_from_the_measured_pace(ann):
    tasks = give(ann, "shop")
    dataset = tasks[0].clip.video.dataset
    assert measured_pace(dataset) is None
    submit(tasks[0], seconds=200, keyframes=100)
    assert expected_pace(dataset) == 2.0
    [shop] = my_datasets(ann)
    left = sum(2 * len(task.clip.keyframes()) for task in tasks[1:])
    assert shop.hours_left == pytest.approx(left * 2.0 / 3600)
    assert shop.submitted == 1


def test_agreement_is_with_others_and_never_says_whose(client, ann):
    tasks = give(ann, "shop", clips=1)
    make_version(tasks[0], {"posture": "walk", "doing": []})
    other = make_task(tasks[0].run, make_annotator(tasks[0].clip.video.dataset, "kim"))
    make_version(other, {"posture": "sit", "doing": []})
    plan_reports()
    report_agreement(AgreementReport.objects.get().pk)
    plan_summaries()
    summarise(AgreementSummary.objects.get(period="").pk)
    [shop] = my_datasets(ann)
    assert 0 <= shop.agreement < 1
    assert shop.compared > 0
    assert "kim" not in client.get(reverse("qc:my")).content.decode()


def test_nothing_of_a_dataset_that_one_left_is_shown(client, ann):
    give(ann, "shop")
    Member.objects.filter(user=ann).delete()
    assert my_datasets(ann) == []
    assert "No tasks yet" in client.get(reverse("qc:my")).content.decode()


def test_unassigned_tasks_are_not_shown(ann):
    tasks = give(ann, "shop")
    AnnotationTask.objects.filter(pk=tasks[0].pk).update(unassigned_at=timezone.now())
    assert my_datasets(ann)[0].left == 2


def test_the_page_costs_a_fixed_number_of_queries(client, ann, django_assert_max_num_queries):
    give(ann, "shop", clips=8)
    with django_assert_max_num_queries(24):
        assert client.get(reverse("qc:my")).status_code == 200
