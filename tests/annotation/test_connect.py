import json
import threading

import pytest
from django.db import connection, connections

from annotation.core.encryption import DecryptionError
from annotation.core.docker_network import compose_override, url_from_docker
from annotation.cvat.transport import Transport
from annotation.models import CvatServer, WebhookDelivery
from annotation.services.cvat.connection import (
    check_connection,
    ensure_environment_server,
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

    monkeypatch.setattr("tests.cvat_double.server._post", post)
    monkeypatch.setattr(Transport, "call", in_this_thread)


def test_credentials_do_not_lie_open_in_the_database(cvat):
    server = make_server(cvat)
    stored = str(CvatServer.objects.values().get())
    assert cvat.token not in stored
    assert server.secret not in stored
    assert CvatServer.objects.get().token == cvat.token


def test_another_key_does_not_open_them_and_that_is_said(cvat, settings):
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


def test_the_test_says_who_we_are_and_which_version(cvat):
    server = tried(make_server(cvat))
    assert (server.stage, server.version, server.account) == (Stage.DONE, "2.54.1", "admin")
    assert check_of(server, "account")["message"] == "CVAT 2.54.1 knows us as admin."
    assert "4 members" in check_of(server, "organisation")["message"]


def test_a_user_and_a_password_do_as_well(cvat):
    server = CvatServer(name="lab", url=cvat.url, organisation="avalab")
    save_server(server, user="admin", password=cvat.password)
    assert tried(server).account == "admin"


def test_without_an_address_of_ours_the_test_says_what_is_missed(cvat):
    found = check_of(tried(make_server(cvat)), "webhooks")
    assert not found["is_ok"]
    assert "AVA_PUBLIC_URL" in found["fix"]


def test_a_webhook_that_reaches_us_is_found_out_by_a_ping(cvat, settings, pinged):
    settings.PUBLIC_URL = "http://ava.example.org"
    server = tried(make_server(cvat))
    found = check_of(server, "webhooks")
    assert found["is_ok"], found
    assert WebhookDelivery.objects.get().outcome == "a ping: the webhook works"
    assert cvat.state.projects == cvat.state.webhooks == {}


def test_a_webhook_that_does_not_reach_us_comes_with_the_override(cvat, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:1"
    found = check_of(tried(make_server(cvat)), "webhooks")
    assert not found["is_ok"]
    assert "CVAT says 502" in found["message"]
    assert "SMOKESCREEN_OPTS" in found["snippet"]
    assert "http://host.docker.internal:1" in found["fix"]
    assert cvat.state.projects == {}


def test_something_else_at_our_address_is_found_out(cvat, settings, monkeypatch):
    monkeypatch.setattr("tests.cvat_double.server._post", lambda *args: (200, "hello"))
    settings.PUBLIC_URL = "http://ava.example.org"
    found = check_of(tried(make_server(cvat)), "webhooks")
    assert "something else answers there" in found["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"organisation": "nosuch"}, "has no organisation nosuch"),
        ({"url": "http://127.0.0.1:1"}, "cannot be reached"),
    ],
)
def test_what_is_wrong_with_a_server_is_one_sentence(cvat, change, message):
    server = make_server(cvat)
    CvatServer.objects.update(**change)
    done = tried(server)
    assert (done.stage, message in done.error) == (Stage.FAILED, True)


def test_an_old_version_is_told_with_what_to_do(cvat):
    cvat.state.version = "2.9.2"
    found = check_of(tried(make_server(cvat)), "version")
    assert (found["is_ok"], found["fix"]) == (False, "Upgrade CVAT to 2.54 or newer.")


@pytest.mark.parametrize("version", ["2.54.1", "2.80.0", "3.0.0-alpha", "nightly"])
def test_a_version_new_enough_is_not_talked_about(cvat, version):
    cvat.state.version = version
    assert "version" not in [one["subject"] for one in tried(make_server(cvat)).checks]


def test_an_account_that_may_make_no_project_is_told_so(cvat, settings):
    settings.PUBLIC_URL = "http://ava.example.org"
    cvat.fail("POST", "/api/projects", status=403)
    server = tried(make_server(cvat))
    assert server.stage == Stage.DONE
    assert "the role maintainer" in check_of(server, "webhooks")["message"]


def test_an_address_of_ours_that_cvat_does_not_take_is_told_with_a_way_out(cvat, settings):
    settings.PUBLIC_URL = "http://web:8000"
    found = check_of(tried(make_server(cvat)), "webhooks")
    assert "must be localhost, a number, or have a dot in it" in found["message"]
    assert "alias such as ava.local" in found["fix"]
    assert cvat.state.projects == {}


def test_a_wrong_token_is_said(cvat):
    server = make_server(cvat)
    save_server(server, token="expired")
    assert "enter a new one" in tried(server).error


def test_a_test_in_other_hands_is_left_alone(cvat):
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


def test_two_processes_that_start_at_once_make_one_server_of_the_environment(cvat, settings):
    settings.CVAT_URL, settings.CVAT_TOKEN = cvat.url, cvat.token

    def other_is_first(execute, sql, *args):
        if sql.startswith("SAVEPOINT") and not CvatServer.objects.exists():
            CvatServer.objects.create(name="environment", is_from_environment=True)
        return execute(sql, *args)

    with connection.execute_wrapper(other_is_first):
        ensure_environment_server()
    assert CvatServer.objects.get().is_from_environment


def test_an_address_of_the_server_beats_that_of_the_installation(cvat, settings):
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


def test_this_very_machine_is_another_name_inside_docker():
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
