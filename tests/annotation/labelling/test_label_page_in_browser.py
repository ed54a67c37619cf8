"""A task on the label page in a real browser: keyboard, mouse, touch; nothing is lost."""

import os
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from annotation.models import AnnotationTask, AnswerVersion
from annotation.services.answers import read_answers
from datasets.models import Member
from tests.annotation.labelling.label_browser import (
    FAILED_REQUESTS,
    LabelTab,
    label_tab,
    make_label_tasks,
)
from tests.browser import CHROMIUM
from tests.server_process import wait_until

MUST_HAVE = os.environ.get("AVA_TEST_REQUIRES_SERVICES") == "1"
AXE = Path(__file__).resolve().parents[3] / "node_modules/axe-core/axe.min.js"
VIOLATIONS = """async () => (await axe.run()).violations.map(
    (one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`)"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not CHROMIUM.exists() and not MUST_HAVE, reason="needs Debian's package chromium"
    ),
]


@pytest.fixture
def tasks(monkeypatch, tmp_path) -> list[AnnotationTask]:
    """Two tasks of ann, one a clip."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    return list(make_label_tasks(tmp_path, clips=2).tasks.order_by("pk"))


@pytest.fixture
def tab(tasks, live_server):
    with label_tab(tasks[0], live_server.url) as tab:
        tab.open()
        yield tab


def answers_of(version: AnswerVersion) -> dict[tuple[int, int], dict[str, object]]:
    """What a version says, read as the pipeline reads it."""
    read_answers(version.pk)
    rows = AnswerVersion.objects.get(pk=version.pk).annotations.all()
    return {(row.person_id, row.second): row.answers for row in rows}


def test_a_task_is_done_by_keyboard_and_the_next_one_follows(tab, tasks):
    seconds = tasks[0].clip.keyframes()
    first, last = seconds[0], seconds[-1]
    tab.is_at("1", first)
    tab.press("Enter")  # the required group has no answer yet
    tab.is_at("1", first)
    expect(tab.page.locator("[data-show=spoken]")).to_have_text("Posture has no answer yet.")
    tab.press("KeyW KeyQ KeyW Enter")  # walk; wave and carry
    tab.is_at("1", seconds[1])
    tab.press("Enter Digit1 KeyE Shift+Enter")  # as before; sit to the end
    tab.is_at("2", first)
    tab.press("KeyQ Digit0 Shift+Enter")  # stand, doing nothing
    expect(tab.label).to_have_attribute("data-complete", "true")
    tab.button("Submit").click()
    tab.page.wait_for_url(f"**/tasks/{tasks[1].pk}/label/")
    found = answers_of(tasks[0].versions.get())
    both = ["wave", "carry"]
    assert found[1, first] == {"posture": "walk", "doing": both}
    assert found[1, seconds[1]] == {"posture": "walk", "doing": both}
    for second in seconds[2:]:
        assert found[1, second] == {"posture": "sit", "doing": both}
    assert {found[2, second]["posture"] for second in seconds} == {"stand"}
    assert found[2, last]["doing"] == []


def test_a_task_is_done_by_mouse(tab, tasks):
    seconds = tasks[0].clip.keyframes()
    tab.button("walk").click()
    tab.button("wave").click()
    tab.button("To the end").click()
    tab.is_at("2", seconds[0])
    tab.button("can't tell").click()
    tab.button("To the end").click()
    tab.cell("1", seconds[2]).click()
    tab.is_at("1", seconds[2])
    tab.page.locator(".group-head", has_text="Posture").click()
    tab.button("sit").click()
    tab.button("Submit").click()
    tab.page.wait_for_url(f"**/tasks/{tasks[1].pk}/label/")
    found = answers_of(tasks[0].versions.get())
    postures = [found[1, second]["posture"] for second in seconds]
    assert postures == ["walk"] * 2 + ["sit"] * (len(seconds) - 2)
    assert {found[2, second]["posture"] for second in seconds} == {"unknown"}


