"""Connecting a CVAT server: its row, its credentials, and the test of all that must work."""

import re
import socket
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse

from annotation.core.encryption import DecryptionError
from annotation.core.labels import PERSON
from annotation.core.smokescreen import compose_override, is_local, seen_from_docker
from annotation.core.webhook import EVENTS
from annotation.cvat.client import CvatClient, forget_clients
from annotation.cvat.errors import CvatDeniedError, CvatError, CvatRefusedError
from annotation.models import CvatProject, CvatServer
from annotation.services.cvat.deferral import client_for, retry_now

ENVIRONMENT = "environment"  # name of the server that AVA_CVAT_URL gives
PROBE = "AVA Studio: test of the connection, may be deleted"
OLDEST = (2, 54)  # the version this was measured with
NO_WEBHOOK = "Answers come all the same: we ask CVAT every five minutes."


def save_server(
    server: CvatServer, *, token: str = "", user: str = "", password: str = ""
) -> CvatServer:
    """Keep `server`, with new credentials if some are given, and order a test of it."""
    if token or password:
        server.set_credentials(token=token, user=user, password=password)
    if not server.encrypted_secret:
        server.renew_secret()
    server.save()
    request_connection_test(server)
    return server


def request_connection_test(server: CvatServer) -> None:
    """Have the connection tested; what waited for the server is tried again."""
    CvatServer.objects.filter(pk=server.pk).start_over()
    forget_clients()
    retry_now(server)


def ensure_environment_server() -> None:
    """Make the row of the server that the environment names, or follow its changes."""
    if not settings.CVAT_URL:
        return
    server = CvatServer.objects.filter(is_from_environment=True).first()
    if server is None:
        server = CvatServer(name=_free_name(), is_from_environment=True)
    elif _is_as_given(server):
        return
    server.url, server.organisation = settings.CVAT_URL, settings.CVAT_ORGANISATION
    with suppress(IntegrityError), transaction.atomic():  # another process made it just now
        save_server(
            server,
            token=settings.CVAT_TOKEN,
            user=settings.CVAT_USER,
            password=settings.CVAT_PASSWORD,
        )


def webhook_url(server: CvatServer) -> str:
    """Where CVAT is to send what `server` has to tell; "" if nobody said how it reaches us."""
    base = (server.callback_url or settings.PUBLIC_URL).rstrip("/")
    return base + reverse("annotation:webhook", args=[server.uuid]) if base else ""


def check_connection(server_id: int) -> CvatServer | None:
    """Test the connection of one server; None if somebody else does."""
    server = CvatServer.objects.claim(server_id)
    if server is None:
        return None
    with server.working(CvatError, DecryptionError):
        client = client_for(server)
        version, account = client.version(), client.whoami()
        checks = [
            _check("account", f"CVAT {version} knows us as {account}."),
            *_too_old(version),
            _members(client, server),
            *_webhooks(client, server),
        ]
        server.finish(version=version, account=account, checks=checks)
    return server


def _free_name() -> str:
    taken = CvatServer.objects.filter(name=ENVIRONMENT).exists()
    return f"{ENVIRONMENT}-{CvatServer.objects.count() + 1}" if taken else ENVIRONMENT


def _is_as_given(server: CvatServer) -> bool:
    given = (settings.CVAT_URL, settings.CVAT_ORGANISATION, settings.CVAT_TOKEN)
    try:
        is_same = (server.url, server.organisation, server.token) == given
        return is_same and (bool(server.token) or server.password == settings.CVAT_PASSWORD)
    except DecryptionError:
        return False


def _check(
    subject: str, message: str, fix: str = "", *, snippet: str = "", is_ok: bool = True
) -> Any:
    """What was found; `snippet` is text to put into a file as it is."""
    found = {"subject": subject, "is_ok": is_ok, "message": message}
    return found | {"fix": fix, "snippet": snippet}


def _too_old(version: str) -> list[Any]:
    parts = re.match(r"(\d+)\.(\d+)", version)
    if parts is None or (int(parts[1]), int(parts[2])) >= OLDEST:
        return []
    oldest = ".".join(map(str, OLDEST))
    return [
        _check(
            "version",
            f"CVAT {version} is older than {oldest}, with which this was tried: tasks or "
            "answers may not travel.",
            f"Upgrade CVAT to {oldest} or newer.",
            is_ok=False,
        )
    ]


