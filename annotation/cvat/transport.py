"""HTTP transport to one CVAT server: sign in, call, upload; every error becomes a CvatError.

The only module that imports cvat_sdk. It uses the SDK's sessions, credentials and uploads, and
calls endpoints that all server versions share; responses are read as plain JSON, because the
SDK's own classes reject values that a newer server adds.
"""

import io
import json
import logging
import threading
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import urllib3
from cvat_sdk.api_client import ApiClient, exceptions
from cvat_sdk.api_client.rest import RESTClientObject
from cvat_sdk.core.client import (
    AccessTokenCredentials,
    Client,
    Credentials,
    PasswordCredentials,
)
from cvat_sdk.core.exceptions import CvatSdkException
from cvat_sdk.core.helpers import make_request_headers
from cvat_sdk.core.uploading import DataUploader
from django.utils.translation import gettext as _

from annotation.cvat.addresses import guard
from annotation.cvat.error_mapping import ErrorMapper, is_json
from annotation.cvat.errors import CvatDeniedError, CvatTooLongError

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
REQUEST_SIZE = 16 << 20  # bytes of images in one request; tasks are sent in parallel
CONNECTIONS = 16
ACCEPT = "application/vnd.cvat+json, application/json"


class Address(NamedTuple):
    """URL and credentials of a CVAT server: a token, or a user and a password."""

    url: str
    organisation: str = ""  # "": all workspaces of the account
    token: str = ""
    user: str = ""
    password: str = ""

    @property
    def credentials(self) -> Credentials:
        if self.token:
            return AccessTokenCredentials(self.token)
        return PasswordCredentials(self.user, self.password)


class _Rest(RESTClientObject):
    """The SDK's REST client with timeouts, and without its sleeps when throttled.

    No redirect is followed: CVAT sends none, and a POST would become a GET.
    """

    def __init__(self, configuration: Any) -> None:
        configuration.retries = urllib3.Retry(
            total=1, connect=1, read=0, status=0, other=0, redirect=False,
            respect_retry_after_header=False,
        )  # fmt: skip
        super().__init__(configuration, maxsize=CONNECTIONS)
        guard(self.pool_manager)

    def request(self, *args: Any, _request_timeout: Any = None, **kwargs: Any) -> Any:
        timeout = _request_timeout or (CONNECT_SECONDS, ANSWER_SECONDS)
        return super().request(*args, _request_timeout=timeout, **kwargs)


