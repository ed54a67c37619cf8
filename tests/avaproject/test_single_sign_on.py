"""Log-in by OpenID Connect at a provider that answers on this machine."""

import time
import urllib.request
from urllib.error import HTTPError

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from tests.avaproject.oidc_provider import CLIENT, SECRET, running_provider
from tests.make import make_user

pytestmark = pytest.mark.django_db

LOG_IN = "/account/oidc/sso/login/"


@pytest.fixture(scope="module")
def running():
    with running_provider() as found:
        yield found


@pytest.fixture
def provider(running, settings):
    cache.clear()
    running.reset()
    settings.OIDC_URL, settings.OIDC_SIGN_UP = running.url, True
    app = settings.OIDC_APP | {
        "client_id": CLIENT, "secret": SECRET, "settings": {"server_url": running.url},
    }  # fmt: skip
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {"APPS": [app], "OAUTH_PKCE_ENABLED": True}
    }
    return running


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


def answer_of_provider(client, query=""):
    """The address in this installation to which the provider sends the browser back."""
    there = client.post(f"{LOG_IN}{query}")["Location"]
    try:
        urllib.request.build_opener(NoRedirect).open(there)
    except HTTPError as error:
        return error.headers["Location"].partition("http://testserver")[2]
    raise AssertionError("the provider sends nobody back")


def log_in(client, query=""):
    return client.get(answer_of_provider(client, query), follow=True)


def user_of(client):
    key = client.session.get("_auth_user_id")
    return key and User.objects.get(pk=key).username


def test_whoever_logs_in_for_the_first_time_gets_an_account_if_a_setting_says_so(provider):
    client, later = Client(), Client()
    assert "Single sign-on" in client.get(reverse("login")).content.decode()
    log_in(client)
    assert user_of(client) == "kim"
    assert not User.objects.get().has_usable_password()
    log_in(later)
    assert user_of(later) == "kim"
    assert User.objects.count() == 1


def test_else_accounts_come_from_invitations_and_are_connected_by_their_owners(
    provider, settings
):
    settings.OIDC_SIGN_UP = False
    kim, client = make_user("kim"), Client()
    page = log_in(client)
    assert "Accounts come from invitations" in page.content.decode()
    assert user_of(client) is None
    owner = Client()
    owner.force_login(kim)
    log_in(owner, "?process=connect")
    assert SocialAccount.objects.get().user == kim
    log_in(client)
    assert user_of(client) == "kim"


def test_a_known_address_or_name_opens_no_account_that_is_there(provider):
    kim = make_user("kim")
    kim.email = "kim@example.org"
    kim.save()
    provider.person |= {"sub": "k-2", "email": "kim@example.org", "email_verified": True}
    client = Client()
    log_in(client)
    assert user_of(client) != "kim"
    assert not SocialAccount.objects.filter(user=kim).exists()


@pytest.mark.parametrize(
    ("claim", "value", "sentence"),
    [
        ("iss", "https://elsewhere.example.org", "comes from another issuer"),
        ("exp", time.time() - 60, "has expired"),
        ("aud", "another-client", "meant for another application"),
        ("nonce", "another", "belongs to another log-in"),
        ("nonce", None, "belongs to another log-in"),
        ("sub", "k-9", "two different persons"),
    ],
    ids=["issuer", "expired", "audience", "nonce", "no-nonce", "person"],
)
def test_a_token_that_is_not_the_answer_to_this_log_in_is_refused(
    provider, claim, value, sentence
):
    provider.spoil = {claim: value}
    client = Client()
    page = log_in(client)
    assert page.status_code == 401
    assert sentence in page.content.decode()
    assert user_of(client) is None
    assert not User.objects.exists()


def test_an_answer_opens_nothing_in_another_browser_or_twice(provider):
    client, other = Client(), Client()
    back = answer_of_provider(client)
    page = other.get(back)
    assert (page.status_code, user_of(other)) == (401, None)
    assert "begun in another browser" in page.content.decode()
    client.get(back)
    assert user_of(client) == "kim"
    client.logout()
    assert client.get(back).status_code == 401
    assert user_of(client) is None


def test_a_code_that_the_provider_does_not_take_is_refused(provider):
    client = Client()
    back = answer_of_provider(client)
    provider.asked.clear()
    page = client.get(back)
    assert page.status_code == 401
    assert "refused the log-in" in page.content.decode()


def test_a_provider_that_is_away_is_named(provider):
    client = Client()
    provider.is_broken = True
    page = client.post(LOG_IN)
    assert page.status_code == 401
    assert "cannot be reached" in page.content.decode()
    provider.is_broken = False
    back = answer_of_provider(client)
    provider.is_broken = True
    assert "cannot be reached" in client.get(back).content.decode()


def test_a_provider_that_says_too_little_is_named(provider, monkeypatch):
    monkeypatch.setattr(provider, "configuration", lambda: {"issuer": provider.url})
    page = Client().post(LOG_IN)
    assert "does not name its authorization_endpoint" in page.content.decode()
