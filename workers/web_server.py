"""The web server: waitress, which holds the bytes of slow connections outside of page threads.

A request reaches a thread when it is complete, and a response leaves it when it is written into
a buffer (memory, then a temporary file): hundreds of slow clients stop no page. Requests that
trickle in and readers that stall are ended; one address has a share of the connections.
"""

import gc
import logging
import resource
import signal
import socket
import time
from importlib import import_module
from typing import Any, cast

from django.conf import settings
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer, create_server

THREADS = 8
CONNECTIONS = 2000
PER_ADDRESS = 500  # connections; a proxy is one address
IDLE_SECONDS = 60
GRACE_SECONDS = 20.0  # before a request must keep the least rate
LEAST_RATE = 1000  # bytes per second
BODY_BYTES = 1 << 30  # larger files come in pieces (datasets/services/resumable_upload.py)
SPOOLED_BYTES = 1 << 31  # of a generated download, before its thread waits for the reader


class SlowClientChannel(HTTPChannel):
    """A connection that may be slow, but neither trickles nor stalls."""

    began = 0.0  # when the first byte of the request arrived
    count = 0  # its bytes so far

    def __init__(self, server: Any, sock: socket.socket, addr: Any, *args: Any, **kw: Any):
        super().__init__(server, sock, addr, *args, **kw)
        same = sum(one.addr[0] == addr[0] for one in list(server.active_channels.values()))
        if same > PER_ADDRESS:
            self.will_close = True

    def received(self, data: bytes) -> bool:
        now = time.monotonic()
        if self.request is None:
            self.began, self.count = now, 0
        self.count += len(data)
        spent = now - self.began
        if spent > GRACE_SECONDS and self.count < spent * LEAST_RATE:
            self.will_close = True
            return False
        return cast("bool", super().received(data))

    def writable(self) -> bool:
        is_stalled = time.time() - self.last_activity > IDLE_SECONDS
        if self.total_outbufs_len and is_stalled:
            self.handle_close()  # also frees a thread that waits for the reader
        return bool(super().writable())


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket at `host` and `port`, which several processes may share. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "SO_REUSEPORT"):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        found.bind((host, port))
    except OSError:
        found.close()
        raise
    return found


def make_server(application: Any, sock: socket.socket) -> TcpWSGIServer:
    """A server of `application` at `sock`; `run()` serves until SystemExit."""
    server = create_server(
        application,
        sockets=[sock],
        threads=THREADS,
        connection_limit=CONNECTIONS,
        channel_timeout=IDLE_SECONDS,
        cleanup_interval=10,
        max_request_body_size=BODY_BYTES,
        outbuf_high_watermark=SPOOLED_BYTES,
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=False,  # Django decides, see AVA_HTTPS
        ident="",
    )
    server.channel_class = SlowClientChannel
    return server


def load_pages() -> None:
    """Load all pages, and leave what is loaded out of garbage collections.

    It stays for ever, and each full collection would look at all of it, for 0.15 s.
    """
    import_module(settings.ROOT_URLCONF)
    gc.collect()
    gc.freeze()


def serve(host: str, port: int) -> None:
    """Serve the pages until SIGTERM or SIGINT. Raises OSError if the port is taken."""
    from avaproject.wsgi import application

    load_pages()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = 2 * CONNECTIONS
    soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = make_server(application, listening_socket(host, port))
    signal.signal(signal.SIGTERM, _stop)
    server.run()


def _stop(*_: object) -> None:
    raise SystemExit
