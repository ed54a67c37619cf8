"""A file of another tool goes through agreement, consensus and review into a release."""

import pytest

from annotation.models import AnnotationTask, AnswerVersion
from annotation.services.answers import read_answers
from annotation.services.label_imports import begin_import, confirm_import, run_import
from avaproject.base.work import Stage
from qc.core.release.options import ReleaseOptions
from qc.models import AgreementReport, Consensus, Review
from qc.services.agreement.reports import plan_reports, report_agreement
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from qc.services.release.make_release import make_release, request_release
from tests import make
from tests.annotation.imports.written_files import ava, coco
from tests.qc.release.corner import files_of
from tests.stored_files import make_bundled_video

pytestmark = pytest.mark.django_db


def take(dataset, tmp_path, content, name, source, mapping):
    path = tmp_path / "upload"
    path.write_bytes(content)
    row = begin_import(dataset, path, original_name=name, source_name=source)
    run_import(row.pk)
    confirm_import(row, {"mapping": mapping})
    run_import(row.pk)
    for version in AnswerVersion.objects.filter(stage=Stage.WAITING):
        read_answers(version.pk)


def test_two_sources_are_compared_approved_and_released(tmp_path):
    dataset = make.make_dataset("shop")
    make_bundled_video(dataset, name="aisle")
    take(dataset, tmp_path, ava(), "ava_train.csv", "ava-set", {})
    mapping = {"waving: yes": "doing: wave"}
    take(dataset, tmp_path, coco(), "coco.json", "coco-set", mapping)
    plan_reports()
    for pk in AgreementReport.objects.values_list("pk", flat=True):
        report_agreement(pk)
    report = AgreementReport.objects.get()
    assert report.stage == Stage.DONE
    assert len(report.versions) == 2
    plan_consensuses()
    for pk in Consensus.objects.values_list("pk", flat=True):
        build_clip_consensus(pk)
    reviewer = make.make_user()
    for task in AnnotationTask.objects.all():
        Review.objects.create(
            task=task, version=task.versions.get(), verdict="approved", reviewer=reviewer
        )
    bare = ReleaseOptions(with_frames=False, with_clips=False)  # the footage is one colour
    release = make_release(request_release(dataset, options=bare).pk)
    assert release.error == "", release.error
    content = files_of(release)
    (rows,) = [v for k, v in content.items() if k.endswith("AVA_dataset.csv")]
    released = [line.split(",") for line in rows.decode().splitlines()[1:]]
    assert {row[0] for row in released} == {"aisle-c0000"}
    walking = {(row[1], row[7]) for row in released if row[6] == "2"}
    waving = {(row[1], row[7]) for row in released if row[6] == "4"}
    assert ("0905", "1") in walking
    assert ("0905", "2") in waving  # both say so from second 5 on
