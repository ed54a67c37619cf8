"""Debian's Chromium for tests; what it complains about fails the test in the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
SECONDS = 90
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium_page(*, expected: str = "") -> Iterator[Page]:
    """A page of 1440 by 900 pixels; a complaint that does not hold `expected` is an error."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(SECONDS * 1000)
        expect.set_options(timeout=SECONDS * 1000)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: _note(said, complaints))
        yield page
        browser.close()
    assert not [said for said in complaints if not expected or expected not in said]


def _note(said: ConsoleMessage, complaints: list[str]) -> None:
    """Keep errors; that the server refused something (400) is for the page to tell."""
    if said.type == "error" and "status of 400" not in said.text:
        complaints.append(said.text)
