"""Every importer from the preview to a release: agreement with a later annotator, and undo."""

import zipfile

import pytest

from annotation.importers.registry import IMPORTERS
from annotation.models import AnnotationTask, AnswerVersion
from annotation.services.answers import read_answers
from annotation.services.label_imports import (
    begin_import,
    confirm_import,
    run_import,
    undo_import,
)
from avaproject.base.work import Stage
from qc.core.release.options import ReleaseOptions
from qc.models import AgreementReport, Consensus, Review
from qc.services.agreement.reports import plan_reports, report_agreement
from qc.services.consensus.build_consensus import (
    build_clip_consensus,
    newest_consensus,
    plan_consensuses,
)
from qc.services.release.make_release import make_release, request_release
from tests import make
from tests.annotation.imports.files_of_tools import FILES, PERSONS, SECONDS
from tests.qc.release.corner import files_of
from tests.stored_files import make_bundled_video

pytestmark = pytest.mark.django_db
WITHOUT_ACTIONS = ("mot",)  # which has no place for them
MAPPING = {"cvat-xml": {"Customer": "person"}}
ANSWERS = {"posture": "walk", "doing": ["wave"]}


@pytest.fixture
def dataset():
    dataset = make.make_dataset("shop")
    make_bundled_video(dataset, name="aisle")
    return dataset


def uploaded(dataset, tmp_path, files):
    """A preview of the files, zipped if they are several."""
    path, (name, content) = tmp_path / "upload", next(iter(files.items()))
    path.write_bytes(content)
    if len(files) > 1:
        name = "files.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for inside, one in files.items():
                archive.writestr(inside, one)
    row = begin_import(dataset, path, original_name=name, source_name="elsewhere")
    run_import(row.pk)
    row.refresh_from_db()
    return row


def take(row, name):
    confirm_import(row, {"mapping": MAPPING.get(name, {})})
    run_import(row.pk)
    row.refresh_from_db()
    assert (row.stage, row.error) == (Stage.DONE, "")
    for version in AnswerVersion.objects.filter(stage=Stage.WAITING):
        read_answers(version.pk)


def consensus_versions(clip):
    plan_consensuses()
    for pk in Consensus.objects.filter(stage=Stage.WAITING).values_list("pk", flat=True):
        build_clip_consensus(pk)
    return newest_consensus(clip).versions


def test_files_are_there_for_every_importer():
    assert FILES.keys() == IMPORTERS.keys()


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_previewed_taken_compared_undone_and_released(dataset, tmp_path, name):
    row = uploaded(dataset, tmp_path, FILES[name]())
    assert (row.error, row.preview and row.preview["format"]) == ("", name)
    assert (row.preview["clip_count"], row.preview["drawn"]) == (1, 0)
    assert row.preview["keyframes"] >= len(SECONDS) * len(PERSONS)
    assert not AnswerVersion.objects.exists()

    take(row, name)
    imported = AnswerVersion.objects.get()
    assert imported.stage == Stage.DONE, imported.error
    rows = imported.annotations.filter(second__in=SECONDS)
    assert rows.count() == len(SECONDS) * len(PERSONS)
    said = {"posture": "unset", "doing": "unset"} if name in WITHOUT_ACTIONS else ANSWERS
    assert [one.answers for one in rows] == [said] * len(rows)

    task = AnnotationTask.objects.get()
    ann = make.make_annotator(dataset, "ann")
    later = make.make_version(make.make_task(task.run, ann), ANSWERS)
    plan_reports()
    report = AgreementReport.objects.get()
    report_agreement(report.pk)
    report.refresh_from_db()
    assert (report.stage, report.versions) == (Stage.DONE, [imported.pk, later.pk])
    assert consensus_versions(task.clip) == [imported.pk, later.pk]

    assert undo_import(row) == 1
    assert consensus_versions(task.clip) == [later.pk]

    if name not in WITHOUT_ACTIONS:  # which would leave all questions open
        take(uploaded(dataset, tmp_path, FILES[name]()), name)
        assert len(consensus_versions(task.clip)) == 2
    approve()
    assert released(dataset) >= {
        (f"{900 + second:04d}", str(person), action)
        for second in SECONDS for person in PERSONS for action in ("2", "4")
    }  # fmt: skip


def approve():
    reviewer = make.make_user()
    for task in AnnotationTask.objects.filter(unassigned_at=None):
        version = task.versions.filter(withdrawn_at=None).latest("number")
        Review.objects.create(task=task, version=version, verdict="approved", reviewer=reviewer)


def released(dataset):
    """Timestamp, person and action of every row of a release."""
    bare = ReleaseOptions(with_frames=False, with_clips=False)  # the footage is one colour
    release = make_release(request_release(dataset, options=bare).pk)
    assert release.error == "", release.error
    files = files_of(release).items()
    (content,) = [one for name, one in files if name.endswith("AVA_dataset.csv")]
    rows = [line.split(",") for line in content.decode().splitlines()[1:]]
    return {(row[1], row[7], row[6]) for row in rows}