class Transport:
    """A signed-in session; may be used by several threads at once."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.errors = ErrorMapper(address.url, address.organisation, request_size=REQUEST_SIZE)
        self._lock = threading.Lock()
        self._client: Client | None = None

    def call(self, method: str, path: str, *, query: Any = None, body: Any = None) -> Any:
        """The JSON of the response, or None if it is empty."""
        return self._read(self._request(method, path, query=query, body=body))

    def file(self, url: urllib.parse.SplitResult) -> bytes:
        """A file that this server has at `url`."""
        path = f"{url.path}?{url.query}" if url.query else url.path
        response = self._request("GET", path, query=None, body=None)
        return bytes(response.data)

    def lines(self, url: urllib.parse.SplitResult, *, max_characters: int) -> Iterator[str]:
        """The lines of a text file that this server has at `url`, as they arrive.

        Raises CvatTooLongError after `max_characters`.
        """
        path = f"{url.path}?{url.query}" if url.query else url.path
        response = self._request("GET", path, query=None, body=None, is_stream=True)
        response.auto_close = False  # or the text could not be read to its end
        text = io.TextIOWrapper(response, "utf-8", "replace", newline="")
        left = max_characters
        try:
            while line := text.readline(left + 1):
                left -= len(line)
                if left < 0:
                    raise CvatTooLongError(
                        _(
                            "a file of CVAT at %(url)s is longer than %(max_characters)s "
                            "characters"
                        )
                        % {"url": self.address.url, "max_characters": max_characters}
                    )
                yield line
        except urllib3.exceptions.HTTPError as error:
            raise self.errors.map_error(error) from error
        finally:
            response.close()  # a connection in the middle of a file is of no use any more

    def upload(self, path: str, files: Sequence[Path], **fields: Any) -> Any:
        """Send `files`, in as many requests as needed; the JSON of the last response."""
        client = self._signed_in()
        try:
            response = DataUploader(client, max_request_size=REQUEST_SIZE).upload_files(
                self.address.url.rstrip("/") + path, list(files), **fields
            )
        except (
            exceptions.ApiException,
            CvatSdkException,
            urllib3.exceptions.HTTPError,
        ) as error:
            raise self.errors.map_error(error) from error
        return self._read(response)

    def send_file(self, path: str, file: tuple[str, bytes, str], **fields: object) -> Any:
        """POST `file` (name, content, media type) as a form; the JSON of the response."""
        form = [*((name, str(value)) for name, value in fields.items()), ("file", file)]
        return self._read(self._request("POST", path, query=None, body=None, form=form))

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.api_client.rest_client.pool_manager.clear()
                self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _request(
        self, method: str, path: str, *, query: Any, body: Any, form: Any = None,
        is_stream: bool = False,
    ) -> Any:  # fmt: skip
        more = {"form": form, "is_stream": is_stream}
        try:
            return self._send(method, path, query=query, body=body, **more)
        except CvatDeniedError as error:
            if self.address.token or not error.is_unknown:
                raise
        self.close()  # the session expired: sign in again
        return self._send(method, path, query=query, body=body, **more)

    def _send(
        self, method: str, path: str, *, query: Any, body: Any, form: Any, is_stream: bool
    ) -> Any:
        api: ApiClient = self._signed_in().api_client
        headers = make_request_headers(api) | {"Accept": ACCEPT}
        if form is not None:
            headers["Content-Type"] = "multipart/form-data"
        parameters = [(name, _text(value)) for name, value in (query or {}).items()]
        try:
            return api.rest_client.request(
                method, self.address.url.rstrip("/") + path,
                query_params=parameters or None, headers=headers, body=body, post_params=form,
                _parse_response=not is_stream,
            )  # fmt: skip
        except (exceptions.ApiException, urllib3.exceptions.HTTPError) as error:
            raise self.errors.map_error(error) from error

    def _signed_in(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = self._sign_in()
            return self._client

    def _sign_in(self) -> Client:
        # The SDK would first request the server's version, unauthenticated and throttled.
        try:
            client = Client(self.address.url, check_server_version=False)
        except CvatSdkException as error:
            raise CvatDeniedError(
                _("%(url)s is not an address of CVAT: write it with http:// or https://")
                % {"url": self.address.url}
            ) from error
        client.api_client.rest_client = _Rest(client.api_client.configuration)
        client.logger.setLevel(logging.CRITICAL)  # what matters becomes a message on a row
        if self.address.organisation:
            client.organization_slug = self.address.organisation
        try:
            client.login(self.address.credentials)
        except (
            exceptions.ApiException,
            urllib3.exceptions.HTTPError,
            CvatSdkException,
        ) as error:
            client.api_client.rest_client.pool_manager.clear()
            if getattr(error, "status", None) == 400 and is_json(error):  # CVAT's code for it
                raise CvatDeniedError(
                    _(
                        "CVAT at %(url)s rejects the user name or password of %(user)s: "
                        "correct them, or create an access token there"
                    )
                    % {"url": self.address.url, "user": self.address.user}
                ) from error
            raise self.errors.map_error(error) from error
        except (exceptions.OpenApiException, TypeError, AssertionError) as error:
            # What the SDK raises if the response is not CVAT's.
            client.api_client.rest_client.pool_manager.clear()
            raise self.errors.not_cvat("200") from error
        return client

    def _read(self, response: Any) -> Any:
        if not response.data:
            return None
        try:
            return json.loads(response.data)
        except (ValueError, RecursionError) as error:
            raise self.errors.not_cvat(str(response.status)) from error


def quoted(text: str) -> str:
    """`text` as one segment of a URL path."""
    return urllib.parse.quote(text, safe="")


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
