"""Gold checks and unassigned tasks stay on record; the consensus does not wait for them."""

import pytest
from django.utils import timezone

from annotation.models import AnnotationTask
from qc.models import Consensus
from qc.selectors.clip_and_task_states import clips_with_state, tasks_with_state
from qc.selectors.release.approved_clips import select_clips
from qc.selectors.review.review_queue import pending
from qc.services.answer_versions import complete_versions
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from qc.services.review.verdicts import approve
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
def dataset():
    return make_dataset("shop")


@pytest.fixture
def run(dataset):
    return make_run(make_clips(make_video(dataset, "aisle"))[0])


@pytest.fixture
def done(dataset, run):
    """A clip whose one task is answered, approved and settled."""
    task = make_task(run, make_annotator(dataset, "ann"), purpose="gold")
    make_version(task)
    approve([task], reviewer=make_user())
    plan_consensuses()
    build_clip_consensus(Consensus.objects.get().pk)
    return task


def state_of(run):
    return clips_with_state(run.clip.video.dataset).get(pk=run.clip_id).state


@pytest.mark.parametrize("is_answered", [False, True])
def test_a_gold_check_has_no_effect_on_the_consensus(dataset, run, done, is_answered):
    check = make_task(run, make_annotator(dataset, "bob"), purpose="check")
    if is_answered:
        make_version(check)
    assert complete_versions() == {run.clip_id: [done.versions.get().pk]}
    assert state_of(run) == "approved"
    assert [one.clip for one in select_clips(dataset).approved] == [run.clip]
    assert not pending(dataset).exists()
    state = tasks_with_state(dataset).get(pk=check.pk).state
    assert state == ("checked" if is_answered else "given")


def test_unassigned_tasks_are_not_waited_for(dataset, run, done):
    gone = make_task(run, make_annotator(dataset, "bob"), unassigned_at=timezone.now())
    assert tasks_with_state(dataset).get(pk=gone.pk).state == "withdrawn"
    assert state_of(run) == "approved"
    assert select_clips(dataset).approved
    make_version(gone)
    assert tasks_with_state(dataset).get(pk=gone.pk).state == "review"
    assert state_of(run) == "review"
    assert len(complete_versions()[run.clip_id]) == 2


def test_a_clip_whose_tasks_were_all_unassigned_is_ready_again(dataset, run):
    make_task(run, make_annotator(dataset, "bob"), unassigned_at=timezone.now())
    assert state_of(run) == "tracked"
    assert complete_versions() == {}
    assert AnnotationTask.objects.count() == 1
