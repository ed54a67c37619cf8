"""CVAT server connection: save a server and its credentials, and test the connection."""

import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotation.core.docker_network import compose_override, is_local, url_from_docker
from annotation.core.encryption import DecryptionError, decrypt, encrypt
from annotation.core.webhook import EVENTS
from annotation.cvat.client import CvatClient, CvatMember, close_clients
from annotation.cvat.errors import CvatDeniedError, CvatError, CvatRefusedError
from annotation.cvat.job_calls import parse_date
from annotation.models import CvatProject, CvatServer
from annotation.selectors.cvat import EXPIRY_WARNING, expiry_text, forgery_log
from annotation.services.cvat.deferral import client_for, retry_now
from datasets.accounts.activity import record
from datasets.core.formats.cvat_labels import PERSON

ENVIRONMENT = "environment"  # name of the server that AVA_CVAT_URL gives
TEST_PROJECT = "AVA Studio connection test, can be deleted"
MIN_VERSION = (2, 54)  # the oldest version this was tested with
MANAGING_ROLES = ("owner", "maintainer")
NO_WEBHOOK = gettext_noop("Finished jobs are still found by polling every five minutes.")


def save_server(
    server: CvatServer, *, token: str = "", user: str = "", password: str = ""
) -> CvatServer:
    """Save `server`, with new credentials if given, and request a connection test."""
    if token or password:
        server.set_credentials(token=token, user=user, password=password)
    if not server.encrypted_secret:
        server.renew_secret()
    server.save()
    record("save CVAT server", server)
    forgery_log(server).unlink(missing_ok=True)  # as if the secret was restored in CVAT
    request_connection_test(server)
    return server


def reencrypt(keys: Sequence[str]) -> list[str]:
    """Encrypt all credentials with the first of `keys`; return the names of the servers.

    Raises DecryptionError, with nothing changed, if no key decrypts one of them.
    """
    fields = ("encrypted_token", "encrypted_password", "encrypted_secret")
    with transaction.atomic():
        servers = list(CvatServer.objects.select_for_update())
        for server in servers:
            for field in fields:
                setattr(server, field, encrypt(decrypt(getattr(server, field), keys), keys))
            server.save(update_fields=fields)
    return [server.name for server in servers]


def request_connection_test(server: CvatServer) -> None:
    """Request a connection test; work deferred for the server is retried now."""
    CvatServer.objects.filter(pk=server.pk).start_over()
    close_clients()
    retry_now(*server.projects.all())


def ensure_environment_server() -> None:
    """Create or update the server that the environment variables configure."""
    if not settings.CVAT_URL:
        return
    server = CvatServer.objects.filter(is_from_environment=True).first()
    if server is None:
        server = CvatServer(name=_free_name(), is_from_environment=True)
    elif _is_up_to_date(server):
        return
    server.url, server.organisation = settings.CVAT_URL, settings.CVAT_ORGANISATION
    with suppress(IntegrityError), transaction.atomic():  # another process created it meanwhile
        save_server(
            server,
            token=settings.CVAT_TOKEN,
            user=settings.CVAT_USER,
            password=settings.CVAT_PASSWORD,
        )


def webhook_url(server: CvatServer) -> str:
    """The address to which CVAT sends webhooks; "" if no callback address is configured."""
    base = (server.callback_url or settings.PUBLIC_URL).rstrip("/")
    return base + reverse("annotation:webhook", args=[server.uuid]) if base else ""


def check_connection(server_id: int) -> CvatServer | None:
    """Test the connection of one server; None if another worker does."""
    server = CvatServer.objects.claim(server_id)
    if server is None:
        return None
    with server.working(CvatError, DecryptionError):
        client = client_for(server)
        version, account = client.version(), client.account()
        token, members = client.token(), client.members()
        name = str(account.get("username", ""))
        denied = permission_problems(account, token, members, server.organisation)
        checks = [
            _check(
                "account",
                _("Signed in to CVAT %(version)s as %(name)s.")
                % {"version": version, "name": name},
            ),
            *_too_old(version),
            *_permissions(name, denied, token),
            _members(members, name, server),
            *([] if denied else _webhooks(client, server)),
        ]
        server.finish(
            version=version, account=name, checks=checks, token_expires_at=_expiry(token)
        )
    return server


def _free_name() -> str:
    taken = CvatServer.objects.filter(name=ENVIRONMENT).exists()
    return f"{ENVIRONMENT}-{CvatServer.objects.count() + 1}" if taken else ENVIRONMENT


