import json
import threading
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone

from annotation.core.docker_network import compose_override, url_from_docker
from annotation.core.encryption import DecryptionError
from annotation.cvat.client import CvatMember
from annotation.cvat.transport import Transport
from annotation.models import CvatServer, WebhookDelivery
from annotation.services.cvat.connection import (
    check_connection,
    ensure_environment_server,
    permission_problems,
    save_server,
    webhook_url,
)
from annotation.services.cvat.deliveries import InvalidSignatureError, receive
from avaproject.base.work import Stage
from tests.cvat_double.steps import make_server

pytestmark = pytest.mark.django_db


def tried(server):
    return check_connection(server.pk)


def check_of(server, subject):
    (found,) = [one for one in server.checks if one["subject"] == subject]
    return found


@pytest.fixture
def pinged(monkeypatch, cvat):
    """Pings reach us without a web server in between."""

    def post(url, body, headers):
        server = CvatServer.objects.get()
        try:
            receive(server, body, headers.get("X-Signature-256"))
        except InvalidSignatureError as error:
            return 403, str(error)
        return 200, json.dumps({"ok": True, "server": str(server.uuid)})

    real = Transport.call

    # The double would ask from a thread of its own, which a test's transaction does not show.
    def in_this_thread(self, method, path, *, query=None, body=None):
        if path.endswith("/ping"):
            hook = int(path.split("/")[3])
            content = json.dumps({"event": "ping", "webhook": cvat.state.webhooks[hook]})
            status, answer = cvat.post(hook, content.encode())
            return {"status_code": status, "response": answer}
        return real(self, method, path, query=query, body=body)

    monkeypatch.setattr("tests.cvat_double.server.post", post)
    monkeypatch.setattr(Transport, "call", in_this_thread)


def test_credentials_are_encrypted_in_the_database(cvat):
    server = make_server(cvat)
    stored = str(CvatServer.objects.values().get())
    assert cvat.token not in stored
    assert server.secret not in stored
    assert CvatServer.objects.get().token == cvat.token


def test_credentials_of_another_key_are_an_error(cvat, settings):
    server = make_server(cvat)
    settings.SECRETS_KEYS = ["another"]
    assert "AVA_SECRETS_KEY" in tried(server).error
    with pytest.raises(DecryptionError):
        _ = server.token


def test_saving_without_credentials_keeps_them(cvat):
    server = make_server(cvat)
    secret = server.secret
    server.organisation = ""
    save_server(server)
    server.refresh_from_db()
    assert (server.token, server.secret) == (cvat.token, secret)


def test_the_test_reports_account_and_version(cvat):
    server = tried(make_server(cvat))
    assert (server.stage, server.version, server.account) == (Stage.DONE, "2.54.1", "admin")
    assert check_of(server, "account")["message"] == "Signed in to CVAT 2.54.1 as admin."
    assert "4 members" in check_of(server, "organisation")["message"]


def test_a_user_and_a_password_work_too(cvat):
    server = CvatServer(name="lab", url=cvat.url, organisation="avalab")
    save_server(server, user="admin", password=cvat.password)
    assert tried(server).account == "admin"


def test_without_a_callback_address_the_test_warns(cvat):
    found = check_of(tried(make_server(cvat)), "webhooks")
    assert not found["is_ok"]
    assert "AVA_PUBLIC_URL" in found["fix"]


def test_a_working_webhook_is_verified_by_a_ping(cvat, settings, pinged):
    settings.PUBLIC_URL = "http://ava.example.org"
    server = tried(make_server(cvat))
    found = check_of(server, "webhooks")
    assert found["is_ok"], found
    assert WebhookDelivery.objects.get().outcome == "ping: the webhook works"
    assert cvat.state.projects == cvat.state.webhooks == {}


