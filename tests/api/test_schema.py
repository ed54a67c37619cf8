"""The schema of the API is true: what it allows is answered as it says, and never with 500."""

import os
import re
from functools import cache as cached

import pytest
import schemathesis
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.urls import URLResolver, get_resolver
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from datasets.accounts.tokens import SCOPES, make_token
from tests.make import make_user
from tests.rights.world import World
from workers.api.schema import Generator

pytestmark = pytest.mark.django_db

EXAMPLES = 20 if "CI" in os.environ else 2  # of each operation
load_all_checks()
CHECKED = [
    check
    for check in CHECKS.get_all()
    if getattr(check, "__name__", type(check).__name__)
    in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
]


@cached
def application():
    """Made once: to load all middleware takes longer than to answer."""
    return get_wsgi_application()


def whole_responses(environ, start_response):
    """The application, whose files are read and closed at once."""
    response = application()(environ, start_response)
    try:
        return [b"".join(response)]
    finally:
        response.close()


@pytest.fixture
def api(settings):
    """The schema of an installation with one dataset; requests are those of its owner."""
    settings.API_RATE = 10**9
    settings.MAX_ZIP_BYTES = 10_000  # room for uploads is kept from the disk when they begin
    cache.clear()
    for signal in (request_started, request_finished):  # the test's transaction goes on
        signal.disconnect(close_old_connections)
    owner = World().accounts["owner"]
    _, token = make_token(owner, name="fuzz", scopes=list(SCOPES), days=1)
    headers = {"Authorization": f"Token {token}", "Accept-Encoding": "identity"}
    found = schemathesis.openapi.from_wsgi(
        "/api/schema/?format=json", whole_responses, headers=headers
    )
    found.config.update(headers=headers)
    yield found
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


OPTIONS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def try_operation(operation):
    @given(case=operation.as_strategy())
    def answers_as_the_schema_says(case):
        given_path = case.path_parameters or {}
        case.path_parameters = {name: KNOWN.get(name, one) for name, one in given_path.items()}
        with transaction.atomic():
            case.call_and_validate(checks=CHECKED)
            transaction.set_rollback(True)

    OPTIONS(answers_as_the_schema_says)()


def test_every_operation_answers_as_the_schema_says(api):
    failures = {}
    for found in api.get_all_operations():
        operation = found.ok()
        if any(one in operation.label for one in PROTOCOLS):
            continue
        try:
            try_operation(operation)
        except FailureGroup as group:
            failures[operation.label] = [str(one) for one in group.exceptions]
    assert not failures, "\n".join(f"{label}: {why}" for label, why in failures.items())


# Described by hand, and tried by the tests of uploads, of the label page, and of deliveries.
PROTOCOLS = ("/transfers/", "/draft/", "/cvat/webhooks/")
KNOWN = {"name": "shop", "clip": "aisle-c0000", "video": "aisle"}


def schema():
    generator = spectacular_settings.DEFAULT_GENERATOR_CLASS()
    return generator.get_schema(request=None, public=True)


def test_the_schema_is_valid_and_names_each_operation_once():
    found = schema()
    validate_schema(found)
    names = [
        operation["operationId"]
        for methods in found["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names)) > 40
    assert len(CHECKED) == 4


def _addresses(resolver, prefix=""):
    """All addresses below /api/ as the schema writes them, with their views."""
    for entry in resolver.url_patterns:
        where = prefix + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(entry.pattern))
        where = where.replace("{pk}", "{id}")
        if isinstance(entry, URLResolver):
            yield from _addresses(entry, where)
        elif where.startswith("api/"):
            yield f"/{where}", entry.callback.view_class


def test_every_address_and_method_of_the_api_is_in_the_schema():
    documented = schema()["paths"]
    methods = {}
    for where, view in _addresses(get_resolver()):
        if view.__name__ not in ("SpectacularAPIView", "SpectacularSwaggerSplitView"):
            named = [one for one in view.http_method_names if one != "options"]
            methods[where] = {one for one in named if hasattr(view, one)}
    assert len(methods) > 40
    assert {where: set(found) for where, found in documented.items()} == methods


def test_the_schema_names_the_headers_of_the_upload_protocol():
    one = schema()["paths"]["/api/datasets/{name}/transfers/{key}/"]
    sent = {found["name"]: found for found in one["patch"]["parameters"]}
    assert sent["Upload-Offset"]["in"] == "header"
    assert sent["Upload-Offset"]["required"]
    assert set(one["patch"]["requestBody"]["content"]) == {"application/offset+octet-stream"}
    assert "Upload-Offset" in one["patch"]["responses"]["204"]["headers"]
    assert {"Upload-Offset", "Upload-Length"} <= set(one["head"]["responses"]["200"]["headers"])


def test_the_schema_is_made_once(client, monkeypatch):
    client.force_login(make_user())
    first = client.get("/api/schema/").content
    monkeypatch.setattr(Generator, "parse", lambda *_: pytest.fail("made again"))
    assert client.get("/api/schema/").content == first
