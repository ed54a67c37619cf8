"""Every importer in a dataset that follows persons and vehicles, of which P2 is one."""

import json
import re
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.urls import reverse

from annotation.models import AnswerVersion
from annotation.services.label_imports import preview_again, run_import
from qc.models import Consensus
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from tests import make
from tests.annotation.imports.files_of_tools import FILES, SECONDS
from tests.annotation.imports.test_every_importer import take, uploaded
from tests.stored_files import make_bundled_video

pytestmark = pytest.mark.django_db
OF_INTERVALS = ("elan", "boris", "activitynet")  # which have no boxes
WITHOUT_CLASSES = ("ava", "tubes")


@pytest.fixture
def dataset():
    dataset = make.make_dataset("shop", owner=make.make_user("boss"), classes="person, vehicle")
    video = make_bundled_video(dataset, name="aisle")
    video.persons.filter(person_id=2).update(label="vehicle")
    return dataset


def edited(files, name, change):
    """The files with one JSON changed."""
    raw = json.loads(files[name])
    change(raw)
    return files | {name: json.dumps(raw).encode()}


def coco(word):
    def change(raw):
        raw["categories"].append({"id": 3, "name": word})
        for one in raw["annotations"]:
            if one["instance_id"] == 2:
                one["category_id"] = 3

    return edited(FILES["coco"](), "coco.json", change)


def cvat_json(word):
    return edited(
        FILES["cvat-json"](), "annotations.json",
        lambda raw: raw[0]["tracks"][1].update(label=word),
    )  # fmt: skip


def cvat_xml(word):
    files = FILES["cvat-xml"]()
    text = files["annotations.xml"].decode().replace("Customer", "person", 1)
    return {"annotations.xml": text.replace("Customer", word, 1).encode()}


def via(word):
    def change(raw):
        raw["attribute"]["4"] = {
            "aname": "Object type", "type": 3, "options": {"0": "Person", "1": word}
        }  # fmt: skip
        for key, one in raw["metadata"].items():
            one["av"]["4"] = "1" if key.startswith("2-") else "0"

    return edited(FILES["via"](), "via.json", change)


def label_studio(word):
    def change(raw):
        for one in raw[0]["annotations"][0]["result"]:
            if one["id"] == "r2" and "labels" in one["value"]:
                one["value"]["labels"] = [word]

    return edited(FILES["label-studio"](), "project-1.json", change)


def fiftyone(word):
    def change(raw):
        for frame in raw["frames"].values():
            frame["objects"]["objects"][1]["label"] = word

    return edited(FILES["fiftyone"](), "labels/aisle.json", change)


def mot(word):
    files = FILES["mot"]()
    text = re.sub(rb"(?m)^(\d+,2,.*),1,1$", rb"\1,2,1", files["aisle/gt/gt.txt"])
    names = f"pedestrian\n{word}\n".encode()
    return files | {"aisle/gt/gt.txt": text, "aisle/gt/labels.txt": names}


def release(word):
    rows = f"source_video,person_id,class\naisle,1,person\naisle,2,{word}\n"
    return FILES["release"]() | {"persons.csv": rows.encode()}


def parquet(word):
    rows = pq.read_table(BytesIO(FILES["parquet"]()["train.parquet"])).to_pylist()
    for row in rows:
        row["class"] = word if row["person_id"] == 2 else "person"
    file = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return {"train.parquet": file.getvalue()}


WITH_CLASSES = {
    "coco": coco, "cvat-json": cvat_json, "cvat-xml": cvat_xml, "via": via,
    "label-studio": label_studio, "fiftyone": fiftyone, "mot": mot, "release": release,
    "parquet": parquet,
}  # fmt: skip


def imported(dataset, row, name):
    """Number and class of everybody in the answers, after they were read."""
    take(row, name)
    version = AnswerVersion.objects.get()
    assert (version.error, version.notes) == ("", [])
    plan_consensuses()
    build_clip_consensus(Consensus.objects.latest("pk").pk)
    drawn = dict(
        dataset.videos.get().persons.filter(is_drawn=True).values_list("person_id", "label")
    )
    rows = version.annotations.filter(second__in=SECONDS)
    return set(rows.values_list("person_id", "label").distinct()), drawn


