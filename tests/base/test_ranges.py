from contextlib import closing

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import Http404
from django.test import RequestFactory

from avaproject.base.ranges import serve_stored

pytestmark = pytest.mark.django_db  # a response that ends looks after its connections

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def stored():
    return default_storage.save("shop/clips/a.mp4", ContentFile(CONTENT))


def ask(name, **headers):
    request = RequestFactory(headers=headers).get("/")
    with closing(serve_stored(request, name, content_type="video/mp4")) as response:
        response.body = b"".join(response) if response.streaming else response.content
    return response


def test_a_request_without_a_range_gets_the_whole_file(stored):
    response = ask(stored)
    assert (response.status_code, response["Content-Length"]) == (200, "1024")
    assert response["Accept-Ranges"] == "bytes"
    assert response.body == CONTENT


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        pytest.param("bytes=0-99", 0, 100, id="from the start"),
        pytest.param("bytes=1000-", 1000, 1024, id="to the end"),
        pytest.param("bytes=-24", 1000, 1024, id="the last bytes"),
        pytest.param("bytes=1000-9999", 1000, 1024, id="cut at the end"),
        pytest.param("bytes=-9999", 0, 1024, id="more than there is"),
    ],
)
def test_a_range_gets_its_bytes(stored, asked, start, stop):
    response = ask(stored, Range=asked)
    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes {start}-{stop - 1}/1024"
    assert response["Content-Length"] == str(stop - start)
    assert response.body == CONTENT[start:stop]


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=2000-3000", "bytes=-0"])
def test_a_range_outside_the_file_is_refused_with_its_size(stored, asked):
    response = ask(stored, Range=asked)
    assert (response.status_code, response["Content-Range"]) == (416, "bytes */1024")


@pytest.mark.parametrize(
    "asked",
    ["bytes=5-2", "bytes=-", "bytes=0-1,5-6", "lines=1-2", "x", f"bytes=0-{'9' * 5000}"],
)
def test_a_range_that_makes_no_sense_is_ignored(stored, asked):
    assert ask(stored, Range=asked).status_code == 200


def test_a_part_is_given_only_of_the_file_it_was_asked_of(stored):
    etag = ask(stored)["ETag"]
    assert ask(stored, **{"Range": "bytes=0-1", "If-Range": etag}).status_code == 206
    assert ask(stored, **{"Range": "bytes=0-1", "If-Range": '"old"'}).status_code == 200


def test_a_file_the_browser_has_is_not_sent_again(stored):
    response = ask(stored, **{"If-None-Match": ask(stored)["ETag"]})
    assert response.status_code == 304


def test_a_file_that_is_not_there_is_not_found():
    for name in ("", "shop/clips/none.mp4"):
        with pytest.raises(Http404):
            ask(name)


def test_a_storage_elsewhere_is_asked_for_a_signed_address(stored, monkeypatch):
    def elsewhere(name):
        raise NotImplementedError

    def url(name, parameters=None):
        return f"https://s3.example/{name}?{parameters['ResponseContentDisposition']}"

    monkeypatch.setattr(default_storage, "path", elsewhere)
    monkeypatch.setattr(default_storage, "url", url)
    response = serve_stored(
        RequestFactory().get("/"), stored, content_type="video/mp4", download_as="a.mp4"
    )
    assert response.status_code == 302
    assert response["Location"].startswith("https://s3.example/shop/clips/a.mp4?attachment")
