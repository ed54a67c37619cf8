"""Recorded exchanges of a real CVAT, and requests to the double to compare with them."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.cvat_double.server import CvatDouble


def ask(
    cvat: CvatDouble,
    method: str,
    path: str,
    *,
    query: Any = None,
    body: Any = None,
    **headers: str,
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", cvat.port, timeout=10)
    given = {"Authorization": f"Bearer {cvat.token}", "X-Organization": "avalab"}
    given |= {"Content-Type": "application/json"} | headers
    content = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
    where = path + (f"?{urlencode(query)}" if query else "")
    connection.request(method, where, body=content, headers=given)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    try:
        return answer.status, json.loads(text) if text else None
    except ValueError:
        return answer.status, text


def exchanges(folder: Path, *names: str) -> Iterator[tuple[dict, dict]]:
    for name in names or sorted(path.name for path in folder.glob("*.json")):
        content = json.loads((folder / name).read_text())
        for one in content.get("exchanges", []):
            if "__truncated__" not in json.dumps(one["response"]["body"])[:30]:
                yield one["request"], one["response"]


def recorded(folder: Path, method: str, path: str, status: int, *, body: str = "") -> Any:
    """The first recorded answer of this kind."""
    for request, response in exchanges(folder):
        fits = request["method"] == method and re.fullmatch(path, request["path"])
        if fits and response["status"] == status and body in json.dumps(request["body"]):
            return response["body"]
    raise AssertionError(f"{method} {path} {status} was not recorded")


def populate(cvat: CvatDouble, recordings: Path) -> None:
    """A project, a task with pictures and a job, made by the recorded requests."""
    body = next(
        request["body"]
        for request, _ in exchanges(recordings, "02-project.json")
        if request["method"] == "POST"
    )
    ask(cvat, "POST", "/api/projects", body=body)
    ask(cvat, "POST", "/api/tasks", body={"name": "frames A", "project_id": 1})
    upload(cvat, 1)
    ask(cvat, "GET", "/api/jobs")


def upload(cvat: CvatDouble, task: int) -> tuple[int, Any]:
    path, line = f"/api/tasks/{task}/data/", b"\r\n"
    ask(cvat, "POST", path, **{"Upload-Start": ""})
    parts = [
        b"--b", b'Content-Disposition: form-data; name="image_quality"', b"", b"80",
        b"--b", b'Content-Disposition: form-data; name="client_files[0]"; filename="0.jpg"',
        b"Content-Type: image/jpeg", b"", b"jpeg", b"--b--", b"",
    ]  # fmt: skip
    multipart = {"Content-Type": "multipart/form-data; boundary=b", "Upload-Multiple": ""}
    assert ask(cvat, "POST", path, body=line.join(parts), **multipart)[0] == 200
    return ask(cvat, "POST", path, body={"image_quality": 80}, **{"Upload-Finish": ""})
