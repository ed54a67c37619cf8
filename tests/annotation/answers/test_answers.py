import gzip
import io
import unicodedata
import zipfile
from dataclasses import replace
from hashlib import sha256

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection

from annotation.models import Annotation, AnnotationTask, AnswerVersion, StoredBox
from annotation.services.answer_files import import_answers
from annotation.services.answers import AnswersError, read_answers, receive_answers
from annotation.services.assign_tasks import PlanError, plan_tasks
from annotation.services.packages import copy_packages, write_package
from avaproject.base.work import Stage
from datasets.core.formats.cvat_document import Shape, XmlTrack
from datasets.core.formats.cvat_xml import dump, load
from tests.make import make_annotator, make_dataset, make_task
from tests.stored_files import content_of, make_ready_video

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset():
    return make_dataset("shop")


@pytest.fixture
def task(dataset):
    clip = make_ready_video(dataset, name="aisle").clips.first()
    run = clip.tracking_runs.get()
    task = make_task(run, make_annotator(dataset, "ann"), stage=Stage.WAITING)
    return write_package(task.pk)


@pytest.fixture
def document(task):
    """The answers as they are before anybody answered."""
    with zipfile.ZipFile(io.BytesIO(content_of(task.package))) as package:
        return load(package.read("annotations.xml"))


def answered(document, **attributes):
    """`document` with these attributes in every shape of every track."""
    tracks = tuple(
        replace(track, shapes=tuple(
            shape._replace(attributes=shape.attributes | attributes) for shape in track.shapes
        ))
        for track in document.tracks
    )  # fmt: skip
    return replace(document, tracks=tracks)


def drawn(x=300.0, **attributes):
    """A track that an annotator drew from task frame 20 to 29."""
    complete = {"person_id": "", "posture": "sit"} | attributes
    return XmlTrack(
        tuple(
            Shape(frame, (x, 10.0, x + 40, 90.0), outside, True, complete)
            for frame, outside in ((20, False), (30, True))
        )
    )


def read(task, document):
    version = receive_answers(task, dump(document))
    read_answers(version.pk)
    version.refresh_from_db()
    return version


def test_answers_are_stored_unchanged(task, document):
    version = receive_answers(task, dump(document))
    assert (version.number, version.stage) == (1, Stage.WAITING)
    mark = sha256(dump(document)).hexdigest()[:8]
    assert version.raw.name == f"shop/answers/aisle-c0000--ann--v1-{mark}.xml.gz"
    assert gzip.decompress(content_of(version.raw)) == dump(document)


def test_the_same_bytes_again_are_no_new_version(task, document):
    assert receive_answers(task, dump(document)).number == 1
    assert receive_answers(task, dump(document)) is None
    assert receive_answers(task, dump(answered(document, posture="sit"))).number == 2
    assert receive_answers(task, dump(document)).number == 3


def test_the_loser_of_a_race_for_a_version_takes_the_next_number(task, document, monkeypatch):
    receive_answers(task, dump(document))
    versions = iter([1, 2])
    monkeypatch.setattr(AnswerVersion, "next_number", lambda task: next(versions))
    late = receive_answers(task, dump(answered(document, posture="sit")))
    assert late.number == 2
    first = task.versions.get(number=1)
    assert gzip.decompress(content_of(first.raw)) == dump(document)


def test_a_version_is_stored_outside_of_a_transaction(task, document, monkeypatch):
    """A bucket that is slow must not hold up whoever writes to the database."""
    place, depths = default_storage.path, []

    def path(name):
        depths.append(len(connection.savepoint_ids))
        return place(name)

    monkeypatch.setattr(default_storage, "path", path)
    receive_answers(task, dump(document))
    assert set(depths) == {len(connection.savepoint_ids)}


def test_every_person_at_every_keyframe_becomes_an_annotation(task, document):
    answers = answered(document, posture="walk", doing="carry")
    version = read(task, answers)
    assert version.stage == Stage.DONE
    assert version.annotations.count() == 2 * len(task.clip.keyframes())
    one = version.annotations.get(second=5, person_id=2)
    assert (one.x1, one.y1, one.x2, one.y2, one.track) == (200.0, 100.0, 250.0, 250.0, 1)
    assert one.answers == {"posture": "walk", "doing": ["carry"]}
    assert (version.person_count, version.unfinished) == (2, 0)


