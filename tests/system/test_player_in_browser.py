"""The player and the adjudication page in a real browser."""

import os
import re
from collections.abc import Iterator

import numpy as np
import pytest
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from playwright.sync_api import Page, expect

from annotation.models import AnswerVersion
from datasets.models import Clip
from qc.models import Adjudication, Consensus
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from tests.browser import CHROMIUM, chromium_page
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
from tests.server_process import wait_until
from tests.video_files import make_video_file
from tracking.core.tracks_file import Track, TracksFile, dump
from tracking.models import TrackingRun

MUST_HAVE = os.environ.get("AVA_TEST_REQUIRES_SERVICES") == "1"
FRAMES = 300
SIZE = (320, 192)
WALK, SIT = {"posture": "walk", "doing": []}, {"posture": "sit", "doing": []}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not CHROMIUM.exists() and not MUST_HAVE, reason="needs Debian's package chromium"
    ),
]

# What the canvas shows: the frame number (demo.world.frame_number), and the left side of the
# box of the one person in pixels of the video (its colour is #f79009).
READ = """() => {
    const canvas = document.querySelector("#player canvas");
    const { width, height } = canvas;
    const scale = Math.min(width / 320, height / 192);
    const [left, top] = [(width - 320 * scale) / 2, (height - 192 * scale) / 2];
    const paper = canvas.getContext("2d");
    const band = paper.getImageData(0, Math.round(top + 9 * scale), width, 1).data;
    const place = (n) => Math.round(left + ((n + 0.5) * 320 * scale) / 24);
    const cell = (n) => band[4 * place(n)] > 126 ? 1 : 0;
    const bits = Array.from({ length: 24 }, (_, n) => cell(n));
    const number = bits.slice(2, 22).reduce((sum, bit) => 2 * sum + bit, 0);
    const parity = bits.slice(2, 22).reduce((sum, bit) => sum ^ bit, 0);
    const isWhole = bits[0] === 1 && bits[1] === 0 && bits[22] === parity && bits[23] === 1;
    const row = paper.getImageData(0, Math.round(top + 120 * scale), width, 1).data;
    const isBox = (x) => Math.abs(row[4 * x] - 247) + Math.abs(row[4 * x + 1] - 144)
        + Math.abs(row[4 * x + 2] - 9) < 40;
    const inBox = Array.from({ length: width }, (_, x) => x).filter(isBox);
    const edge = inBox.filter((x) => x - inBox[0] < 8);
    const x = edge.reduce((sum, one) => sum + one + 0.5, 0) / edge.length;
    return {
        stamp: isWhole ? number : null,
        left: inBox.length ? (x - left) / scale : null,
        width: edge.length,
        frame: Number(document.getElementById("player").dataset.frame),
    };
}"""


def left_at(frame: int) -> float:
    """Where the box of the person starts in `frame`: far from where it is in the next."""
    return 20.0 + frame * 7 % 240


