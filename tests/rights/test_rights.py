"""Who may open what: every address by GET and POST, as every role, a stranger, and nobody.

An address without a row in ROWS fails, so a new page states who may open it. Admin pages and
static files are not listed: the former are for operators alone.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections, transaction
from django.http import HttpResponseBase
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from datasets.core.roles import MAY, Act
from tests.make import make_user
from tests.rights.world import ROLES, World

pytestmark = pytest.mark.django_db

PUBLIC = "public"  # without an account
ACCOUNT = "account"  # any account
STUDIO = "studio"  # any account but that of an annotator
STAFF = "staff"  # operators
SIGNED = "signed"  # machines with a signature; all others get 403
OWN_TASK = "own task"  # of the annotator
LABELLED = "labelled"  # a task that one labels or may look on at
WITH_BUCKET = "with a bucket"  # not in these tests
OWN = "their own"  # rows of one user, whom these tests are not
NOBODY = "nobody"  # the method is refused to everybody
EVERYBODY = (*ROLES, "stranger", "operator", "anonymous")

Who = str | Act | tuple[Act, ...]
Values = dict[str, Any]


class Row(NamedTuple):
    """Who may open an address. A function in `arguments` or `data` gets the world."""

    get: Who
    post: Who = NOBODY
    data: Values = {}
    more: Values = {}  # arguments beside the dataset's name


def _clip(world: World) -> str:
    return world.clip.name


def _key(attribute: str) -> Callable[[World], int]:
    return lambda world: getattr(world, attribute).pk


OF_CLIP = {"clip": _clip}
OF_TASK = {"pk": _key("task")}
OF_OPEN_TASK = {"pk": _key("open_task")}
OF_ACTION = {"pk": lambda world: world.action.pk}
OF_RUN = {"pk": _key("run")}
OF_BUNDLE = {"pk": _key("bundle"), "file": "manifest.json"}
NAMES_AND_FILES = (Act.SEE_NAMES, Act.DOWNLOAD)

ROWS: dict[str, Row] = {
    "login": Row(PUBLIC, PUBLIC),
    "logout": Row(NOBODY, PUBLIC),
    "datasets:home": Row(PUBLIC),
    "datasets:list": Row(STUDIO),
    "datasets:new": Row(STUDIO, STUDIO),
    "datasets:upload": Row(Act.UPLOAD, Act.UPLOAD),
    "datasets:transfers": Row(NOBODY, Act.UPLOAD),
    "datasets:transfer": Row(NOBODY, more={"key": lambda world: world.transfer.key}),
    "datasets:parts": Row(WITH_BUCKET, WITH_BUCKET, more={"key": lambda w: w.transfer.key}),
    "datasets:vocabulary": Row(Act.CONFIGURE, Act.CONFIGURE),
    "datasets:videos": Row(Act.SEE),
    "datasets:settings": Row(Act.SEE, Act.CONFIGURE, {"description": "Shops."}),
    "datasets:delete": Row(Act.DELETE, Act.DELETE, {"name": "shop"}),
    "datasets:delete-video": Row(Act.DELETE, Act.DELETE, more={"video": "aisle"}),
    "datasets:retry": Row(NOBODY, Act.CONFIGURE, more={"kind": "video"}),
    "datasets:clip-file": Row(Act.SEE, more=OF_CLIP),
    "datasets:poster": Row(Act.SEE, more=OF_CLIP),
    "datasets:keyframe": Row(Act.SEE, more=OF_CLIP | {"second": 0}),
    "tracking:api-datasets": Row(ACCOUNT),
    "tracking:api-bundles": Row(Act.DOWNLOAD, Act.RELEASE),
    "tracking:api-bundle": Row(Act.DOWNLOAD, more={"pk": _key("bundle")}),
    "tracking:api-bundle-file": Row(Act.DOWNLOAD, more=OF_BUNDLE),
    "tracking:page": Row(Act.SEE, Act.CONFIGURE),
    "tracking:activate": Row(NOBODY, Act.CONFIGURE),
    "tracking:delete": Row(NOBODY, Act.CONFIGURE, {"experiment": _key("experiment")}),
    "tracking:read-weights": Row(NOBODY, Act.CONFIGURE),
    "tracking:cancel": Row(NOBODY, Act.CONFIGURE),
    "tracking:bundle-create": Row(NOBODY, Act.RELEASE),
    "tracking:bundle-file": Row(Act.DOWNLOAD, more=OF_BUNDLE),
    "tracking:tracks": Row(Act.DOWNLOAD, more=OF_RUN),
    "tracking:run": Row(Act.SEE, more=OF_RUN),
    "tracking:sheet": Row(Act.SEE, more=OF_RUN | {"track": 1}),
    "tracking:retry": Row(NOBODY, Act.CONFIGURE, more={"kind": "run"}),
    "annotation:webhook": Row(NOBODY, SIGNED, more={"uuid": lambda world: world.server.uuid}),
    "annotation:servers": Row(STAFF),
    "tracking:files": Row(STAFF, STAFF),
    "annotation:server_new": Row(STAFF, STAFF),
    "annotation:server": Row(STAFF, more={"name": "our-cvat"}),
    "annotation:server_edit": Row(STAFF, STAFF, more={"name": "our-cvat"}),
    "annotation:server_test": Row(NOBODY, STAFF, more={"name": "our-cvat"}),
    "annotation:server_delete": Row(NOBODY, STAFF, more={"name": "our-cvat"}),
    "annotation:guidelines": Row(Act.READ_GUIDELINES),
    "annotation:guideline-image": Row(Act.READ_GUIDELINES, more={"pk": _key("image")}),
    "annotation:guideline-text": Row(Act.CONFIGURE, Act.CONFIGURE),
    "annotation:guideline-action": Row(Act.CONFIGURE, Act.CONFIGURE, more=OF_ACTION),
    "annotation:guideline-pick": Row(Act.CONFIGURE, Act.CONFIGURE, more=OF_ACTION),
    "annotation:guideline-upload": Row(NOBODY, Act.CONFIGURE),
    "annotation:guideline-remove": Row(NOBODY, Act.CONFIGURE, {"image": _key("image")}),
    "annotation:cvat": Row(Act.SEE_NAMES),
    "annotation:cvat_boxes": Row(NAMES_AND_FILES),
    "annotation:cvat_connect": Row(Act.CONFIGURE, Act.CONFIGURE),
    "annotation:cvat_send": Row(NOBODY, Act.ASSIGN),
    "annotation:cvat_pause": Row(NOBODY, Act.ASSIGN),
    "annotation:cvat_sync": Row(NOBODY, Act.ASSIGN),
    "annotation:cvat_retry": Row(NOBODY, Act.ASSIGN, more={"what": "failed"}),
    "annotation:cvat_adopt": Row(NOBODY, Act.ASSIGN),
    "annotation:cvat_reply": Row(NOBODY, Act.REVIEW, more=OF_TASK),
    "annotation:cvat_deliveries": Row(Act.SEE_NAMES),
    "annotation:cvat_replay": Row(NOBODY, Act.ASSIGN),
    "annotation:cvat_members": Row(Act.ASSIGN),
    "annotation:cvat_add": Row(NOBODY, Act.ASSIGN),
    "annotation:cvat_invite": Row(NOBODY, Act.ASSIGN),
    "annotation:plan": Row(Act.ASSIGN, Act.ASSIGN),
    "annotation:unassign": Row(NOBODY, Act.ASSIGN, {"annotator": _key("annotator")}),
    "annotation:reassign": Row(NOBODY, Act.ASSIGN, {"annotator": _key("annotator")}),
    "annotation:qualify": Row(NOBODY, Act.ASSIGN, {"annotator": _key("annotator")}),
    "annotation:tool": Row(NOBODY, Act.ASSIGN, {"annotator": _key("annotator")}),
    "annotation:revise": Row(NOBODY, Act.ASSIGN, {"annotator": _key("annotator")}),
    "annotation:gold_tasks": Row(NOBODY, Act.ASSIGN),
    "annotation:gold": Row(NOBODY, Act.ASSIGN),
    "annotation:package": Row(NAMES_AND_FILES, more=OF_TASK),
    "annotation:backup": Row(NAMES_AND_FILES, more=OF_TASK),
    "annotation:all-packages": Row(NAMES_AND_FILES),
    "annotation:packages": Row(NAMES_AND_FILES, more={"pk": _key("annotator")}),
    "annotation:backups": Row(NAMES_AND_FILES, more={"pk": _key("annotator")}),
    "annotation:task_backups": Row(NAMES_AND_FILES, more={"pk": _key("annotator")}),
    "annotation:answers": Row(NOBODY, Act.REVIEW),
    "annotation:accept": Row(NOBODY, Act.OVERRIDE, more={"pk": _key("version")}),
    "annotation:label-open": Row(NOBODY, OWN_TASK, more=OF_OPEN_TASK),
    "annotation:label-operations": Row(LABELLED, OWN_TASK, more=OF_OPEN_TASK),
    "annotation:label-discard": Row(NOBODY, OWN_TASK, more=OF_OPEN_TASK),
    "annotation:label-discarded": Row(LABELLED, more=OF_OPEN_TASK),
    "annotation:label-submit": Row(NOBODY, OWN_TASK, more=OF_OPEN_TASK),
    "annotation:label-reopen": Row(NOBODY, OWN_TASK, more=OF_OPEN_TASK),
    "annotation:label-clip": Row(LABELLED, more=OF_OPEN_TASK),
    "annotation:label-poster": Row(LABELLED, more=OF_OPEN_TASK),
    "annotation:label-frame": Row(LABELLED, more=OF_OPEN_TASK | {"number": 0}),
    "annotation:retry": Row(NOBODY, Act.CONFIGURE, more={"kind": "task"}),
    "qc:my": Row(ACCOUNT),
    "qc:cost": Row(Act.SEE_NAMES),
    "qc:overview": Row(Act.SEE),
    "qc:retry": Row(NOBODY, Act.CONFIGURE, more={"kind": "report"}),
    "qc:clips": Row(Act.SEE),
    "qc:clip": Row(Act.SEE, more=OF_CLIP),
    "qc:scene": Row(Act.SEE, more=OF_CLIP),
    "qc:view-save": Row(NOBODY, Act.SEE, {"page": "qc:clips", "name": "All", "query": ""}),
    "qc:view-remove": Row(NOBODY, OWN, more={"pk": 1}),
    "qc:tasks": Row(Act.SEE_NAMES),
    "qc:task": Row(Act.SEE_NAMES, more=OF_TASK),
    "qc:label": Row(LABELLED, more=OF_OPEN_TASK),
    "qc:label-task": Row(LABELLED, more=OF_OPEN_TASK),
    "qc:task-comment": Row(NOBODY, Act.REVIEW, more=OF_TASK),
    "qc:agreement": Row(Act.SEE_NAMES),
    "qc:agreement-period": Row(NOBODY, Act.SEE_NAMES),
    "qc:agreement-group": Row(Act.SEE_NAMES, more={"group": "posture"}),
    "qc:agreement-pair": Row(Act.SEE_NAMES, more={"a": "annotator", "b": "kim"}),
    "qc:agreement-annotator": Row(Act.SEE_NAMES, more={"annotator": "kim"}),
    "qc:agreement-clip": Row(Act.SEE_NAMES, more=OF_CLIP),
    "qc:proposals": Row(Act.SEE),
    "qc:gold": Row(Act.SEE_NAMES),
    "qc:quality-rules": Row(Act.SEE),
    "qc:quality-rules-save": Row(NOBODY, Act.CONFIGURE),
    "qc:review": Row(Act.REVIEW),
    "qc:verdict": Row(NOBODY, Act.REVIEW),
    "qc:approve-by-threshold": Row(Act.REVIEW),
    "qc:adjudication": Row(Act.ADJUDICATE),
    "qc:adjudication-next": Row(Act.ADJUDICATE),
    "qc:adjudicate": Row(NOBODY, Act.ADJUDICATE),
    "qc:adjudication-entries": Row(NOBODY, Act.ADJUDICATE),
    "qc:undo-decisions": Row(NOBODY, Act.ADJUDICATE),
    "qc:decisions": Row(Act.ADJUDICATE),
    "qc:third-opinions": Row(Act.ASSIGN, Act.ASSIGN),
    "qc:releases": Row(Act.SEE),
    "qc:release-new": Row(Act.RELEASE),
    "qc:release-create": Row(NOBODY, Act.RELEASE),
    "qc:release-download": Row(Act.DOWNLOAD, more={"number": 1}),
    "qc:release-card": Row(Act.DOWNLOAD, more={"number": 2}),
    "qc:release-sync": Row(NOBODY, (Act.RELEASE, Act.DOWNLOAD), more={"number": 1}),
    "qc:release-delete-files": Row(NOBODY, Act.DELETE, more={"number": 1}),
    "workers:members": Row(Act.INVITE_ANNOTATORS, Act.INVITE_ANNOTATORS),
    "workers:revoke": Row(NOBODY, Act.INVITE_ANNOTATORS, {"invitation": _key("invitation")}),
    "workers:role": Row(
        NOBODY, Act.MANAGE_MEMBERS, {"member": _key("viewer"), "role": "owner"}
    ),
    "workers:remove": Row(NOBODY, Act.MANAGE_MEMBERS, {"member": _key("viewer")}),
    "workers:new-label-link": Row(
        NOBODY, Act.INVITE_ANNOTATORS, {"annotator": _key("annotator")}
    ),
    "workers:label-link": Row(PUBLIC, PUBLIC, more={"token": "nothing"}),
    "workers:join": Row(PUBLIC, PUBLIC, more={"token": lambda world: world.token}),
    "workers:work": Row(STUDIO),
    "workers:help": Row(ACCOUNT),
    "workers:help-image": Row(ACCOUNT, more={"name": "overview-page.png"}),
    "workers:help-page": Row(ACCOUNT, more={"slug": "planning"}),
    "workers:password": Row(ACCOUNT, ACCOUNT),
}


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


def may_open(role: str, who: Who) -> bool:
    if role == "anonymous" or who in (NOBODY, SIGNED, WITH_BUCKET, OWN):
        return False
    if who == ACCOUNT:
        return True
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


@pytest.fixture
def world(shared_world, settings):
    settings.MEDIA_ROOT = shared_world[2]
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
    try:
        with transaction.atomic():
            browser = Client()
            browser.cookies.load(client.cookies.output(header="", sep=";"))
            kind = {"content_type": "application/json"} if "/label/" in url else {}
            response = getattr(browser, method)(url, data, **(kind if method == "post" else {}))
            status, target = response.status_code, response.get("Location", "")
            _close(response)
            transaction.set_rollback(True)
    except Exception as error:
        raise AssertionError(f"{method} {url}") from error
    if status == 401 or (status == 302 and target.startswith(reverse("login"))):
        return "login"
    if url != reverse("datasets:home") and target == reverse("qc:my"):
        return "missing"
    return {403: "missing", 404: "missing", 405: "method"}.get(status, "open")


@pytest.mark.parametrize("name", sorted(ROWS))
def test_an_address_opens_for_those_who_may_and_nobody_else(name, world, clients):
    row = ROWS[name]
    arguments: Values = {}
    if "name" in PATTERNS[name].pattern.converters:
        arguments["name"] = "shop"
    arguments |= world.arguments(row.more)
    url = reverse(name, kwargs=arguments)
    data = world.arguments(row.data)
    for method, who in (("get", row.get), ("post", row.post)):
        for role in reversed(EVERYBODY):
            found = outcome(clients[role], method, url, data if method == "post" else {})
            where = f"{method} {url} as {role}: {found}"
            if who == NOBODY:
                assert found in ("method", "login"), where
            elif who == PUBLIC:
                assert found in ("open", "login"), where
            elif may_open(role, who):
                assert found == "open", where
            else:
                assert found in ("login", "missing"), where


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