def test_an_unreachable_callback_address_comes_with_the_override(cvat, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:1"
    found = check_of(tried(make_server(cvat)), "webhooks")
    assert not found["is_ok"]
    assert "CVAT reports status 502" in found["message"]
    assert "SMOKESCREEN_OPTS" in found["snippet"]
    assert "http://host.docker.internal:1" in found["fix"]
    assert cvat.state.projects == {}


def test_another_server_at_the_callback_address_is_reported(cvat, settings, monkeypatch):
    monkeypatch.setattr("tests.cvat_double.server.post", lambda *args: (200, "hello"))
    settings.PUBLIC_URL = "http://ava.example.org"
    found = check_of(tried(make_server(cvat)), "webhooks")
    assert "another server responds there" in found["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"organisation": "nosuch"}, "no organisation with the short name nosuch"),
        ({"url": "http://127.0.0.1:1"}, "cannot be reached"),
    ],
)
def test_an_error_of_a_server_is_one_message(cvat, change, message):
    server = make_server(cvat)
    CvatServer.objects.update(**change)
    done = tried(server)
    assert (done.stage, message in done.error) == (Stage.FAILED, True)


def test_an_old_version_is_reported_with_a_fix(cvat):
    cvat.state.version = "2.9.2"
    found = check_of(tried(make_server(cvat)), "version")
    assert (found["is_ok"], found["fix"]) == (False, "Upgrade CVAT to 2.54 or newer.")


@pytest.mark.parametrize("version", ["2.54.1", "2.80.0", "3.0.0-alpha", "nightly"])
def test_a_supported_version_is_not_reported(cvat, version):
    cvat.state.version = version
    assert "version" not in [one["subject"] for one in tried(make_server(cvat)).checks]


def test_an_account_that_may_not_create_projects_is_reported(cvat, settings):
    settings.PUBLIC_URL = "http://ava.example.org"
    cvat.fail("POST", "/api/projects", status=403)
    server = tried(make_server(cvat))
    assert server.stage == Stage.DONE
    assert "the role maintainer" in check_of(server, "webhooks")["message"]


def test_a_callback_address_that_cvat_rejects_is_reported_with_a_fix(cvat, settings):
    settings.PUBLIC_URL = "http://web:8000"
    found = check_of(tried(make_server(cvat)), "webhooks")
    assert "must be localhost, an IP address, or have a dot in its name" in found["message"]
    assert "alias such as ava.local" in found["fix"]
    assert cvat.state.projects == {}


def test_a_wrong_token_is_reported(cvat):
    server = make_server(cvat)
    save_server(server, token="expired")
    assert "Enter a new one" in tried(server).error


def test_a_claimed_connection_test_is_not_repeated(cvat):
    server = make_server(cvat)
    CvatServer.objects.claim(server.pk)
    assert tried(server) is None


def test_the_server_of_the_environment_is_a_row_that_follows_it(cvat, settings):
    ensure_environment_server()
    assert not CvatServer.objects.exists()
    settings.CVAT_URL, settings.CVAT_ORGANISATION = cvat.url, "avalab"
    settings.CVAT_TOKEN = cvat.token
    ensure_environment_server()
    ensure_environment_server()
    server = CvatServer.objects.get()
    assert (server.name, server.token, server.is_from_environment) == (
        "environment", cvat.token, True
    )  # fmt: skip
    assert tried(server).stage == Stage.DONE
    settings.CVAT_TOKEN = "renewed"
    ensure_environment_server()
    server = CvatServer.objects.get()
    assert (server.token, server.stage) == ("renewed", Stage.WAITING)


def test_two_processes_create_one_server_of_the_environment(cvat, settings):
    settings.CVAT_URL, settings.CVAT_TOKEN = cvat.url, cvat.token

    def other_is_first(execute, sql, *args):
        if sql.startswith("SAVEPOINT") and not CvatServer.objects.exists():
            CvatServer.objects.create(name="environment", is_from_environment=True)
        return execute(sql, *args)

    with connection.execute_wrapper(other_is_first):
        ensure_environment_server()
    assert CvatServer.objects.get().is_from_environment


def test_the_servers_callback_address_overrides_the_setting(cvat, settings):
    settings.PUBLIC_URL = "https://ava.example.org"
    server = make_server(cvat, callback_url="http://10.0.0.5:8000/")
    assert webhook_url(server).startswith("http://10.0.0.5:8000/api/cvat/webhooks/")


