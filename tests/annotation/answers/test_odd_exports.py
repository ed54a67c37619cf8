"""Exports as people send them: renamed, zipped again, swapped, empty, with other shapes."""

import io
import re
import zipfile

import pytest

from annotation.models import AnswerVersion
from annotation.services.answer_files import import_answers
from annotation.services.answers import confirm_answers, read_answers, receive_answers
from avaproject.base.work import Stage
from datasets.models import Action, ActionGroup
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_task,
    make_user,
    make_video,
)
from tracking.models import Person, Proposal, TrackingRun

pytestmark = pytest.mark.django_db

BOXES = {"hall": {1: (40, 40, 80, 150), 2: (200, 50, 240, 160)},
         "yard": {1: (130, 20, 160, 90), 2: (260, 90, 300, 170)}}  # fmt: skip


@pytest.fixture
def dataset():
    """Two clips of 15 frames of 320x180, one a second, with two persons each."""
    made = make_dataset("field", annotation_fps=1)
    doing = ActionGroup.objects.get(dataset=made, name="doing")
    doing.actions.filter(name="wave").update(name="carry ")
    doing.actions.filter(name="carry").update(name="phone")
    doing.actions.filter(name="carry ").update(name="carry")
    assert Action.objects.filter(dataset=made).count() == 5
    for name, boxes in BOXES.items():
        video = make_video(made, name, width=320, height=180, frame_count=450)
        (clip,) = make_clips(video)
        run = TrackingRun.objects.create(clip=clip, config_key="test/1", stage=Stage.DONE)
        for person, (x1, y1, x2, y2) in boxes.items():
            Person.objects.create(run=run, track_id=person, person_id=person)
            Proposal.objects.bulk_create(
                Proposal(
                    run=run,
                    second=second,
                    person_id=person,
                    x1=x1,
                    y1=y1,
                    x2=x2,
                    y2=y2,
                    score=0.9,
                )
                for second in clip.keyframes()
            )
        for who in ("ann", "bob"):
            annotator = made.annotators.filter(name=who).first() or make_annotator(made, who)
            make_task(run, annotator)
    return made


@pytest.fixture
def hall(dataset):
    return dataset.annotators.get(name="ann").tasks.get(clip__video__name="hall")


def xml(boxes, *, name=""):
    tracks = "".join(
        f'<track id="{person}" label="person" source="auto"><box frame="0" keyframe="1" '
        f'outside="0" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"><attribute name="person_id">'
        f'{person}</attribute><attribute name="posture">walk</attribute></box></track>'
        for person, (x1, y1, x2, y2) in boxes.items()
    )
    meta = f"<meta><task><name>{name}</name><size>15</size></task></meta>" if name else ""
    return f"<annotations><version>1.1</version>{meta}{tracks}</annotations>".encode()


def read(task, content):
    version = receive_answers(task, content)
    read_answers(version.pk)
    version.refresh_from_db()
    return version


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


FIELD_CASES = {
    "3-images-of-another-size--hall-c0000--ann.xml": "1280x720 pixels, but those of hall-c0000",
    "6-rezipped-on-a-mac--hall-c0000--ann.zip": "",
    "7-hall-c0000--ann.ZIP": "",
    "8-reversed-box--hall-c0000--ann.xml": "",
    "9-pretty-printed--hall-c0000--ann.xml": "",
}


@pytest.mark.shared
@pytest.mark.parametrize("name", FIELD_CASES)
def test_the_field_cases_come_out_right(dataset, hall, tmp_path, shared, name):
    target = tmp_path / re.sub(r"^\d-.*?(?=hall)", "", name)
    target.write_bytes((shared / "field-cases" / name).read_bytes())
    imported = import_answers(dataset, tmp_path)
    assert (imported.received, imported.refused) == (1, [])
    version = hall.versions.get()
    read_answers(version.pk)
    version.refresh_from_db()
    assert FIELD_CASES[name] in version.error
    if FIELD_CASES[name]:
        assert version.stage == Stage.FAILED
        assert not version.annotations.exists()
        return
    seconds = len(hall.clip.keyframes())
    assert version.annotations.count() == 2 * seconds
    first = version.annotations.filter(person_id=1)
    assert set(first.values_list("x1", "y1", "x2", "y2")) == {(40.0, 40.0, 80.0, 150.0)}
    assert [one.answers["posture"] for one in first] == ["walk"] * seconds
    assert bool(version.notes) == ("reversed" in name)


