"""Accounts: second factors, passkeys, sessions, password reset, single sign-on."""

import re

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from tests.make import make_user

pytestmark = pytest.mark.django_db

PASSWORD = "a-password"


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def kim():
    return make_user("kim")


def log_in(client, password=PASSWORD, **more):
    return client.post(reverse("login"), {"username": "kim", "password": password, **more})


def code_of(secret):
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def with_totp(user):
    secret = "JBSWY3DPEHPK3PXP"
    TOTP.activate(user, secret)
    return secret


def test_a_password_alone_opens_no_account_with_a_second_factor(kim):
    secret = with_totp(kim)
    client = Client()
    answer = log_in(client)
    assert answer["Location"] == reverse("mfa_authenticate")
    assert "_auth_user_id" not in client.session
    assert client.get(reverse("datasets:list")).status_code == 302
    wrong = client.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert "_auth_user_id" not in client.session, wrong
    client.post(reverse("mfa_authenticate"), {"code": code_of(secret)})
    assert client.session["_auth_user_id"] == str(kim.pk)


def test_the_dialog_of_scripts_and_the_admin_ask_for_the_second_factor_too(kim):
    with_totp(kim)
    User.objects.filter(pk=kim.pk).update(is_staff=True)
    client = Client()
    form = {"username": "kim", "password": PASSWORD}
    script = client.post(reverse("login"), form, headers={"X-Requested-With": "x"})
    assert (script.status_code, "second factor" in script.json()["error"]) == (400, True)
    client.post("/admin/login/", form)
    assert "_auth_user_id" not in client.session


def test_the_secret_of_a_second_factor_is_stored_encrypted(kim):
    secret = with_totp(kim)
    row = Authenticator.objects.get()
    assert secret not in str(row.data)
    assert get_adapter().decrypt(row.data["secret"]) == secret


def test_wrong_passwords_are_counted_and_lock_on_the_page_of_allauth_too(kim):
    client = Client()
    pages = [
        client.post(reverse("account_login"), {"login": "kim", "password": "no"})
        for _ in range(5)
    ]
    assert pages[-1].status_code == 429
    assert "Too many login attempts" in pages[-1].content.decode()
    assert log_in(client).status_code == 429


def test_logging_in_makes_the_browser_a_known_device_and_lists_the_session(kim):
    client, other = Client(), Client()
    for one in (client, other):
        answer = log_in(one)
        assert answer["Location"] == reverse("datasets:home")
        assert "known_device" in answer.cookies
    page = client.get(reverse("usersessions_list")).content.decode()
    assert page.count("127.0.0.1") == 2
    client.post(reverse("usersessions_list"))
    assert other.get(reverse("datasets:list")).status_code == 302
    assert client.get(reverse("datasets:list")).status_code == 200


def test_a_log_in_goes_on_to_the_page_that_was_asked_for_and_to_no_other_site(kim):
    work = reverse("workers:work")
    assert log_in(Client(), next=work)["Location"] == work
    assert log_in(Client(), next="https://example.org/")["Location"] == "/"


def test_nobody_signs_up_without_an_invitation():
    form = {"username": "eve", "password1": "walk-sit-stand", "password2": "walk-sit-stand"}
    page = Client().post(reverse("account_signup"), form)
    assert "Accounts come from invitations" in page.content.decode()
    assert not User.objects.exists()


def test_a_forgotten_password_is_reset_by_e_mail(kim, settings):
    kim.email = "kim@example.org"
    kim.save()
    client = Client()
    client.post(reverse("account_reset_password"), {"email": "kim@example.org"})
    [sent] = mail.outbox
    path = re.search(r"http://testserver(\S+)", sent.body)[1]
    page = client.get(path, follow=True)
    new = {"password1": "walk-sit-stand", "password2": "walk-sit-stand"}
    client.post(page.redirect_chain[-1][0], new)
    assert log_in(Client(), "walk-sit-stand")["Location"] == reverse("datasets:home")
    client.post(reverse("account_reset_password"), {"email": "nobody@example.org"})
    assert len(mail.outbox) == 1


def test_a_reset_is_offered_where_there_is_a_mail_server(settings):
    reset = reverse("account_reset_password")
    assert reset not in Client().get(reverse("login")).content.decode()
    settings.EMAIL_URL = "smtp://localhost"
    assert reset in Client().get(reverse("login")).content.decode()


def test_pages_to_change_how_one_logs_in_ask_for_the_password_first(kim):
    client = Client()
    client.force_login(kim)
    answer = client.get(reverse("mfa_activate_totp"))
    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    form = {"password": PASSWORD, "next": reverse("mfa_activate_totp")}
    client.post(reverse("account_reauthenticate"), form)
    page = client.get(reverse("mfa_activate_totp"))
    assert page.status_code == 200
    assert "data:image/svg" in page.content.decode()


@pytest.mark.parametrize(
    "name",
    ["workers:security", "account_email", "mfa_index", "usersessions_list",
     "socialaccount_connections"],
)  # fmt: skip
def test_pages_of_the_account_have_our_frame(kim, name):
    client = Client()
    log_in(client)
    page = client.get(reverse(name)).content.decode()
    assert "AVA Studio" in page
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*(src=|application/json))", page)
