"""HTTP server of the CVAT double: routing, authentication, pagination and injected faults."""

import contextlib
import http.client
import json
import re
import socket
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.cvat_double.state import HTML_500, RefusedError, Row, public

NO_REQUEST = "There is no request with specified id"
NO_ROUTE = "404 page not found\n"  # of the proxy that stands before CVAT, while that restarts
PLAIN = (NO_REQUEST, NO_ROUTE)  # without JSON
ROUTES: list[tuple[str, re.Pattern[str], str]] = []


@dataclass
class Fault:
    """What happens instead of (or after) the next matching calls."""

    method: str
    path: re.Pattern[str]
    times: int
    status: int = 0  # answer this
    body: str = ""  # instead of what CVAT says with that status
    drop: str = ""  # "before" or "after" the work: hang up without an answer
    seconds: float = 0.0  # wait so long first
    headers: dict[str, str] = field(default_factory=dict)
    skip: int = 0  # matching calls that pass first


def route(method: str, pattern: str) -> Callable[[Any], Any]:
    def remember(function: Any) -> Any:
        ROUTES.append((method, re.compile(f"/api/{pattern}/?$"), function.__name__))
        return function

    return remember


class Call:
    """One request on its way through a route."""

    def __init__(self, double: Any, handler: BaseHTTPRequestHandler) -> None:
        parts = urllib.parse.urlsplit(handler.path)
        self.double, self.headers = double, handler.headers
        self.path, self.query = parts.path, dict(urllib.parse.parse_qsl(parts.query))
        self.raw = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.cookies: list[str] = []
        self.is_locked = True

    @property
    def user(self) -> str:
        given = self.headers.get("Authorization", "")
        is_in = given in (f"Bearer {self.double.token}", f"Token {self.double.token}")
        return "admin" if is_in or "sessionid=s" in self.headers.get("Cookie", "") else ""

    @property
    def body(self) -> Row:
        found: Row = json.loads(self.raw or b"{}")
        return found

    def unlock(self) -> None:
        self.double.state.lock.release()
        self.is_locked = False

    def files(self) -> list[tuple[str, bytes]]:
        named = [(part.get_filename(), part.get_payload(decode=True)) for part in self._parts()]
        return [(name.rsplit("/", 1)[-1], content) for name, content in named if name]

    def fields(self) -> Row:
        """The parts of a form that are no files."""
        plain = [part for part in self._parts() if not part.get_filename()]
        return {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            .decode()
            for part in plain
        }  # fmt: skip

    def _parts(self) -> Any:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        return BytesParser().parsebytes(head + self.raw).get_payload()

    def found(self, kind: str, rows: dict[int, Row], number: Any) -> Row:
        if int(number) not in rows:
            raise RefusedError(404, {"detail": f"No {kind} matches the given query."})
        return rows[int(number)]

    def paged(self, rows: dict[int, Row], *filters: str) -> Any:
        """A page, newest first, or as `sort` says; unknown filters are ignored, as recorded."""
        found = sorted(rows.values(), key=lambda one: -one["id"])
        for name in filters:
            if name in self.query:
                column = "_job_id" if name == "job_id" else name
                found = [one for one in found if str(one[column]) == self.query[name]]
        if "filter" in self.query:
            found = [one for one in found if _fits(one, self._condition())]
        if self.query.get("sort") == "updated_date":
            found.sort(key=lambda one: one["updated_date"])
        size = self.query.get("page_size", "10")
        length = max(len(found), 1) if size == "all" else int(size)
        page = int(self.query.get("page", 1))
        part = found[(page - 1) * length : page * length]
        if not part and page > 1:
            raise RefusedError(404, {"detail": "Invalid page."})
        more = page * length < len(found)
        after = f"{self.double.url}{self.path}?page={page + 1}" if more else None
        before = f"{self.double.url}{self.path}" if page > 1 else None
        results = [public(one) for one in part]
        return 200, {"count": len(found), "next": after, "previous": before, "results": results}

    def _condition(self) -> Any:
        try:
            return json.loads(self.query["filter"])
        except ValueError as error:
            sentence = f"filter: can't parse filter expression: {error}"
            raise RefusedError(400, [sentence]) from error


