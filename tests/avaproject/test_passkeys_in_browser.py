"""A passkey in a real browser with a software authenticator: added, then logged in with."""

import os
import re

import pytest
from django.core.cache import cache
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser import CHROMIUM, chromium_page
from tests.make import make_dataset, make_user

MUST_HAVE = os.environ.get("AVA_TEST_REQUIRES_SERVICES") == "1"
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
    "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not CHROMIUM.exists() and not MUST_HAVE, reason="needs Debian's package chromium"
    ),
]


def test_a_passkey_logs_in_without_a_password(live_server, monkeypatch):
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    cache.clear()
    make_dataset("shop", owner=make_user("kim"))
    address = live_server.url.replace("127.0.0.1", "localhost")  # names alone have passkeys
    with chromium_page() as page:
        tools = page.context.new_cdp_session(page)
        tools.send("WebAuthn.enable")
        tools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        page.goto(f"{address}/login/")
        page.get_by_label("Username").fill("kim")
        page.get_by_label("Password").fill("a-password")
        page.get_by_role("button", name="Log in", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Datasets")

        page.goto(f"{address}/account/2fa/webauthn/add/")
        page.get_by_label("Password").fill("a-password")  # again, for such a change
        page.get_by_role("button", name="Confirm").click()
        page.get_by_label("Name").fill("This computer")
        page.get_by_role("checkbox").check()
        page.get_by_role("button", name="Add").click()
        page.wait_for_url(re.compile(r"/account/2fa/(webauthn|recovery-codes)/$"))

        page.context.clear_cookies()
        page.goto(f"{address}/login/?next={reverse('workers:work')}")
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Work")
