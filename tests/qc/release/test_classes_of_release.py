"""A release of more than persons: AVA's files as ever, and the class of each beside them."""

import pytest

from qc.core.release.checks.run_checks import check_release
from qc.core.release.formats import FORMATS
from qc.core.release.options import ReleaseOptions
from qc.models import Consensus
from qc.services.release.make_release import make_release, request_release
from tests.qc.release.corner import add_person, files_of, folder_of
from tracking.models import VideoPerson

pytestmark = pytest.mark.django_db


def released(dataset):
    options = ReleaseOptions(formats=tuple(sorted(FORMATS)))
    release = make_release(request_release(dataset, options=options).pk)
    assert release.error == ""
    assert [one["sentence"] for one in release.checks if not one["passed"]] == []
    return release


def without_labels(files):
    """Those that say of each person only what AVA's files have room for."""
    return {name: content for name, content in files.items() if name.startswith("annotations/")}


@pytest.fixture
def release(dataset):
    """One with a second person in each clip, which is a vehicle."""
    dataset.classes = "person, vehicle"
    dataset.save()
    for consensus in Consensus.objects.all():
        clip = consensus.clip
        for second in clip.keyframes():
            add_person(consensus, second, 2, left=100)
        VideoPerson.objects.update_or_create(
            video=clip.video, person_id=2, defaults={"label": "vehicle"}
        )
    return released(dataset)


def test_a_release_says_what_each_is(release, dataset):
    files = files_of(release)
    rows = files["persons.csv"].decode().splitlines()
    assert rows[0] == "source_video,person_id,class"
    assert rows[1].endswith(",1,person")
    assert rows[2].endswith(",2,vehicle")
    assert "Followed were: person, vehicle." in files["METHODS.md"].decode()
    card = files["README.md"].decode()
    assert "Not all are persons" in card
    assert "| vehicle |" in card
    assert files["annotations/ava_train.csv"].decode().splitlines()[0].count(",") == 7


def test_a_release_of_persons_says_nothing_of_classes(dataset):
    files = files_of(released(dataset))
    assert "persons.csv" not in files
    for name in ("README.md", "METHODS.md"):
        assert "persons.csv" not in files[name].decode()
    assert not [name for name in files if name.endswith("labels.txt") and "mot" in name]


def test_the_files_of_ava_do_not_depend_on_classes(release, dataset):
    before = without_labels(files_of(release))
    VideoPerson.objects.update(label="person")
    dataset.classes = "person"
    dataset.save()
    assert without_labels(files_of(released(dataset))) == before


def test_sentences_of_checks_say_what_each_is(release):
    folder = folder_of(release)
    classes = folder / "persons.csv"
    path = folder / "annotations/ava_train.csv"
    rows = path.read_text().splitlines()
    row = next(row for row in rows if row.endswith(",2"))
    *first, x2, y2, action, person = row.split(",")
    other = ",".join([*first, "0.9999", y2, action, person])
    path.write_text("\n".join(other if one == row else one for one in rows) + "\n")

    def said():
        found = [one["sentence"] for one in check_release(folder) if not one["passed"]]
        return " ".join(found).replace(first[0], "CLIP")

    assert x2 != "0.9999"
    found = said()
    assert "(P2 vehicle of CLIP at 902) has the box" in found
    assert " has P2 vehicle of CLIP at 902 in the box" in found
    assert "person 2" not in found
    classes.write_text(classes.read_text().replace(",vehicle", ",person"))
    assert "(person 2 of CLIP at 902) has the box" in said()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("2,vehicle", "2,animal", 1), "is a vehicle, persons.csv"),
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "persons.csv lacks person 2"),
        (lambda text: f"{text}shop,99,vehicle\n", "has, but no csv, P99 vehicle of shop"),
        (lambda text: text.replace("class", "kind"), "its columns are not"),
        (lambda text: f"{text}shop,x,vehicle\n", "persons.csv: row 6 is not a video, a number"),
        (lambda text: f"{text}shop,1\n", "persons.csv: row 6 is not a video, a number"),
        (lambda text: f"{text}shop,1,vehicle\n", "persons.csv: row 6 has shop,1 a second time"),
    ],
    ids=["other", "lacks", "more", "columns", "number", "short", "twice"],
)
def test_a_changed_class_is_found(release, change, said):
    path = folder_of(release) / "persons.csv"
    path.write_text(change(path.read_text()))
    sentences = " ".join(
        one["sentence"] for one in check_release(folder_of(release)) if not one["passed"]
    )
    assert said in sentences