@pytest.fixture
def clip(monkeypatch, tmp_path) -> Clip:
    """A clip of ten stamped seconds; one person, two annotators who disagree."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    dataset = make_dataset("shop", owner=make_user("boss"))
    width, height = SIZE
    video = make_video(dataset, "aisle", frame_count=FRAMES, width=width, height=height)
    (clip,) = make_clips(video)
    options = {
        "crf": "12",
        "preset": "ultrafast",
        "g": "30",
        "bf": "0",
        "movflags": "faststart",
    }
    file = make_video_file(tmp_path / "clip.mp4", frames=FRAMES, size=SIZE, options=options)
    clip.file.name = default_storage.save("shop/clip.mp4", ContentFile(file.read_bytes()))
    clip.save()
    run = make_run(clip, persons=1)
    put_track(run, [left_at(frame) for frame in range(FRAMES)])
    for name, answers in (("kim", WALK), ("lee", SIT)):
        make_version(make_task(run, make_annotator(dataset, name)), answers)
    plan_consensuses()
    build_clip_consensus(Consensus.objects.get().pk)
    return clip


def put_track(run: TrackingRun, lefts: list[float]) -> None:
    """Give `run` its one track, whose box starts at `lefts` in the frames."""
    frames, left = np.arange(FRAMES), np.array(lefts)
    boxes = np.stack([left, frames * 0 + 90.0, left + 40, frames * 0 + 150.0], axis=1)
    tracks = [Track(1, frames, boxes, np.full(FRAMES, 0.9))]
    content = dump(TracksFile(run.clip.name, *SIZE, FRAMES, tracks))
    run.tracks.name = default_storage.save("shop/tracks.gz", ContentFile(content))
    run.save()


@pytest.fixture
def page(clip, live_server) -> Iterator[Page]:
    with chromium_page(expected="401") as page:
        page.goto(live_server.url)
        page.get_by_label("Username").fill("boss")
        page.get_by_label("Password").fill("a-password")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/")
        yield page


@pytest.fixture
def at_clip(page, clip, live_server) -> Page:
    page.goto(f"{live_server.url}/datasets/shop/clips/{clip.name}/")
    page.wait_for_selector("#player[data-ready][data-painted]")
    return page


@pytest.fixture
def at_adjudication(page, live_server) -> Page:
    page.goto(f"{live_server.url}/datasets/shop/adjudication/")
    page.wait_for_selector("#adjudication[data-shown][data-fetched]")  # the next items, too
    return page


def at_frame(page: Page, frame: int) -> dict[str, float]:
    """What is seen once the player says that it shows `frame`."""
    expect(page.locator("#player")).to_have_attribute("data-frame", str(frame))
    wait_until(lambda: not page.evaluate("document.querySelector('#player video').seeking"))
    return page.evaluate(READ)


def test_the_box_matches_the_stamp_at_every_frame_stepped_to(at_clip):
    for frame in range(FRAMES):
        seen = at_frame(at_clip, frame)
        assert seen["stamp"] == frame
        assert seen["left"] == pytest.approx(left_at(frame), abs=1.0), frame
        at_clip.keyboard.press("ArrowRight")
    at_clip.keyboard.press("Home")
    for frame in (0, 30, 60):
        assert at_frame(at_clip, frame)["stamp"] == frame
        at_clip.keyboard.press("Shift+ArrowRight")


@pytest.mark.parametrize("speed", [0.5, 1, 2])
def test_the_box_matches_the_stamp_while_the_clip_plays(at_clip, speed):
    at_clip.locator("[data-set=speed]").select_option(str(speed))
    at_clip.evaluate(
        f"""() => {{
            const read = {READ};
            const player = document.getElementById("player");
            globalThis.seen = [];
            new MutationObserver(() => globalThis.seen.push(read()))
                .observe(player, {{ attributeFilter: ["data-painted"] }});
        }}"""
    )
    at_clip.keyboard.press("k")
    count = "new Set(globalThis.seen.map((one) => one.stamp)).size"
    wait_until(lambda: at_clip.evaluate(count) > 60)
    at_clip.keyboard.press("k")
    for seen in at_clip.evaluate("globalThis.seen"):
        assert seen["stamp"] == seen["frame"]
        assert seen["left"] == pytest.approx(left_at(seen["stamp"]), abs=1.0)


def test_a_second_run_is_shown_beside_on_the_same_frame(page, clip, live_server):
    other = make_run(clip, persons=1, config_key="other")
    put_track(other, [left_at(frame + 11) for frame in range(FRAMES)])
    page.goto(f"{live_server.url}/datasets/shop/clips/{clip.name}/?compare={other.pk}")
    page.wait_for_selector("#player[data-ready][data-compared-boxes='1']")
    second = READ.replace("document.querySelector(", "[...document.querySelectorAll(").replace(
        '"#player canvas")', '"#player canvas")][1]'
    )
    for frame in range(12):
        assert at_frame(page, frame)["left"] == pytest.approx(left_at(frame), abs=1.5)
        seen = page.evaluate(second)
        assert seen["stamp"] == frame
        assert seen["left"] == pytest.approx(left_at(frame + 11), abs=1.5)
        page.keyboard.press("ArrowRight")
    expect(page.locator(".lane.other")).to_have_count(1)


def test_the_person_asked_for_is_set_off_from_the_others(page, clip, live_server):
    version = AnswerVersion.objects.get(task__annotator__name="kim")
    widths = []
    for person in ("", f"{version.pk}.0"):
        page.goto(
            f"{live_server.url}/datasets/shop/clips/{clip.name}/?frame=150&person={person}"
        )
        page.wait_for_selector("#player[data-ready][data-frame='150']")
        wait_until(lambda: page.evaluate(READ)["left"] is not None)
        widths.append(page.evaluate(READ)["width"])
    expect(page.locator("#player .chosen")).to_have_count(1)
    assert widths[1] > widths[0]


def test_a_loop_stays_within_its_three_seconds(at_clip):
    at_clip.goto(at_clip.url + "?second=5")
    expect(at_clip.locator("#player")).to_have_attribute("data-frame", "150")
    at_clip.locator("[data-set=speed]").select_option("2")
    at_clip.evaluate(
        """() => {
            globalThis.seen = [];
            const player = document.getElementById("player");
            new MutationObserver(() => globalThis.seen.push(Number(player.dataset.frame)))
                .observe(player, { attributeFilter: ["data-frame"] });
        }"""
    )
    at_clip.keyboard.press("r")
    back = "globalThis.seen.filter((at, n) => n && at < globalThis.seen[n - 1] - 40).length"
    wait_until(lambda: at_clip.evaluate(back) >= 2)
    seen = at_clip.evaluate("globalThis.seen")
    assert min(seen) >= 150 - 45
    assert max(seen) < 150 + 45


def test_keys_do_all_and_the_help_names_them(at_clip):
    at_clip.keyboard.press("?")
    dialog = at_clip.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("next disagreement")
    at_clip.keyboard.press("?")
    expect(dialog).to_be_hidden()
    at_clip.keyboard.press("d")
    expect(at_clip.locator(".group-lanes")).to_have_count(2)
    expect(at_clip.locator(".stretch.differs").first).to_have_text("walk")
    at_clip.keyboard.press("h")
    expect(at_clip.locator("#player")).to_have_attribute("data-boxes", "0")
    at_clip.keyboard.press("h")
    expect(at_clip.locator("#player")).to_have_attribute("data-boxes", "1")
    at_clip.keyboard.press("1")
    at_clip.keyboard.press("2")
    expect(at_clip.locator("#player")).to_have_attribute("data-boxes", "3")
    at_clip.keyboard.press("b")
    expect(at_clip.locator("#player")).to_have_attribute("data-boxes", "0")
    at_clip.keyboard.press("z")
    expect(at_clip.locator("[data-set=zoom]")).not_to_have_value("1")


def shown_item(page: Page) -> str:
    return page.locator("#item").get_attribute("data-key") or ""


def left(page: Page, count: int) -> None:
    expect(page.locator("[data-show=left]")).to_have_text(str(count))


def test_digits_decide_u_undoes_and_s_skips(at_adjudication, clip):
    page, seconds = at_adjudication, clip.keyframes()
    keys = [f"{clip.name}.1.posture.{second}" for second in seconds]
    assert shown_item(page) == keys[0]
    digit = page.get_by_role("button", name="sit").get_attribute("data-digit")
    page.keyboard.press(digit)
    assert shown_item(page) == keys[1]  # shown before the server has answered
    left(page, len(keys) - 1)
    page.keyboard.press("s")
    assert shown_item(page) == keys[2]
    page.keyboard.press("0")
    assert shown_item(page) == keys[3]
    page.keyboard.press("u")
    assert shown_item(page) == keys[2]
    left(page, len(keys) - 1)
    page.wait_for_selector("#adjudication[data-waiting='0']")
    kept = Adjudication.objects.order_by("pk").values_list("second", "actions", "withdrawn_by")
    boss = clip.video.dataset.members.get().user_id
    assert list(kept) == [(seconds[0], ["sit"], None), (seconds[2], ["unknown"], boss)]


def test_shift_decides_all_keyframes_with_the_same_answers(at_adjudication, clip):
    page, seconds = at_adjudication, clip.keyframes()
    page.keyboard.press("Shift+Digit1")
    expect(page.get_by_text("End of the queue")).to_be_visible()
    left(page, 0)
    wait_until(lambda: Adjudication.objects.in_force().count() == len(seconds))
    page.keyboard.press("u")
    left(page, len(seconds))
    assert shown_item(page) == f"{clip.name}.1.posture.{seconds[0]}"
    wait_until(lambda: not Adjudication.objects.in_force().exists())


def test_a_box_is_dragged_and_saved(at_adjudication, clip):
    page = at_adjudication
    page.keyboard.press("e")
    expect(page.locator(".box-editing")).to_be_visible()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Box saved.")).to_be_visible()
    wait_until(Adjudication.objects.exists)
    assert Adjudication.objects.get().box == (103, 100, 153, 192)
    box = clip.consensuses.get().boxes.get(second=clip.keyframes()[0])
    assert (box.x1, box.is_box_decided) == (103, True)


def test_a_decision_that_the_server_refuses_comes_back(at_adjudication, clip):
    page, first = at_adjudication, shown_item(at_adjudication)
    Consensus.objects.all().delete()
    page.keyboard.press("1")
    expect(page.locator("[data-show=status]")).to_contain_text("no consensus yet")
    assert shown_item(page) == first


def test_decisions_without_a_network_are_kept_counted_and_sent_by_the_next_page(
    at_adjudication, clip
):
    page, seconds = at_adjudication, clip.keyframes()
    page.route("**/entries/**", lambda route: route.abort("internetdisconnected"))
    for _ in range(3):
        page.keyboard.press("1")
    expect(page.locator("[data-show=saved]")).to_contain_text("3 decisions kept")
    left(page, len(seconds) - 3)
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == ["beforeunload"]  # the page warns that something waits
    page.unroute("**/entries/**")
    page.wait_for_selector("#adjudication[data-waiting='0']")
    assert sorted(Adjudication.objects.values_list("second", flat=True)) == seconds[:3]
    left(page, len(seconds) - 3)


def test_the_address_follows_the_question_and_the_frame(at_adjudication, clip):
    page, seconds = at_adjudication, clip.keyframes()
    page.keyboard.press("s")
    expect(page).to_have_url(re.compile(rf"at={clip.name}.1.posture.{seconds[1]}"))
    page.evaluate("document.querySelector('#player video').pause()")
    page.keyboard.press("Home")
    expect(page).to_have_url(re.compile("frame=0$"))
    page.reload()
    page.wait_for_selector("#adjudication[data-shown]")
    assert shown_item(page) == f"{clip.name}.1.posture.{seconds[1]}"
    expect(page.locator("#adjudication")).to_have_attribute("data-frame", "0")


def log_in_again(page: Page, secret: str) -> None:
    page.get_by_label("Password of boss").fill(secret)
    page.get_by_role("dialog").get_by_role("button", name="Log in").click()


def test_decisions_after_the_session_ended_are_stored_after_a_log_in_in_place(
    at_adjudication, clip
):
    page, seconds = at_adjudication, clip.keyframes()
    Session.objects.all().delete()
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="Log in again")).to_be_visible()
    log_in_again(page, "wrong")
    expect(page.get_by_role("alert")).to_have_text("Wrong password. It is case-sensitive.")
    log_in_again(page, "a-password")
    expect(page.get_by_role("dialog")).to_be_hidden()
    left(page, len(seconds) - 1)
    wait_until(lambda: Adjudication.objects.filter(second=seconds[0]).exists())
    page.keyboard.press("1")  # the token of the new session is sent
    wait_until(lambda: Adjudication.objects.filter(second=seconds[1]).exists())


def test_a_page_that_refreshes_itself_asks_for_the_password_and_goes_on(page, live_server):
    page.goto(f"{live_server.url}/datasets/shop/")
    Session.objects.all().delete()
    expect(page.get_by_role("heading", name="Log in again")).to_be_visible()
    assert page.get_by_role("navigation", name="Main").is_visible()  # no log-in page in there
    log_in_again(page, "a-password")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("link", name="Clips").first.click()
    expect(page.get_by_role("heading", name="Clips").first).to_be_visible()


def test_a_form_that_was_open_for_long_is_sent_after_the_log_in(page, live_server):
    page.goto(f"{live_server.url}/datasets/shop/quality-rules/")
    page.wait_for_load_state("networkidle")
    page.evaluate("Date.now = () => new Date().getTime() + 3600_000")
    Session.objects.all().delete()
    page.get_by_role("button", name="Save rules").click()
    log_in_again(page, "a-password")
    expect(page.get_by_text("saved")).to_be_visible()
