"""The work that `docs/guide/` describes, done in a real browser on the pages it names.

Whatever a page of the guide sets in bold is the name of something on the pages passed. With the
option `--screenshots` the images of the guide and of README.md are made anew:
`./ava test tests/test_guide.py --screenshots`.
"""

import os
import re
from functools import partial
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.urls import reverse
from playwright.sync_api import Page, expect

from annotation.models import AnnotationTask
from datasets.models import Clip, Dataset
from demo.management.commands.demo import truth_of_videos
from demo.run import DemoRun
from demo.simulated_annotators import ANNOTATORS
from demo.world.videos import DEMO_VIDEOS, small_videos
from qc.models import Adjudication, Review
from tests.browser import CHROMIUM, chromium_page
from tests.cvat_double.server import CvatDouble
from tests.cvat_double.steps import make_server
from tests.guide_world import (
    MAX_BYTES,
    names_on,
    save_screenshot,
    videos_zip,
    write_true_detections,
)
from tests.make import make_annotator, make_task, make_user
from tests.server_process import wait_until
from tracking.models import TrackingRun

MUST_HAVE = os.environ.get("AVA_TEST_REQUIRES_SERVICES") == "1"
DOCS = Path(__file__).resolve().parents[1] / "docs"
GUIDE = DOCS / "guide"
NAME = "city-scenes"
NUMBER = re.compile(r"\d+")
BOLD = re.compile(r"\*\*([^*]+)\*\*")
IMAGE = re.compile(r"\]\(images/([a-z-]+)\.png\)")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not CHROMIUM.exists() and not MUST_HAVE, reason="needs Debian's package chromium"
    ),
]


class Walk:
    """A browser on the pages of one dataset, and what was seen for each page of the guide."""

    def __init__(self, page: Page, address: str, *, with_images: bool) -> None:
        self.page, self.address, self.with_images = page, address, with_images
        self.names: dict[str, set[str]] = {}
        self.images: dict[str, list[str]] = {}

    def go(self, view: str, *arguments: object, query: str = "") -> None:
        path = reverse(view, args=arguments or (NAME,))
        assert self.page.goto(self.address + path + query).ok

    def see(
        self, guide: str, image: str = "", *, height: int = 900, limit: int = MAX_BYTES
    ) -> None:
        """Read the names on the page for the page `guide`; make `image` if images are made."""
        seen = {NUMBER.sub("1", name) for name in names_on(self.page)}
        self.names.setdefault(guide, set()).update(seen)
        if image:
            self.images.setdefault(guide, []).append(image)
            if self.with_images:
                path = GUIDE / "images" / f"{image}.png"
                save_screenshot(self.page, path, height=height, limit=limit)

    def press(self, name: str | re.Pattern[str]) -> None:
        """Press the first button of this name, and wait for the page to which it leads."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=name).first.click()

    def open_link(self, name: str) -> None:
        with self.page.expect_navigation():
            self.page.get_by_role("link", name=name).first.click()

    def wait_for_player(self) -> None:
        self.page.wait_for_selector("#player[data-ready][data-painted]")


@pytest.fixture
def walk(request, monkeypatch, live_server):
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    make_user("admin", is_superuser=True)
    with chromium_page() as page:
        page.goto(live_server.url)
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill("a-password")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/datasets/")
        yield Walk(page, live_server.url, with_images=request.config.getoption("screenshots"))


def test_the_guide_leads_from_videos_to_a_release(walk, own_files, settings):
    videos = DEMO_VIDEOS if walk.with_images else small_videos()
    settings.WEIGHTS_DIR = own_files / "weights"
    write_true_detections(videos, settings.WEIGHTS_DIR / "people")
    create_dataset(walk)
    upload_videos(walk, videos_zip(videos, own_files))
    run = DemoRun(
        dataset=Dataset.objects.get(),
        folder=own_files / "answers",
        work=partial(call_command, "run_pipeline", once=True, plain=True),
        log=lambda title: None,
        truth_at=truth_of_videos(videos),
    )
    run.work()
    look_at_videos(walk)
    check_people(walk)
    with CvatDouble() as cvat:
        for annotator in ANNOTATORS:
            cvat.add_user(annotator.name)
        assign_tasks(walk, run)
        label(walk)
        annotate(walk, run, cvat)
        import_answers(walk, run)
        read_agreement(walk)
        adjudicate(walk)
        review(walk, run)
        release(walk, run)
    check_guide(walk)


def create_dataset(walk: Walk) -> None:
    page = walk.page
    walk.see("new-dataset")
    walk.open_link("New dataset")
    page.get_by_label("Name").fill(NAME)
    page.get_by_text("Advanced").click()
    page.get_by_label("Description").fill("People in a plaza, a hall and a park.")
    walk.see("new-dataset", "new-dataset")
    page.get_by_label("Detector").select_option("imported")
    page.get_by_label("Weights").fill("people")
    walk.press("Create dataset")
    expect(page.get_by_role("heading", level=1)).to_have_text("Add videos")


def upload_videos(walk: Walk, path: Path) -> None:
    walk.see("upload-videos", "upload", height=800)
    with walk.page.expect_navigation():
        walk.page.locator("#id_file").set_input_files(path)
    expect(walk.page.get_by_text("uploaded. Unpacking starts now.")).to_be_visible()
    walk.see("upload-videos")


def look_at_videos(walk: Walk) -> None:
    walk.go("datasets:videos")
    walk.see("upload-videos", "videos", height=720)


def check_people(walk: Walk) -> None:
    walk.go("qc:clips")
    walk.see("check-people")
    walk.go("qc:clip", NAME, first_clip(), query="?second=5")
    walk.wait_for_player()
    walk.see("check-people", "people", height=1000)
    walk.open_link("Contact sheets")
    walk.page.wait_for_load_state("networkidle")
    walk.see("check-people", "contact-sheets", height=760)
    walk.go("tracking:page")
    walk.see("check-people")


def assign_tasks(walk: Walk, run: DemoRun) -> None:
    page = walk.page
    walk.go("qc:tasks")
    walk.see("assign-tasks")
    walk.open_link("Assign tasks")
    page.get_by_label("Annotators", exact=True).fill("\n".join(one.name for one in ANNOTATORS))
    page.get_by_label("Overlap (% of clips)").fill("60")
    walk.press("Preview plan")
    expect(page.get_by_role("heading", name="Plan preview")).to_be_visible()
    page.evaluate("scrollTo(0, 0)")
    walk.see("assign-tasks", "assign-tasks", height=1250)
    walk.press(re.compile(r"Assign \d+ tasks"))
    run.work()


def label(walk: Walk) -> None:
    """Look at the label page with a task of one's own, which is deleted afterwards."""
    page, clip = walk.page, Clip.objects.get(name=first_clip())
    user = User.objects.get(username="admin")
    annotator = make_annotator(Dataset.objects.get(), "admin", user=user)
    task = make_task(TrackingRun.objects.done().filter(clip=clip)[0], annotator)
    walk.go("qc:task", NAME, task.pk)
    walk.see("label")
    walk.open_link("Label")
    page.wait_for_selector("#label[data-state=open][data-painted]")
    page.get_by_role("button", name="Got it").click()
    for key in ("r", "Enter", "Enter", "0", "Enter", "1", "e"):
        page.keyboard.press(key)
    page.wait_for_selector("body[data-saved=saved][data-waiting='0']")
    walk.see("label", "label", limit=300_000)
    walk.go("qc:tasks")
    task.delete()
    annotator.delete()


