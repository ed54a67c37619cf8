"""Imports of labels through the API: preview, choices, answers, and undo."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from annotation.models import AnswerVersion, LabelImport
from annotation.services.label_imports import run_import
from tests.annotation.imports.written_files import coco
from tests.make import make_dataset, make_user
from tests.stored_files import make_ready_video

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset():
    dataset = make_dataset("shop", owner=make_user("owner"))
    make_ready_video(dataset, name="aisle", frame_count=570)
    return dataset


@pytest.fixture
def browser(client, dataset):
    client.force_login(dataset.members.get().user)
    return client


def address(name="imports", *more):
    return reverse(f"api:{name}", args=["shop", *more])


def begin(browser, content=None, **fields):
    file = SimpleUploadedFile("labels.json", content or coco(video="other.mp4"))
    return browser.post(address(), {"file": file, "source": "elsewhere"} | fields)


def choose(browser, pk, **choices):
    return browser.post(address("import", pk), choices, content_type="application/json")


def test_a_file_is_previewed_chosen_taken_and_undone(browser):
    begun = begin(browser)
    assert (begun.status_code, begun.json()["stage"]) == (201, "waiting")
    pk = begun.json()["id"]
    run_import(pk)
    seen = browser.get(address("import", pk)).json()
    assert (seen["preview"]["unplaced"], seen["confirmed_at"]) == (["other.mp4"], None)

    assert choose(browser, pk, videos={"other.mp4": "aisle"}).status_code == 200
    run_import(pk)
    assert not AnswerVersion.objects.exists()
    mapping = {"waving: yes": "doing: wave"}
    taken = choose(browser, pk, mapping=mapping, is_complete=True, confirm=True)
    assert taken.json()["choices"]["videos"] == {"other.mp4": "aisle"}
    run_import(pk)
    assert browser.get(address("import", pk)).json()["outcome"]["versions"] == 1
    assert choose(browser, pk, confirm=True).status_code == 409

    assert browser.post(address("import-undo", pk)).json()["undone_at"]
    assert browser.post(address("import-undo", pk)).status_code == 409
    assert not AnswerVersion.objects.filter(withdrawn_at=None).exists()
    rows = browser.get(address()).json()
    assert [(one["id"], one["source"]) for one in rows["results"]] == [(pk, "elsewhere")]
    assert "preview" not in rows["results"][0]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"source": "not a name"}, "no name for a source"),
        ({"source": ""}, "source"),
        ({"format": "kitti"}, "format"),
    ],
)
def test_a_file_that_cannot_be_begun_is_refused_with_a_sentence(browser, fields, says):
    refused = begin(browser, **fields)
    assert refused.status_code == 400
    assert says in refused.content.decode()
    assert not LabelImport.objects.exists()


def test_choices_that_mean_nothing_are_refused(browser):
    pk = begin(browser).json()["id"]
    run_import(pk)
    assert choose(browser, pk, mapping={"pose: walk": 3, "x": {}}).status_code == 400
    refused = choose(browser, pk, mapping={"pose: walk": "posture: fly"}, confirm=True)
    assert refused.status_code == 409
    assert "no such action" in refused.json()["detail"]
    assert LabelImport.objects.get().confirmed_at is None


def test_a_file_that_does_not_fit_the_quota_is_refused(browser, dataset, settings):
    dataset.charged_to = dataset.members.get().user
    dataset.save()
    settings.QUOTA_BYTES = 1
    refused = begin(browser)
    assert refused.status_code == 400
    assert "AVA_QUOTA_BYTES" in refused.json()["detail"]