def _is_up_to_date(server: CvatServer) -> bool:
    configured = (settings.CVAT_URL, settings.CVAT_ORGANISATION, settings.CVAT_TOKEN)
    try:
        is_same = (server.url, server.organisation, server.token) == configured
        return is_same and (bool(server.token) or server.password == settings.CVAT_PASSWORD)
    except DecryptionError:
        return False


def _check(
    subject: str, message: str, fix: str = "", *, snippet: str = "", is_ok: bool = True
) -> Any:
    """One result of the test; `snippet` is text to copy into a file."""
    return {
        "subject": subject, "is_ok": is_ok, "message": message, "fix": fix, "snippet": snippet
    }  # fmt: skip


def _too_old(version: str) -> list[Any]:
    parts = re.match(r"(\d{1,9})\.(\d{1,9})", version)
    if parts is None or (int(parts[1]), int(parts[2])) >= MIN_VERSION:
        return []
    oldest = ".".join(map(str, MIN_VERSION))
    return [
        _check(
            "version",
            _(
                "CVAT %(version)s is older than %(oldest)s, the oldest version tested: "
                "sending tasks or fetching answers may fail."
            )
            % {"version": version, "oldest": oldest},
            _("Upgrade CVAT to %(oldest)s or newer.") % {"oldest": oldest},
            is_ok=False,
        )
    ]


def permission_problems(
    account: dict[str, Any],
    token: dict[str, Any] | None,
    members: Sequence[CvatMember],
    organisation: str,
) -> list[tuple[str, str]]:
    """What the account or its token may not do, and what to do about it; empty if all is well.

    CVAT says the same 403 for all of it, so this is asked before anything is sent.
    """
    found = []
    if token and token.get("read_only"):
        found.append(
            (
                _(
                    "The token is read-only: projects and answers can be seen, but no task "
                    "can be sent and no job reopened."
                ),
                _("Create a token without “read only” in CVAT and enter it here."),
            )
        )
    name, groups = account.get("username"), set(account.get("groups") or ())
    if account.get("is_superuser") or "admin" in groups:
        return found
    if not groups & {"user", "business"}:
        found.append(
            (
                _("%(name)s is in CVAT's group %(groups)s, which cannot create projects.")
                % {"name": name, "groups": ", ".join(sorted(groups)) or _("(none)")},
                _("Let an administrator of CVAT add the account to the group user."),
            )
        )
    role = next((one.role for one in members if one.name == name), "")
    if organisation and role not in MANAGING_ROLES:
        found.append(
            (
                _(
                    "%(name)s has the role %(role)s in %(organisation)s, which cannot "
                    "create projects with tasks for others."
                )
                % {"name": name, "role": role or _("(none)"), "organisation": organisation},
                _("Let an owner of %(organisation)s make the account a maintainer.")
                % {"organisation": organisation},
            )
        )
    return found


def _permissions(
    name: str, problems: list[tuple[str, str]], token: dict[str, Any] | None
) -> list[Any]:
    checks = [_check("permissions", what, fix, is_ok=False) for what, fix in problems]
    if not problems:
        checks.append(
            _check(
                "permissions",
                _("%(name)s may create projects, tasks and webhooks.") % {"name": name},
            )
        )
    expires = _expiry(token)
    if expires is not None:
        is_soon = expires - timezone.now() < EXPIRY_WARNING
        fix = _("Create a new token in CVAT and enter it here.") if is_soon else ""
        sentence = _("The token %(expiry_text)s.") % {"expiry_text": expiry_text(expires)}
        checks.append(_check("token", sentence, fix, is_ok=not is_soon))
    return checks


def _expiry(token: dict[str, Any] | None) -> datetime | None:
    text = (token or {}).get("expiry_date")
    return parse_date(text) if text else None


def _members(members: Sequence[CvatMember], name: str, server: CvatServer) -> Any:
    if server.organisation:
        return _check(
            "organisation",
            _("%(organisation)s has %(count)s members.")
            % {"organisation": server.organisation, "count": len(members)},
        )
    others = [one for one in members if one.name != name]
    seen = (
        _("%(count)s other users are visible") % {"count": len(others)}
        if others
        else _("only %(name)s is visible, so jobs can be assigned to nobody else")
        % {"name": name}
    )
    return _check(
        "organisation",
        _(
            "No organisation is set: tasks are created in the account's personal "
            "workspace, members can't be invited, and %(seen)s."
        )
        % {"seen": seen},
        _(
            "Create an organisation in CVAT (your name, Organization, Create), invite the "
            "annotators there, and enter its short name here."
        ),
        is_ok=False,
    )


