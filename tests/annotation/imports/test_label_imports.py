"""Imports of other tools' files: preview, answers of a source, once, and undo."""

import gzip
import io
import json
import zipfile

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from annotation.models import AnnotationTask, Annotator, AnswerVersion, LabelImport
from annotation.services.answers import read_answers
from annotation.services.label_imports import (
    LabelImportError,
    begin_import,
    confirm_import,
    preview_again,
    run_import,
    undo_import,
)
from avaproject.base.work import Stage
from datasets.accounts.quotas import usage
from datasets.services.delete import delete
from datasets.services.vocabulary import is_in_use
from qc.models import AgreementReport, Consensus
from qc.selectors.statuses import clip_statuses, task_statuses
from qc.services.agreement.reports import plan_reports, report_agreement
from qc.services.consensus.build_consensus import (
    build_clip_consensus,
    newest_consensus,
    plan_consensuses,
)
from tests.annotation.imports.written_files import ava, box_of, coco
from tests.make import make_annotator, make_dataset, make_task, make_user, make_version
from tests.stored_files import content_of, make_ready_video

pytestmark = pytest.mark.django_db
MAPPING = {"pose: walk": "posture: walk", "waving: yes": "doing: wave",
           "trolley": "left out"}  # fmt: skip


@pytest.fixture
def dataset():
    dataset = make_dataset("shop")
    make_ready_video(dataset, name="aisle", frame_count=570)
    return dataset


@pytest.fixture
def begin(dataset, tmp_path):
    def make(content, name="labels.json", source="elsewhere", **options):
        path = tmp_path / "upload"
        path.write_bytes(content)
        row = begin_import(dataset, path, original_name=name, source_name=source, **options)
        run_import(row.pk)
        row.refresh_from_db()
        return row

    return make


def take(row, **choices):
    confirm_import(row, {"mapping": MAPPING} | choices)
    run_import(row.pk)
    row.refresh_from_db()
    for version in AnswerVersion.objects.filter(stage=Stage.WAITING):
        read_answers(version.pk)
    return row


def test_a_preview_says_what_a_file_holds_and_takes_nothing(begin):
    row = begin(coco(persons=(1, 2, 9)))
    assert (row.stage, row.error, row.confirmed_at) == (Stage.DONE, "", None)
    seen = row.preview
    assert (seen["format"], seen["clip_count"], seen["persons"], seen["drawn"]) == (
        "coco", 1, 2, 1,
    )  # fmt: skip
    assert {one["text"]: one["meaning"] for one in seen["labels"]} == {
        "person": "person", "pose: walk": "posture: walk", "trolley": "left out",
        "waving: yes": "left out",
    }  # fmt: skip
    assert seen["left_out_counts"] == {"boxes of labels that were left out": 1}
    assert not AnswerVersion.objects.exists()
    assert not Annotator.objects.exists()


def test_answers_are_versions_of_a_source_that_gets_no_tasks(begin, dataset):
    row = take(begin(coco(persons=(1, 2, 9))))
    assert row.outcome["versions"] == 1
    version = AnswerVersion.objects.get()
    assert (version.source, version.label_import, version.stage) == ("import", row, Stage.DONE)
    assert version.author == row.source == dataset.annotators.get(name="elsewhere")
    assert (row.source.is_active, row.source.tool) == (False, "package")
    assert version.person_count == 3
    said = version.annotations.get(second=3, person_id=1)
    assert said.answers == {"posture": "walk", "doing": "unset"}
    assert version.annotations.get(second=6, person_id=2).answers["doing"] == ["wave"]
    assert said.x1 == pytest.approx(103.0)
    assert version.annotations.filter(person_id=None).count() == 12


def test_the_uploaded_file_is_kept_as_it_came(begin):
    content = coco()
    assert content_of(begin(content).file) == content


def test_running_an_import_again_stores_nothing_twice(begin):
    row = take(begin(coco()))
    LabelImport.objects.update(stage=Stage.WAITING)
    run_import(row.pk)
    assert AnswerVersion.objects.count() == 1
    again = take(begin(coco()))
    assert (again.stage, AnswerVersion.objects.count()) == (Stage.DONE, 1)


