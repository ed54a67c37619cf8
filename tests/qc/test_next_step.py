"""The next step on the overview is one button that leads straight to the work."""

import pytest
from django.urls import reverse

from datasets.models import Member
from qc.models import Consensus
from qc.selectors.label_page import label_data
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from qc.services.review.verdicts import approve
from tests.make import make_run, make_user, make_version, make_video

pytestmark = pytest.mark.django_db


@pytest.fixture
def next_step(client, admin, dataset):
    """The action and the address of the next step of the admin."""
    client.force_login(admin)

    def ask():
        step = client.get(url("overview")).context["next_step"]
        return None if step is None else (step.action, step.href)

    return ask


def url(page, *arguments):
    return reverse(f"qc:{page}", args=["shop", *arguments])


def test_videos_come_first(next_step, dataset):
    assert next_step() == ("Add videos", reverse("datasets:upload", args=["shop"]))
    make_video(dataset)
    assert next_step() is None  # only machines have work


def test_a_missing_file_of_the_detector_comes_before_all_work(
    next_step, dataset, admin, settings, tmp_path
):
    settings.WEIGHTS_DIR = tmp_path
    make_video(dataset)
    type(dataset).objects.update(weights="gone.onnx")
    assert next_step() == ("Choose detector", reverse("tracking:page", args=["shop"]))
    type(admin).objects.filter(pk=admin.pk).update(is_staff=True)
    assert next_step() == ("Choose detector", reverse("tracking:files"))
    (tmp_path / "gone.onnx").write_bytes(b"there")
    assert next_step() is None


def test_a_detector_with_which_all_clips_fail_is_to_be_chosen_anew(next_step, clip):
    run = make_run(clip, stage="failed", error="No network")
    assert next_step() == ("Choose detector", reverse("tracking:page", args=["shop"]))
    run.stage = "waiting"
    run.save()
    assert next_step() is None


def test_own_tasks_are_opened_on_the_label_page(next_step, admin, tasks):
    annotator = tasks[1].annotator
    annotator.user, annotator.tool = admin, annotator.Tool.LABEL_PAGE
    annotator.save()
    assert next_step() == ("Label", url("label", tasks[1].pk))


def test_review_begins_with_the_first_submission(next_step, admin, tasks):
    for task in tasks:
        make_version(task)
    plan_consensuses()
    for consensus in Consensus.objects.all():
        build_clip_consensus(consensus.pk)
    assert next_step() == ("Review", url("task", tasks[0].pk))
    approve([tasks[0]], reviewer=admin)
    assert next_step() == ("Review", url("task", tasks[1].pk))
    approve([tasks[1]], reviewer=admin)
    assert next_step() == ("Create release", url("release-new"))


def test_after_the_last_task_owners_get_the_next_step_and_annotators_their_tasks(admin, tasks):
    annotator = make_user("ann")
    role = Member.Role.ANNOTATOR
    Member.objects.create(dataset=tasks[0].clip.video.dataset, user=annotator, role=role)
    assert label_data(tasks[0], admin)["urls"]["end"] == url("overview")
    assert label_data(tasks[0], annotator)["urls"]["end"] == reverse("qc:my")