def test_every_importer_of_boxes_has_classes_or_none():
    assert {*OF_INTERVALS, *WITHOUT_CLASSES, *WITH_CLASSES} == FILES.keys()


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_who_is_of_the_same_class_is_matched(dataset, tmp_path, name):
    row = uploaded(dataset, tmp_path, WITH_CLASSES[name]("Truck"))
    assert (row.error, row.preview and row.preview["format"]) == ("", name)
    assert (row.preview["persons"], row.preview["drawn"]) == (2, 0)
    assert row.preview["class_counts"] == {"person": 1, "vehicle": 1}
    people, drawn = imported(dataset, row, "")
    assert (people, drawn) == ({(1, ""), (2, "")}, {})


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_whoever_is_of_another_class_is_drawn_as_that(dataset, tmp_path, name):
    """Where P2, a vehicle, was tracked, the file has a person."""
    row = uploaded(dataset, tmp_path, WITH_CLASSES[name]("pedestrian"))
    assert (row.preview["persons"], row.preview["drawn"]) == (1, 1)
    said = "a track of the class person lies where the class vehicle was tracked"
    assert said in " ".join(row.preview["notes"])
    people, drawn = imported(dataset, row, "")
    assert people == {(1, ""), (None, "")}
    assert list(drawn.values()) == ["person"]


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_what_is_not_followed_is_left_out(dataset, tmp_path, name):
    row = uploaded(dataset, tmp_path, WITH_CLASSES[name]("bench"))
    assert (row.preview["persons"], row.preview["drawn"]) == (1, 0)
    assert "boxes of labels that were left out" in row.preview["left_out_counts"]


@pytest.mark.parametrize("name", WITHOUT_CLASSES)
def test_a_format_without_classes_is_matched_with_any(dataset, tmp_path, name):
    row = uploaded(dataset, tmp_path, FILES[name]())
    assert row.preview["class_counts"] == {"person": 1, "vehicle": 1}
    assert imported(dataset, row, name) == ({(1, ""), (2, "")}, {})


@pytest.mark.parametrize("name", OF_INTERVALS)
def test_intervals_of_the_whole_frame_are_about_all_classes(dataset, tmp_path, name):
    row = uploaded(dataset, tmp_path, FILES[name]())
    assert imported(dataset, row, name) == ({(1, ""), (2, "")}, {})


def test_intervals_may_be_about_one_class(dataset, tmp_path):
    row = uploaded(dataset, tmp_path, FILES["elan"]())
    preview_again(row, {"subjects": {"": "vehicle"}})
    run_import(row.pk)
    row.refresh_from_db()
    assert row.preview["class_counts"] == {"person": 0, "vehicle": 1}


def test_the_page_offers_classes_and_says_how_many_of_each(client, dataset, tmp_path):
    client.force_login(dataset.members.get().user)
    row = uploaded(dataset, tmp_path, coco("forklift"))
    address = reverse("annotation:import", args=["shop", row.pk])
    page = client.get(address).text
    for meaning in ("person", "vehicle", "any class", "left out"):
        assert f">{meaning}</option>" in page
    assert "person: 1, vehicle: 0" in " ".join(page.split())
    labels = [one["text"] for one in row.preview["labels"]]
    assert row.preview["labels"][labels.index("forklift")]["meaning"] == "left out"
    client.post(address, {f"label-{labels.index('forklift')}": "vehicle", "again": "1"})
    run_import(row.pk)
    row.refresh_from_db()
    assert row.preview["class_counts"] == {"person": 1, "vehicle": 1}


def test_a_page_of_persons_says_nothing_of_classes(client, dataset, tmp_path):
    dataset.classes = "person"
    dataset.save()
    client.force_login(dataset.members.get().user)
    row = uploaded(dataset, tmp_path, FILES["coco"]())
    assert "class_counts" not in row.preview
    page = client.get(reverse("annotation:import", args=["shop", row.pk])).text
    assert "any class" not in page