def test_required_answers_left_unset_are_counted(task, document):
    version = read(task, document)
    assert version.unfinished == 2 * len(task.clip.keyframes())


def test_a_person_the_annotator_drew_has_no_id(task, document):
    version = read(task, replace(document, tracks=(*document.tracks, drawn(), drawn(400.0))))
    new = version.annotations.filter(person_id=None)
    assert list(new.values_list("second", "track")) == [(4, 2), (4, 3), (5, 2), (5, 3)]
    assert version.person_count == 4


def test_a_deleted_track_has_no_annotations(task, document):
    version = read(task, replace(document, tracks=document.tracks[1:]))
    assert set(version.annotations.values_list("person_id", flat=True)) == {2}


def test_boxes_are_clipped_to_the_frame_and_noted_outside_it(task, document):
    outside = replace(document, tracks=(drawn(620.0), drawn(700.0)))
    version = read(task, outside)
    assert {(row.track, row.x1, row.x2) for row in version.annotations.all()} == {
        (0, 620.0, 640.0)
    }
    assert version.notes == [
        "Track 1, frames 20, 25: its box has no area inside the frame and was left out."
    ]


def test_reading_twice_gives_the_same_rows(task, document):
    version = read(task, document)
    assert read_answers(version.pk) is None
    before = list(version.annotations.values_list("second", "track"))
    AnswerVersion.objects.update(stage=Stage.WAITING)
    read_answers(version.pk)
    assert list(version.annotations.values_list("second", "track")) == before


def test_reading_one_version_changes_no_other(task, document):
    first = read(task, document)
    second = read(task, answered(document, posture="sit"))
    assert first.annotations.count() == second.annotations.count()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"frame_count": 120}, "its task has 120 frames", id="length"),
        pytest.param({"width": 1280, "height": 720}, "1280x720 pixels", id="size"),
        pytest.param({"tracks": (replace(drawn(), label="car"),)}, "tracks of car", id="label"),
    ],
)
def test_answers_that_do_not_fit_are_refused_with_a_message(task, document, change, message):
    version = read(task, replace(document, **change))
    assert version.stage == Stage.FAILED
    assert message in version.error
    assert not Annotation.objects.exists()


def test_an_answer_that_is_none_of_the_vocabulary_is_left_out_and_named(task, document):
    version = read(
        task, replace(document, tracks=(drawn(posture="fly", doing="wave", mood="good"),))
    )
    said = '"fly" is not an answer to posture; these are: stand, walk, sit.'
    assert version.notes[0] == f"Left out: person of track 0: {said}"
    assert "the attribute mood is none of this dataset's" in version.notes[1]
    answers = [one.answers for one in version.annotations.all()]
    assert answers == [{"posture": "unset", "doing": ["wave"]}] * version.unfinished


def test_a_task_without_the_questions_is_refused(task, document):
    version = read(task, replace(document, attributes=document.attributes[:2]))
    assert "lacks the attributes doing, doing 2" in version.error


def test_the_answers_to_another_task_are_recognised(task, document, dataset):
    other = make_task(task.run, make_annotator(dataset, "bob"))
    version = read(other, document)
    assert "these are the answers to aisle-c0000--ann" in version.error


def test_a_file_that_is_not_xml_fails_with_a_message(task):
    version = receive_answers(task, b"no file")
    read_answers(version.pk)
    version.refresh_from_db()
    assert "not XML" in version.error


def test_a_file_without_meta_is_read_too(task, document):
    text = dump(document).decode()
    bare = text[: text.index("  <meta>")] + text[text.index("  <track") :]
    version = receive_answers(task, bare.encode())
    assert read_answers(version.pk).stage == Stage.DONE


def test_a_file_that_is_too_large_is_not_stored(task, monkeypatch):
    monkeypatch.setattr("annotation.services.answers.MAX_SIZE", 10)
    with pytest.raises(AnswersError, match="too much"):
        receive_answers(task, b"x" * 11)


def zipped(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)


def test_files_and_zips_are_imported_by_their_names(task, document, dataset, tmp_path):
    bob = make_task(task.run, make_annotator(dataset, "bob"))
    zipped(tmp_path / "aisle-c0000--ann.zip", annotations_xml=dump(document))
    (tmp_path / "aisle-c0000--bob.xml").write_bytes(dump(document))
    (tmp_path / ".hidden").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    imported = import_answers(dataset, tmp_path)
    assert (imported.received, imported.unchanged, imported.refused) == (2, 0, [])
    assert bob.versions.get().sha256 == task.versions.get().sha256
    again = import_answers(dataset, tmp_path)
    assert (again.received, again.unchanged) == (0, 2)


