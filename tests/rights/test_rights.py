"""Who may open what: every address by every method, as every role, a stranger, and nobody.

An address without a row in `rows.py` fails, so a new page states who may open it. What a role
may do is read from the table in docs/roles.md. Admin pages and static files are not listed: the
former are for operators alone.
"""

from collections.abc import Iterator
from copy import deepcopy
from unittest.mock import patch

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections, transaction
from django.http import HttpResponseBase
from django.template import Template
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from datasets.core import roles
from datasets.core.roles import Act
from tests.make import make_user
from tests.rights.rows import (
    ACCOUNT,
    EVERYBODY,
    LABELLED,
    MAY,
    METHODS,
    NOBODY,
    OWN,
    OWN_TASK,
    PUBLIC,
    ROWS,
    SIGNED,
    STAFF,
    STUDIO,
    UPLOADER,
    WITH_BUCKET,
    Values,
    Who,
)
from tests.rights.world import ROLES, World

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # begun first in parallel runs


def _patterns(resolver: URLResolver, namespace: str = "") -> Iterator[tuple[str, URLPattern]]:
    """All addresses by name, without those of the admin."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            yield f"{namespace}{entry.name}", entry
        elif entry.namespace != "admin":
            inside = f"{entry.namespace}:" if entry.namespace else namespace
            yield from _patterns(entry, inside)


PATTERNS = dict(_patterns(get_resolver()))


def test_every_address_says_who_may_open_it():
    assert set(PATTERNS) == set(ROWS)


def test_the_page_of_roles_says_what_is_checked():
    assert MAY == roles.MAY


def may_open(role: str, who: Who) -> bool:
    if role == "anonymous" or who in (NOBODY, SIGNED, WITH_BUCKET, OWN):
        return False
    if who == ACCOUNT:
        return True
    if who == UPLOADER:
        return role == "owner"
    if who == STUDIO:
        return role != "annotator"
    if who == STAFF:
        return role == "operator"
    if who == OWN_TASK:
        return role == "annotator"
    if who == LABELLED:
        return role == "annotator" or {Act.SEE, Act.SEE_NAMES} <= MAY.get(role, frozenset())
    acts = who if isinstance(who, tuple) else (who,)
    return set(acts) <= MAY.get(role, frozenset())


@pytest.fixture(scope="module")
def shared_world(django_db_setup, django_db_blocker, tmp_path_factory):
    """One world and one browser a role for all tests, each of which leaves it as it was."""
    media = tmp_path_factory.mktemp("media")
    with django_db_blocker.unblock(), override_settings(MEDIA_ROOT=media), transaction.atomic():
        world = World()
        operator = make_user("operator")
        operator.is_staff = True
        operator.save()
        clients = {role: Client() for role in EVERYBODY}
        for role, client in clients.items():
            if role != "anonymous":
                client.force_login(world.accounts.get(role, operator))
        yield world, clients, media
        transaction.set_rollback(True)


# HEAD is answered by the view of GET, whose page is made for GET. Django's tests keep a copy of
# what each template was given, which takes longer than making the page.
RENDERED = {"head": lambda template, context: ""}


@pytest.fixture
def world(shared_world, settings, monkeypatch):
    settings.MEDIA_ROOT = shared_world[2]
    monkeypatch.setattr(Template, "_render", lambda one, context: one.nodelist.render(context))
    return shared_world[0]


@pytest.fixture
def clients(shared_world):
    return shared_world[1]


def _close(response: HttpResponseBase) -> None:
    """Close its files; the transaction around it needs the database connection open."""
    request_finished.disconnect(close_old_connections)
    response.close()
    request_finished.connect(close_old_connections)


def outcome(client: Client, method: str, url: str, data: Values) -> str:
    """`open`, or how it was refused: `login`, `missing`, `method`."""
    is_json = "/label/" in url or url.startswith("/api/")
    kind = {"content_type": "application/json"} if is_json and method in WRITING else {}
    cookies = deepcopy(client.cookies)
    try:
        with transaction.atomic():
            given = data if method == "post" or is_json else {}
            with patch.object(Template, "_render", RENDERED.get(method, Template._render)):
                response = getattr(client, method)(url, given, **kind)
            status, target = response.status_code, response.get("Location", "")
            _close(response)
            transaction.set_rollback(True)
    except Exception as error:
        raise AssertionError(f"{method} {url}") from error
    finally:
        client.cookies = cookies
    assert status < 500, f"{method} {url}: {status}"
    pages = (reverse("login"), reverse("account_login"))
    if status == 401 or (status == 302 and target.startswith(pages)):
        return "login"
    if url != reverse("datasets:home") and target == reverse("qc:my"):
        return "missing"
    return {403: "missing", 404: "missing", 405: "method"}.get(status, "open")


WRITING = ("post", "put", "patch", "delete")


def check(found: str, method: str, role: str, who: Who, where: str) -> None:
    """Whether what was found is what the row says."""
    if method == "options":  # what an address takes, and nothing of what is there
        assert found in ("method", "login", "open", "missing"), where
    elif who == NOBODY:
        assert found in ("method", "login"), where
    elif who == PUBLIC:
        assert found in ("open", "login", "method"), where
    elif may_open(role, who):
        assert found in (("open", "method") if method == "head" else ("open",)), where
    else:
        assert found in ("login", "missing", *(["method"] if method == "head" else [])), where


@pytest.mark.parametrize("name", sorted(ROWS))
def test_an_address_opens_for_those_who_may_and_nobody_else(name, world, clients):
    row = ROWS[name]
    arguments: Values = {}
    if "name" in PATTERNS[name].pattern.converters:
        arguments["name"] = "shop"
    arguments |= world.arguments(row.more)
    url = reverse(name, kwargs=arguments)
    data = world.arguments(row.data)
    for method in METHODS:
        for role in reversed(EVERYBODY):
            found = outcome(clients[role], method, url, data)
            where = f"{method} {url} as {role}: {found}"
            check(found, method, role, row.who(method), where)


def _admin_lists() -> list[str]:
    """The addresses of the admin that need no key."""
    [admin] = [one for one in get_resolver().url_patterns if _is_admin(one)]
    names = [one.name for one in admin.url_patterns if isinstance(one, URLPattern)]
    models = [one for one in admin.url_patterns if isinstance(one, URLResolver)]
    lists = [f"/admin/{one.pattern}{which}" for one in models for which in ("", "add/")]
    return [
        *lists,
        *(reverse(f"admin:{name}") for name in names if name in ("index", "jsi18n")),
    ]


def _is_admin(entry: URLPattern | URLResolver) -> bool:
    return isinstance(entry, URLResolver) and entry.namespace == "admin"


def test_admin_pages_are_for_operators_alone(clients, world):
    urls = _admin_lists()
    assert "/admin/datasets/dataset/" in urls
    for url in urls:
        for role in (*ROLES, "stranger", "anonymous"):
            response = clients[role].get(url)
            assert response.status_code == 302, f"{url} as {role}"
            assert response["Location"].startswith("/admin/login/"), f"{url} as {role}"
