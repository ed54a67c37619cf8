"""From log-in to a clip with boxes in a real browser, against a running `up`."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, TimeoutError, expect

from tests.browser import CHROMIUM, chromium_page
from tests.server_process import (
    answer,
    free_port,
    password_of,
    running_up,
    tiny_zip,
    wait_until,
    write_detections,
)

MUST_HAVE = os.environ.get("AVA_TEST_REQUIRES_SERVICES") == "1"

# Whether anything is painted. (Polled from here: the page's policy forbids wait_for_function.)
IS_PAINTED = """() => {
    const canvas = document.querySelector("#player canvas");
    if (!canvas.width || !canvas.height) return false;
    const { width, height } = canvas;
    const drawn = canvas.getContext("2d").getImageData(0, 0, width, height);
    return drawn.data.some((value) => value > 0);
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM.exists() and not MUST_HAVE, reason="needs Debian's package chromium"
    ),
]


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium_page() as page:
        yield page


def test_from_log_in_to_a_clip_with_its_boxes(page, tmp_path):
    data = tmp_path / "data"
    write_detections(data / "weights" / "boxes")
    port = free_port()
    with running_up(data, port) as process:
        password = password_of(process)
        log_in(page, port, password)
        make_dataset(page)
        upload(page, tiny_zip(tmp_path))
        look_at_clip(page)


def log_in(page: Page, port: int, password: str) -> None:
    wait_until(lambda: answer(port) == 200)
    page.goto(f"http://127.0.0.1:{port}/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def make_dataset(page: Page) -> None:
    page.get_by_role("link", name="New dataset").first.click()
    page.get_by_label("Name").fill("tiny")
    page.get_by_label("Detector").select_option("imported")
    page.get_by_label("Weights").fill("boxes")
    page.get_by_role("button", name="Create dataset").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Add videos")
    page.wait_for_load_state()  # the script that listens to the choice of a file


def upload(page: Page, path: Path) -> None:
    page.locator("#id_file").set_input_files(path)
    page.wait_for_url("**/datasets/tiny/")
    expect(page.get_by_text("videos.zip uploaded. Unpacking starts now.")).to_be_visible()


def is_shown(locator: Locator) -> bool:
    """Whether it is there once the page has fetched what it shows."""
    with suppress(TimeoutError):
        locator.wait_for(timeout=10_000)
    return bool(locator.count())


def look_at_clip(page: Page) -> None:
    """The page follows the work without a reload; then the clip plays, its person drawn."""
    expect(page.get_by_label("Pipeline")).to_be_visible()
    expect(page.get_by_text("Nothing is running")).to_be_visible()
    clip = page.url + "clips/lobby-c0000/"  # between two steps nothing runs either
    wait_until(lambda: page.goto(clip).ok and is_shown(page.get_by_role("button", name="P1")))
    expect(page.get_by_role("heading", level=1)).to_contain_text("lobby-c0000")
    video = page.locator("video")
    wait_until(lambda: video.evaluate("video => video.readyState >= 2"))
    assert video.evaluate("video => [video.videoWidth, video.videoHeight]") == [160, 96]
    assert video.evaluate("video => Math.round(video.duration)") == 10
    wait_until(lambda: page.evaluate(IS_PAINTED))