def annotate(walk: Walk, run: DemoRun, cvat: CvatDouble) -> None:
    make_server(cvat, "our-cvat")
    walk.go("annotation:cvat")
    walk.open_link("Connect to CVAT")
    walk.press("Save")
    run.work()
    walk.go("annotation:cvat")
    walk.press("Send")
    run.work()
    walk.go("annotation:cvat")
    walk.see("annotate", "cvat")
    walk.see("import-answers")
    walk.go("qc:tasks")
    walk.see("annotate", "tasks", height=760)


def import_answers(walk: Walk, run: DemoRun) -> None:
    run.export_answers()
    walk.go("qc:tasks")
    walk.page.locator("#files").set_input_files(sorted(run.folder.glob("*.zip")))
    walk.press("Import")
    expect(walk.page.get_by_text("answer files imported")).to_be_visible()
    run.work()
    walk.go("qc:tasks")
    walk.see("import-answers", "import-answers", height=760)


def read_agreement(walk: Walk) -> None:
    walk.go("qc:agreement")
    expect(walk.page.get_by_role("heading", level=1)).to_have_text("Agreement")
    walk.see("measure-agreement", "agreement", height=1150)


def adjudicate(walk: Walk) -> None:
    page = walk.page
    walk.go("qc:adjudication")
    page.wait_for_selector("#adjudication[data-shown][data-painted]")
    walk.see("adjudicate-and-review", "adjudication", height=860)
    page.keyboard.press("1")
    expect(page.locator("[data-show=done]")).to_have_text("1")
    wait_until(Adjudication.objects.exists)


def review(walk: Walk, run: DemoRun) -> None:
    """Reject one submission; the annotator corrects it; then everything is approved."""
    walk.go("qc:overview")
    walk.see("start", "overview-page", height=900)
    walk.go("qc:review")
    walk.see("adjudicate-and-review")
    task = AnnotationTask.objects.order_by("-versions__unfinished", "pk").first()
    walk.go("qc:task", NAME, task.pk)
    walk.wait_for_player()
    walk.see("adjudicate-and-review", "review", height=760)
    walk.page.get_by_label("Reason for the rejection").fill("Please answer every question.")
    walk.press("Reject")
    assert Review.objects.get().verdict == "rejected"
    run.work()
    run.annotate()
    run.adjudicate_open_items()
    run.approve_all()
    run.work()


def release(walk: Walk, run: DemoRun) -> None:
    page = walk.page
    if walk.with_images:
        walk.go("qc:clip", NAME, "hall-c0001", query="?second=5")
        walk.wait_for_player()
        save_screenshot(page, DOCS / "images" / "overview.png", height=1100, limit=300_000)
    walk.go("qc:releases")
    walk.see("release")
    walk.open_link("New release")
    page.get_by_label("Licence", exact=True).select_option("CC-BY-4.0")
    walk.see("release", "new-release", height=1000)
    walk.press("Create release")
    run.work()
    walk.go("qc:releases")
    expect(page.get_by_role("link", name="Download zip")).to_be_visible()
    walk.see("release", "releases", height=760)


def check_guide(walk: Walk) -> None:
    """Each page of the guide shows the images made for it, and its bold words were seen."""
    pages = {path.stem.partition("-")[2]: path.read_text() for path in GUIDE.glob("*.md")}
    assert {slug: IMAGE.findall(text) for slug, text in pages.items()} == walk.images
    made = {path.stem for path in (GUIDE / "images").glob("*.png")}
    assert made == {image for images in walk.images.values() for image in images}
    bold = {
        (slug, word)
        for slug, text in pages.items()
        for word in BOLD.findall(" ".join(text.split()))
    }
    assert bold
    unseen = {
        (slug, word) for slug, word in bold if NUMBER.sub("1", word) not in walk.names[slug]
    }
    assert not unseen, f"bold, and on none of the pages passed: {unseen}"


def first_clip() -> str:
    return Clip.objects.order_by("-video__name", "index").values_list("name", flat=True)[0]
