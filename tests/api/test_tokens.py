"""Access tokens: hashed, scoped, with an end and last use; made and revoked on a page."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone

from datasets.accounts.tokens import SCOPES, TokenError, find_token, make_token, revoke_token
from datasets.models import AccessToken, ActivityRecord
from tests.make import make_dataset, make_user
from workers.api.defaults import scope_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def owner():
    return make_user("boss")


@pytest.fixture
def dataset(owner):
    return make_dataset("shop", owner=owner)


def token_for(user, *scopes, **more):
    return make_token(user, name="a program", scopes=scopes or ("read",), days=9, **more)[1]


def ask(token, name="api:dataset", *args, method="get", data=None, scheme="Token"):
    url = reverse(name, args=args or ["shop"] if name != "api:datasets" else [])
    return getattr(Client(), method)(
        url, data, content_type="application/json",
        headers={"Authorization": f"{scheme} {token}"},
    )  # fmt: skip


def test_a_token_opens_what_its_account_sees(dataset, owner):
    token = token_for(owner)
    assert ask(token).json()["name"] == "shop"
    assert ask(token, scheme="Bearer").status_code == 200
    assert ask(token_for(make_user("stranger"))).status_code == 404


def test_only_its_hash_is_stored_and_its_use_is_noted(dataset, owner):
    token = token_for(owner)
    assert token not in str(list(AccessToken.objects.values()))
    assert AccessToken.objects.get().last_used_at is None
    ask(token)
    assert AccessToken.objects.get().last_used_at is not None


@pytest.mark.parametrize("spoil", ["ended", "revoked", "account", "wrong", "cut", "no text"])
def test_a_token_that_is_not_valid_opens_nothing(dataset, owner, spoil):
    token = token_for(owner)
    row = AccessToken.objects.get()
    if spoil == "ended":
        AccessToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif spoil == "revoked":
        assert revoke_token(row)
        assert not revoke_token(row)
    elif spoil == "account":
        owner.is_active = False
        owner.save()
    else:
        token = {"wrong": "ava_" + "x" * 43, "cut": token[:-1], "no text": "\xff"}[spoil]
    answer = ask(token)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Token"


def test_a_scope_opens_its_methods_and_no_others(dataset, owner):
    reading = token_for(owner)
    answer = ask(reading, method="patch", data={"description": "Shops."})
    assert answer.status_code == 403
    assert "scope manage" in answer.json()["detail"]
    managing = token_for(owner, "manage")
    assert ask(managing, method="patch", data={"description": "Shops."}).status_code == 200
    assert ask(managing, method="delete").status_code == 403
    assert ask(token_for(owner, "delete"), method="delete").status_code == 400  # no ?confirm=


def test_a_token_for_one_dataset_opens_no_other(dataset, owner):
    make_dataset("mall", owner=owner)
    token = token_for(owner, "manage", dataset=dataset)
    assert ask(token).status_code == 200
    assert ask(token, "api:dataset", "mall").status_code == 404
    names = [one["name"] for one in ask(token, "api:datasets").json()["results"]]
    assert names == ["shop"]
    new = ask(token, "api:datasets", method="post", data={"name": "arcade"})
    assert new.status_code == 404


def test_every_method_of_the_api_needs_a_scope_that_exists():
    found = {}
    for prefix, _, namespaced in [
        (one.pattern, one.namespace, one) for one in get_resolver().url_patterns
        if getattr(one, "namespace", None) in ("api", "tracking")
    ]:  # fmt: skip
        for entry in namespaced.url_patterns:
            view = getattr(entry.callback, "view_class", None)
            methods = getattr(view, "http_method_names", ()) if view else ()
            for method in methods:
                if hasattr(view, method):
                    found[f"{prefix}{entry.name} {method}"] = scope_of(view, method.upper())
    assert len(found) > 40
    assert set(found.values()) == set(SCOPES)
    changing = {key for key in found if key.split()[1] in ("post", "patch", "put", "delete")}
    assert {key for key in changing if found[key] == "read"} == set()


@pytest.mark.parametrize(
    ("scopes", "days"), [(["everything"], 9), ([], 9), (["read"], 0), (["read"], 9999)]
)
def test_what_is_no_token_is_refused(owner, scopes, days):
    with pytest.raises(TokenError):
        make_token(owner, name="a", scopes=scopes, days=days)


def test_the_page_shows_a_token_once_and_revokes_it(dataset, owner):
    client = Client()
    client.force_login(owner)
    data = {"name": "nightly", "scopes": ["read", "upload"], "days": 30, "dataset": "shop"}
    page = client.post(reverse("workers:tokens"), data, follow=True).content.decode()
    token = re.search(r'id="new-token"[^>]*value="([^"]+)"', page)[1]
    assert find_token(token).scopes == ["read", "upload"]
    assert token not in client.get(reverse("workers:tokens")).content.decode()
    row = AccessToken.objects.get()
    client.post(reverse("workers:token-revoke"), {"token": row.pk})
    assert find_token(token) is None
    verbs = list(ActivityRecord.objects.order_by("pk").values_list("verb", flat=True))
    assert verbs == ["make token", "revoke token"]


def test_nobody_revokes_the_token_of_another(owner):
    token_for(owner)
    client = Client()
    client.force_login(make_user("stranger"))
    row = AccessToken.objects.get()
    answer = client.post(reverse("workers:token-revoke"), {"token": row.pk})
    assert answer.status_code == 404
    assert AccessToken.objects.get().revoked_at is None


def test_too_many_requests_are_told_to_wait(dataset, owner, settings):
    settings.API_RATE = 3
    token, other = token_for(owner), token_for(owner)
    assert [ask(token).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert int(ask(token)["Retry-After"]) > 0
    assert ask(other).status_code == 200


def test_a_browser_changes_nothing_without_the_token_of_its_form(dataset, owner):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    url = reverse("api:dataset", args=["shop"])
    assert client.get(url).status_code == 200
    answer = client.patch(url, {"description": "x"}, content_type="application/json")
    assert answer.status_code == 403
