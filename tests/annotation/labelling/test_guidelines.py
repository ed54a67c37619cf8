"""Guidelines: text and images, where they are shown, and what is refused."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image

from annotation.models import CvatProject, Guideline, GuidelineImage
from annotation.selectors.guidelines import suggested_frames
from annotation.services.cvat.projects import plan_projects
from annotation.services.guidelines import (
    GuidelineError,
    add_frame,
    add_upload,
    remove_image,
    save_text,
)
from annotation.services.packages import write_package
from avaproject.base.work import Stage
from datasets.models import Action, Member
from qc.selectors.label_page import label_data
from tests.cvat_double.steps import make_world, set_up
from tests.make import make_annotator, make_dataset, make_task, make_user, make_version
from tests.stored_files import content_of, make_ready_video

pytestmark = pytest.mark.django_db


@pytest.fixture
def clip():
    owner = make_user("owner")
    return make_ready_video(make_dataset("shop", owner=owner), name="aisle").clips.first()


@pytest.fixture
def dataset(clip):
    return clip.video.dataset


@pytest.fixture
def walk(dataset):
    return dataset.actions.get(name="walk")


@pytest.fixture
def browser(client, dataset):
    client.force_login(Member.objects.get(dataset=dataset).user)
    return client


def png(width=64, height=48, kind="PNG"):
    content = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(content, kind)
    content.seek(0)
    return content


def url(name, **more):
    return reverse(f"annotation:{name}", kwargs={"name": "shop", **more})


def picked(clip, walk, **fields):
    given = {"action": walk, "kind": "yes", "person_id": 1} | fields
    return add_frame(clip, clip.keyframes()[0], (100.0, 100.0, 150.0, 250.0), **given)


def test_an_image_is_stored_as_jpeg_and_not_larger_than_needed(dataset):
    image = add_upload(dataset, png(4000, 1000))
    with Image.open(io.BytesIO(content_of(image.file))) as image:
        assert (image.format, image.size) == ("JPEG", (1280, 320))


@pytest.mark.parametrize("content", [b"", b"<svg/>", b"GIF89a", png().read()[:60]])
def test_what_is_no_image_is_refused(dataset, content):
    with pytest.raises(GuidelineError, match="not a PNG, JPEG, WebP or GIF"):
        add_upload(dataset, io.BytesIO(content))
    assert not GuidelineImage.objects.exists()


def test_a_picked_frame_is_cut_round_the_person_who_is_outlined(clip, walk):
    image = picked(clip, walk)
    assert (image.clip, image.second, image.person_id) == (clip, clip.keyframes()[0], 1)
    with Image.open(io.BytesIO(content_of(image.file))) as image:
        assert image.width < 640
        assert image.height <= 360
        assert image.convert("L").getextrema()[1] > 200  # the outline on a grey frame


def test_a_text_shows_images_of_its_dataset_alone(dataset):
    other = add_upload(make_dataset("other"), png())
    with pytest.raises(GuidelineError, match="there is no image"):
        save_text(dataset, f"![]({other})")
    with pytest.raises(GuidelineError, match="is not an image of this dataset"):
        save_text(dataset, "![](https://example.org/x.png)")
    assert not Guideline.objects.filter(dataset=dataset).exclude(text="").exists()


def test_an_image_that_the_text_shows_stays(dataset):
    image = add_upload(dataset, png())
    save_text(dataset, f"![a hand]({image})")
    with pytest.raises(GuidelineError, match="take it out there first"):
        remove_image(image)
    save_text(dataset, "")
    remove_image(image)
    assert not GuidelineImage.objects.exists()


def test_the_page_shows_text_definitions_and_examples_without_raw_html(
    browser, dataset, clip, walk
):
    image = picked(clip, walk, caption="along the shelf")
    save_text(dataset, "# Hands\n\n<script>alert(1)</script>")
    save_text(dataset, "Steps <b>forward</b>.", action=walk)
    page = browser.get(url("guidelines")).content.decode()
    assert "<h3>Hands</h3>" in page
    assert "<script>alert" not in page
    assert "Steps &lt;b&gt;forward" in page
    assert url("guideline-image", pk=image.pk) in page
    assert "along the shelf" in page
    fragment = browser.get(url("guidelines"), {"fragment": ""}).content.decode()
    assert "<h3>Hands</h3>" in fragment
    assert "<html" not in fragment


def test_pages_upload_pick_and_remove(browser, dataset, clip, walk):
    second = clip.keyframes()[1]
    file = SimpleUploadedFile("a.png", png().read(), "image/png")
    browser.post(url("guideline-upload"), {"file": file, "caption": "a hand"})
    page = url("guideline-pick", pk=walk.pk)
    shown = browser.get(page, {"clip": clip.name, "second": second}).content.decode()
    assert "Person 2" in shown
    data = {"clip": clip.name, "second": second, "kind": "no", "caption": "stands"}
    assert browser.post(page, data | {"person": 99}).status_code == 422
    assert browser.post(page, data | {"person": 2}).status_code == 302
    text, example = GuidelineImage.objects.order_by("pk")
    assert (text.kind, text.guideline.action, text.caption) == ("text", None, "a hand")
    assert (example.kind, example.guideline.action, example.person_id) == ("no", walk, 2)
    browser.post(url("guideline-remove"), {"image": example.pk})
    assert list(GuidelineImage.objects.all()) == [text]


def test_pages_name_what_is_no_person_by_its_class(browser, clip, walk):
    clip.video.persons.filter(person_id=2).update(label="vehicle")
    data = {"clip": clip.name, "second": clip.keyframes()[1], "kind": "no", "caption": "x"}
    page = url("guideline-pick", pk=walk.pk)
    shown = browser.get(page, data).content.decode()
    assert "P2 vehicle</label>" in shown
    assert "Person 1</label>" in shown
    browser.post(page, data | {"person": 2})
    browser.post(page, data | {"person": 1})
    listed = browser.get(url("guideline-action", pk=walk.pk)).content.decode()
    assert ", P2 vehicle" in listed
    assert ", person 1" in listed
    clip.video.persons.create(person_id=9, label="vehicle")
    assert "P9 vehicle is not in this frame" in browser.post(page, data | {"person": 9}).text
    assert "person 99 is not in this frame" in browser.post(page, data | {"person": 99}).text


def test_a_preview_stores_nothing(browser, dataset):
    page = browser.post(url("guideline-text"), {"text": "**Look**", "preview": "1"})
    assert "<strong>Look</strong>" in page.content.decode()
    assert not Guideline.objects.exclude(text="").exists()


def test_annotators_read_the_page_and_its_images(client, dataset, clip, walk):
    image = picked(clip, walk)
    user = make_user("ann")
    Member.objects.create(dataset=dataset, user=user, role="annotator")
    client.force_login(user)
    page = client.get(url("guidelines"))
    assert page.status_code == 200
    assert "Edit text" not in page.content.decode()
    shown = client.get(url("guideline-image", pk=image.pk))
    assert b"".join(shown.streaming_content)[:2] == b"\xff\xd8"  # a JPEG
    assert client.get(url("guideline-text")).status_code == 404


def test_the_label_page_gets_definitions_and_examples_in_the_order_shown(dataset, clip, walk):
    image = picked(clip, walk, caption="along the shelf")
    save_text(dataset, "Steps forward.", action=walk)
    walk.group.actions.exclude(pk=walk.pk).update(position=1)
    user = make_user("ann")
    task = make_task(clip.tracking_runs.get(), make_annotator(dataset, "ann", user=user))
    data = label_data(task, user)
    shown = data["groups"][0]["actions"]
    assert [one["name"] for one in shown] == ["walk", "stand", "sit"]
    assert shown[0]["hint"] == "Steps forward."
    assert shown[0]["images"] == [
        {
            "url": url("guideline-image", pk=image.pk), "caption": "along the shelf",
            "is_yes": True,
        }
    ]  # fmt: skip
    assert data["urls"]["guidelines"] == url("guidelines")


def test_a_package_has_the_guidelines_and_the_images_that_they_show(dataset, clip, walk):
    image = picked(clip, walk, caption="along the shelf")
    add_upload(dataset, png())  # shown nowhere
    save_text(dataset, "Look at hands.")
    save_text(dataset, "Steps forward.", action=walk)
    annotator = make_annotator(dataset, "ann")
    task = make_task(clip.tracking_runs.get(), annotator, stage=Stage.WAITING)
    written = write_package(task.pk)
    with zipfile.ZipFile(io.BytesIO(content_of(written.package))) as package:
        text = package.read("guidelines.md").decode()
        images = [name for name in package.namelist() if name.endswith(".jpg")]
    assert text.startswith("# shop\n\nLook at hands.\n\n## Actions\n\n**walk**: Steps forward.")
    assert f"Yes: ![along the shelf]({image}" in text
    assert images == [str(image)]


def test_the_guide_in_cvat_shows_them_and_is_sent_again_after_a_change(cvat):
    dataset = make_world(cvat)
    walk = dataset.actions.get(name="walk")
    clip = dataset.videos.get().clips.first()
    image = picked(clip, walk, caption="along the shelf")
    save_text(dataset, "Look at hands.")
    set_up(dataset)
    (guide,) = cvat.state.guides.values()
    assert "Look at hands." in guide["markdown"]
    address = f'/api/assets/{list(cvat.state.assets)[-1]} "{image}"'
    assert f"Yes: ![along the shelf]({address})" in guide["markdown"]
    count = len(cvat.state.assets)
    assert plan_projects() == 0
    save_text(dataset, "Look at feet.")
    assert plan_projects() == 1
    set_up(dataset)
    assert "Look at feet." in guide["markdown"]
    assert address in guide["markdown"]
    assert len(cvat.state.assets) == count  # sent once
    assert CvatProject.objects.get().stage == Stage.DONE


def test_images_beyond_those_that_cvat_takes_stay_captions(cvat):
    dataset = make_world(cvat)
    for number in range(31):
        add_upload(dataset, png(8 + number, 8), caption=f"image {number}")
    names = [str(one) for one in GuidelineImage.objects.order_by("pk")]
    save_text(dataset, "\n\n".join(f"![place {i}]({name})" for i, name in enumerate(names)))
    assert set_up(dataset).stage == Stage.DONE
    (guide,) = cvat.state.guides.values()
    assert guide["markdown"].count("/api/assets/") == 30
    assert "*place 30*" in guide["markdown"]


def test_a_new_action_reaches_the_cvat_project(cvat):
    dataset = make_world(cvat)
    set_up(dataset)
    posture = dataset.groups.get(name="posture")
    Action.objects.create(dataset=dataset, group=posture, name="run", action_id=6)
    assert plan_projects() == 1
    set_up(dataset)
    (label,) = cvat.state.labels.values()
    (found,) = [one for one in label["attributes"] if one["name"] == "posture"]
    assert found["values"][-1] == "run"


def test_frames_at_which_annotators_chose_the_action_are_suggested(dataset, clip, walk):
    task = make_task(clip.tracking_runs.get(), make_annotator(dataset, "ann"))
    make_version(task, {"posture": "walk", "doing": ["wave"]})
    for name, clips in (("walk", [clip.name]), ("wave", [clip.name]), ("sit", [])):
        found = suggested_frames(dataset.actions.get(name=name))
        assert [one.clip for one in found] == clips