def test_an_unanswered_package_counts_as_unchanged(task, dataset, tmp_path):
    (tmp_path / "aisle-c0000--ann.zip").write_bytes(content_of(task.package))
    imported = import_answers(dataset, tmp_path)
    assert (imported.received, imported.unchanged, imported.refused) == (0, 1, [])


def test_files_that_are_not_answers_are_listed_with_a_reason(task, dataset, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "aisle-c0009--ann.xml").write_text("")
    (tmp_path / "aisle-c0000--ann.zip").write_bytes(b"no zip")
    refused = dict(import_answers(dataset, tmp_path).refused)
    assert "neither XML nor zip" in refused["notes.txt"]
    assert "no task of this dataset" in refused["aisle-c0009--ann.xml"]
    assert "cannot be opened" in refused["aisle-c0000--ann.zip"]
    zipped(tmp_path / "aisle-c0000--ann.zip", images_txt=b"")
    refused = dict(import_answers(dataset, tmp_path).refused)
    assert "no annotations.xml" in refused["aisle-c0000--ann.zip"]
    assert not AnswerVersion.objects.exists()


def test_two_files_for_one_task_are_refused(task, document, dataset, tmp_path):
    zipped(tmp_path / "aisle-c0000--ann.zip", annotations_xml=dump(document))
    (tmp_path / "aisle-c0000--ann.xml").write_bytes(dump(document))
    assert len(import_answers(dataset, tmp_path).refused) == 2


def test_the_command_imports_reads_and_counts(task, document, tmp_path, capsys):
    (tmp_path / "aisle-c0000--ann.xml").write_bytes(dump(document))
    call_command("import_answers", tmp_path, dataset="shop")
    assert "1 files imported, 0 unchanged, 1 versions read" in capsys.readouterr().out
    assert AnswerVersion.objects.get().stage == Stage.DONE


def test_the_command_names_refused_files(task, document, tmp_path, capsys):
    (tmp_path / "aisle-c0000--ann.xml").write_bytes(dump(replace(document, frame_count=2)))
    (tmp_path / "readme.md").write_bytes(b"")
    with pytest.raises(CommandError, match="2 files were refused"):
        call_command("import_answers", tmp_path, dataset="shop")
    assert "readme.md: it is neither" in capsys.readouterr().err


def test_the_command_needs_a_dataset_and_a_folder(dataset, tmp_path):
    with pytest.raises(CommandError, match="no dataset called nowhere"):
        call_command("import_answers", tmp_path, dataset="nowhere")
    with pytest.raises(CommandError, match="no folder"):
        call_command("import_answers", tmp_path / "none", dataset="shop")


def test_the_stored_boxes_are_the_cvat_keyframes_of_the_file(task, document):
    held = answered(document, posture="walk")
    first = held.tracks[0]
    between = first.shapes[0]._replace(frame=1, keyframe=False)
    shapes = (first.shapes[0], between, *first.shapes[1:])
    version = read(task, replace(held, tracks=(XmlTrack(shapes), drawn())))
    rows = StoredBox.objects.filter(version=version)
    stored = rows.filter(track=0).values_list("frame", flat=True)
    assert list(stored) == [one.frame for one in first.shapes]
    assert list(rows.filter(track=1).values_list("frame", "outside", "xtl", "job")) == [
        (20, False, 300.0, None), (30, True, 300.0, None)
    ]  # fmt: skip
    assert set(rows.values_list("task", "annotator")) == {(task.pk, "ann")}


@pytest.mark.parametrize("name", ["kim.lee+1@lab.org", "ann--v1", "Zoë_ünal", "a.xml"])
def test_any_cvat_user_name_is_valid(dataset, name, tmp_path):
    clip = make_ready_video(dataset, name="aisle", frame_count=450).clips.get()
    plan_tasks(dataset, annotators=[name], overlap=0.0)
    write_package(AnnotationTask.objects.get().pk)
    assert copy_packages(dataset, tmp_path) == 1
    apart = unicodedata.normalize("NFD", f"{clip}--{name}")
    package = (tmp_path / f"{clip}--{name}.zip").rename(tmp_path / f"{apart}.zip")
    with zipfile.ZipFile(package) as opened:
        content = opened.read("annotations.xml")
    with zipfile.ZipFile(package, "w") as export:
        export.writestr("annotations.xml", content)
    imported = import_answers(dataset, tmp_path)
    assert (imported.received, imported.unchanged, imported.refused) == (1, 0, [])
    assert AnswerVersion.objects.get().task.annotator.name == name


