import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from annotation.cvat.addresses import check_permitted
from annotation.cvat.errors import CvatDeniedError
from annotation.cvat.transport import Address, Transport

NEVER = (
    "169.254.169.254", "169.254.1.1", "fe80::1", "fe80::1%eth0", "100.100.100.200",
    "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255",  # noqa: S104  never bound
    "::ffff:169.254.169.254", "2002:a9fe:a9fe::1",
)  # fmt: skip
PRIVATE = ("127.0.0.1", "::1", "10.0.0.5", "172.16.3.4", "192.168.1.9", "100.64.0.1", "fd12::1",
           "::ffff:127.0.0.1")  # fmt: skip


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("is_allowed", [True, False])
def test_addresses_local_to_a_link_are_never_requested(settings, address, is_allowed):
    settings.PRIVATE_ADDRESSES = is_allowed
    with pytest.raises(CvatDeniedError, match="local to a link or reserved"):
        check_permitted("cvat.example.org", address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_need_the_setting(settings, address):
    settings.PRIVATE_ADDRESSES = True
    check_permitted("cvat", address)
    settings.PRIVATE_ADDRESSES = False
    with pytest.raises(CvatDeniedError, match="set AVA_PRIVATE_ADDRESSES=True"):
        check_permitted("cvat", address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111"])
def test_public_addresses_are_requested(settings, address):
    settings.PRIVATE_ADDRESSES = False
    check_permitted("cvat", address)


class Recorder(BaseHTTPRequestHandler):
    seen: list[tuple[str, str | None]] = []
    redirect_to = ""

    def do_GET(self):
        self.seen.append((self.path, self.headers.get("Authorization")))
        self.send_response(302 if self.redirect_to else 200)
        if self.redirect_to:
            self.send_header("Location", self.redirect_to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        self.do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def servers():
    """Two web servers that record what reaches them."""
    made = []
    for _ in range(2):
        handler = type("Own", (Recorder,), {"seen": []})
        server = HTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.append((server, handler))
    yield made
    for server, _ in made:
        server.shutdown()
        server.server_close()


def url(server: HTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_nothing_is_sent_to_an_address_that_is_not_permitted(settings, servers):
    settings.PRIVATE_ADDRESSES = False
    [(server, handler), _] = servers
    with (
        Transport(Address(url(server), token="secret")) as transport,
        pytest.raises(CvatDeniedError, match="AVA_PRIVATE_ADDRESSES"),
    ):
        transport.call("GET", "/api/projects")
    assert handler.seen == []


def test_a_name_that_points_inside_when_it_is_used_is_not_permitted(
    settings, servers, monkeypatch
):
    settings.PRIVATE_ADDRESSES = False
    [(server, handler), _] = servers
    port = server.server_address[1]
    answers = [[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]]
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *a, **k: answers.pop() if answers else inside
    )
    with (
        Transport(Address(f"http://cvat.example.org:{port}", token="secret")) as transport,
        pytest.raises(CvatDeniedError, match="AVA_PRIVATE_ADDRESSES"),
    ):
        transport.call("GET", "/api/projects")
    assert handler.seen == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_credentials_do_not_follow_a_redirect(settings, servers, method):
    settings.PRIVATE_ADDRESSES = True
    [(server, handler), (other, elsewhere)] = servers
    handler.redirect_to = f"{url(other)}/steal"
    with (
        Transport(Address(url(server), token="secret")) as transport,
        pytest.raises(CvatDeniedError, match="redirects to"),
    ):
        transport.call(method, "/api/projects")
    assert handler.seen
    assert elsewhere.seen == []