def test_a_task_is_done_by_touch(tasks, live_server):
    seconds = tasks[0].clip.keyframes()
    with label_tab(tasks[0], live_server.url, touch=True) as tab:
        tab.open()
        page = tab.page
        tab.button("walk").tap()
        tab.tap("Keep and next")
        tab.is_at("1", seconds[1])
        box = page.locator(".screen").bounding_box()
        touch = page.context.new_cdp_session(page)
        # Persons are 50 of 640 pixels wide, from 100 and 200: the swipe begins on the second.
        x, y = box["x"] + box["width"] * 225 / 640, box["y"] + box["height"] * 150 / 360
        # It rests at its end: the browser would take a tap after a fast one as its stop.
        steps = [("touchStart", 0), *[("touchMove", by) for by in (-20, -40, -60, -60, -61)]]
        for name, by in (*steps, ("touchEnd", None)):
            points = [] if by is None else [{"x": x + by, "y": y}]
            touch.send("Input.dispatchTouchEvent", {"type": name, "touchPoints": points})
            page.wait_for_timeout(100)
        tab.is_at("1", seconds[2])  # a swipe to the left
        tab.tap("Next person")
        tab.is_at("2", seconds[0])
        tab.button("sit").tap()
        tab.tap("To the end")
        tab.is_saved()
        assert tab.stored("2") == {seconds[0]: "sit"}
        assert tab.seen("2") == set(seconds)
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_limits_are_kept_while_choosing(tab, tasks):
    tasks[0].clip.video.dataset.groups.filter(name="doing").update(max_per_person=1)
    tab.open()
    tab.press("Digit2 KeyQ Digit2 KeyW")  # the second is refused
    wave, carry = tab.button("wave"), tab.button("carry")
    expect(wave).to_have_attribute("aria-pressed", "true")
    expect(carry).to_have_attribute("aria-disabled", "true")
    expect(tab.page.locator("[data-show=spoken]")).to_contain_text("at most 1")
    tab.press("Digit2 KeyQ KeyW Digit2")
    expect(carry).to_have_attribute("aria-pressed", "true")
    tab.is_saved()
    assert tab.stored(group="doing") == {tasks[0].clip.keyframes()[0]: ["carry"]}


def test_submit_lists_what_is_unset_and_leads_there(tab, tasks):
    seconds = tasks[0].clip.keyframes()
    tab.press("KeyW Shift+Enter")
    tab.button("Submit").click()
    dialog = tab.page.get_by_role("dialog", name=f"{len(seconds)} answers are missing")
    expect(
        dialog.get_by_role("button", name=f"P2: Posture, seconds {seconds[0]} to")
    ).to_be_visible()
    dialog.get_by_role("button", name="P2: Posture").click()
    tab.is_at("2", seconds[0])
    expect(tab.label).to_have_attribute("data-open", "posture")
    assert not tasks[0].versions.exists()


def test_an_action_is_found_by_its_first_letters(tab):
    tab.press("Slash")
    tab.page.keyboard.type("ca")
    expect(tab.page.get_by_role("option")).to_have_count(1)
    tab.press("Enter")
    expect(tab.button("carry")).to_have_attribute("aria-pressed", "true")


def test_undo_and_redo_go_back_to_where_it_was(tab, tasks):
    seconds = tasks[0].clip.keyframes()
    tab.press("KeyW Enter Enter KeyL")
    tab.press("Control+KeyZ Control+KeyZ")
    tab.is_at("1", seconds[0])
    expect(tab.cell("1", seconds[0])).to_have_attribute("data-state", "partial")
    tab.press("Control+Shift+KeyZ")
    expect(tab.cell("1", seconds[0])).to_have_attribute("data-state", "set")
    tab.is_saved()
    assert tab.seen() == {seconds[0]}


def test_boxes_and_persons_are_changed_by_keys(tab, tasks):
    seconds = tasks[0].clip.keyframes()
    page = tab.page
    tab.press("F2 ArrowRight ArrowRight Shift+ArrowDown Enter")
    expect(page.locator(".lane-cell.edited")).to_have_count(1)
    tab.press("KeyL KeyL F6")
    expect(tab.cell("1", seconds[2])).to_have_attribute("data-state", "outside")
    tab.press("F6")
    expect(tab.cell("1", seconds[2])).not_to_have_attribute("data-state", "outside")
    tab.press("F8")
    expect(page.locator(".person-lane")).to_have_count(3)
    tab.press("Control+KeyZ ArrowDown F4")
    expect(page.locator(".person-lane")).to_have_count(1)
    page.get_by_role("button", name="Restore P2").click()
    expect(page.locator(".person-lane")).to_have_count(2)
    tab.press("F7 Enter")
    expect(page.locator(".person-lane")).to_have_count(1)
    tab.press("F3 Enter KeyL KeyL Enter")
    expect(page.locator(".person-lane")).to_have_count(2)
    expect(page.locator(".lane-name", has_text="new person 1")).to_be_visible()
    tab.is_saved()