def _fits(row: Row, condition: Any) -> bool:
    ((operator, operands),) = condition.items()
    if operator == "and":
        return all(_fits(row, one) for one in operands)
    name = operands[0]["var"]
    if name not in ("id", "project_id", "updated_date", "state", "stage", "task_id"):
        raise RefusedError(400, [f"filter: term '{name}' is not supported"])
    value = row[name]
    if operator == ">":
        return bool(value > operands[1])
    if operator == "==":
        return bool(value == operands[1])
    wanted = operands[1].replace("+00:00", "Z")
    return bool(value.ljust(27) >= wanted.ljust(27))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.open: set[socket.socket] = set()

    def process_request(self, request: Any, address: Any) -> None:
        self.open.add(request)
        super().process_request(request, address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for one in list(self.open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, address: Any) -> None:
        """A client that hung up is no news."""


class Handler(BaseHTTPRequestHandler):
    """Carries one connection's calls to the double."""

    double: Any
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self) -> None:
        call = Call(self.double, self)
        self.double.calls.append((self.command, call.path))
        time.sleep(self.double.call_seconds)
        fault = _fault(self.double, self.command, call.path) or Fault("", re.compile(""), 0)
        time.sleep(fault.seconds)
        if fault.drop == "before":
            return self.drop()
        if fault.status:
            content = {"detail": "Not found."} if 400 <= fault.status < 500 else HTML_500
            status, body, headers = fault.status, fault.body or content, fault.headers
        else:
            status, body, headers = _answer(self.double, self.command, call)
        if fault.drop == "after":
            return self.drop()
        return self.send(status, body, headers, call.cookies)

    def drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def send(self, status: int, body: Any, headers: dict[str, str], cookies: Any) -> None:
        is_text = isinstance(body, str) and (
            "<html" in body or body[:1] == "{" or body in PLAIN or "Content-Type" in headers
        )
        content = b"" if body is None else (body if is_text else json.dumps(body)).encode()
        self.send_response(status)
        kind = "text/html" if is_text else "application/vnd.cvat+json"
        for name, value in ({"Content-Type": kind} | headers).items():
            self.send_header(name, value)
        for cookie in cookies:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815


def _fault(double: Any, method: str, path: str) -> Fault | None:
    for fault in double.faults:
        if fault.times and fault.method == method and fault.path.search(path):
            if fault.skip:
                fault.skip -= 1
                return None
            fault.times -= 1
            return fault
    return None


def _answer(double: Any, method: str, call: Call) -> tuple[int, Any, dict[str, str]]:
    with_path = [(one, pattern.match(call.path), name) for one, pattern, name in ROUTES]
    fitting = [(one, match, name) for one, match, name in with_path if match]
    double.state.lock.acquire()
    try:
        double.state.finish_requests(time.monotonic())
        if not fitting:
            return 404, {"detail": "Not found."}, {}
        for one, match, name in fitting:
            if one == method:
                _check_account(double, call)
                status, body, *headers = getattr(double, name)(
                    call, *(_argument(one) for one in match.groups())
                )
                # A copy: another thread may change the row before it is sent.
                return status, json.loads(json.dumps(body)), *(headers or [{}])
        return 405, {"detail": f'Method "{method}" not allowed.'}, {}
    except RefusedError as refusal:
        return refusal.status, refusal.body, refusal.headers
    finally:
        if call.is_locked:
            double.state.lock.release()


def _check_account(double: Any, call: Call) -> None:
    if call.path.rstrip("/").endswith(("/server/about", "/auth/login")):
        return
    if not call.user:
        given = "Authorization" in call.headers
        said = "Invalid token." if given else "Authentication credentials were not provided."
        raise RefusedError(401, {"detail": said})
    slug = call.headers.get("X-Organization")
    if slug not in (None, "", double.state.organisation["slug"]):
        raise RefusedError(404, {"detail": f"{slug} organization does not exist."})


def _argument(text: str) -> Any:
    return int(text) if text.isdigit() else text


def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    """One attempt of 10 s without retry; returns the status as CVAT records it."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)
    try:
        connection.request(
            "POST", parts.path, body=body,
            headers={"Content-Type": "application/json", "User-Agent": "CVAT/2.54.1"} | headers,
        )  # fmt: skip
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except TimeoutError:
        return 504, ""
    except OSError:
        return 502, ""
    finally:
        connection.close()