@pytest.mark.parametrize("name", ["..", "@", "a b", "a/b", "a\\b", "a:b", "x" * 151, ""])
def test_an_invalid_cvat_user_name_is_refused(dataset, name):
    make_ready_video(dataset, name="aisle")
    with pytest.raises(PlanError, match="is not a valid user name"):
        plan_tasks(dataset, annotators=[name], overlap=0.0)


def test_the_number_of_a_drawn_person_is_ignored(task, document):
    track = replace(drawn(person_id="99"), source="manual")
    xml = dump(replace(answered(document, posture="walk"), tracks=(track,)))
    version = receive_answers(task, xml.replace(b'source="auto"', b'source="manual"'))
    read_answers(version.pk)
    assert set(version.annotations.values_list("person_id", flat=True)) == {None}


@pytest.mark.parametrize("person_id", ["99", "P1"])
def test_a_mistyped_person_id_is_a_new_person_with_a_note(task, document, person_id):
    first, second = answered(document, posture="walk").tracks
    mistyped = answered(replace(document, tracks=(first,)), person_id=person_id).tracks
    version = read(task, replace(document, tracks=(*mistyped, second)))
    assert set(version.annotations.values_list("person_id", flat=True)) == {None, 2}
    assert version.missing_persons == [1]
    assert f"no person of this clip has the person_id {person_id}" in version.notes[0]


def test_two_tracks_of_one_person_are_both_stored(task, document):
    twice = replace(document, tracks=(*answered(document).tracks, document.tracks[0]))
    version = read(task, answered(twice, posture="walk"))
    second = version.annotations.order_by("second").first().second
    persons = version.annotations.filter(second=second).values_list("person_id", flat=True)
    assert sorted(persons).count(1) == 2


def test_an_export_with_cvats_file_name_is_matched_by_the_task_inside(
    task, document, dataset, tmp_path
):
    name = "task_17_annotations_2026_11_26_cvat for video 1.1"
    with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as export:
        export.writestr("annotations.xml", dump(answered(document, posture="walk")))
    (tmp_path / "other.xml").write_bytes(dump(replace(document, task_name="nothing of ours")))
    (tmp_path / "broken.xml").write_bytes(b"<annotations>")
    imported = import_answers(dataset, tmp_path)
    assert imported.received == 1
    assert AnswerVersion.objects.get().task == task
    refused = {one.file: one.reason for one in imported.refused}
    assert "no task of this dataset is called broken" in refused["broken.xml"]
    assert "no task of this dataset is called other" in refused["other.xml"]


def test_two_exports_of_one_task_are_both_refused(task, document, dataset, tmp_path):
    for name in ("task_17", str(task)):
        (tmp_path / f"{name}.xml").write_bytes(dump(document))
    imported = import_answers(dataset, tmp_path)
    assert (imported.received, len(imported.refused)) == (0, 2)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_zip_is_refused_with_a_message(task, document, tmp_path, method):
    path = tmp_path / f"{task}.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("annotations.xml", dump(document))
        start = archive.infolist()[0].header_offset + 30 + len("annotations.xml")
    content = bytearray(path.read_bytes())
    content[start : start + 60] = bytes(range(60, 120))
    path.write_bytes(content)
    (refusal,) = import_answers(task.clip.video.dataset, tmp_path).refused
    assert "the zip cannot be opened" in refusal.reason


@pytest.mark.parametrize("outside", [True, False])
def test_a_box_beyond_the_clip_is_refused_where_the_file_names_no_length(
    task, document, outside
):
    box = (1.0, 1.0, 9.0, 9.0)
    track = XmlTrack((Shape(0, box, False, True, {}), Shape(10**20, box, outside, True, {})))
    version = read(task, replace(document, frame_count=0, tracks=(track,)))
    assert (version.stage, f"box at frame {10**20}" in version.error) == (Stage.FAILED, True)
