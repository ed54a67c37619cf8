"""Gold checks and work taken back are on record; nothing that is believed waits for them."""

import pytest
from django.utils import timezone

from annotation.models import AnnotationTask
from qc.models import Consensus
from qc.selectors.release.approved_clips import select_clips
from qc.selectors.clip_and_task_states import clips_with_state, pending_tasks, tasks_with_state
from qc.services.review.verdicts import approve
from qc.services.consensus.build_consensus import plan_consensuses, settle_clip
from qc.services.answer_versions import ready_versions
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
def dataset():
    return make_dataset("shop")


@pytest.fixture
def run(dataset):
    return make_run(make_clips(make_video(dataset, "aisle"))[0])


@pytest.fixture
def done(dataset, run):
    """A clip whose one task is answered, approved and settled."""
    task = make_task(run, make_annotator(dataset, "ann"), purpose="key")
    make_pull(task)
    approve([task], reviewer=make_user())
    plan_consensuses()
    settle_clip(Consensus.objects.get().pk)
    return task


def state_of(run):
    return clips_with_state(run.clip.video.dataset).get(pk=run.clip_id).state


@pytest.mark.parametrize("is_answered", [False, True])
def test_a_gold_check_changes_nothing_that_is_believed(dataset, run, done, is_answered):
    check = make_task(run, make_annotator(dataset, "bob"), purpose="check")
    if is_answered:
        make_pull(check)
    assert ready_versions() == {run.clip_id: str(done.pulls.get().pk)}
    assert state_of(run) == "approved"
    assert [one.clip for one in select_clips(dataset).approved] == [run.clip]
    assert not pending_tasks(dataset).exists()
    state = tasks_with_state(dataset).get(pk=check.pk).state
    assert state == ("checked" if is_answered else "given")


def test_work_taken_back_is_not_waited_for(dataset, run, done):
    gone = make_task(run, make_annotator(dataset, "bob"), withdrawn_at=timezone.now())
    assert tasks_with_state(dataset).get(pk=gone.pk).state == "withdrawn"
    assert state_of(run) == "approved"
    assert select_clips(dataset).approved
    make_pull(gone)
    assert tasks_with_state(dataset).get(pk=gone.pk).state == "review"
    assert state_of(run) == "review"
    assert len(ready_versions()[run.clip_id].split(",")) == 2


def test_a_clip_all_of_whose_work_was_taken_back_is_ready_again(dataset, run):
    make_task(run, make_annotator(dataset, "bob"), withdrawn_at=timezone.now())
    assert state_of(run) == "tracked"
    assert ready_versions() == {}
    assert AnnotationTask.objects.count() == 1