def test_a_swapped_export_without_a_name_is_held_back_with_the_clip_it_is_of(hall):
    version = read(hall, xml(BOXES["yard"]))
    assert (version.stage, version.is_held_back) == (Stage.FAILED, True)
    assert "they are those of yard-c0000" in version.error
    assert not version.annotations.exists()


def test_an_export_of_a_job_is_of_the_clip_whose_persons_it_has(dataset, hall, tmp_path):
    """The job of CVAT says who has it; the file may be called anything."""
    job = "<meta><job><id>3</id><size>15</size><assignee><username>bob</username></assignee>"
    meta = f"{job}</job></meta>".encode()
    content = xml(BOXES["yard"]).replace(b"</version>", b"</version>" + meta)
    (tmp_path / "job_3_annotations.zip").write_bytes(zipped(**{"annotations.xml": content}))
    imported = import_answers(dataset, tmp_path)
    assert (imported.received, imported.refused) == (1, [])
    (version,) = AnswerVersion.objects.all()
    assert str(version.task) == "yard-c0000--bob"


def test_a_folder_may_say_whose_answers_a_job_has(dataset, tmp_path):
    packed = zipped(**{"ann/job_3.xml": xml(BOXES["hall"])})
    (tmp_path / "all.zip").write_bytes(packed)
    assert import_answers(dataset, tmp_path).received == 1
    assert str(AnswerVersion.objects.get().task) == "hall-c0000--ann"


@pytest.mark.parametrize(
    ("boxes", "sentence"),
    [
        pytest.param(
            BOXES["hall"], "call it hall-c0000--ann.xml or hall-c0000--bob.xml", id="who"
        ),
        pytest.param(
            {1: (1, 1, 9, 9)}, "no task of this dataset is called job_3", id="nowhere"
        ),
        pytest.param({}, "no task of this dataset is called job_3", id="nobody"),
    ],
)
def test_a_job_that_fits_nobody_or_several_is_refused_with_the_way_out(
    dataset, tmp_path, boxes, sentence
):
    (tmp_path / "job_3.xml").write_bytes(xml(boxes))
    (refused,) = import_answers(dataset, tmp_path).refused
    assert sentence in refused.reason
    assert not AnswerVersion.objects.exists()


def test_a_job_that_fits_two_clips_names_both(dataset, tmp_path):
    hall, yard = TrackingRun.objects.order_by("clip__name")
    Proposal.objects.filter(run=yard).delete()
    copies = list(Proposal.objects.filter(run=hall))
    for one in copies:
        one.pk, one.run = None, yard
    Proposal.objects.bulk_create(copies)
    (tmp_path / "job_3.xml").write_bytes(xml(BOXES["hall"]))
    (refused,) = import_answers(dataset, tmp_path).refused
    assert "its persons fit hall-c0000, yard-c0000" in refused.reason


def test_persons_nowhere_near_are_held_back_without_another_clip_too(hall):
    version = read(hall, xml({1: (1, 1, 9, 9)}))
    assert "lie nowhere near" in version.error
    assert "they are those of" not in version.error


def test_a_corrected_box_is_not_held_back_while_another_person_is_in_place(hall):
    version = read(hall, xml(BOXES["hall"] | {1: (1, 1, 9, 9)}))
    assert version.stage == Stage.DONE


@pytest.mark.parametrize("content", [xml({}), xml({}, name="hall-c0000--ann")])
def test_an_answer_without_anybody_is_held_back(hall, content):
    version = read(hall, content)
    assert (version.stage, version.is_held_back) == (Stage.FAILED, True)
    assert "it has nobody, but 2 persons were given out" in version.error


def test_an_empty_answer_is_read_where_nobody_was_given_out(hall):
    hall.is_blind = True
    hall.save()
    assert read(hall, xml({})).stage == Stage.DONE


def test_what_was_held_back_can_be_accepted_as_it_is(hall):
    version, user = read(hall, xml({})), make_user()
    assert confirm_answers(version, user=user)
    read_answers(version.pk)
    version.refresh_from_db()
    assert (version.stage, version.person_count) == (Stage.DONE, 0)
    assert (version.missing_persons, version.confirmed_by) == ([1, 2], user)
    assert not confirm_answers(version, user=user)


