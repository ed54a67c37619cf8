"""The pages of imports: upload, preview, map, import, undo."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from annotation.models import AnswerVersion, LabelImport
from annotation.services.answers import read_answers
from annotation.services.label_imports import run_import
from tests.annotation.imports.written_files import coco
from tests.make import make_dataset, make_user
from tests.stored_files import make_ready_video

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(client):
    owner = make_user("owner")
    dataset = make_dataset("shop", owner=owner)
    make_ready_video(dataset, name="aisle", frame_count=570)
    client.force_login(owner)
    return client


def upload(browser, content=None, source="elsewhere"):
    file = SimpleUploadedFile("labels.json", content or coco())
    return browser.post(
        reverse("annotation:imports", args=["shop"]), {"file": file, "source": source}
    )


def test_an_upload_is_previewed_mapped_imported_and_undone(browser):
    url = upload(browser).url
    assert "is being read" in browser.get(url).content.decode()
    row = LabelImport.objects.get()
    run_import(row.pk)
    text = browser.get(url).content.decode()
    assert "<option selected>posture: walk</option>" in text
    assert "What would be taken" in text
    assert "Boxes of labels that were left out (1)" in text
    labels = [one["text"] for one in LabelImport.objects.get().preview["labels"]]
    place = labels.index("waving: yes")
    posted = {f"label-{place}": "doing: wave", "fps": "10", "complete": "yes"}
    assert browser.post(url, posted | {"again": "1"}).status_code == 302
    run_import(row.pk)
    assert "<option selected>doing: wave</option>" in browser.get(url).content.decode()
    assert not AnswerVersion.objects.exists()
    assert browser.post(url, posted | {"confirm": "1"}).status_code == 302
    run_import(row.pk)
    read_answers(AnswerVersion.objects.get().pk)
    said = AnswerVersion.objects.get().annotations.get(second=2, person_id=1)
    assert said.answers["doing"] == []  # looked at, and does none of it
    assert "What was taken" in browser.get(url).content.decode()
    undone = browser.post(reverse("annotation:import-undo", args=["shop", row.pk]), follow=True)
    assert "count no longer" in undone.content.decode()
    assert browser.get(reverse("annotation:imports", args=["shop"])).status_code == 200


def test_a_meaning_that_there_is_not_is_refused_on_the_page(browser):
    url = upload(browser).url
    run_import(LabelImport.objects.get().pk)
    refused = browser.post(url, {"label-0": "posture: fly", "confirm": "1"})
    assert refused.status_code == 422
    assert "cannot mean posture: fly" in refused.content.decode()
    assert LabelImport.objects.get().confirmed_at is None


def test_what_was_chosen_stays_where_the_page_asks_again(browser):
    url = upload(browser).url
    run_import(LabelImport.objects.get().pk)
    chosen = {"label-0": "posture: fly", "label-1": "doing: carry", "confirm": "1"}
    refused = browser.post(url, chosen).content.decode()
    assert "<option selected>doing: carry</option>" in refused


def test_a_video_that_was_named_keeps_its_name_until_the_import(browser):
    url = upload(browser, coco(video="other.mp4")).url
    row = LabelImport.objects.get()
    run_import(row.pk)
    assert 'name="video-0"' in browser.get(url).content.decode()
    browser.post(url, {"video-0": "aisle", "again": "1"})
    run_import(row.pk)
    text = browser.get(url).content.decode()
    assert 'value="aisle"' in text
    browser.post(url, {"confirm": "1"})  # a page that does not ask for placed videos
    run_import(row.pk)
    row.refresh_from_db()
    assert row.outcome["versions"] == 1
    assert row.choices["videos"] == {"other.mp4": "aisle"}


def test_a_name_that_was_given_to_a_video_can_be_taken_back(browser):
    url = upload(browser, coco(video="other.mp4")).url
    row = LabelImport.objects.get()
    run_import(row.pk)
    browser.post(url, {"video-0": "aisle", "again": "1"})
    run_import(row.pk)
    browser.post(url, {"video-0": "", "again": "1"})
    run_import(row.pk)
    row.refresh_from_db()
    assert row.preview["unplaced"] == ["other.mp4"]


def test_meanings_of_very_many_labels_are_typed_and_notes_are_folded(browser):
    url = upload(browser).url
    row = LabelImport.objects.get()
    run_import(row.pk)
    row.refresh_from_db()
    labels = [{"text": f"note {n}", "count": 1, "meaning": "left out"} for n in range(1200)]
    notes = [f"video {n}: its frames are read as 25 a second." for n in range(9)]
    LabelImport.objects.update(preview=row.preview | {"labels": labels, "notes": notes})
    text = browser.get(url).content.decode()
    assert '<select id="label-0"' not in text
    assert text.count('list="meanings"') == 500
    assert "500 most frequent of 1,200" in text
    assert "4 more" in text


def test_an_upload_without_a_source_or_of_a_wrong_one_says_so(browser):
    assert upload(browser, source="").status_code == 422
    refused = upload(browser, source="not a name")
    assert refused.status_code == 422
    assert "a user name has letters" in refused.content.decode()
    assert not LabelImport.objects.exists()


def test_a_file_that_cannot_be_read_shows_why(browser):
    url = upload(browser, b"hello").url
    run_import(LabelImport.objects.get().pk)
    assert "labels.json: it is not JSON" in browser.get(url).content.decode()
