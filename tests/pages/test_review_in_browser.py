"""Review of single submissions by keys, the comparison of two versions, and reduced motion."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse
from playwright.sync_api import expect

from datasets.models import Clip
from qc.models import Consensus, Review
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from tests.browser import chromium_page, log_in
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_run,
    make_task,
    make_user,
    make_version,
    make_video,
)
from tests.pages.test_all_pages_in_browser import pytestmark as marks
from tests.server_process import wait_until
from tests.video_files import make_video_file

SIZE = (320, 192)
FRAMES = 300
WALK, SIT = {"posture": "walk", "doing": []}, {"posture": "sit", "doing": []}

pytestmark = marks[:4]


@pytest.fixture
def clip(monkeypatch, tmp_path) -> Clip:
    """A clip with a file and one person."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    dataset = make_dataset("shop", owner=make_user("boss"))
    width, height = SIZE
    video = make_video(dataset, "aisle", frame_count=FRAMES, width=width, height=height)
    (clip,) = make_clips(video)
    options = {"preset": "ultrafast", "g": "30", "bf": "0", "movflags": "faststart"}
    file = make_video_file(tmp_path / "clip.mp4", frames=FRAMES, size=SIZE, options=options)
    clip.file.name = default_storage.save("shop/clip.mp4", ContentFile(file.read_bytes()))
    clip.save()
    return clip


@pytest.fixture
def tasks(clip):
    """Two submissions of one person, who walks for one annotator and sits for the other."""
    run = make_run(clip, persons=1)
    names = (("kim", WALK), ("lee", SIT))
    tasks = [make_task(run, make_annotator(clip.video.dataset, name)) for name, _ in names]
    for task, (_, answers) in zip(tasks, names, strict=True):
        make_version(task, answers)
    plan_consensuses()
    for consensus in Consensus.objects.all():
        build_clip_consensus(consensus.pk)
    return tasks


def path(view: str, *arguments: object) -> str:
    return reverse(f"qc:{view}", args=["shop", *arguments])


def test_a_approves_r_asks_for_a_reason_and_both_go_on(tasks, live_server):
    first, second = tasks
    with chromium_page() as page:
        log_in(page, live_server.url, "boss")
        page.goto(live_server.url + path("task", first.pk))
        page.wait_for_selector("#player[data-ready]")
        page.keyboard.press("r")
        expect(page.locator("#reason")).to_be_focused()
        page.keyboard.type("The person is always walking.")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{path('task', second.pk)}")
        page.wait_for_selector("#player[data-ready]")
        page.keyboard.press("a")
        page.wait_for_url("**" + path("overview"))
    verdicts = dict(Review.objects.values_list("task", "verdict"))
    assert verdicts == {first.pk: "rejected", second.pk: "approved"}


def test_letters_typed_into_a_reason_decide_nothing(tasks, live_server):
    with chromium_page() as page:
        log_in(page, live_server.url, "boss")
        page.goto(live_server.url + path("task", tasks[0].pk))
        page.wait_for_selector("#player[data-ready]")
        page.locator("#reason").click()
        page.keyboard.type("a rare car")
        expect(page.locator("#reason")).to_have_value("a rare car")
    assert not Review.objects.exists()


def test_two_versions_are_compared_in_the_player(tasks, live_server):
    task = tasks[0]
    earlier, later = task.versions.get(), make_version(task, WALK)
    later.annotations.filter(second__gte=5).update(answers=SIT)
    with chromium_page() as page:
        log_in(page, live_server.url, "boss")
        page.goto(live_server.url + path("task", task.pk))
        page.wait_for_selector("#player[data-ready]")
        compare = page.get_by_label("Compare with")
        with page.expect_navigation():
            compare.select_option(label=f"Version {earlier.number}")
        page.wait_for_selector("#player[data-ready]")
        layers = page.locator("#player [data-part=layers] label")
        expect(layers).to_have_count(2)
        expect(layers.nth(0)).to_contain_text("version")
        page.keyboard.press("d")
        expect(page.locator("#player")).to_have_attribute(
            "data-frame", "150"
        )  # where they part


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_questions_play_by_themselves_unless_motion_is_reduced(tasks, live_server, motion):
    with chromium_page() as page:
        page.emulate_media(reduced_motion=motion)
        log_in(page, live_server.url, "boss")
        page.goto(live_server.url + path("adjudication"))
        page.wait_for_selector("#adjudication[data-shown]")
        video = page.locator("#player video")
        wait_until(lambda: video.evaluate("one => one.readyState >= 2"))
        if motion == "reduce":
            page.wait_for_timeout(300)  # longer than the page takes to start a loop
            assert video.evaluate("one => one.paused")
        else:
            wait_until(lambda: not video.evaluate("one => one.paused"))


def test_the_next_item_comes_once_it_can_be_loaded_again(tasks, live_server):
    with chromium_page(expected="Failed to load resource") as page:
        log_in(page, live_server.url, "boss")
        page.route("**/adjudication/next/**", lambda route: route.abort())
        page.goto(live_server.url + path("adjudication"))
        page.wait_for_selector("#adjudication[data-shown]")
        shown = page.locator("#adjudication").get_attribute("data-shown")
        page.keyboard.press("s")
        expect(page.get_by_text("The next item could not be loaded.")).to_be_visible()
        page.unroute("**/adjudication/next/**")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("#adjudication")).not_to_have_attribute("data-shown", shown or "")
        expect(page.get_by_role("button", name="walk")).to_be_visible()