def test_a_person_that_is_missing_is_named_and_one_marked_outside_is_not(hall):
    version = read(hall, xml({1: BOXES["hall"][1]}))
    assert version.missing_persons == [2]
    outside = xml(BOXES["hall"]).decode().split("<track")
    outside[2] = outside[2].replace('outside="0"', 'outside="1"')
    version = read(hall, "<track".join(outside).encode())
    assert set(version.annotations.values_list("person_id", flat=True)) == {1}
    assert version.missing_persons == []


def test_a_box_of_another_label_is_left_out_with_a_note(hall):
    car = '<track id="9" label="car"><box frame="3" xtl="1" ytl="1" xbr="9" ybr="9"/></track>'
    content = xml(BOXES["hall"]).replace(b"</annotations>", f"{car}</annotations>".encode())
    version = read(hall, content)
    assert version.stage == Stage.DONE
    assert "Track 2, frame 3: it has the label car" in version.notes[0]


def test_a_file_that_says_the_same_is_no_new_version(hall):
    first = read(hall, xml(BOXES["hall"], name="hall-c0000--ann"))
    dated = xml(BOXES["hall"], name="hall-c0000--ann").replace(
        b"</task>", b"<dumped>2026-11-30</dumped></task>"
    )
    assert receive_answers(hall, dated) is None
    assert list(hall.versions.all()) == [first]


def test_after_a_refusal_the_same_answers_are_read_again(hall):
    wrong = xml(BOXES["hall"], name="x").replace(b"<size>15", b"<size>14")
    assert read(hall, wrong).stage == Stage.FAILED
    assert receive_answers(hall, wrong) is None
    assert read(hall, xml(BOXES["hall"], name="x")).stage == Stage.DONE
    assert list(AnswerVersion.objects.without_history().values_list("number", flat=True)) == [2]


def test_a_manager_accepts_what_was_held_back_on_the_page(hall, client):
    version, stranger, manager = read(hall, xml({})), make_user(), make_user(is_superuser=True)
    url = f"/datasets/field/answers/{version.pk}/accept/"
    client.force_login(stranger)
    assert client.post(url).status_code == 404
    client.force_login(manager)
    assert "Accept as it is" in client.get("/datasets/field/tasks/").content.decode()
    assert client.get(url).status_code == 405
    client.post(url)
    read_answers(version.pk)
    page = client.get(f"/datasets/field/tasks/{hall.pk}/").content.decode()
    assert f"accepted as it is by {manager}" in page


def test_all_answers_come_in_one_zip_of_zips(dataset, tmp_path):
    hall, yard = xml(BOXES["hall"]), xml(BOXES["yard"])
    inner = zipped(**{"annotations.xml": yard, "images/a.jpg": b""})
    content = zipped(**{
        "back/": b"",
        "back/hall-c0000--ann/annotations.xml": hall,
        "back/hall-c0000--bob.XML": hall,
        "back/yard-c0000--ann.ZIP": inner,
        "back/task_7_annotations.zip": zipped(
            **{"annotations.xml": xml(BOXES["yard"], name="yard-c0000--bob")}
        ),
        "__MACOSX/back/._yard-c0000--ann.ZIP": b"Mac OS X",
    })  # fmt: skip
    (tmp_path / "all.zip").write_bytes(content)
    imported = import_answers(dataset, tmp_path)
    assert (imported.received, imported.refused) == (4, [])
    for version in AnswerVersion.objects.all():
        read_answers(version.pk)
    assert {str(one.task): one.stage for one in AnswerVersion.objects.all()} == {
        f"{clip}-c0000--{who}": Stage.DONE for clip in BOXES for who in ("ann", "bob")
    }


def test_a_file_in_a_zip_that_is_refused_is_named_with_its_path(dataset, tmp_path):
    content = zipped(**{"a/hall-c0009--ann.xml": b"<a/>", "hall-c0000--ann.xml": xml({})})
    (tmp_path / "all.zip").write_bytes(content)
    imported = import_answers(dataset, tmp_path)
    assert imported.received == 1
    assert imported.refused[0].file == "all.zip/a/hall-c0009--ann.xml"
    assert "no task of this dataset is called hall-c0009--ann" in imported.refused[0].reason


