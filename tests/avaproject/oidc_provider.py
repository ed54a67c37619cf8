"""A small OpenID Connect provider on this machine: the code flow with PKCE, tokens by PyJWT."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT, SECRET = "ava-studio", "a-secret-of-the-client"


class Provider:
    """Who logs in there, and what is wrong with its tokens.

    `person` are the claims of whoever is logged in there; `spoil` replaces claims of the next
    identity tokens.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.reset()

    def reset(self) -> None:
        """Forget everything but the key."""
        self.person = {"sub": "k-1", "preferred_username": "kim", "name": "Kim"}
        self.spoil: dict[str, Any] = {}
        self.is_broken = False
        self.asked: dict[str, dict[str, str]] = {}  # by code
        self.tokens: set[str] = set()

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def keys(self) -> dict[str, Any]:
        public = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [public | {"kid": "1", "alg": "RS256", "use": "sig"}]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to, with a code."""
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(8)
        self.asked[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        return f"{asked['redirect_uri']}?{back}"

    def token(self, form: dict[str, str]) -> dict[str, Any] | None:
        """The tokens for a code, once; None for a form that is not its owner's."""
        asked = self.asked.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET)
            or form.get("redirect_uri") != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return None
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 60,
            "nonce": asked.get("nonce"), **self.person, **self.spoil,
        }  # fmt: skip
        access = secrets.token_urlsafe(8)
        self.tokens.add(access)
        signed = jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "1"})
        return {"access_token": access, "token_type": "Bearer", "id_token": signed}


class Pages(BaseHTTPRequestHandler):
    """The pages of `provider`, an attribute of the class that is made for each server."""

    provider: Provider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if self.provider.is_broken:
            self.answer(500, {})
        elif parts.path == "/authorize":
            asked = {name: one[0] for name, one in parse_qs(parts.query).items()}
            self.send_response(302)
            self.send_header("Location", self.provider.authorize(asked))
            self.end_headers()
        elif parts.path == "/userinfo":
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            is_known = token in self.provider.tokens
            self.answer(200 if is_known else 401, self.provider.person if is_known else {})
        elif parts.path == "/keys":
            self.answer(200, self.provider.keys())
        else:
            assert parts.path == "/.well-known/openid-configuration"
            self.answer(200, self.provider.configuration())

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        form = parse_qs(self.rfile.read(length).decode())
        found = self.provider.token({name: one[0] for name, one in form.items()})
        self.answer(200 if found else 400, found or {"error": "invalid_grant"})

    def answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def running_provider() -> Iterator[Provider]:
    """A provider that answers on this machine until the end of the block."""
    pages = type("PagesOfProvider", (Pages,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), pages)
    pages.provider = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield pages.provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