def test_another_file_of_the_source_is_the_next_version(begin):
    take(begin(coco()))
    take(begin(coco(persons=(1,))))
    assert list(AnswerVersion.objects.values_list("number", flat=True)) == [1, 2]
    assert AnnotationTask.objects.count() == 1


def test_ava_rows_of_a_clip_answer_every_group_that_they_could(begin):
    row = begin(ava(), name="ava_train.csv")
    assert row.preview["format"] == "ava"
    take(row)
    answers = AnswerVersion.objects.get().annotations.values_list("answers", flat=True)
    said = {json.dumps(one, sort_keys=True) for one in answers}
    assert said == {'{"doing": ["wave"], "posture": "walk"}'}
    assert AnswerVersion.objects.get().unfinished == 0


def test_a_source_may_not_be_an_annotator(begin, dataset):
    make_annotator(dataset, "ann")
    with pytest.raises(LabelImportError, match="annotator already"):
        begin(coco(), source="ann")
    with pytest.raises(LabelImportError, match="no name for a source"):
        begin(coco(), source="a b")
    with pytest.raises(LabelImportError, match="no format"):
        begin(coco(), format="kitti")
    assert not LabelImport.objects.exists()


def test_a_file_counts_for_the_quota_of_the_account(begin, dataset, settings):
    owner = make_user("owner")
    dataset.charged_to = owner
    dataset.save()
    before = usage(owner).used_bytes
    settings.QUOTA_BYTES = before + len(coco())
    begin(coco())
    assert usage(owner).used_bytes == settings.QUOTA_BYTES
    stored = stored_names()
    with pytest.raises(LabelImportError, match="AVA_QUOTA_BYTES"):
        begin(ava(), name="ava.csv", source="other")
    assert (LabelImport.objects.count(), stored_names()) == (1, stored)


def stored_names():
    return sorted(default_storage.listdir("shop/label-imports")[1])


def test_a_file_of_no_format_fails_with_a_sentence(begin):
    row = begin(b"hello", name="notes.txt")
    assert row.stage == Stage.FAILED
    assert "of no format that can be imported" in row.error
    row = begin(coco()[:-9])
    assert row.error.startswith("labels.json: it is not JSON: ")


