"""The people of a video in a real browser: two keys a correction, and widths of screens."""

import os

import pytest
from django.urls import reverse

from tests.browser import CHROMIUM, chromium_page
from tests.make import make_dataset, make_user
from tests.stored_files import make_ready_video
from tracking.models import PersonCorrection, VideoPerson

MUST_HAVE = os.environ.get("AVA_TEST_REQUIRES_SERVICES") == "1"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not CHROMIUM.exists() and not MUST_HAVE, reason="needs Debian's package chromium"
    ),
]


def made():
    return [
        (one.kind, one.person.person_id)
        for one in PersonCorrection.objects.in_force().select_related("person")
    ]


def test_two_keys_correct_a_person_on_any_screen(live_server, client, monkeypatch, tmp_path):
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    dataset = make_dataset("shop", owner=make_user("boss"))
    video = make_ready_video(dataset, name="aisle", persons=4)
    VideoPerson.objects.filter(person_id=2).update(
        doubt=0.8, doubt_reason="hidden by somebody at 3.0 s", name="x" * 80
    )
    client.force_login(dataset.members.get().user)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    with chromium_page() as page:
        page.context.add_cookies([cookie | {"url": live_server.url}])
        page.goto(live_server.url + reverse("tracking:people", args=["shop", "aisle"]))
        for width in (390, 1440, 2560):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if folder := os.environ.get("AVA_SCREENSHOTS"):
                for scheme in ("light", "dark"):
                    page.emulate_media(color_scheme=scheme)
                    page.screenshot(path=f"{folder}/people-{width}-{scheme}.png")
        page.keyboard.press("s")
        page.keyboard.press("4")
        page.get_by_text("P2 is P5.").wait_for()
        page.wait_for_load_state()  # the scripts that listen to keys
        assert made() == [("split", 2)]
        page.keyboard.press("u")
        page.get_by_text("Undone: P2 split.").wait_for()
        page.wait_for_load_state()
        assert made() == []
        page.locator("#P2").focus()
        page.keyboard.press("x")
        page.get_by_text("Press X again").wait_for()
        page.keyboard.press("x")
        page.get_by_text("P2 is not a person.").wait_for()
        assert made() == [("drop", 2)]
    assert video.persons.filter(person_id=2).exists()