def _webhooks(client: CvatClient, server: CvatServer) -> list[Any]:
    """Create a webhook, let CVAT ping it, and delete it again."""
    url = webhook_url(server)
    if not url:
        return [
            _check(
                "webhooks",
                _("No callback address is configured. %(hint)s") % {"hint": _(NO_WEBHOOK)},
                _("Set AVA_PUBLIC_URL, or the callback address of this server."),
                is_ok=False,
            )
        ]
    try:
        return [_ping_check(server, url, *_ping(client, server, url))]
    except (CvatRefusedError, CvatDeniedError) as error:
        message, fix = refused_webhook(url, error)
        return [_check("webhooks", f"{message} {NO_WEBHOOK}", fix, is_ok=False)]


def _ping(client: CvatClient, server: CvatServer, url: str) -> tuple[int, str]:
    """Ping a webhook to `url`, of a connected project or of a temporary one."""
    project = CvatProject.objects.filter(server=server).exclude(project_id=None).first()
    if project is not None and project.webhook_id and project.project_id:
        webhook = client.save_webhook(
            project.project_id, url=url, secret=server.secret, events=EVENTS,
            known=project.webhook_id,
        )  # fmt: skip
        return client.ping(webhook)
    temporary = client.create_project(TEST_PROJECT, [{"name": PERSON, "type": "rectangle"}])
    try:
        webhook = client.save_webhook(temporary, url=url, secret=server.secret, events=EVENTS)
        return client.ping(webhook)
    finally:
        client.delete_project(temporary)


def refused_webhook(url: str, error: CvatError) -> tuple[str, str]:
    """Why CVAT rejects a webhook to `url`, and how to fix it if the address is the cause."""
    if "target_url" not in str(error):
        return f"{error}.", ""
    host = urlsplit(url).hostname
    return (
        _(
            "CVAT rejects a webhook to %(url)s: the host must be localhost, an IP address, "
            "or have a dot in its name."
        )
        % {"url": url},
        _(
            "Use another callback address than %(host)s: an IP address, or in Docker a "
            "network alias such as ava.local."
        )
        % {"host": host},
    )


def _ping_check(server: CvatServer, url: str, status: int, answer: str) -> Any:
    if status == 200 and str(server.uuid) in answer:
        return _check("webhooks", _("CVAT reaches AVA Studio at %(url)s.") % {"url": url})
    host = urlsplit(url).hostname or ""
    reasons = {
        200: _("another server responds there"),
        400: _("the host name %(host)s is not allowed: add it to AVA_ALLOWED_HOSTS")
        % {"host": host},
        403: _("the webhook secret was not accepted: save the server again to renew it"),
        404: _("another server responds there, or a proxy changes the path"),
        503: _("the ping could not be stored: is the database full?"),
        504: _("no response within ten seconds"),
    }
    reason = reasons.get(
        status,
        _("CVAT reports status %(status)s") % {"status": status}
        if status
        else _("CVAT reports no status"),
    )
    message = _("CVAT can't reach AVA Studio at %(url)s: %(reason)s. %(hint)s") % {
        "url": url,
        "reason": reason,
        "hint": _(NO_WEBHOOK),
    }
    if status in (0, 403, 407, 500, 502, 504):
        fix, snippet = _docker_fix(url)
        return _check("webhooks", message, fix, snippet=snippet, is_ok=False)
    return _check("webhooks", message, is_ok=False)


def _docker_fix(url: str) -> tuple[str, str]:
    """How a CVAT in Docker can reach `url`: the steps, and a Compose override to copy."""
    container_url = url_from_docker(url)
    parts = urlsplit(container_url)
    first = (
        _(
            "Inside CVAT's containers %(hostname)s is the container itself: set the "
            "callback address to %(scheme)s://%(netloc)s, add %(name)s to "
            "AVA_ALLOWED_HOSTS and listen on all interfaces (./ava up --host 0.0.0.0). "
            "Then "
        )
        % {
            "hostname": urlsplit(url).hostname,
            "scheme": parts.scheme,
            "netloc": parts.netloc,
            "name": parts.hostname,
        }
        if is_local(url)
        else _("If both are on a private network, ")
    )
    fix = _(
        "%(first)screate docker-compose.override.yml beside CVAT's docker-compose.yml "
        "with this content, and run docker compose up -d:"
    ) % {"first": first}
    return fix, compose_override(container_url, _addresses(parts.hostname or ""))


def _addresses(host: str) -> list[str]:
    try:
        return sorted({str(one[4][0]) for one in socket.getaddrinfo(host, None)})
    except OSError:
        return []