def test_a_zip_has_a_mot_file_for_each_video(begin):
    rows = "".join(
        f"{30 * second + 1},{person},{box_of(person)[0] + 1},101,50,150,1\n"
        for second in range(2, 14)
        for person in (1, 2)
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("results/aisle.txt", "\ufeff" + rows)
        archive.writestr("results/hall.txt", rows)
    seen = begin(packed.getvalue(), name="results.zip").preview
    assert (seen["format"], seen["persons"], seen["drawn"]) == ("mot", 2, 0)
    assert seen["unplaced"] == ["results/hall"]


def test_choices_are_previewed_before_they_are_taken(begin):
    row = begin(coco(video="other.mp4"))
    assert row.preview["unplaced"] == ["other.mp4"]
    preview_again(row, {"mapping": MAPPING, "videos": {"other.mp4": "aisle"}})
    run_import(row.pk)
    row.refresh_from_db()
    assert (row.preview["unplaced"], row.preview["clip_count"]) == ([], 1)
    with pytest.raises(LabelImportError, match="no such action"):
        confirm_import(row, {"mapping": {"pose: walk": "posture: fly"}})


def test_an_import_that_was_confirmed_cannot_be_confirmed_again(begin):
    row = take(begin(coco()))
    with pytest.raises(LabelImportError, match="confirmed already"):
        confirm_import(row, {})


def compare(dataset):
    """Reports and consensuses of what counts now."""
    for plan, run, model in (
        (plan_reports, report_agreement, AgreementReport),
        (plan_consensuses, build_clip_consensus, Consensus),
    ):
        plan()
        for pk in model.objects.filter(stage=Stage.WAITING).values_list("pk", flat=True):
            run(pk)
    clip = dataset.videos.get().clips.get(index=0)
    return newest_consensus(clip)


def test_undone_answers_count_no_longer_and_are_kept(begin, dataset):
    clip = dataset.videos.get().clips.get(index=0)
    kim = make_task(clip.tracking_runs.get(), make_annotator(dataset, "kim"))
    first = make_version(kim)
    alone = compare(dataset)
    assert alone.versions == [first.pk]
    row = take(begin(coco()))
    imported = AnswerVersion.objects.get(label_import=row)
    assert compare(dataset).versions == [first.pk, imported.pk]
    assert undo_import(row) == 1
    after = compare(dataset)
    assert after.versions == [first.pk]
    assert AgreementReport.objects.get().versions == [first.pk]
    imported.refresh_from_db()
    assert imported.withdrawn_at is not None
    assert gzip.decompress(content_of(imported.raw))
    assert {one.state for one in task_statuses(dataset)} == {"review", "withdrawn"}
    assert clip_statuses(dataset).get(name=clip.name).task_count == 1
    assert not AnswerVersion.objects.without_history().failed().exists()
    with pytest.raises(LabelImportError, match="undone already"):
        undo_import(row)


def test_after_an_undo_the_version_before_counts_again(begin, dataset):
    first = take(begin(coco()))
    second = take(begin(coco(persons=(1,))))
    undo_import(second)
    (task,) = AnnotationTask.objects.counting().with_latest_version()
    assert task.latest_version_id == first.versions.get().pk


def test_what_was_undone_can_be_imported_again(begin, dataset):
    undo_import(take(begin(coco())))
    assert not AnnotationTask.objects.counting().exists()
    take(begin(coco()))
    (task,) = AnnotationTask.objects.counting().with_latest_version()
    assert (task.latest_version_id is not None, task.unassigned_at) == (True, None)


def test_a_dataset_with_imports_can_be_deleted(begin, dataset):
    undo_import(take(begin(coco())))
    take(begin(coco(persons=(1,))))
    delete(dataset)
    assert not LabelImport.objects.exists()


def test_a_preview_does_not_fix_the_vocabulary(begin, dataset):
    row = begin(coco())
    assert not is_in_use(dataset)
    confirm_import(row, {"mapping": MAPPING})
    dataset.actions.filter(name="wave").delete()
    run_import(row.pk)
    row.refresh_from_db()
    assert (row.stage, AnswerVersion.objects.count()) == (Stage.FAILED, 0)
    assert "no such action" in row.error


def test_the_command_previews_imports_and_undoes(dataset, tmp_path, capsys):
    path = tmp_path / "labels.json"
    path.write_bytes(coco())
    options = {"dataset": "shop", "source": "elsewhere"}
    call_command("import_labels", path, **options)
    shown = capsys.readouterr().out
    assert "pose: walk (24) = posture: walk" in shown
    assert "add --confirm" in shown
    assert not AnswerVersion.objects.exists()
    call_command(
        "import_labels", path, map=["waving: yes=doing: wave"], confirm=True, **options
    )
    assert "answers to 1 clips" in capsys.readouterr().out
    assert AnswerVersion.objects.get().stage == Stage.DONE
    newest = LabelImport.objects.order_by("-pk").first()
    call_command("import_labels", dataset="shop", undo=newest.pk)
    assert "1 answers withdrawn" in capsys.readouterr().out


def test_the_command_takes_a_folder_and_names_what_is_wrong(dataset, tmp_path, capsys):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "ava_train.csv").write_bytes(ava())
    (folder / "list.pbtxt").write_text('item {\n  name: "walking"\n  id: 2\n}\n')
    call_command("import_labels", folder, dataset="shop", source="ava")
    shown = capsys.readouterr().out
    assert "action: walking (24) = left out" in shown
    assert "action: 4 (24) = doing: wave" in shown
    with pytest.raises(CommandError, match="no dataset"):
        call_command("import_labels", folder, dataset="yard", source="ava")
    with pytest.raises(CommandError, match="LABEL=MEANING"):
        call_command("import_labels", folder, dataset="shop", source="ava", map=["walking"])
    (folder / "ava_train.csv").write_bytes(b"hello\n")
    with pytest.raises(CommandError, match="of no format"):
        call_command("import_labels", folder, dataset="shop", source="ava")
