"""The whole pipeline in browsers, each role with its own account and its own way to log in."""

import csv
import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import cache
from django.core.management import call_command
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from annotation.models import AnnotationTask
from datasets.accounts.activity import acting
from datasets.models import Dataset
from datasets.services.create import create_dataset
from tests.annotation.labelling.label_browser import DESK, HINTS
from tests.browser import CHROMIUM, SECONDS, chromium_page
from tests.make import make_user
from tests.server_process import tiny_zip, write_detections

MUST_HAVE = os.environ.get("AVA_TEST_REQUIRES_SERVICES") == "1"
PASSWORD = "walk-sit-stand"
PERIOD = 30  # seconds of a code
ROLES = ("manager", "reviewer", "annotator", "viewer")
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
    "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip
VOCABULARY = """
groups:
  - name: posture
    choice: one
    required: true
    label_type: PERSON_MOVEMENT
    actions: {1: stand, 2: walk}
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not CHROMIUM.exists() and not MUST_HAVE, reason="needs Debian's package chromium"
    ),
]


@dataclass
class Person:
    """Somebody at a browser of their own."""

    page: Page
    address: str
    name: str
    errors: list[str] = field(default_factory=list)

    def go(self, view: str, *args: object) -> None:
        path = reverse(view, args=["lobby", *args])
        answer = self.page.goto(self.address + path)
        assert answer, path
        assert answer.ok, f"{path} as {self.name}: {answer.status}"

    def may_not(self, view: str, *args: object) -> None:
        path = reverse(view, args=["lobby", *args])
        status = self.page.request.get(self.address + path).status
        assert status == 404, f"{path} as {self.name}: {status}"

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def fill(self, **values: str) -> None:
        for label, text in values.items():
            self.page.get_by_label(label.replace("_", " "), exact=True).fill(text)

    def log_in(self, password: str = PASSWORD) -> None:
        self.page.goto(f"{self.address}{reverse('login')}")
        self.fill(Username=self.name, Password=password)
        self.press("Log in")

    def log_out(self) -> None:
        self.page.context.clear_cookies()

    def is_in(self) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Datasets")


@contextmanager
def person(browser: Browser, address: str, name: str) -> Iterator[Person]:
    context = browser.new_context(**DESK)
    context.set_default_timeout(SECONDS * 1000)
    context.add_init_script(HINTS)
    found = Person(context.new_page(), address, name)
    context.on("weberror", lambda error: found.errors.append(str(error.error)))
    yield found
    context.close()
    assert not found.errors, found.errors


@pytest.fixture
def dataset(settings, monkeypatch, tmp_path) -> Dataset:
    """A dataset without videos, whose detections are there."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    cache.clear()
    settings.WEIGHTS_DIR = settings.DATA_DIR / "weights"
    write_detections(settings.WEIGHTS_DIR / "boxes")
    vocabulary = tmp_path / "posture.yaml"
    vocabulary.write_text(VOCABULARY)
    boss = make_user("boss")
    with acting(boss):
        return create_dataset(
            "lobby", vocabulary=vocabulary, owner=boss, detector="imported", weights="boxes"
        )


def work() -> None:
    call_command("run_pipeline", once=True, plain=True)