def test_the_override_allows_private_addresses_by_their_number():
    assert compose_override("http://ava.lan:8000", ["10.0.0.5", "8.8.8.8"]) == (
        "services:\n"
        "  cvat_server:\n"
        "    environment:\n"
        '      SMOKESCREEN_OPTS: "--allow-address=10.0.0.5"\n'
        "  cvat_worker_webhooks:\n"
        "    environment:\n"
        '      SMOKESCREEN_OPTS: "--allow-address=10.0.0.5"\n'
    )


def test_localhost_has_another_name_inside_docker():
    assert url_from_docker("http://localhost") == "http://host.docker.internal"
    assert "host-gateway" in compose_override("http://host.docker.internal:8000", [])


@pytest.mark.django_db(transaction=True)
def test_a_real_ping_over_a_real_webhook(cvat, live_server, settings):
    settings.PUBLIC_URL = live_server.url
    settings.ALLOWED_HOSTS = ["*"]
    server = make_server(cvat)
    thread = threading.Thread(target=lambda: (tried(server), connections.close_all()))
    thread.start()
    thread.join(20)
    server.refresh_from_db()
    assert check_of(server, "webhooks")["is_ok"], server.checks


def account(**more):
    return {"username": "ann", "groups": ["user"], "is_superuser": False} | more


@pytest.mark.parametrize(
    ("said", "token", "role", "expected"),
    [
        pytest.param(account(), None, "maintainer", "", id="maintainer"),
        pytest.param(account(), None, "worker", "role worker", id="worker"),
        pytest.param(
            account(groups=[]), None, "owner", "cannot create projects", id="no group"
        ),
        pytest.param(
            account(), {"read_only": True}, "owner", "read-only", id="read-only token"
        ),
        pytest.param(account(is_superuser=True), None, "worker", "", id="superuser"),
    ],
)
def test_what_the_account_may_not_do_is_said(said, token, role, expected):
    members = [CvatMember(1, "ann", role, True)]
    problems = permission_problems(said, token, members, "avalab")
    assert expected in " ".join(" ".join(one) for one in problems)
    assert bool(problems) == bool(expected)


def test_nothing_is_created_in_cvat_with_a_read_only_token(cvat):
    cvat.access_token = {"read_only": True, "expiry_date": None}
    server = make_server(cvat)
    check_connection(server.pk)
    server.refresh_from_db()
    assert [one["subject"] for one in server.checks if not one["is_ok"]] == ["permissions"]
    assert not [path for method, path in cvat.calls if method != "GET"]


def test_a_token_that_ends_tomorrow_is_said(cvat):
    tomorrow = timezone.now() + timedelta(days=1)
    cvat.access_token = {"read_only": False, "expiry_date": tomorrow.isoformat()}
    server = make_server(cvat)
    check_connection(server.pk)
    server.refresh_from_db()
    assert server.token_expires_at == tomorrow
    assert "The token ends tomorrow." in [one["message"] for one in server.checks]


def encrypted_server(name: str, **credentials: str) -> CvatServer:
    server = CvatServer(name=name, url="https://cvat.example.org")
    server.set_credentials(**credentials)
    server.renew_secret()
    server.save()
    return server


def test_after_reencryption_the_old_key_is_needed_no_more(settings, capsys):
    settings.SECRETS_KEYS = ["old"]
    token = encrypted_server("a", token="t0ken")
    password = encrypted_server("b", user="kim", password="pass/word")
    secret = token.secret
    settings.SECRETS_KEYS = ["new", "old"]
    for _ in range(2):
        call_command("reencrypt_credentials")
        assert "Encrypted anew: a, b." in capsys.readouterr().out
    settings.SECRETS_KEYS = ["new"]
    token.refresh_from_db()
    password.refresh_from_db()
    assert (token.token, token.secret) == ("t0ken", secret)
    assert (password.user, password.password) == ("kim", "pass/word")


def test_nothing_is_changed_if_one_cannot_be_decrypted(settings):
    settings.SECRETS_KEYS = ["old"]
    readable = encrypted_server("a", token="t0ken")
    settings.SECRETS_KEYS = ["lost"]
    encrypted_server("b", token="other")
    settings.SECRETS_KEYS = ["new", "old"]
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("reencrypt_credentials")
    settings.SECRETS_KEYS = ["new"]
    readable.refresh_from_db()
    with pytest.raises(DecryptionError):
        _ = readable.token