def test_the_box_can_be_dragged(tab):
    page = tab.page
    tab.press("F2")
    before = page.locator("input[name=left]").input_value()
    area = page.locator(".screen").bounding_box()
    scale = min(area["width"] / 640, area["height"] / 360)
    left = area["x"] + (area["width"] - 640 * scale) / 2
    top = area["y"] + (area["height"] - 360 * scale) / 2
    page.mouse.move(left + 125 * scale, top + 175 * scale)
    page.mouse.down()
    page.mouse.move(left + 165 * scale, top + 175 * scale, steps=4)
    page.mouse.up()
    moved = float(page.locator("input[name=left]").input_value()) - float(before)
    assert moved == pytest.approx(40, abs=1)
    tab.press("Escape")
    expect(page.locator(".tool-bar")).to_be_hidden()


def test_a_reload_after_every_tenth_key_loses_nothing(tab, tasks):
    seconds = tasks[0].clip.keyframes()
    keys = ["KeyW", "Digit0", *["Enter"] * len(seconds)]
    keys += ["KeyE", "Digit2", "KeyW", "Digit2", "KeyQ", *["Enter"] * len(seconds)]
    for number, key in enumerate(keys, start=1):
        tab.press(key)
        if number % 10 == 0:
            place = tab.label.get_attribute("data-place") or ""
            tab.page.reload()
            tab.is_open()
            expect(tab.label).to_have_attribute("data-place", place)
    expect(tab.label).to_have_attribute("data-complete", "true")
    tab.is_saved()
    assert tab.stored("1") == {seconds[0]: "walk"}
    assert tab.stored("2") == {seconds[0]: "sit"}
    assert tab.stored("2", "doing") == {seconds[0]: ["wave", "carry"]}
    assert tab.seen("1") == tab.seen("2") == set(seconds)


def test_offline_work_is_kept_and_saved_later(tasks, live_server):
    seconds = tasks[0].clip.keyframes()
    with label_tab(tasks[0], live_server.url, expected=FAILED_REQUESTS) as tab:
        tab.open()
        tab.page.context.set_offline(True)
        tab.press("KeyW Enter Enter")
        saved = tab.page.locator("[data-show=saved]")
        expect(saved).to_have_text("Offline, 3 changes kept in this browser")
        expect(tab.page.get_by_text("There is no connection.")).to_be_visible()
        tab.page.context.set_offline(False)
        tab.is_saved()
        expect(tab.page.get_by_text("There is no connection.")).to_be_hidden()
        assert tab.seen() == set(seconds[:2])


def test_after_an_ended_session_one_logs_in_on_the_page(tasks, live_server):
    with label_tab(tasks[0], live_server.url, expected=FAILED_REQUESTS) as tab:
        tab.open()
        Session.objects.all().delete()
        tab.press("KeyW")
        dialog = tab.page.get_by_role("dialog", name="Log in again")
        dialog.get_by_label("Password of ann").fill("a-password")
        dialog.get_by_role("button", name="Log in").click()
        expect(dialog).to_be_hidden()
        tab.is_saved()
        assert tab.stored() == {tasks[0].clip.keyframes()[0]: "walk"}


def test_what_a_removed_member_did_last_is_kept_until_they_are_back(tasks, live_server):
    with label_tab(tasks[0], live_server.url, expected=FAILED_REQUESTS) as tab:
        tab.open()
        member = Member.objects.get(user__username="ann")
        member.delete()
        tab.press("KeyW")
        expect(tab.page.get_by_role("alert")).to_contain_text("Ask an owner of the dataset.")
        member.save()
        tab.button("Try again").click()
        tab.is_open()
        tab.is_saved()
        assert tab.stored() == {tasks[0].clip.keyframes()[0]: "walk"}