def _members(client: CvatClient, server: CvatServer) -> Any:
    if not server.organisation:
        return _check(
            "organisation",
            "No organisation is named: nobody can be invited, and tasks land in the account's "
            "own workspace.",
            "Make an organisation in CVAT and enter its short name here.",
            is_ok=False,
        )
    count = len(client.members())
    return _check("organisation", f"{server.organisation} has {count} members.")


def _webhooks(client: CvatClient, server: CvatServer) -> list[Any]:
    """Make a webhook, let CVAT ping it, and take it away again."""
    url = webhook_url(server)
    if not url:
        return [
            _check(
                "webhooks",
                f"It is not known how CVAT reaches us. {NO_WEBHOOK}",
                "Set AVA_PUBLIC_URL, or our address here.",
                is_ok=False,
            )
        ]
    try:
        return [_reached(server, url, *_pinged(client, server, url))]
    except (CvatRefusedError, CvatDeniedError) as error:
        message, fix = refused_webhook(url, error)
        return [_check("webhooks", f"{message} {NO_WEBHOOK}", fix, is_ok=False)]


def _pinged(client: CvatClient, server: CvatServer, url: str) -> tuple[int, str]:
    """What became of a ping over a webhook to `url`: that of a project, or one for the time."""
    project = CvatProject.objects.filter(server=server).exclude(project_id=None).first()
    if project is not None and project.webhook_id and project.project_id:
        webhook = client.save_webhook(
            project.project_id, url=url, secret=server.secret, events=EVENTS,
            known=project.webhook_id,
        )  # fmt: skip
        return client.ping(webhook)
    probe = client.create_project(PROBE, [{"name": PERSON, "type": "rectangle"}])
    try:
        webhook = client.save_webhook(probe, url=url, secret=server.secret, events=EVENTS)
        return client.ping(webhook)
    finally:
        client.delete_project(probe)


def refused_webhook(url: str, error: CvatError) -> tuple[str, str]:
    """Why CVAT does not take a webhook to `url`, and the way out if it is the address."""
    if "target_url" not in str(error):
        return f"{error}.", ""
    host = urlsplit(url).hostname
    return (
        f"CVAT takes no webhook to {url}: the name of its host must be localhost, a number, or "
        "have a dot in it.",
        f"Give us another address than {host}: a number, or in Docker a network alias such as "
        "ava.local.",
    )


def _reached(server: CvatServer, url: str, status: int, answer: str) -> Any:
    if status == 200 and str(server.uuid) in answer:
        return _check("webhooks", f"CVAT reaches us at {url} and is told apart from others.")
    host = urlsplit(url).hostname or ""
    reasons = {
        200: "something else answers there",
        400: f"we do not answer to the name {host}: add it to AVA_ALLOWED_HOSTS",
        403: "our own secret was not accepted: save the server again, to renew it",
        404: "something else answers there, or the path is cut off by a proxy",
        503: "we could not store the ping: is our database full?",
        504: "it had no answer within ten seconds",
    }
    reason = reasons.get(status, f"CVAT says {status or 'nothing'}")
    message = f"CVAT does not reach us at {url}: {reason}. {NO_WEBHOOK}"
    if status in (0, 403, 407, 500, 502, 504):
        fix, snippet = _way_in(url)
        return _check("webhooks", message, fix, snippet=snippet, is_ok=False)
    return _check("webhooks", message, is_ok=False)


def _way_in(url: str) -> tuple[str, str]:
    """What to do so that a CVAT in Docker reaches `url`, and an override, ready to snippet."""
    seen = seen_from_docker(url)
    base = f"{urlsplit(seen).scheme}://{urlsplit(seen).netloc}"
    first = (
        f"Inside CVAT's containers {urlsplit(url).hostname} is the container itself: set our "
        f"address to {base}, add {urlsplit(seen).hostname} to AVA_ALLOWED_HOSTS and let the "
        "pages listen to all networks (./ava up --host 0.0.0.0). Then, "
        if is_local(url)
        else "If both are on a private network, "
    )
    override = compose_override(seen, _addresses(urlsplit(seen).hostname or ""))
    fix = (
        f"{first}beside CVAT's docker-compose.yml, write docker-compose.override.yml with the "
        "following, and run docker compose up -d:"
    )
    return fix, override


def _addresses(host: str) -> list[str]:
    try:
        return sorted({str(one[4][0]) for one in socket.getaddrinfo(host, None)})
    except OSError:
        return []