def pretty(content):
    """As an editor's pretty-printer leaves it: line breaks and tabs around every value."""
    text = content.decode().replace("><", ">\n\t<")
    return re.sub(r"(<attribute [^>]*>)([^<\n]+)", r"\1\n\t\t\2\n\t", text).encode()


def on_a_mac(content, *around):
    name = "/".join([*around, "annotations.xml"])
    return zipped(**{name: content, f"__MACOSX/{name}": b"\0\5", ".DS_Store": b"\0\0\0\1"})


def with_corners(left, top, right, bottom):
    old, new = 'xtl="40" ytl="40" xbr="80" ybr="150"', (left, top, right, bottom)
    sides = " ".join(
        f'{a}="{b}"' for a, b in zip(("xtl", "ytl", "xbr", "ybr"), new, strict=True)
    )
    return xml(BOXES["hall"]).decode().replace(old, sides).encode()


HALL = xml(BOXES["hall"])
READ_AS_IT_IS = [
    pytest.param("hall-c0000--ann.XML", HALL, id="capital XML"),
    pytest.param("hall-c0000--ann.Zip", on_a_mac(HALL), id="Zip from a Mac"),
    pytest.param("back.zip", on_a_mac(HALL, "hall-c0000--ann"), id="folder"),
    pytest.param("back.zip", on_a_mac(HALL, "home", "hall-c0000--ann"), id="two folders"),
    pytest.param(
        "all.ZIP", zipped(**{"x/hall-c0000--ann.ZIP": on_a_mac(HALL, "x")}), id="zip in a zip"
    ),
    pytest.param("hall-c0000--ann.xml", pretty(HALL), id="pretty"),
    pytest.param("hall-c0000--ann.xml", HALL.replace(b"><", b">\r\n<"), id="Windows line ends"),
    pytest.param("hall-c0000--ann.xml", b"\xef\xbb\xbf" + HALL, id="byte order mark"),
    pytest.param("hall-c0000--ann.xml", with_corners(80, 40, 40, 150), id="reversed in x"),
    pytest.param("hall-c0000--ann.xml", with_corners(40, 150, 80, 40), id="reversed in y"),
]


@pytest.mark.parametrize(("name", "content"), READ_AS_IT_IS)
def test_siblings_of_the_field_cases_are_read_as_they_are(
    dataset, hall, tmp_path, name, content
):
    (tmp_path / name).write_bytes(content)
    imported = import_answers(dataset, tmp_path)
    assert (imported.received, imported.refused) == (1, [])
    version = hall.versions.get()
    read_answers(version.pk)
    first = version.annotations.filter(person_id=1)
    assert set(first.values_list("x1", "y1", "x2", "y2")) == {(40.0, 40.0, 80.0, 150.0)}
    assert {one.answers["posture"] for one in first} == {"walk"}


def images(*sizes):
    body = "".join(
        f'<image id="{at}" name="hall-c0000_frame_{at:04}.jpg" width="{w}" height="{h}">'
        '<box label="person" xtl="40" ytl="40" xbr="80" ybr="150">'
        '<attribute name="person_id">1</attribute></box></image>'
        for at, (w, h) in enumerate(sizes)
    )
    return f"<annotations><version>1.1</version>{body}</annotations>".encode()


def sized(width, height):
    task = f"<name>hall-c0000--ann</name><size>15</size><original_size><width>{width}</width>"
    meta = f"<meta><task>{task}<height>{height}</height></original_size></task></meta>"
    return HALL.replace(b"</version>", b"</version>" + meta.encode())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(images((320, 180), (640, 360)), "640x360 pixels", id="one image"),
        pytest.param(
            images((180, 320)), "180x320 pixels, but those of hall-c0000", id="turned"
        ),
        pytest.param(sized(1280, 720), "1280x720 pixels, but those of hall-c0000", id="video"),
    ],
)
def test_frames_of_another_size_are_refused(hall, content, sentence):
    version = read(hall, content)
    assert version.stage == Stage.FAILED
    assert sentence in version.error
    assert not version.annotations.exists()