def code_of(secret: str, *, after: int = 0) -> str:
    """What an authenticator app shows now, or so many periods later."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // PERIOD + after))


def invite(owner: Person, role: str) -> str:
    """The link that the owner gets on the page of members."""
    owner.go("workers:members")
    owner.page.get_by_role("form", name="Invite").get_by_label("Role").select_option(role)
    owner.press("Make a link")
    return owner.page.locator("#new-link").input_value()


def join(somebody: Person, link: str) -> None:
    somebody.page.goto(link)
    expect(somebody.page.get_by_role("heading", level=1)).to_have_text("Join lobby")
    somebody.page.locator("#id_username").fill(somebody.name)
    somebody.page.locator("#id_password1").fill(PASSWORD)
    somebody.page.locator("#id_password2").fill(PASSWORD)
    somebody.press("Create account and join")
    expect(somebody.page.get_by_text(f"You are {somebody.name} of lobby now.")).to_be_visible()


def confirm_password(somebody: Person) -> None:
    somebody.fill(Password=PASSWORD)
    somebody.press("Confirm")


def use_an_authenticator_app(somebody: Person) -> None:
    """Activate codes as the second factor, and log in anew with one."""
    page = somebody.page
    page.goto(f"{somebody.address}{reverse('mfa_activate_totp')}")
    confirm_password(somebody)
    secret = page.locator("#authenticator_secret").input_value()
    page.locator("#id_code").fill(code_of(secret))
    somebody.press("Activate")
    page.wait_for_url(lambda url: reverse("mfa_activate_totp") not in url)
    somebody.log_out()
    somebody.log_in()
    page.wait_for_url(f"**{reverse('mfa_authenticate')}**")
    page.locator("#id_code").fill(code_of(secret, after=1))  # each code counts once
    somebody.press("Sign In")
    somebody.is_in()


def use_a_passkey(somebody: Person) -> None:
    """Add a passkey, and log in anew with it, without a password."""
    page = somebody.page
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    page.goto(f"{somebody.address}{reverse('mfa_add_webauthn')}")
    confirm_password(somebody)
    somebody.fill(Name="This computer")
    page.get_by_role("checkbox").check()
    somebody.press("Add")
    page.wait_for_url(lambda url: reverse("mfa_add_webauthn") not in url)
    somebody.log_out()
    page.goto(f"{somebody.address}{reverse('login')}")
    somebody.press("Use a passkey")
    somebody.is_in()


def upload_and_assign(manager: Person, zip_file: str) -> None:
    page = manager.page
    manager.go("datasets:upload")
    page.locator("#id_file").set_input_files(zip_file)
    page.wait_for_url(f"**{reverse('qc:overview', args=['lobby'])}")
    work()
    manager.go("annotation:plan")
    manager.press("Assign 1 task")
    page.wait_for_url(f"**{reverse('qc:tasks', args=['lobby'])}")
    work()
    manager.may_not("datasets:delete")


def label(annotator: Person) -> None:
    page = annotator.page
    page.goto(f"{annotator.address}{reverse('qc:my')}")
    page.locator("a[href*='/label/']").first.click()
    page.wait_for_selector("#label[data-state=open][data-painted]")
    page.keyboard.press("KeyW")  # walks
    page.keyboard.press("Shift+Enter")  # to the end
    expect(page.locator("#label")).to_have_attribute("data-complete", "true")
    annotator.press("Submit")
    page.wait_for_url(lambda url: "/label/" not in url)
    work()
    annotator.may_not("qc:clips")


def review(reviewer: Person, task: AnnotationTask) -> None:
    page = reviewer.page
    reviewer.go("qc:task", task.pk)
    page.wait_for_selector("#player[data-ready]")
    page.keyboard.press("a")
    page.wait_for_url(lambda url: reverse("qc:task", args=["lobby", task.pk]) not in url)
    work()
    reviewer.may_not("datasets:upload")


def release(owner: Person) -> None:
    owner.go("qc:release-new")
    owner.page.locator("#id_licence").select_option("none")
    owner.press("Create release")
    owner.page.wait_for_url(f"**{reverse('qc:releases', args=['lobby'])}")
    work()


def look_on(viewer: Person) -> None:
    viewer.go("qc:releases")
    with viewer.page.expect_download() as download:
        viewer.page.get_by_role("link", name="Download zip").click()
    assert download.value.suggested_filename.endswith(".zip")
    assert viewer.page.locator(f"a[href='{reverse('qc:tasks', args=['lobby'])}']").count() == 0
    viewer.may_not("qc:tasks")


def acts_of(owner: Person) -> list[tuple[str, str]]:
    """What the CSV of the activity says, from the first act on."""
    path = reverse("workers:activity", args=["lobby"])
    text = owner.page.request.get(f"{owner.address}{path}?csv=1").text()
    rows = list(csv.DictReader(io.StringIO(text)))
    return [(row["user"], row["act"]) for row in rows][::-1]


def test_each_role_walks_its_part_and_the_activity_names_each_act_once(
    dataset, live_server, tmp_path
):
    zip_file = str(tiny_zip(tmp_path))
    address = live_server.url.replace("127.0.0.1", "localhost")  # names alone have passkeys
    with chromium_page() as first:
        browser = first.context.browser
        with person(browser, address, "boss") as owner:
            owner.log_in("a-password")
            owner.is_in()
            links = {role: invite(owner, role) for role in ROLES}
            with person(browser, address, "manager") as manager:
                join(manager, links["manager"])
                use_an_authenticator_app(manager)
                with person(browser, address, "annotator") as annotator:
                    join(annotator, links["annotator"])
                    upload_and_assign(manager, zip_file)
                    label(annotator)
            with person(browser, address, "reviewer") as reviewer:
                join(reviewer, links["reviewer"])
                use_a_passkey(reviewer)
                review(reviewer, AnnotationTask.objects.get())
            release(owner)
            with person(browser, address, "viewer") as viewer:
                join(viewer, links["viewer"])
                look_on(viewer)
            assert acts_of(owner) == [
                ("boss", "create dataset"), *[("boss", "invite")] * len(ROLES),
                ("manager", "join"), ("annotator", "join"), ("manager", "upload"),
                ("manager", "assign"), ("annotator", "submit"), ("reviewer", "join"),
                ("reviewer", "approve"), ("boss", "request release"), ("viewer", "join"),
            ]  # fmt: skip
