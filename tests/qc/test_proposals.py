import pytest
from django.urls import reverse

from qc.models import Consensus
from qc.selectors.agreement.proposal_quality import proposal_page, run_metrics
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from tests.make import (
    make_annotator,
    make_clips,
    make_run,
    make_task,
    make_user,
    make_version,
    make_video,
)
from tracking.models import Experiment, Proposal

pytestmark = pytest.mark.django_db


@pytest.fixture
def runs(dataset):
    """Three clips whose two persons each were confirmed."""
    return confirmed(dataset, 3)


def confirmed(dataset, count):
    made = []
    for number in range(count):
        clip = make_clips(make_video(dataset, f"aisle{number}", frame_count=450))[0]
        run = make_run(clip)
        made.append(run)
        make_version(make_task(run, make_annotator(dataset)))
    plan_consensuses()
    for consensus in Consensus.objects.all():
        build_clip_consensus(consensus.pk)
    return made


@pytest.fixture
def experiment(dataset, runs):
    """Another configuration that finds one of the two, and a ghost besides."""
    return tried(dataset, runs)


def tried(dataset, runs, *, seconds=(99,)):
    """It finds the other up to a second that may differ from clip to clip."""
    experiment = Experiment.objects.create(
        dataset=dataset, detector="onnx", weights="w.onnx", threshold=0.5
    )
    for place, run in enumerate(runs):
        other = make_run(run.clip, config_key="onnx", experiment=experiment)
        missed = Proposal.objects.filter(run=other, person_id=2)
        missed.filter(second__lte=seconds[place % len(seconds)]).update(x1=500, x2=550)
    return experiment


def test_what_was_confirmed_was_found(runs):
    metrics = run_metrics(runs[0])
    assert (metrics.keyframes, metrics.persons, metrics.recall, metrics.precision) == (
        12,
        24,
        1,
        1,
    )


def test_before_anybody_answered_there_is_nothing_to_say(dataset, clip):
    assert run_metrics(make_run(clip)) is None
    page = proposal_page(dataset)
    assert (page.clips, page.rows, page.verdict) == (0, [], "")


def test_ways_are_measured_on_the_same_clips(dataset, runs, experiment):
    experiment.runs.get(clip=runs[2].clip).delete()
    page = proposal_page(dataset)
    assert (page.clips, page.corrected) == (2, 3)
    own, other = page.rows
    assert (own.is_active, own.metrics.persons, own.metrics.recall) == (True, 48, 1.0)
    assert (other.metrics.found, other.metrics.to_draw, other.metrics.to_remove) == (24, 24, 24)
    assert other.against.value == -0.5
    assert other.against.no_interval == "fewer than 8 clips to compare"
    assert page.verdict.startswith("Stay with Dataset configuration")


def test_the_better_configuration_of_many_clips_is_recommended(dataset):
    experiment = tried(dataset, confirmed(dataset, 8), seconds=(99, 9))
    experiment.is_active = True
    experiment.save()
    page = proposal_page(dataset)
    assert page.rows[0].title == f"Experiment {experiment.pk}"
    assert page.verdict.startswith("Choose Dataset configuration: its F1 is")


def test_a_difference_on_few_clips_may_be_chance(dataset, runs, experiment):
    experiment.is_active = True
    experiment.save()
    assert "may be chance: annotate more clips" in proposal_page(dataset).verdict


def test_a_keyframe_with_a_disputed_person_is_left_out(runs):
    consensus = Consensus.objects.get(clip=runs[0].clip)
    consensus.boxes.filter(second=5, person_id=1).update(status="disputed")
    assert run_metrics(runs[0]).keyframes == 11


def test_the_page_shows_every_way_and_a_stranger_nothing(
    client, admin, dataset, runs, experiment
):
    address = reverse("qc:proposals", args=["shop"])
    client.force_login(admin)
    page = client.get(address).content.decode()
    assert "36 of 72" in page
    assert "Stay with" in page
    client.force_login(make_user("stranger"))
    assert client.get(address).status_code == 404
