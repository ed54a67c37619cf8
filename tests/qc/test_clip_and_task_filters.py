"""Filters, orders and saved views of lists; warnings before a release."""

import pytest
from django.urls import reverse

from datasets.models import Video
from qc.models import Consensus, ConsensusAction, SavedView
from qc.selectors.clip_and_task_filters import (
    ORDERS,
    TASK,
    TASK_ORDERS,
    filter_bar,
    narrowed,
    ordered,
)
from qc.selectors.release.release_warnings import release_warnings
from qc.selectors.statuses import clip_statuses, task_statuses
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from qc.services.review.verdicts import approve
from tests.make import make_clips, make_run, make_task, make_user, make_version, make_video
from tracking.models import TrackingRun

pytestmark = pytest.mark.django_db


def found(dataset, **query):
    return list(narrowed(clip_statuses(dataset), query).values_list("name", flat=True))


@pytest.fixture
def disputed(tasks):
    """Two tasks whose answers agree on one group only."""
    for task, posture in zip(tasks, ("walk", "sit"), strict=True):
        make_version(task, {"posture": posture, "doing": ["wave"]})
    plan_consensuses()
    build_clip_consensus(Consensus.objects.get().pk)
    return tasks


@pytest.fixture
def other_clip(dataset, disputed):
    """A clip of another video, in which nobody was asked yet."""
    video = make_video(dataset, "yard")
    named = {"original_name": "GOPR0042.MP4", "width": 480, "height": 270}
    Video.objects.filter(pk=video.pk).update(**named)
    (clip, *_) = make_clips(video)
    make_run(clip, persons=4)
    return clip


def test_clips_are_found_by_all_that_is_known_of_them(dataset, clip, disputed, other_clip):
    assert found(dataset, q="gopr00")[:1] == [other_clip.name]
    assert clip.name not in found(dataset, q="yard")
    assert found(dataset, annotator="kim") == [clip.name]
    assert found(dataset, open="yes") == [clip.name]
    assert clip.name not in found(dataset, open="no")
    assert found(dataset, persons="3-5") == [other_clip.name]
    assert other_clip.name in found(dataset, agreement="none")
    assert found(dataset, size="480x270")[:1] == [other_clip.name]
    group, action = ConsensusAction.objects.values_list("group", "action").first()
    assert found(dataset, label=f"{group}/{action}") == [clip.name]
    assert found(dataset, label="posture/fly") == []


@pytest.mark.parametrize("name", ["persons", "size", "agreement", "label", "findings"])
@pytest.mark.parametrize("value", ["x", "-", "1-2-3", "²", "0x"])
def test_no_filter_fails_on_what_somebody_types(dataset, disputed, name, value):
    found(dataset, **{name: value})
    list(narrowed(task_statuses(dataset), {name: value}, of=TASK))


def test_every_order_works_both_ways(dataset, disputed, other_clip):
    for name in ORDERS:
        rows = clip_statuses(dataset)
        there = [one.pk for one in ordered(rows, {"sort": name}, ORDERS)]
        back = [one.pk for one in ordered(rows, {"sort": f"-{name}"}, ORDERS)]
        assert sorted(there) == sorted(back) == sorted(rows.values_list("pk", flat=True))
    for name in TASK_ORDERS:
        assert list(ordered(task_statuses(dataset), {"sort": name}, TASK_ORDERS))
    persons = ordered(clip_statuses(dataset), {"sort": "-persons"}, ORDERS)
    assert persons[0].name == other_clip.name
    assert list(ordered(clip_statuses(dataset), {"sort": "secret"}, ORDERS))


def test_the_bar_keeps_the_order_and_drops_one_filter_at_a_time(dataset, disputed):
    query = {"q": "aisle", "open": "yes", "sort": "-open", "page": "3"}
    bar = filter_bar(dataset, query, with_names=False)
    assert "annotator" not in {one.name for one in bar.filters}
    by_name = {one.name: one for one in bar.filters}
    assert by_name["open"].without == "sort=-open&q=aisle"
    assert bar.query == "sort=-open&q=aisle&open=yes"


def test_lists_of_clips_and_tasks_take_filters_from_the_address(
    client, reviewer, clip, disputed, other_clip
):
    client.force_login(reviewer)
    for page in ("qc:clips", "qc:tasks"):
        url = reverse(page, args=["shop"])
        shown = client.get(url, {"q": clip.name, "sort": "-state", "view": "grid"})
        text = shown.content.decode()
        assert clip.name in text
        assert f"{other_clip.name}<" not in text


def test_a_view_is_saved_used_and_removed_by_its_user_alone(client, reviewer, disputed):
    client.force_login(reviewer)
    query = "open=yes&sort=-open&page=2"
    data = {"page": "qc:clips", "name": "Open questions", "query": query}
    answer = client.post(reverse("qc:view-save", args=["shop"]), data)
    assert answer["Location"].endswith("/clips/?open=yes&sort=-open")
    page = client.get(reverse("qc:clips", args=["shop"])).content.decode()
    assert '<a href="?open=yes&amp;sort=-open">Open questions</a>' in page
    view = SavedView.objects.get()
    client.force_login(make_user("other", is_superuser=True))
    remove = reverse("qc:view-remove", args=["shop", view.pk])
    assert client.post(remove).status_code == 404
    client.force_login(reviewer)
    client.post(remove)
    assert not SavedView.objects.exists()


def test_a_release_is_warned_of_before_it_is_made(dataset, disputed, reviewer, other_clip):
    run = TrackingRun.objects.get(clip=other_clip)
    alone = make_task(run, dataset.annotators.get(name="kim"))
    make_version(alone, {"posture": "walk", "doing": ["wave"]})
    plan_consensuses()
    build_clip_consensus(Consensus.objects.get(clip=other_clip).pk)
    tasks = [*disputed, alone]
    approve(tasks, reviewer=reviewer, overrides={task.pk: "A test." for task in tasks})
    sentences = " ".join(release_warnings(dataset))
    assert "labels rest on one vote, in 1 clip." in sentences
    assert "3 actions have no label: stand, sit, carry." in sentences
    assert "Annotators agree little" not in sentences  # nothing is measured yet