@pytest.mark.parametrize("choice", ["Keep mine", "Discard mine"])
def test_of_two_tabs_the_first_is_told_and_chooses(tasks, live_server, choice):
    first = tasks[0].clip.keyframes()[0]
    with label_tab(tasks[0], live_server.url, expected=FAILED_REQUESTS) as tab:
        tab.open()
        tab.press("KeyW")
        tab.is_saved()
        other = LabelTab(tab.page.context.new_page(), tab.address, tab.task)
        other.go()
        other.button("Go on here").click()
        other.is_open()
        other.press("Digit1 KeyE")
        other.is_saved()
        tab.press("Digit1 KeyQ")
        dialog = tab.page.get_by_role("dialog", name="Another tab or machine goes on")
        expect(dialog).to_be_visible()
        tab.button(choice).click()
        tab.is_open()
        tab.is_saved()
        assert tab.stored() == {first: "stand" if choice == "Keep mine" else "sit"}


@pytest.mark.skipif(not AXE.exists() and not MUST_HAVE, reason="needs npm ci")
def test_axe_finds_nothing(tab):
    page = tab.page
    for width, keys in ((1440, "KeyW Enter Minus"), (1440, "F2"), (1440, "Slash"),
                        (1440, "F7"), (1440, "KeyG"), (390, "KeyW")):  # fmt: skip
        page.set_viewport_size({"width": width, "height": 900})
        tab.open()
        tab.press(keys)
        # As a developer's console does: the page's policy allows no scripts of others.
        page.context.new_cdp_session(page).send(
            "Runtime.evaluate", {"expression": AXE.read_text()}
        )
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate(VIOLATIONS) == [], (scheme, width, keys)


def test_a_forced_palette_still_tells_persons_and_answers_apart(tab, tasks):
    """Where the system sets all colours, as for people who see contrasts badly."""
    seconds = tasks[0].clip.keyframes()
    tab.page.emulate_media(forced_colors="active")
    tab.press("KeyW KeyQ KeyW Enter Digit1")
    tab.is_saved()

    def background(selector: str) -> str:
        found = tab.page.locator(selector).first
        return str(found.evaluate("one => getComputedStyle(one).backgroundColor"))

    answered, empty = (
        f".person-lane [data-second='{one}']" for one in (seconds[0], seconds[-1])
    )
    swatches = [f".person-lane[data-person='{person}'] .swatch" for person in (1, 2)]
    speeds = [f".segments [aria-pressed={value}]" for value in ("true", "false")]
    for one, other in ((answered, empty), swatches, speeds):
        assert background(one) != background(other)


def test_the_frame_on_the_screen_is_the_keyframe(tab, tasks):
    """While stepping, the number drawn into the frame on the screen is the frame's own."""
    read = """() => {
        const canvas = document.querySelector("#label canvas");
        const { width, height } = canvas;
        const scale = Math.min(width / 640, height / 360);
        const [left, top] = [(width - 640 * scale) / 2, (height - 360 * scale) / 2];
        const y = Math.round(top + 9 * scale);
        const band = canvas.getContext("2d").getImageData(0, y, width, 1).data;
        const bit = (n) => band[4 * Math.round(left + ((n + 0.5) * 640 * scale) / 24)] > 126;
        return Array.from({ length: 20 }, (_, n) => bit(n + 2))
            .reduce((sum, one) => 2 * sum + Number(one), 0);
    }"""
    seconds = tasks[0].clip.keyframes()
    tab.press("Space")
    for second in seconds[1:]:
        tab.press("KeyL")
        expect(tab.label).to_have_attribute("data-frame", str(30 * second))
        assert tab.page.evaluate(read) == 30 * second
    for step in range(1, 8):
        tab.press("ArrowLeft")
        frame = 30 * seconds[-1] - step
        expect(tab.label).to_have_attribute("data-frame", str(frame))
        wait_until(lambda frame=frame: tab.page.evaluate(read) == frame, seconds=10)


def test_the_loop_stays_within_three_seconds(tab, tasks):
    second = tasks[0].clip.keyframes()[2]
    tab.cell("1", second).click()
    tab.page.evaluate(
        """() => {
            globalThis.seen = [];
            const label = document.getElementById("label");
            new MutationObserver(() => globalThis.seen.push(Number(label.dataset.frame)))
                .observe(label, { attributeFilter: ["data-frame"] });
        }"""
    )
    tab.press("BracketRight")
    back = "globalThis.seen.filter((at, n) => n && at < globalThis.seen[n - 1] - 40).length"
    wait_until(lambda: tab.page.evaluate(back) >= 2)
    seen = tab.page.evaluate("globalThis.seen")
    assert min(seen) >= 30 * second - 45
    assert max(seen) < 30 * second + 45
