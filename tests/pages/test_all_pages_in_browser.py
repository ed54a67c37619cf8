"""Every page in a real browser: axe finds nothing, and long names push nothing out of sight.

Videos have names of 60 characters, annotators those of e-mail addresses. Each page is opened
once for members and looked at with 1440 and 390 pixels, light and dark; in the dark only
contrast is asked for, since nothing else differs. `./ava proof` opens all pages (with
AVA_TEST_ALL_PAGES=1), other runs one of each kind: a form, lists, tables, charts, the player.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.test import Client
from django.urls import reverse
from playwright.sync_api import CDPSession, Page, expect

from annotation.models import Annotator
from benchmarks.filled import rows
from benchmarks.filled.addresses import PageAddress, page_addresses
from datasets.models import Clip, Video
from qc.models import ClipStatus, TaskStatus
from tests.browser import CHROMIUM, chromium_page

MUST_HAVE = os.environ.get("AVA_TEST_REQUIRES_SERVICES") == "1"
AXE = Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js"
LONG = "a-video-of-the-corner-shop-in-the-old-town-camera-two-"
WIDTHS = (1440, 390)
FRAGMENTS = ("qc:adjudication-next", "tracking:speeds", "qc:scene")
SAMPLE = (
    "annotation:plan", "qc:adjudication", "qc:agreement-group", "qc:decisions", "qc:task",
    "qc:tasks", "tracking:people-alike",
)  # fmt: skip
EVERYTHING, CONTRAST = "{}", "{runOnly: ['color-contrast']}"
VIOLATIONS = """axe.run(%s).then((found) => found.violations.map((one) => `${one.id}: ` +
    one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(" | ")))"""
# What is wider than its place: the page at any width, a table of more than 700 pixels.
BEYOND = """() => [document.documentElement, ...document.querySelectorAll(".tw")]
    .filter((one) => one.scrollWidth > one.clientWidth + 1)
    .filter((one) => one.tagName === "HTML" || innerWidth > 700)
    .map((one) => `${one.ariaLabel ?? one.tagName} is ${one.scrollWidth - one.clientWidth} `
        + "pixels wider than its place")"""
# At 390 pixels tables may be moved sideways, but the first column leaves room for the next.
HIDDEN = """() => [...document.querySelectorAll(".tw table")]
    .filter((one) => one.rows.length > 1 && one.rows[0].cells.length > 1)
    .filter((one) => {
        const second = [...one.rows[0].cells].filter((cell) => cell.offsetWidth > 1)[1];
        const place = one.closest(".tw").getBoundingClientRect();
        return second && second.getBoundingClientRect().left > place.right - 24;
    })
    .map((one) => `only the first column of ${one.caption?.textContent} is in sight`)"""

# Tab follows the order of the page: nothing jumps ahead, the link to the content comes first.
ORDER = """() => [
    ...[...document.querySelectorAll("[tabindex]")].filter((one) => one.tabIndex > 0)
        .map((one) => `${one.outerHTML.slice(0, 200)} is focused before its turn`),
    ...[...document.querySelectorAll("body:has(> nav) > :is(a, nav, button)")].slice(0, 1)
        .filter((first) => !first.matches("a.skip[href='#main']"))
        .map((first) => "the first link does not lead to the content")]"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not CHROMIUM.exists() and not MUST_HAVE, reason="needs Debian's package chromium"
    ),
    pytest.mark.skipif(not AXE.exists() and not MUST_HAVE, reason="needs npm ci"),
]


@pytest.fixture
def addresses(monkeypatch) -> list[PageAddress]:
    """The pages of a small dataset in all states, one address a view, with long names."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    rows.fill(40, 2, is_finished=False)
    rows.fill_boxes()
    rows.fill_records()
    rows.summarise()
    name_at_length()
    pages = [one for one in page_addresses() if not one.title.startswith("admin")]
    pages = [one for one in pages if "api" not in one.title and "csv" not in one.title]
    by_view = {one.title.split(",")[0]: one for one in reversed(pages)}
    chosen = by_view if "AVA_TEST_ALL_PAGES" in os.environ else SAMPLE
    return [by_view[view] for view in chosen if view not in FRAGMENTS]


def name_at_length() -> None:
    for model in (Video, Clip, ClipStatus, TaskStatus):
        model.objects.update(name=Concat(Value(LONG), F("name")))
    Video.objects.update(original_name=Concat(Value(LONG), Value("original.mp4")))
    address = Value(".longlastname+labels@vision.example.org")
    Annotator.objects.update(name=Concat(F("name"), address))


@pytest.fixture
def browser(live_server, addresses) -> Iterator[Page]:
    operator = User.objects.create_user("operator@vision.example.org", is_staff=True,
                                        is_superuser=True)  # fmt: skip
    client = Client()
    client.force_login(operator)
    with chromium_page(expected="404") as page:
        cookie = client.cookies["sessionid"].value
        page.context.add_cookies(
            [{"name": "sessionid", "value": cookie, "url": live_server.url}]
        )
        yield page


def test_axe_finds_nothing_and_nothing_is_out_of_sight(browser, addresses, live_server):
    axe, session = AXE.read_text(), browser.context.new_cdp_session(browser)
    found = {}
    for address in addresses:
        browser.set_viewport_size({"width": WIDTHS[0], "height": 900})
        answer = browser.goto(live_server.url + address.url)
        assert answer, address
        assert answer.ok, address
        # As a developer's console does: the page's policy allows no scripts of others.
        session.send("Runtime.evaluate", {"expression": axe})
        if seen := faults(browser, session):
            found[address.title] = seen
    lines = [f"{title}: {one}" for title, its in found.items() for one in its]
    assert not lines, "\n".join(lines)


def test_a_form_that_is_refused_says_why_and_focuses_the_field(live_server, monkeypatch):
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    client = Client()
    client.force_login(User.objects.create_user("kim", is_staff=True))
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    with chromium_page(expected="422") as page:
        page.context.add_cookies([{**cookie, "url": live_server.url}])
        page.goto(live_server.url + reverse("datasets:new"))
        page.get_by_label("Name", exact=True).fill("No spaces!")
        page.keyboard.press("Enter")
        field = page.locator("#id_name")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_be_focused()
        said = page.locator("#" + (field.get_attribute("aria-describedby") or "").split()[-1])
        expect(said).to_contain_text("Letters, digits and hyphens only")


def faults(page: Page, session: CDPSession) -> list[str]:
    """What is wrong with the page, by width and colour scheme."""
    seen: list[str] = page.evaluate(ORDER)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        seen += [f"{width}: {one}" for one in page.evaluate(BEYOND) + page.evaluate(HIDDEN)]
        for scheme, rules in (("light", EVERYTHING), ("dark", CONTRAST)):
            page.emulate_media(color_scheme=scheme)
            options = {"expression": VIOLATIONS % rules, "awaitPromise": True,
                       "returnByValue": True}  # fmt: skip
            result = session.send("Runtime.evaluate", options)["result"]
            seen += [f"{width} {scheme}: {one}" for one in result["value"]]
    return seen
