"""A Hugging Face Hub of one process: dataset repositories that take commits of small files."""

import base64
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Hub:
    """What was created and committed: repository -> {path: bytes}."""

    def __init__(self):
        self.repositories, self.private, self.messages = {}, {}, []

    def create(self, wanted, host):
        name = f"{wanted.get('organization', 'me')}/{wanted['name']}"
        self.repositories.setdefault(name, {})
        self.private[name] = wanted.get("private") or wanted.get("visibility") == "private"
        return {"url": f"http://{host}/datasets/{name}"}

    def commit(self, repository, lines, host):
        for one in map(json.loads, lines):
            if one["key"] == "header":
                self.messages.append(one["value"]["summary"])
            elif one["key"] == "file":
                content = base64.b64decode(one["value"]["content"])
                self.repositories[repository][one["value"]["path"]] = content
        url = f"http://{host}/datasets/{repository}/commit/{'ab' * 20}"
        return {"success": True, "commitOid": "ab" * 20, "commitUrl": url, "hookOutput": ""}


class HubHandler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        """Tests are quiet."""

    def answer(self, content, status=200):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        repository = self.path.removeprefix("/api/datasets/").partition("/revision")[0]
        files = self.server.hub.repositories.get(repository)
        if files is None:
            return self.answer({"error": "Repository not found"}, 404)
        siblings = [{"rfilename": name} for name in files]
        return self.answer(
            {"id": repository, "sha": "0" * 40, "private": True, "tags": [],
             "siblings": siblings}
        )  # fmt: skip

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else read_chunks(self.rfile)
        hub, host = self.server.hub, self.headers["Host"]
        if self.path == "/api/repos/create":
            return self.answer(hub.create(json.loads(body), host))
        if self.path == "/api/validate-yaml":
            return self.answer({"warnings": [], "errors": []})
        place = self.path.removeprefix("/api/datasets/").rpartition("/")[0]
        repository, _, action = place.rpartition("/")
        if action == "preupload":
            how = {"uploadMode": "regular", "shouldIgnore": False}
            files = [how | {"path": one["path"]} for one in json.loads(body)["files"]]
            return self.answer({"files": files})
        return self.answer(hub.commit(repository, body.decode().splitlines(), host))


def read_chunks(stream):
    """A body in chunked transfer coding."""
    found = b""
    while length := int(stream.readline().strip() or b"0", 16):
        found += stream.read(length)
        stream.readline()
    return found


@contextmanager
def running_hub():
    """The hub and its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), HubHandler)
    server.hub = Hub()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.hub, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
