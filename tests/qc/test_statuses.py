from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.models import AnnotationTask, AnswerVersion
from datasets.models import Clip
from qc.models import ClipStatus, Consensus, Review, StatusClock, TaskStatus
from qc.selectors.consensus.adjudication_queue import open_item_count
from qc.selectors.statuses import CLIP_OF, clip_statuses, refresh, refreshed_once, task_statuses
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
from tracking.models import Experiment
from tracking.services.experiments import activate

pytestmark = pytest.mark.django_db


@pytest.fixture
def task():
    dataset = make_dataset("shop")
    return make_task(
        make_run(make_clips(make_video(dataset, "aisle"))[0]), make_annotator(dataset)
    )


def forget():
    """As if all rows had changed an hour ago, and their states were computed since."""
    refresh()
    for model in CLIP_OF:
        field = "reviewed_at" if model is Review else "modified_at"
        model.objects.update(**{field: Now() - timedelta(hours=1)})
    StatusClock.objects.update(as_of=Now() - timedelta(minutes=30))


def states(dataset):
    return [one.state for one in clip_statuses(dataset)]


def test_states_are_kept_and_computed_again_where_a_row_has_changed(task):
    dataset = task.clip.video.dataset
    assert states(dataset) == ["annotating", "detecting", "detecting"]
    forget()
    version = make_version(task)
    assert refresh() == 1
    assert states(dataset) == ["review", "detecting", "detecting"]
    forget()
    Review.objects.create(task=task, version=version, verdict="rejected", reviewer=make_user())
    assert states(dataset) == ["annotating", "detecting", "detecting"]
    assert [one.state for one in task_statuses(dataset)] == ["rejected"]


def test_looking_for_changes_takes_two_queries_and_writes_nothing(task):
    make_version(task)
    forget()
    with CaptureQueriesContext(connection) as queries:
        assert refresh() == 0
    assert len(queries) == 2


def test_a_late_commit_is_seen(task):
    """A transaction may end after a state was kept, with a time before that."""
    forget()
    StatusClock.objects.update(as_of=Now())
    version = make_version(task)
    AnswerVersion.objects.filter(pk=version.pk).update(
        modified_at=Now() - timedelta(seconds=50)
    )
    AnnotationTask.objects.update(modified_at=Now() - timedelta(hours=1))
    assert states(task.clip.video.dataset)[0] == "review"


def test_a_page_looks_once(task):
    dataset = task.clip.video.dataset
    with refreshed_once():
        assert states(dataset)[0] == "annotating"
        make_version(task)
        assert states(dataset)[0] == "annotating"
    assert states(dataset)[0] == "review"


def test_a_request_that_writes_reads_what_it_wrote(task, client):
    reviewer = make_user(is_superuser=True)
    version = make_version(task)
    client.force_login(reviewer)
    client.post(
        reverse("qc:verdict", args=["shop"]),
        {"tasks": [task.pk], "seen": [version.pk], "verdict": "approved"},
    )
    page = client.get(reverse("qc:tasks", args=["shop"])).content.decode()
    assert "Approved" in page


def test_activating_an_experiment_changes_the_states_of_its_clips(task):
    dataset = task.clip.video.dataset
    experiment = Experiment.objects.create(dataset=dataset, detector="onnx", threshold=0.3)
    make_run(task.clip, config_key="other", experiment=experiment, stage="failed")
    forget()
    assert states(dataset)[0] == "annotating"
    activate(dataset, experiment)
    assert states(dataset)[0] == "failed"


def test_the_items_of_a_deleted_consensus_are_gone(task):
    version = make_version(task)
    consensus = Consensus.objects.create(
        clip=task.clip, versions=[version.pk], stage="done", open_count=3
    )
    dataset = task.clip.video.dataset
    assert open_item_count(dataset) == 3
    forget()
    consensus.delete()
    assert open_item_count(dataset) == 0


def test_kept_states_go_with_their_clips(task):
    refresh()
    task.delete()
    Clip.objects.all().delete()
    assert not ClipStatus.objects.exists()
    assert not TaskStatus.objects.exists()
    assert refresh() == 0
