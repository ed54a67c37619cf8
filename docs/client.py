"""A client of the API of AVA Studio in one file without dependencies: copy it to your program.

    from client import AvaStudio

    studio = AvaStudio("https://ava.example.org", token="ava_...")
    studio.create_dataset("shop", vocabulary="street")
    studio.upload("shop", Path("videos.zip"))
    studio.wait_for(lambda: studio.clips("shop"))

Lists are followed over all their pages. Whatever is refused raises `ApiError` with the sentence
of the server. Rows are the JSON objects that `/api/docs/` describes.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urljoin
from urllib.request import Request, urlopen
from uuid import uuid4

Row = dict[str, Any]
Headers = dict[str, str]
Found = TypeVar("Found")
JSON = "application/json"
TUS = {"Tus-Resumable": "1.0.0"}
CHUNK = 8 << 20  # bytes of an upload that are sent at once
TIMEOUT = 60.0  # seconds


class ApiError(RuntimeError):
    """A request that was refused; `status` is the HTTP status, the message says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{message} ({status})")
        self.status = status


class AvaStudio:
    """An installation of AVA Studio, opened with an access token."""

    def __init__(self, address: str, *, token: str) -> None:
        self.address = address.rstrip("/") + "/"
        self._token = token

    def me(self) -> Row:
        """The account, and what the token opens."""
        return self._get("me/")

    def datasets(self) -> list[Row]:
        return self._all("datasets/")

    def dataset(self, name: str) -> Row:
        """One dataset, with its vocabulary as `groups`."""
        return self._get(_of(name))

    def create_dataset(self, name: str, *, vocabulary: str = "ava-v2.2", **more: Any) -> Row:
        """Create a dataset; `vocabulary_text` in `more` is one of your own."""
        return self._send("POST", "datasets/", {"name": name, "vocabulary": vocabulary} | more)

    def describe(self, name: str, description: str) -> Row:
        return self._send("PATCH", _of(name), {"description": description})

    def delete_dataset(self, name: str) -> None:
        """Delete a dataset with everything in it."""
        self._call("DELETE", _of(name), query={"confirm": name})

    def members(self, name: str) -> list[Row]:
        return self._all(_of(name, "members"))

    def invite(self, name: str, role: str, **more: Any) -> Row:
        """Make an invitation; its `link` is shown only now."""
        return self._send("POST", _of(name, "members"), {"role": role} | more)

    def change_role(self, name: str, member: int, role: str) -> Row:
        return self._send("PATCH", _of(name, "members", member), {"role": role})

    def remove_member(self, name: str, member: int) -> None:
        self._call("DELETE", _of(name, "members", member))

    def activity(self, name: str, **query: str) -> list[Row]:
        """Who did what, the newest first; `user` and `verb` narrow it."""
        return self._all(_of(name, "activity"), **query)

    def upload(self, name: str, path: Path) -> str:
        """Upload a zip of videos, or continue an upload that broke off; the zip's SHA-256."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            metadata = f"filename {_base64(path.name)},fingerprint {_base64(digest)}"
            size = path.stat().st_size
            headers = TUS | {"Upload-Length": str(size), "Upload-Metadata": metadata}
            _, answered = self._call("POST", _of(name, "transfers"), headers=headers)
            if "Upload-Part-Size" in answered:
                raise ApiError(501, "Files go to a bucket: upload on the page, or by parts.")
            offset = int(answered.get("Upload-Offset", "0"))
            while offset < size:
                offset = self._send_chunk(answered["Location"], file, offset)
        return digest

    def _send_chunk(self, target: str, file: BinaryIO, offset: int) -> int:
        file.seek(offset)
        chunk = file.read(CHUNK)
        headers = TUS | {
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
            "Upload-Checksum": f"sha256 {_base64(hashlib.sha256(chunk).digest())}",
        }
        _, answered = self._call("PATCH", target, body=chunk, headers=headers)
        return int(answered["Upload-Offset"])

    def uploads(self, name: str) -> list[Row]:
        return self._all(_of(name, "uploads"))

    def videos(self, name: str) -> list[Row]:
        return self._all(_of(name, "videos"))

    def video(self, name: str, video: str) -> Row:
        return self._get(_of(name, "videos", video))

    def delete_video(self, name: str, video: str) -> None:
        self._call("DELETE", _of(name, "videos", video), query={"confirm": video})

    def clips(self, name: str, **query: str) -> list[Row]:
        """The clips; `state` and `q`, a part of the name, narrow the list."""
        return self._all(_of(name, "clips"), **query)

    def clip(self, name: str, clip: str) -> Row:
        return self._get(_of(name, "clips", clip))

    def save_clip(self, name: str, clip: str, target: Path) -> Path:
        """Save the video of a clip."""
        return self._save(_of(name, "clips", clip) + "video.mp4", target)

    def tracks(self, name: str, clip: str, *, run: str = "") -> Row:
        """The tracks of a clip: those that are annotated, or of another run."""
        return self._get(_of(name, "clips", clip, "tracks"), **({"run": run} if run else {}))

    def consensus(self, name: str, clip: str) -> Row:
        return self._get(_of(name, "clips", clip, "consensus"))

    def assign(
        self, name: str, annotators: Sequence[str], *, overlap: float = 0.3, **more: Any
    ) -> Row:
        """Assign clips; with `preview=True` nothing is written."""
        plan = {"annotators": list(annotators), "overlap": overlap} | more
        return self._send("POST", _of(name, "assignments"), plan)

    def annotators(self, name: str) -> list[Row]:
        return self._all(_of(name, "annotators"))

    def unassign(self, name: str, annotator: int) -> int:
        """Unassign what an annotator has not answered; how many tasks."""
        found, _ = self._call("DELETE", _of(name, "annotators", annotator, "tasks"))
        return int(json.loads(found)["count"])

    def reassign(self, name: str, annotator: int) -> int:
        return int(self._send("POST", _of(name, "annotators", annotator, "tasks"), {})["count"])

    def tasks(self, name: str, **query: str) -> list[Row]:
        """The tasks; `state`, `annotator` and `q` narrow the list."""
        return self._all(_of(name, "tasks"), **query)

    def task(self, name: str, task: int) -> Row:
        return self._get(_of(name, "tasks", task))

    def my_tasks(self) -> list[Row]:
        """What the account has to label, over all datasets."""
        return self._all("my/tasks/")

    def save_package(self, name: str, task: int, target: Path) -> Path:
        """Save the package of a task: frames, people, labels."""
        return self._save(_of(name, "tasks", task, "package"), target)

    def import_answers(self, name: str, task: int, content: bytes) -> Row:
        """Import answers to a task: CVAT for video 1.1, as XML or in a zip."""
        kind = "application/zip" if content[:2] == b"PK" else "application/xml"
        return self._send("POST", _of(name, "tasks", task, "answers"), content, kind)

    def answers(self, name: str, task: int) -> list[Row]:
        """The versions of the answers to a task, the newest first."""
        return self._all(_of(name, "tasks", task, "answers"))

    def answers_version(self, name: str, task: int, number: int) -> Row:
        """One version: each person at each keyframe."""
        return self._get(_of(name, "tasks", task, "answers", number))

    def imports(self, name: str) -> list[Row]:
        return self._all(_of(name, "imports"))

    def label_import(self, name: str, number: int) -> Row:
        """One import: its `preview`, and its `outcome` once answers were taken."""
        return self._get(_of(name, "imports", number))

    def begin_import(self, name: str, path: Path, *, source: str, **more: str) -> Row:
        """Upload a file for a preview; `source` is whose answers it holds."""
        return self._send("POST", _of(name, "imports"), *_form({"source": source} | more, path))

    def choose_import(self, name: str, number: int, **choices: Any) -> Row:
        """Preview it with other choices (`mapping`, ...); `confirm=True` takes its answers."""
        return self._send("POST", _of(name, "imports", number), choices)

    def undo_import(self, name: str, number: int) -> Row:
        return self._send("POST", _of(name, "imports", number, "undo"), {})

    def comment(self, name: str, task: int, text: str) -> Row:
        return self._send("POST", _of(name, "tasks", task, "comments"), {"text": text})

    def draft(self, name: str, task: int, *, holder: str, take_over: bool = False) -> Row:
        """Open the draft of one's own task, as the label page does."""
        body = {"holder": holder, "take_over": take_over}
        return self._send("POST", _of(name, "tasks", task, "draft"), body)

    def send_operations(
        self, name: str, task: int, *, holder: str, operations: Sequence[Row]
    ) -> Row:
        """Append operations to the draft; those that are there already are skipped."""
        body = {"holder": holder, "operations": list(operations)}
        return self._send("POST", _of(name, "tasks", task, "draft", "operations"), body)

    def submit(self, name: str, task: int, *, holder: str, last: int) -> int:
        """Submit the draft; the number of the version of answers."""
        path = _of(name, "tasks", task, "draft", "submit")
        return int(self._send("POST", path, {"holder": holder, "last": last})["version"])

    def agreement(self, name: str, clip: str = "") -> dict[str, list[Row]]:
        """The tables of agreement of a dataset, or of one clip: rows by the table's name."""
        path = _of(name, "clips", clip, "agreement") if clip else _of(name, "agreement")
        return {table["name"]: table["rows"] for table in self._get(path)["tables"]}

    def adjudication(self, name: str, *, kind: str = "open") -> Iterator[Row]:
        """All questions that wait for a decision."""
        query = {"kind": kind}
        while items := json.loads(self._call("GET", _of(name, "adjudication"), query=query)[0]):
            yield from items
            query["after"] = items[-1]["key"]

    def adjudicate(
        self, name: str, *, clip: str, seconds: Sequence[int], person_id: int, **more: Any
    ) -> list[int]:
        """Decide a question; the keys of the decisions. `group` and `actions` say how."""
        body = {"clip": clip, "seconds": list(seconds), "person_id": person_id} | more
        return list(self._send("POST", _of(name, "adjudication"), body)["decisions"])

    def undo_decision(self, name: str, decision: int) -> None:
        self._call("DELETE", _of(name, "decisions", decision))

    def reviews(self, name: str) -> list[Row]:
        """The answers that wait for review."""
        return self._all(_of(name, "reviews"))

    def approve(self, name: str, tasks: Sequence[int], *, reason: str = "") -> int:
        """Approve the newest answers of tasks; how many verdicts are new."""
        return self._review(name, tasks, "approved", reason)

    def reject(self, name: str, tasks: Sequence[int], *, reason: str) -> int:
        """Return the newest answers of tasks to their annotators."""
        return self._review(name, tasks, "rejected", reason)

    def _review(self, name: str, tasks: Sequence[int], verdict: str, reason: str) -> int:
        body = {"tasks": list(tasks), "verdict": verdict, "reason": reason}
        return int(self._send("POST", _of(name, "reviews"), body)["count"])

    def releases(self, name: str) -> list[Row]:
        return self._all(_of(name, "releases"))

    def create_release(self, name: str, **options: Any) -> Row:
        """Order a release of the approved clips."""
        return self._send("POST", _of(name, "releases"), options)

    def release(self, name: str, number: int) -> Row:
        return self._get(_of(name, "releases", number))

    def save_release(
        self, name: str, number: int, target: Path, *, parts: Sequence[str] = ()
    ) -> Path:
        """Save a release as a zip: everything, or `parts` such as annotations and clips."""
        query = "?" + urlencode([("part", part) for part in parts]) if parts else ""
        return self._save(_of(name, "releases", number, "zip") + query, target)

    def delete_release_files(self, name: str, number: int) -> Row:
        path, query = _of(name, "releases", number), {"confirm": str(number)}
        return _object(self._call("DELETE", path, query=query)[0])

    def bundles(self, name: str) -> list[Row]:
        return self._all(_of(name, "bundles"))

    def create_bundle(self, name: str, *, with_clips: bool = True) -> Row:
        return self._send("POST", _of(name, "bundles"), {"with_clips": with_clips})

    def wait_for(
        self, ask: Callable[[], Found], *, seconds: float = 3600.0, pause: float = 5.0
    ) -> Found:
        """Ask until the answer is true; the answer. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while not (found := ask()):
            if time.monotonic() > end:
                raise TimeoutError(f"nothing within {seconds:.0f} s")
            time.sleep(pause)
        return found

    def _get(self, path: str, **query: str) -> Row:
        return _object(self._call("GET", path, query=query)[0])

    def _send(self, method: str, path: str, body: Row | bytes, kind: str = JSON) -> Row:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": kind}
        return _object(self._call(method, path, body=content, headers=headers)[0])

    def _all(self, path: str, **query: str) -> list[Row]:
        """The rows of all pages of a list."""
        found = self._get(path, **{"limit": "500"} | query)
        rows: list[Row] = found["results"]
        while found["next"]:
            found = self._get(found["next"])
            rows += found["results"]
        return rows

    def _save(self, path: str, target: Path) -> Path:
        """Save a file; what is there already is continued."""
        partial = target.with_name(f"{target.name}.part")
        start = partial.stat().st_size if partial.exists() else 0
        headers = {"Range": f"bytes={start}-"} if start else {}
        request = self._request("GET", path, None, headers)
        with _opened(request) as response, partial.open("ab") as file:
            if start and response.status != 206:
                file.truncate(0)
            while chunk := response.read(CHUNK):
                file.write(chunk)
        partial.replace(target)
        return target

    def _call(
        self, method: str, path: str, *, body: bytes | None = None,
        headers: Headers | None = None, query: dict[str, str] | None = None,
    ) -> tuple[bytes, Headers]:  # fmt: skip
        """The body and the headers of the response. Raises ApiError."""
        path = f"{path}?{urlencode(query)}" if query else path
        with _opened(self._request(method, path, body, headers or {})) as response:
            return response.read(), dict(response.headers)

    def _request(self, method: str, path: str, body: bytes | None, headers: Headers) -> Request:
        """A request with the token; `path` is below `/api/`, or a whole address."""
        is_whole = path.startswith(("/", "http:", "https:"))
        url = urljoin(self.address, path if is_whole else f"api/{path}")
        if not url.startswith(self.address):
            raise ApiError(0, f"{url} is not at {self.address}, and gets no token.")
        headers = {"Authorization": f"Token {self._token}"} | headers
        return Request(url, data=body, headers=headers, method=method)  # noqa: S310


def _opened(request: Request) -> Any:
    try:
        return urlopen(request, timeout=TIMEOUT)  # noqa: S310  an address of the installation
    except HTTPError as error:
        with error:
            raise ApiError(error.code, _sentence(error.read())) from None


def _sentence(body: bytes) -> str:
    """What a response says is wrong."""
    try:
        found = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")[:500] or "The request was refused"
    said = found.get("detail", found.get("error")) if isinstance(found, dict) else None
    return said if isinstance(said, str) else json.dumps(found)


def _base64(content: str | bytes) -> str:
    found = content.encode() if isinstance(content, str) else content
    return base64.b64encode(found).decode()


def _object(body: bytes) -> Row:
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ApiError(0, "The server sent something else than an object")
    return found


def _of(name: str, *more: str | int) -> str:
    """The path of something in a dataset."""
    return "datasets/" + "".join(f"{quote(str(part), safe='')}/" for part in (name, *more))


def _form(fields: dict[str, str], path: Path) -> tuple[bytes, str]:
    """A form with `fields` and a file, and its content type."""
    mark, name = uuid4().hex, path.name.replace('"', r"\"")
    parts = {field: value.encode() for field, value in fields.items()}
    parts[f'file"; filename="{name}'] = path.read_bytes()
    body = b""
    for about, content in parts.items():
        head = f'--{mark}\r\nContent-Disposition: form-data; name="{about}"\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return body + f"--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"
