"""HTTP range requests (RFC 9110) for stored files and generated downloads.

Django always sends the whole file; browsers need ranges to seek in a video and to resume a
download. Files in S3 are redirected to S3, which supports ranges itself.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

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

from avaproject.base.file_ranges import RangeReader, read_file_range

SINGLE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class ByteRange(NamedTuple):
    start: int
    stop: int  # exclusive


class _FilePart:
    """The bytes `span` of a file; seekable, so that a web server sends it without a thread."""

    def __init__(self, file: BinaryIO, span: ByteRange) -> None:
        self.file = file
        self.span = span
        file.seek(span.start)

    def read(self, count: int = -1) -> bytes:
        left = max(0, self.span.stop - self.file.tell())
        return self.file.read(left if count < 0 else min(count, left))

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.file.tell() - self.span.start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        length = self.span.stop - self.span.start
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: length}[whence]
        self.file.seek(self.span.start + max(0, base + offset))
        return self.tell()

    def close(self) -> None:
        self.file.close()


def serve_stored(
    request: HttpRequest, name: str, *, content_type: str, download_as: str = ""
) -> HttpResponseBase:
    """Send the stored file `name`, or the requested range; 404 if it does not exist.

    Args:
        download_as: File name for saving; empty to show the file inline.
    """
    if not name:
        raise Http404("This file does not exist yet.")
    try:
        path = Path(default_storage.path(name))
    except NotImplementedError:
        return HttpResponseRedirect(_signed_url(name, content_type, download_as))
    if not path.is_file():
        raise Http404(f"{name} is not in the storage.")
    if found := read_file_range(path):
        source = Path(default_storage.path(found.source))
        if not source.is_file():
            raise Http404(f"{found.source} is not in the storage.")
        whole = RangeReader(found, source.open("rb"))
        return _serve(request, whole, path.stat(), found.size, content_type, download_as)
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
    """Send a local file: 200 complete, 206 a range, 304 unchanged, 416 beyond its end."""
    stat = path.stat()
    return _serve(request, path.open("rb"), stat, stat.st_size, content_type, download_as)


def _serve(
    request: HttpRequest, file: Any, stat: os.stat_result, size: int,
    content_type: str, download_as: str,
) -> HttpResponseBase:  # fmt: skip
    """Send an open file of `size` bytes, or a range of it."""
    etag = f'"{stat.st_mtime_ns:x}-{size:x}"'
    response = _range_response(request, size, etag=etag, modified=http_date(stat.st_mtime))
    if isinstance(response, HttpResponse):
        file.close()
        return response
    headers, span, status = response
    return FileResponse(
        _FilePart(file, span), status=status, content_type=content_type,
        as_attachment=bool(download_as), filename=download_as, headers=headers,
    )  # fmt: skip


def serve_stream(
    request: HttpRequest,
    read: Callable[[int, int], Iterator[bytes]],
    *,
    size: int,
    etag: str,
    content_type: str,
    download_as: str,
) -> HttpResponseBase:
    """Send content that is generated while streaming, with ranges.

    Args:
        read: Yields the bytes from a start to a stop.
        size: Total bytes.
        etag: Changes with the content.
    """
    response = _range_response(request, size, etag=f'"{etag}"', modified="")
    if isinstance(response, HttpResponse):
        return response
    headers, span, status = response
    headers["Content-Disposition"] = content_disposition_header(True, download_as) or ""
    return StreamingHttpResponse(
        read(span.start, span.stop), status=status, content_type=content_type, headers=headers
    )


class _RangeHeaders(NamedTuple):
    headers: dict[str, str]
    span: ByteRange
    status: int


def _range_response(
    request: HttpRequest, size: int, *, etag: str, modified: str
) -> HttpResponse | _RangeHeaders:
    """Headers and range of a response of `size` bytes, or a complete empty response."""
    headers = {"Accept-Ranges": "bytes", "ETag": etag, "Cache-Control": "private, no-cache"}
    if modified:
        headers["Last-Modified"] = modified
    client_etags = parse_etags(request.headers.get("If-None-Match", ""))
    if etag in client_etags or "*" in client_etags:
        return HttpResponseNotModified(headers=headers)
    same = request.headers.get("If-Range", etag) in (etag, modified or etag)
    requested = request.headers.get("Range", "") if same else ""
    try:
        span = parse_range(requested, size)
    except ValueError:
        headers["Content-Range"] = f"bytes */{size}"
        return HttpResponse(status=416, headers=headers)
    if span is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    whole = span or ByteRange(0, size)
    headers["Content-Length"] = str(whole.stop - whole.start)
    return _RangeHeaders(headers, whole, 206 if span else 200)


def parse_range(requested: str, size: int) -> ByteRange | None:
    """The byte range of a Range header; None for the whole file.

    Invalid headers and multiple ranges mean the whole file (RFC 9110, 14.2).
    Raises ValueError if the range lies outside the file.

    >>> parse_range("bytes=0-99", 1000), parse_range("bytes=-50", 1000)
    (ByteRange(start=0, stop=100), ByteRange(start=950, stop=1000))
    >>> parse_range("bytes=5-2", 1000) is None
    True
    """
    match = SINGLE_RANGE.fullmatch(requested.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        span = ByteRange(max(0, size - int(match[2])), size)
    else:
        last = int(match[2]) if match[2] else size - 1
        if match[2] and last < int(match[1]):
            return None
        span = ByteRange(int(match[1]), min(last + 1, size))
    if span.start >= span.stop:
        raise ValueError(f"no byte of {requested!r} in a file of {size} bytes")
    return span
