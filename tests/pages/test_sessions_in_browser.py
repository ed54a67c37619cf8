"""Forms and pages that were open while the session ended, or somebody logged in again."""

from collections.abc import Iterator

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from datasets.models import Dataset
from tests.annotation.labelling.label_browser import (
    FAILED_REQUESTS,
    label_tab,
    make_label_tasks,
)
from tests.browser import chromium_page, log_in
from tests.make import make_dataset, make_user
from tests.pages.test_all_pages_in_browser import pytestmark as marks
from tests.server_process import wait_until

pytestmark = marks[:4]
TEXT = "Written before the session ended."


@pytest.fixture
def page(live_server, monkeypatch) -> Iterator[Page]:
    """The settings of a dataset, with a new description that is not sent yet."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    make_dataset("shop", owner=make_user("boss"))
    make_user("kim")
    with chromium_page() as first:
        assert first.context.browser
        page = first.context.browser.new_context().new_page()  # may have a second tab
        log_in(page, live_server.url, "boss")
        page.goto(live_server.url + reverse("datasets:settings", args=["shop"]))
        page.wait_for_load_state("networkidle")
        page.locator("#id_description").fill(TEXT)
        yield page


def log_in_in_another_tab(page: Page, address: str, name: str) -> None:
    page.context.clear_cookies()  # as after a log-out there
    other = page.context.new_page()
    log_in(other, address, name)
    other.close()


def submit(page: Page) -> None:
    page.locator("#id_description").evaluate("(field) => field.form.requestSubmit()")


def is_saved() -> bool:
    return Dataset.objects.get().description == TEXT


def dialog_of(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Log in again")


def give_password(page: Page, name: str) -> None:
    dialog = dialog_of(page)
    dialog.get_by_label(f"Password of {name}").fill("a-password")
    dialog.get_by_role("button", name="Log in").click()


def test_a_form_is_kept_when_its_session_has_just_ended(page):
    Session.objects.all().delete()
    submit(page)
    give_password(page, "boss")
    wait_until(is_saved)


def test_a_form_is_sent_after_the_same_user_has_logged_in_elsewhere(page, live_server):
    log_in_in_another_tab(page, live_server.url, "boss")
    submit(page)
    wait_until(is_saved)


def test_a_form_is_not_sent_in_the_name_of_somebody_else(page, live_server):
    log_in_in_another_tab(page, live_server.url, "kim")
    submit(page)
    expect(dialog_of(page).get_by_role("alert")).to_have_text(
        "Meanwhile kim has logged in here."
    )
    assert not is_saved()
    give_password(page, "boss")
    wait_until(is_saved)


def test_one_logs_out_of_a_page_that_is_older_than_the_log_in(page, live_server):
    log_in_in_another_tab(page, live_server.url, "kim")
    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login/")


def test_the_label_page_goes_on_after_a_log_in_in_another_tab(
    live_server, monkeypatch, tmp_path
):
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    task = make_label_tasks(tmp_path).tasks.get()
    with label_tab(task, live_server.url, expected=FAILED_REQUESTS) as tab:
        tab.open()
        log_in_in_another_tab(tab.page, live_server.url, "ann")
        tab.press("KeyW")
        tab.is_saved()
        assert tab.stored() == {task.clip.keyframes()[0]: "walk"}
        expect(dialog_of(tab.page)).to_be_hidden()
