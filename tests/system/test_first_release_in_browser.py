"""A new user with a zip of five videos and no CVAT makes a release, on pages alone.

Clicks are counted, and time by the keystroke-level model (Card, Moran, Newell) with the
constants of `benchmarks.annotation.labelling`: each click and each text typed is a mental act
(M); a click is a point and a press (P + B); each character is a key (K). Labels are given
through the endpoints of the label page, and counted as its keys. The time of the machine, which
works while the user waits, is not counted.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import pytest
from django.core.management import call_command
from playwright.sync_api import Locator, Page, expect

from annotation.core.cvat_tracks import interpolate_at_keyframes
from annotation.models import AnnotationTask
from annotation.selectors.tasks import group_specs
from avaproject.base.storage import local_path
from benchmarks.annotation.labelling import VIEW_CHANGE, VIEW_KEPT, VIEW_PERSON, Count
from datasets.core.formats.cvat_document import Document
from datasets.core.formats.cvat_labels import answers_from
from datasets.core.formats.cvat_xml import load
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from demo.label_page_annotator import label_on_page
from demo.management.commands.demo import truth_of_videos
from demo.simulated_annotators import SimulatedAnnotator, annotate_package
from demo.world.motion import Actor, Point
from demo.world.video_spec import VideoSpec
from demo.world.videos import BLUE, GREEN, RED, SPORT, TEAL, sit, stand, walk
from tests.browser import CHROMIUM, chromium_page
from tests.guide_world import videos_zip, write_true_detections
from tests.make import make_user
from tests.system.true_detector import FOLDER
from tracking.detectors.registry import DETECTORS, DetectorEntry

MAX_CLICKS = 12
MAX_SECONDS = 600.0
MUST_HAVE = os.environ.get("AVA_TEST_REQUIRES_SERVICES") == "1"
CAREFUL = SimulatedAnnotator("admin", label_error=0.0, jitter=0.0)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not CHROMIUM.exists() and not MUST_HAVE, reason="needs Debian's package chromium"
    ),
]


def five_videos() -> tuple[VideoSpec, ...]:
    """Five videos of ten seconds with one or two people each."""
    people = (
        (Actor(1, RED, Point(0.3, 0.85), (walk(0.6, 0.85), stand(20))),),
        (Actor(1, BLUE, Point(0.6, 0.8), (stand(5, "wave"), walk(0.2, 0.82), stand(20))),),
        (Actor(1, GREEN, Point(0.4, 0.75), (sit(20),)),),
        (
            Actor(1, SPORT, Point(0.25, 0.85), (stand(20),)),
            Actor(2, TEAL, Point(0.7, 0.85), (stand(4), walk(0.5, 0.9), stand(20))),
        ),
        (Actor(1, RED, Point(0.5, 0.85), (stand(20, "talk", yaw=0.3),)),),
    )
    return tuple(
        VideoSpec(
            name=f"scene-{number}", width=320, height=192, fps=Fraction(10), seconds=10,
            codec="libx264", extension=".mp4", style="plaza", horizon=0.36, ratio=1.0,
            seed=number, people=actors,
        )
        for number, actors in enumerate(people, start=1)
    )  # fmt: skip


@dataclass
class User:
    """A user at a page: each act is done, and counted."""

    page: Page
    clicks: int = 0
    count: Count = field(default_factory=Count)

    def type(self, text: str, *, into: Locator) -> None:
        """Type into a field that has the focus already, or gets it by Tab."""
        self.count.think()
        self.count.key(len(text))
        into.fill(text)

    def press(self, key: str) -> None:
        self.count.think()
        self.count.key()
        self.page.keyboard.press(key)

    def click(self, target: Locator) -> None:
        self._count_click()
        target.click()

    def choose_file(self, path: Path, *, by: Locator) -> None:
        """A click opens the system's dialog; there the file is clicked, and Open."""
        by.wait_for()
        self.page.wait_for_load_state()  # the script that listens to the choice
        for _ in range(2):
            self._count_click()
        with self.page.expect_file_chooser() as chooser:
            self.click(by)
        chooser.value.set_files(path)

    def _count_click(self) -> None:
        self.clicks += 1
        self.count.think()
        self.count.point()


@pytest.fixture
def user(live_server, monkeypatch) -> Iterator[User]:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    make_user("admin", is_superuser=True)
    with chromium_page() as page:
        page.goto(live_server.url)
        yield User(page)


