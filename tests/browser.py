"""Debian's Chromium for tests; console errors fail the test at its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.urls import reverse
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
    """A page of 1440 by 900 pixels; a console error without `expected` in it fails the test."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(SECONDS * 1000)
        expect.set_options(timeout=SECONDS * 1000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: _record(message, errors))
        yield page
        browser.close()
    found = [text for text in errors if not expected or expected not in text]
    assert not found, found


def log_in(page: Page, address: str, name: str) -> None:
    """Log in as a user whom `make_user` has made."""
    page.goto(address + reverse("login"))
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("a-password")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda url: "/login/" not in url)


def _record(message: ConsoleMessage, errors: list[str]) -> None:
    """Keep errors; what a request met is shown by the page itself: 400, and no network."""
    is_shown = "status of 400" in message.text or "ERR_INTERNET_DISCONNECTED" in message.text
    if message.type == "error" and not is_shown:
        errors.append(message.text)
