import pytest
from django.urls import reverse

from annotation.models import AnnotationTask
from annotation.services.assign_tasks import PlanError, assign_clip
from avaproject.base.work import Stage
from qc.models import Consensus, ThirdOpinion
from qc.selectors.consensus.adjudication_queue import open_item_count
from qc.selectors.consensus.third_opinions import disputed_clip_rows, disputed_clips
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from qc.services.consensus.third_opinions import ThirdOpinionError, request_third_opinions
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
from workers.order_third_opinions import assign_third_opinion

pytestmark = pytest.mark.django_db

WALK, SIT = {"posture": "walk", "doing": []}, {"posture": "sit", "doing": []}


@pytest.fixture
def dataset():
    return make_dataset("shop")


@pytest.fixture
def people(dataset):
    return {name: make_annotator(dataset, name) for name in ("ann", "bob", "eve", "mia")}


@pytest.fixture
def clips(dataset, people):
    """Three clips of two annotators, who disagree on the first two, on the second most."""
    clips = make_clips(make_video(dataset, "aisle"))
    for clip, second in zip(clips, (SIT, SIT, WALK), strict=True):
        run = make_run(clip)
        for name, said in (("ann", WALK), ("bob", second)):
            make_version(make_task(run, people[name]), said)
    build_consensuses()
    return clips


def build_consensuses():
    plan_consensuses()
    for consensus in Consensus.objects.filter(stage="waiting"):
        build_clip_consensus(consensus.pk)


def ask(dataset, clips, *names):
    chosen = [clip.name for clip in clips]
    return request_third_opinions(dataset, clips=chosen, annotators=names, user=make_user())


def disputes(dataset):
    return disputed_clip_rows(list(disputed_clips(dataset)))


def test_only_clips_on_which_two_disagree_are_in_dispute(dataset, clips):
    assert [(row.clip, row.annotators) for row in disputes(dataset)] == [
        (clip, ["ann", "bob"]) for clip in (clips[1], clips[0])
    ]


def test_a_third_opinion_is_requested_from_the_annotator_with_the_fewest_tasks(
    dataset, clips, people
):
    asked = ask(dataset, clips, "ann", "eve", "mia")
    assert [(one.clip, one.annotator) for one in asked] == [
        (clips[1], people["eve"]),
        (clips[0], people["mia"]),
    ]
    assert disputes(dataset) == []
    assert ask(dataset, clips, "ann", "eve", "mia") == []


def test_nobody_is_asked_twice_about_a_clip(dataset, clips):
    with pytest.raises(
        ThirdOpinionError, match="have aisle-c0001 already: select another annotator"
    ):
        ask(dataset, clips, "ann", "bob")
    assert not ThirdOpinion.objects.exists()


def test_a_third_opinion_becomes_a_task_and_then_a_majority(dataset, clips, people):
    (opinion,) = ask(dataset, clips[:1], "eve")
    assign_third_opinion(ThirdOpinion.objects.get().pk)
    assign_third_opinion(ThirdOpinion.objects.get().pk)
    opinion = ThirdOpinion.objects.get()
    assert opinion.stage == Stage.DONE
    task = AnnotationTask.objects.get(annotator=people["eve"])
    assert (task.clip, task.run, task.stage) == (
        clips[0],
        clips[0].tasks.first().run,
        "waiting",
    )
    open_elsewhere = open_item_count(dataset)
    assert open_elsewhere == 2 * len(clips[1].keyframes())  # those of this clip wait for it
    make_version(task, SIT)
    build_consensuses()
    newest = Consensus.objects.filter(clip=clips[0]).last()
    assert newest.open_count == 0
    assert newest.boxes.first().labels.get(group="posture").actions == ["sit"]


def test_a_request_of_another_worker_is_left_alone(dataset, clips):
    ask(dataset, clips[:1], "eve")
    pk = ThirdOpinion.objects.get().pk
    ThirdOpinion.objects.claim(pk)
    assign_third_opinion(pk)
    assert AnnotationTask.objects.count() == 6


def test_a_clip_without_tasks_gets_no_third_opinion(dataset, people):
    clip = make_clips(make_video(dataset))[0]
    with pytest.raises(PlanError, match="assign it first"):
        assign_clip(clip, people["ann"])


def test_disputes_are_shown_and_asked_about_page_by_page(dataset, clips, client, monkeypatch):
    monkeypatch.setattr("qc.views.third_opinions.CLIPS_SHOWN", 1)
    client.force_login(make_user(is_superuser=True))
    address = reverse("qc:third-opinions", args=["shop"])
    first, second = (client.get(f"{address}?page={one}").content.decode() for one in (1, 2))
    assert [clip.name in first for clip in clips[:2]] == [False, True]
    assert [clip.name in second for clip in clips[:2]] == [True, False]
    assert "2 clips with disagreements" in first
    asked = {"clips": clips[0].name, "annotators": "eve"}
    client.post(f"{address}?page=2", asked)
    assert ThirdOpinion.objects.get().clip == clips[0]
