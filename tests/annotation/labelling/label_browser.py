"""The label page in a real browser: a dataset with files, and a tab that is logged in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from playwright.sync_api import BrowserContext, Locator, Page, expect

from annotation.models import AnnotationTask, Annotator
from annotation.selectors.labelling import draft_state, label_task
from datasets.models import Member
from tests.browser import SECONDS, chromium_page
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_task,
    make_user,
    make_video,
)
from tests.stored_files import make_ready_run
from tests.video_files import make_video_file

FRAMES, SIZE, PERSONS = 300, (640, 360), 2
FAILED_REQUESTS = "Failed to load resource"  # how the console calls them
DESK = {"viewport": {"width": 1440, "height": 900}}
HINTS = "try { localStorage.setItem('label-hints', 'dismissed') } catch {}"


def make_label_tasks(folder: Path, *, clips: int = 1, persons: int = PERSONS) -> Annotator:
    """The annotator ann with a task for each clip of ten seconds: keyframes 2 to 8 or so."""
    dataset = make_dataset("street", clip_seconds=10)
    width, height = SIZE
    video = make_video(dataset, "aisle", frame_count=clips * FRAMES, width=width, height=height)
    user = make_user("ann")
    ann = make_annotator(dataset, "ann", user=user, tool=Annotator.Tool.LABEL_PAGE)
    Member.objects.create(dataset=dataset, user=user, role=Member.Role.ANNOTATOR)
    options = {
        "crf": "16",
        "preset": "ultrafast",
        "g": "30",
        "bf": "0",
        "movflags": "faststart",
    }
    file = make_video_file(folder / "clip.mp4", frames=FRAMES, size=SIZE, options=options)
    for clip in make_clips(video):
        clip.file.name = default_storage.save(
            f"street/{clip}.mp4", ContentFile(file.read_bytes())
        )
        clip.save()
        make_task(make_ready_run(clip, persons=persons), ann)
    return ann


@dataclass
class LabelTab:
    """A tab of ann's browser at a task."""

    page: Page
    address: str
    task: AnnotationTask

    def open(self) -> None:
        self.go()
        self.is_open()

    def go(self) -> None:
        args = [self.task.clip.video.dataset.name, self.task.pk]
        assert self.page.goto(self.address + reverse("qc:label", args=args)).ok

    def is_open(self) -> None:
        self.page.wait_for_selector("#label[data-state=open][data-painted]")

    def press(self, keys: str) -> None:
        """Press keys, named by their positions on the keyboard."""
        for key in keys.split():
            self.page.keyboard.press(key)

    def tap(self, name: str) -> None:
        """Touch the middle of a button with a finger."""
        button = self.button(name)
        button.scroll_into_view_if_needed()
        box = button.bounding_box()
        assert box
        self.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    @property
    def label(self) -> Locator:
        return self.page.locator("#label")

    def is_at(self, person: str, second: int) -> None:
        expect(self.label).to_have_attribute("data-place", f"{person} {second}")

    def is_saved(self) -> None:
        self.page.wait_for_selector("body[data-saved=saved][data-waiting='0']")

    def cell(self, person: str, second: int) -> Locator:
        return self.page.locator(
            f".person-lane[data-person='{person}'] [data-second='{second}']"
        )

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def stored(self, person: str = "1", group: str = "posture") -> dict[int, object]:
        """What the server has of a person's answers, by the keyframe at which each was set."""
        draft = self.task.drafts.order_by("-revision").first()
        assert draft
        state = draft_state(draft, label_task(self.task))
        return dict(state.persons[person].answers.get(group, ()))

    def seen(self, person: str = "1") -> set[int]:
        """The keyframes of a person that the server knows to be looked at."""
        draft = self.task.drafts.order_by("-revision").first()
        assert draft
        return set(draft_state(draft, label_task(self.task)).persons[person].seen)


@contextmanager
def label_tab(
    task: AnnotationTask, address: str, *, expected: str = "", touch: bool = False
) -> Iterator[LabelTab]:
    """A tab logged in as ann; with `touch` a phone of 390 by 844 pixels."""
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    options: dict[str, Any] = phone | {"reduced_motion": "reduce"} if touch else DESK
    with chromium_page(expected=expected) as first:
        assert first.context.browser
        context = first.context.browser.new_context(**options)
        context.set_default_timeout(SECONDS * 1000)
        errors: list[str] = []
        context.on("weberror", lambda error: errors.append(str(error.error)))
        log_in(context, address)
        yield LabelTab(context.new_page(), address, task)
        if errors:
            raise AssertionError(errors)


def log_in(context: BrowserContext, address: str) -> None:
    client = Client()
    client.force_login(User.objects.get(username="ann"))
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": address}
    context.add_cookies([cookie])
    context.add_init_script(HINTS)
