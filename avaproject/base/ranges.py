"""Stored files for players and downloads: whole, or the byte range that was asked for.

Django answers every request with the whole file; browsers need ranges to seek in a video and to
go on with a broken download. Files in S3 are left to S3, which does ranges itself.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from django.core.files.storage import default_storage
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.utils.http import content_disposition_header, http_date, parse_etags

ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


class Span(NamedTuple):
    start: int
    stop: int  # exclusive


class _Part:
    """A file that ends after `length` more bytes."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self.file = file
        self.left = length

    def read(self, count: int = -1) -> bytes:
        content = self.file.read(self.left if count < 0 else min(count, self.left))
        self.left -= len(content)
        return content

    def close(self) -> None:
        self.file.close()


def serve_stored(
    request: HttpRequest, name: str, *, content_type: str, download_as: str = ""
) -> HttpResponseBase:
    """Storage file `name`, or the part of it that the Range header names; 404 without one.

    Args:
        download_as: Name under which a browser saves the file; empty to show it in the page.
    """
    if not name:
        raise Http404("This file is not made yet.")
    try:
        path = Path(default_storage.path(name))
    except NotImplementedError:
        return HttpResponseRedirect(_signed_url(name, content_type, download_as))
    if not path.is_file():
        raise Http404(f"{name} is not in the storage.")
    return serve_file(request, path, content_type=content_type, download_as=download_as)


def _signed_url(name: str, content_type: str, download_as: str) -> str:
    parameters = {"ResponseContentType": content_type}
    if download_as:
        disposition = content_disposition_header(True, download_as)
        parameters["ResponseContentDisposition"] = disposition or "attachment"
    return default_storage.url(name, parameters=parameters)  # type: ignore[call-arg]


def serve_file(
    request: HttpRequest, path: Path, *, content_type: str, download_as: str = ""
) -> HttpResponseBase:
    """The local file `path`: 200 whole, 206 a part, 304 unchanged or 416 beyond its end."""
    stat = path.stat()
    etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    answer = _answer(request, stat.st_size, etag=etag, modified=http_date(stat.st_mtime))
    if isinstance(answer, HttpResponse):
        return answer
    headers, span, status = answer
    file = path.open("rb")
    file.seek(span.start)
    return FileResponse(
        _Part(file, span.stop - span.start), status=status, content_type=content_type,
        as_attachment=bool(download_as), filename=download_as, headers=headers,
    )  # fmt: skip


def serve_pieces(
    request: HttpRequest,
    read: Callable[[int, int], Iterator[bytes]],
    *,
    size: int,
    etag: str,
    content_type: str,
    download_as: str,
) -> HttpResponseBase:
    """Content that is made while it is sent, with ranges as for a file.

    Args:
        read: Gives the bytes from a start to a stop, in pieces.
        size: Of all of it, in bytes.
        etag: Other content has another one.
    """
    answer = _answer(request, size, etag=f'"{etag}"', modified="")
    if isinstance(answer, HttpResponse):
        return answer
    headers, span, status = answer
    headers["Content-Disposition"] = content_disposition_header(True, download_as) or ""
    return StreamingHttpResponse(
        read(span.start, span.stop), status=status, content_type=content_type, headers=headers
    )


class _Headers(NamedTuple):
    headers: dict[str, str]
    span: Span
    status: int


def _answer(
    request: HttpRequest, size: int, *, etag: str, modified: str
) -> HttpResponse | _Headers:
    """What to send of `size` bytes, or the whole answer where that is nothing."""
    headers = {"Accept-Ranges": "bytes", "ETag": etag, "Cache-Control": "private, no-cache"}
    if modified:
        headers["Last-Modified"] = modified
    known = parse_etags(request.headers.get("If-None-Match", ""))
    if etag in known or "*" in known:
        return HttpResponseNotModified(headers=headers)
    same = request.headers.get("If-Range", etag) in (etag, modified or etag)
    asked = request.headers.get("Range", "") if same else ""
    try:
        span = wanted_span(asked, size)
    except ValueError:
        headers["Content-Range"] = f"bytes */{size}"
        return HttpResponse(status=416, headers=headers)
    if span is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    whole = span or Span(0, size)
    headers["Content-Length"] = str(whole.stop - whole.start)
    return _Headers(headers, whole, 206 if span else 200)


def wanted_span(asked: str, size: int) -> Span | None:
    """The bytes that a Range header names; None for the whole file.

    What cannot be understood, and several ranges at once, mean the whole file (RFC 9110, 14.2).
    Raises ValueError if the range lies outside the file.

    >>> wanted_span("bytes=0-99", 1000), wanted_span("bytes=-50", 1000)
    (Span(start=0, stop=100), Span(start=950, stop=1000))
    >>> wanted_span("bytes=5-2", 1000) is None
    True
    """
    match = ONE_RANGE.fullmatch(asked.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        span = Span(max(0, size - int(match[2])), size)
    else:
        last = int(match[2]) if match[2] else size - 1
        if match[2] and last < int(match[1]):
            return None
        span = Span(int(match[1]), min(last + 1, size))
    if span.start >= span.stop:
        raise ValueError(f"no byte of {asked!r} in a file of {size} bytes")
    return span
