"""Rules for all templates and static files, and pages of the project itself."""

import gzip
import re
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.defaults import server_error

from avaproject.error_pages import no_permission
from tests.make import make_user

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SOURCES = [*TEMPLATES, *ROOT.glob("*/selectors/*.py"), *ROOT.glob("*/templatetags/*.py")]
SPRITE = set(
    re.findall(r'<symbol id="([^"]+)"', (ROOT / "static/icons/lucide.svg").read_text())
)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_page_has_inline_script_or_style(path):
    text = path.read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)


def test_every_icon_is_in_the_sprite_and_no_other():
    named = set()
    for path in SOURCES:
        named |= set(re.findall(r'(?:icon|icon_name=)\s?"([a-z-]+)"', path.read_text()))
        if path.suffix == ".py":
            named |= set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', path.read_text())) & SPRITE
    assert named - SPRITE == set()
    assert SPRITE - named == set()


@pytest.mark.django_db
def test_logging_in_leads_to_the_datasets_and_out_again(client):
    user = make_user("kim")
    page = client.post(reverse("login"), {"username": "kim", "password": "a-password"})
    assert page["Location"] == "/"
    assert client.get("/")["Location"] == reverse("datasets:list")
    assert client.post(reverse("logout"))["Location"] == reverse("login")
    assert user.is_active


@pytest.mark.django_db
def test_a_wrong_password_is_refused_and_the_fifth_locks(client, settings):
    make_user("kim")
    wrong = {"username": "kim", "password": "x"}
    pages = [client.post(reverse("login"), wrong) for _ in range(5)]
    assert "Wrong username or password" in pages[0].content.decode()
    assert pages[-1].status_code == 429
    assert "Too many login attempts" in pages[-1].content.decode()


@pytest.mark.django_db
def test_random_letters_of_a_page_never_spell_a_name(client):
    """Tests look in pages for names that must not be there."""
    page = client.get(reverse("login")).content.decode()
    [token] = set(re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page))
    assert set(token) <= set("QX")


@pytest.mark.django_db
def test_a_script_without_session_gets_401_and_a_log_in_as_json(client):
    make_user("kim")
    for header in ({"X-Requested-With": "XMLHttpRequest"}, {"HX-Request": "true"}):
        answer = client.get(reverse("workers:work"), headers=header)
        assert answer.status_code == 401
        assert "Log in again" in answer.json()["error"]
    assert client.get(reverse("workers:work")).status_code == 302  # a person gets the page
    script = {"X-Requested-With": "XMLHttpRequest"}
    assert client.get(reverse("login"), headers=script).json()["user"] == ""
    right = {"username": "kim", "password": "a-password"}
    wrong = client.post(reverse("login"), right | {"password": "x"}, headers=script)
    assert (wrong.status_code, "Wrong password" in wrong.json()["error"]) == (400, True)
    assert client.post(reverse("login"), right, headers=script).json()["user"] == "kim"
    assert client.get(reverse("login"), headers=script).json()["user"] == "kim"


@pytest.mark.django_db
def test_a_script_with_an_older_token_than_the_log_in_is_asked_to_log_in():
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("kim"))
    data = {"csrfmiddlewaretoken": "Q" * 64}
    script = {"X-Requested-With": "XMLHttpRequest"}
    answer = client.post(reverse("datasets:new"), data, headers=script)
    assert answer.status_code == 401
    assert "Log in again" in answer.json()["error"]
    page = client.post(reverse("datasets:new"), data)
    assert page.status_code == 403
    assert "This form has expired" in page.content.decode()


@pytest.mark.django_db
def test_a_script_is_told_in_a_sentence_that_something_is_gone_or_not_for_its_user(client):
    client.force_login(make_user("kim"))
    url = reverse("qc:overview", args=["nothing"])
    answer = client.get(url, headers={"X-Requested-With": "XMLHttpRequest"})
    assert answer.status_code == 404
    assert "Ask an owner of the dataset" in answer.json()["error"]
    assert "Page not found" in client.get(url).content.decode()
    request = RequestFactory().get("/", headers={"X-Requested-With": "XMLHttpRequest"})
    refused = no_permission(request, PermissionDenied())
    assert refused.status_code == 403
    assert "Ask an owner of the dataset" in refused.content.decode()


@pytest.mark.django_db
def test_an_address_that_only_takes_forms_says_so_when_it_is_opened(client):
    client.force_login(make_user("kim"))
    answer = client.get(reverse("logout"), headers={"Accept": "text/html"})
    assert (answer.status_code, answer["Allow"]) == (405, "POST, OPTIONS")
    assert "only takes a form" in answer.content.decode()
    script = {"X-Requested-With": "XMLHttpRequest"}
    assert client.get(reverse("logout"), headers=script).content == b""


@pytest.mark.django_db
def test_pages_are_compressed_for_browsers_that_ask(client):
    client.force_login(make_user("kim"))
    page = client.get(reverse("workers:work"), headers={"Accept-Encoding": "gzip"})
    assert page["Content-Encoding"] == "gzip"
    assert "Steps" in gzip.decompress(page.content).decode()
    assert "Content-Encoding" not in client.get(reverse("workers:work")).headers


@pytest.mark.django_db
def test_people_change_their_own_password_and_stay_logged_in(client):
    client.force_login(make_user("kim"))
    page = client.get(reverse("workers:security")).content.decode()
    assert reverse("workers:password") in page
    new = {"old_password": "a-password", "new_password1": "short", "new_password2": "short"}
    assert "too short" in client.post(reverse("workers:password"), new).content.decode()
    new |= {"new_password1": "walk-sit-stand", "new_password2": "walk-sit-stand"}
    page = client.post(reverse("workers:password"), new, follow=True)
    assert "Password changed." in page.content.decode()
    assert client.get(reverse("datasets:list")).status_code == 200


@pytest.mark.django_db
def test_an_unknown_page_says_what_to_do(client):
    client.force_login(make_user())
    page = client.get(reverse("qc:overview", args=["nothing"]))
    assert page.status_code == 404
    assert "Page not found" in page.content.decode()


def test_the_page_of_an_error_asks_nothing_of_what_may_be_broken():
    page = server_error(RequestFactory().get("/"))
    assert page.status_code == 500
    files = re.findall(r'(?:href|src)="/static/([^"]+)"', page.content.decode())
    assert files
    assert all((ROOT / "static" / file).exists() for file in files)
