"""The web server in this process, with a small application: slow clients stop no page."""

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from workers import web_server
from workers.web_server import listening_socket, load_pages, make_server


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    size = int(environ["PATH_INFO"].strip("/") or 0) or len(body)
    start_response("200 OK", [("Content-Length", str(size))])
    return [b"x" * size]


@pytest.fixture
def port() -> Iterator[int]:
    sock = listening_socket("127.0.0.1", 0)
    server = make_server(application, sock)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield sock.getsockname()[1]
    for channel in list(server.active_channels.values()):
        channel.handle_close()
    server.asyncore.close_all(server._map)
    server.task_dispatcher.shutdown()
    thread.join(5)


@pytest.fixture
def connect(port) -> Iterator[Callable[[], socket.socket]]:
    """Opens connections; all are closed at the end."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(
            socket.create_connection(("127.0.0.1", port), timeout=10)
        )


def answer(port: int, request: bytes = b"GET /3 HTTP/1.0\r\n\r\n") -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(4096), b""))


def is_closed(client: socket.socket) -> bool:
    client.settimeout(0.2)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_more_slow_requests_than_threads_stop_no_page(port, connect):
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    slow = [connect() for _ in range(5 * web_server.THREADS)]
    for client in slow:
        client.sendall(head + b"a")
    assert answer(port).endswith(b"xxx")
    for client in slow:
        assert not is_closed(client)


def test_readers_who_do_not_read_stop_no_page(port, connect):
    slow = [connect() for _ in range(2 * web_server.THREADS)]
    for client in slow:
        client.sendall(b"GET /30000000 HTTP/1.0\r\n\r\n")
    assert answer(port).endswith(b"xxx")


def test_a_request_that_trickles_in_is_ended_and_a_slow_one_is_not(port, connect, monkeypatch):
    monkeypatch.setattr(web_server, "GRACE_SECONDS", 1.0)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 9000\r\n\r\n"
    trickle, steady = connect(), connect()
    for client in (trickle, steady):
        client.sendall(head)
    for _ in range(10):
        time.sleep(0.2)
        steady.sendall(b"a" * 900)
        if not is_closed(trickle):
            trickle.sendall(b"a")
    assert is_closed(trickle)
    steady.settimeout(60)
    assert b"".join(iter(lambda: steady.recv(65536), b"")).endswith(b"x" * 9000)


def test_a_reader_that_stalls_is_ended(port, connect, monkeypatch):
    monkeypatch.setattr(web_server, "IDLE_SECONDS", 1)
    client = connect()
    client.sendall(b"GET /30000000 HTTP/1.0\r\n\r\n")
    time.sleep(4)
    client.settimeout(10)
    count = 0
    try:
        while chunk := client.recv(1 << 20):
            count += len(chunk)
    except ConnectionError:
        pass
    assert count < 30_000_000


def test_one_address_has_a_share_of_the_connections(port, connect, monkeypatch):
    monkeypatch.setattr(web_server, "PER_ADDRESS", 3)
    clients = [connect() for _ in range(6)]
    time.sleep(0.5)
    assert [is_closed(client) for client in clients] == [False] * 3 + [True] * 3


def test_what_is_loaded_is_left_out_of_garbage_collections():
    try:
        load_pages()
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
