"""A qualification round: gold clips first, other tasks when it is ended."""

import pytest
from django.urls import reverse

from annotation.models import AnnotationTask, Annotator
from annotation.services.assign_tasks import PlanError
from annotation.services.qualification import ask_qualification, end_qualification
from datasets.models import Member
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
ANSWERS = {"posture": "walk", "doing": []}


@pytest.fixture
def kim():
    """A newcomer with a task; two gold clips by the expert."""
    dataset = make_dataset("shop", owner=make_user("owner"))
    runs = [make_run(clip) for clip in make_clips(make_video(dataset, frame_count=1350))]
    expert = make_annotator(dataset, "expert")
    for run in runs[:2]:
        make_version(make_task(run, expert, purpose="gold"), ANSWERS)
    user = make_user("kim")
    Member.objects.create(dataset=dataset, user=user, role="annotator")
    kim = make_annotator(dataset, "kim", user=user)
    make_task(runs[2], kim)
    return kim


def own(annotator):
    tasks = AnnotationTask.objects.own(annotator.user)
    return sorted(tasks.values_list("purpose", flat=True))


def test_gold_clips_come_before_all_other_tasks_until_the_round_is_ended(kim):
    assert own(kim) == ["work"]
    assert ask_qualification(kim, 2) == 2
    assert own(kim) == ["check", "check"]
    end_qualification(kim)
    assert own(kim) == ["check", "check", "work"]


def test_asking_twice_adds_nothing(kim):
    assert ask_qualification(kim, 2) == 2
    assert ask_qualification(kim, 2) == 2
    assert kim.tasks.filter(purpose="check").count() == 2


def test_fewer_gold_clips_make_a_shorter_round_and_none_make_no_round(kim):
    assert ask_qualification(kim, 9) == 2
    expert = Annotator.objects.get(name="expert")
    with pytest.raises(PlanError, match="no gold clip that expert has not done"):
        ask_qualification(expert, 1)
    expert.refresh_from_db()
    assert not expert.is_qualifying


def test_tasks_that_wait_are_not_sent_to_cvat(kim):
    ask_qualification(kim, 1)
    kept = AnnotationTask.objects.filter(annotator=kim).for_cvat()
    assert set(kept.values_list("purpose", flat=True)) == {"check"}


def test_the_pages_ask_say_so_and_end_it(kim, client):
    client.force_login(Member.objects.get(role="owner").user)
    url = reverse("annotation:qualify", args=["shop"])
    page = client.post(url, {"annotator": kim.pk, "count": "2"}, follow=True).content.decode()
    assert "kim does 2 gold clips before all other tasks." in page
    assert "0 of 2 gold clips answered" in page
    client.force_login(kim.user)
    assert "qualification round" in client.get(reverse("qc:my")).content.decode()
    client.force_login(Member.objects.get(role="owner").user)
    client.post(url, {"annotator": kim.pk, "end": "1"})
    kim.refresh_from_db()
    assert not kim.is_qualifying
