"""Other servers at the address of a CVAT: each gives its own error message."""

import datetime
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from annotation.cvat.client import CvatClient
from annotation.cvat.errors import CvatError
from annotation.cvat.transport import Address

PAGE = b"<html>some page</html>"
SIGNED_IN = [{"token": "t"}, {"user": "u", "password": "p"}]


@pytest.fixture
def stranger():
    """Starts servers that answer everything alike; gives their ports."""
    servers = []

    def start(status=200, body=PAGE, *, certificate=None, **headers):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        quiet = {"log_message": lambda *args: None, "do_GET": answer, "do_POST": answer}
        handler = type("Stranger", (BaseHTTPRequestHandler,), quiet)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *args: None
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and a certificate that it has signed itself, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([here]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def post_delivery(url, account):
    """What is said of the server at `url`."""
    client = CvatClient(Address(url, "org", **account))
    try:
        return client.version() + client.whoami()
    except CvatError as error:
        return str(error)
    finally:
        client.close()


@pytest.mark.parametrize("account", SIGNED_IN, ids=["token", "password"])
@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        pytest.param(200, PAGE, "responds, but not like CVAT", id="a page"),
        pytest.param(200, b"{}", "responds, but not like CVAT", id="other JSON"),
        pytest.param(200, b"[]", "responds, but not like CVAT", id="a list"),
        pytest.param(200, b"", "responds, but not like CVAT", id="nothing"),
        pytest.param(400, PAGE, "responds, but not like CVAT (400)", id="400"),
        pytest.param(403, PAGE, "responds, but not like CVAT (403)", id="403"),
        pytest.param(404, b"404 page not found", "not like CVAT (404)", id="no route"),
        pytest.param(405, PAGE, "responds, but not like CVAT (405)", id="405"),
        pytest.param(500, PAGE, "failed internally: error 500", id="500"),
        pytest.param(502, PAGE, "is starting or overloaded (502)", id="502"),
        pytest.param(403, b'{"detail": "no"}', "role maintainer", id="not allowed"),
    ],
)
def test_a_response_that_is_not_cvats_is_reported(stranger, account, status, body, message):
    assert message in post_delivery(f"http://127.0.0.1:{stranger(status, body)}", account)


@pytest.mark.parametrize("account", SIGNED_IN, ids=["token", "password"])
def test_a_redirect_is_reported_and_not_followed(stranger, account):
    port = stranger(301, Location="https://cvat.example.org/")
    said = post_delivery(f"http://127.0.0.1:{port}", account)
    assert "redirects to https://cvat.example.org/" in said


@pytest.mark.parametrize("account", SIGNED_IN, ids=["token", "password"])
def test_a_wrong_scheme_is_reported(stranger, certificate, account):
    assert "http:// instead of https://" in post_delivery(
        f"https://127.0.0.1:{stranger()}", account
    )
    port = stranger(certificate=certificate)
    assert "http:// or https://?" in post_delivery(f"http://127.0.0.1:{port}", account)


def test_an_untrusted_certificate_is_reported(stranger, certificate):
    said = post_delivery(f"https://127.0.0.1:{stranger(certificate=certificate)}", SIGNED_IN[0])
    assert "certificate that is not trusted here: set SSL_CERT_FILE" in said


def test_the_certificate_is_trusted_once_its_file_is_named(stranger, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    port = stranger(body=b'{"version": "2.54.1"}', certificate=certificate)
    client = CvatClient(Address(f"https://127.0.0.1:{port}", token="t"))
    assert client.version() == "2.54.1"
    client.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://no-such-host.invalid", "has a host name that cannot be resolved"),
        ("http://127.0.0.1:1", "is it running, and is this its address?"),
        ("ftp://127.0.0.1", "write it with http:// or https://"),
    ],
)
def test_an_unreachable_address_is_reported(url, message):
    assert message in post_delivery(url, SIGNED_IN[0])
