"""A dataset with an admin and a reviewer, a clip, and two tasks on it."""

import pytest

from datasets.models import Member
from qc.models import AgreementReport, Consensus
from qc.services.agreement.reports import plan_reports, report_agreement
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
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


@pytest.fixture
def admin():
    return make_user("boss")


@pytest.fixture
def dataset(admin):
    return make_dataset("shop", owner=admin)


@pytest.fixture
def reviewer(dataset):
    user = make_user("reviewer")
    Member.objects.create(dataset=dataset, user=user, role=Member.Role.REVIEWER)
    return user


@pytest.fixture
def clip(dataset):
    return make_clips(make_video(dataset, "aisle"))[0]


@pytest.fixture
def tasks(dataset, clip):
    """Two tasks of one clip."""
    run = make_run(clip)
    return [make_task(run, make_annotator(dataset, name)) for name in ("kim", "lee")]


@pytest.fixture
def disputed(tasks):
    """The two tasks with answers that disagree everywhere."""
    for task, posture in zip(tasks, ("walk", "sit"), strict=True):
        make_version(task, {"posture": posture, "doing": []})
    plan_reports()
    plan_consensuses()
    for report in AgreementReport.objects.all():
        report_agreement(report.pk)
    for consensus in Consensus.objects.all():
        build_clip_consensus(consensus.pk)
    return tasks