def test_the_first_release_takes_twelve_clicks_and_ten_minutes(
    user, own_files, settings, monkeypatch, capsys
):
    videos = five_videos()
    settings.WEIGHTS_DIR = own_files / "weights"
    write_true_detections(videos, settings.WEIGHTS_DIR / FOLDER)
    known = DETECTORS["rfdetr-medium"]
    monkeypatch.setitem(
        DETECTORS, "rfdetr-medium", DetectorEntry(known.label, "tests.system.true_detector")
    )
    wait_for_machine = partial(call_command, "run_pipeline", once=True, plain=True)
    page, role = user.page, user.page.get_by_role

    user.type("admin", into=page.get_by_label("Username"))
    user.press("Tab")
    user.type("a-password", into=page.get_by_label("Password"))
    user.press("Enter")
    user.click(role("link", name="New dataset").first)
    name = page.get_by_label("Name")
    expect(name).to_be_focused()
    user.type("first", into=name)
    user.click(role("button", name="Create dataset"))
    user.choose_file(videos_zip(videos, own_files), by=page.get_by_text("Choose videos"))
    page.wait_for_url("**/datasets/first/")
    wait_for_machine()

    next_step = page.locator("#next-step")  # the overview follows by itself
    user.click(next_step.filter(has_text="Assign"))
    user.click(role("button", name="Assign 5 tasks"))
    page.wait_for_url("**/datasets/first/")
    wait_for_machine()
    user.click(next_step.filter(has_text="Label"))
    page.wait_for_selector("#label[data-painted]")
    besides = Count(user.count.keys, user.count.seconds)
    label_all(videos, user.count)
    labelling = user.count.seconds - besides.seconds
    page.goto(page.url.partition("/datasets/")[0] + end_of_labelling(page))
    wait_for_machine()

    user.click(next_step.filter(has_text="Review"))
    for _ in range(5):
        page.wait_for_selector("#player[data-ready]")
        address = page.url
        user.press("a")
        page.wait_for_url(lambda url, before=address: url != before)
    page.wait_for_url("**/datasets/first/")
    wait_for_machine()
    user.click(next_step.filter(has_text="Create release"))
    expect(page.get_by_label("Licence", exact=True)).to_be_focused()
    user.press("n")  # none
    user.click(role("button", name="Create release"))
    page.wait_for_url("**/releases/")
    wait_for_machine()
    with page.expect_download() as download:
        user.click(role("link", name="Download zip"))
    released = ZipFile(download.value.path()).namelist()

    seconds = user.count.seconds
    with capsys.disabled():
        sys.stdout.write(
            f"\nFirst release: {user.clicks} clicks besides labelling (limit {MAX_CLICKS}), "
            f"{seconds / 60:.1f} min by the keystroke model (limit {MAX_SECONDS / 60:.0f}), "
            f"of which labelling {labelling / 60:.1f} min\n"
        )
    assert any(one.endswith("annotations/ava_included_timestamps.txt") for one in released)
    assert user.clicks <= MAX_CLICKS
    assert seconds <= MAX_SECONDS


def end_of_labelling(page: Page) -> str:
    """Where the label page leads after the last task."""
    return page.evaluate(
        "JSON.parse(document.getElementById('label-data').textContent).urls.end"
    )


def label_all(videos: tuple[VideoSpec, ...], count: Count) -> None:
    """Label and submit all tasks with true answers, and count what the label page needs."""
    truth_at = truth_of_videos(videos)
    tasks = list(AnnotationTask.objects.select_related("clip__video__dataset", "annotator"))
    assert len(tasks) == len(videos)
    for task in tasks:
        video, start = task.clip.video, task.clip.start_frame
        with local_path(str(task.package)) as path, ZipFile(path) as package:
            answers = load(
                annotate_package(
                    package.read("annotations.xml"), annotator=CAREFUL,
                    truth=lambda second, n=video.original_name, s=start: truth_at(
                        n, s + FRAME_RATE * second
                    ),
                    groups=group_specs(video.dataset),
                    annotation_fps=video.dataset.annotation_fps,
                )
            )  # fmt: skip
        label_on_page(task, task.annotator.user, answers)
        count_labelling(task, answers, count)
        count.point()  # Submit, which leads to the next task


def count_labelling(task: AnnotationTask, document: Document, count: Count) -> None:
    """The acts of the model for one clip; see `benchmarks.annotation.labelling`."""
    dataset = task.clip.video.dataset
    groups, fps = group_specs(dataset), dataset.annotation_fps
    for track in document.tracks:
        boxes = interpolate_at_keyframes(track, task.clip.keyframes(), annotation_fps=fps)
        given = [answers_from(box.attributes, groups) for box in boxes]
        if not given:
            continue
        count.view(VIEW_PERSON)
        for answer in given[0].values():
            if answer != []:  # "none" is proposed
                count.think()
                count.key(2)  # the group, the action
        count.think()  # what is proposed
        count.key(2)  # Shift+Enter: to the end of the track
        for before, after in pairwise(given):
            changed = [name for name in after if after[name] != before[name]]
            count.view(VIEW_CHANGE if changed else VIEW_KEPT)
            if changed:
                count.point()  # the keyframe
            for _ in changed:
                count.think()
                count.key(2)
