"""A small web server that keeps webhook deliveries, for the compatibility check."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from annotation.core.webhook import SIGNATURE_HEADER

MAX_BODY = 1 << 20
POLL_INTERVAL = 0.1


class ReceivedDelivery(NamedTuple):
    body: bytes
    signature: str | None


class DeliveryReceiver:
    """Listens on the port of a callback address while it is open; answers every POST with 200.

    Raises OSError if the port is taken.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.received: list[ReceivedDelivery] = []
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._server = ThreadingHTTPServer(("", port), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_INTERVAL,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for(
        self, is_wanted: Callable[[ReceivedDelivery], bool], *, seconds: float
    ) -> ReceivedDelivery | None:
        """The first delivery that is wanted; None if it does not come in time."""
        end = time.monotonic() + seconds
        while True:
            found = next(filter(is_wanted, list(self.received)), None)
            if found is not None or time.monotonic() > end:
                return found
            time.sleep(POLL_INTERVAL)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = min(int(self.headers.get("Content-Length") or 0), MAX_BODY)
                body = self.rfile.read(length)
                received.append(ReceivedDelivery(body, self.headers.get(SIGNATURE_HEADER)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Nothing: the command prints the steps only."""

        return Handler
