import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import Http404

from avaproject.base.file_ranges import FileRange
from avaproject.base.ranges import serve_stored
from avaproject.base.storage import local_path, open_stored, stored_size

pytestmark = pytest.mark.django_db  # the end of a response looks at connections

WHOLE = b"header--45678"


@pytest.fixture
def stored(own_files):
    default_storage.save("shop/video.mp4", ContentFile(b"0123456789"))
    found = FileRange("shop/video.mp4", 4, 5, b"header--")
    return default_storage.save("shop/clip.mp4", ContentFile(found.dump()))


def test_a_range_is_read_as_the_whole_file(stored):
    with local_path(stored) as path:
        assert (path.name, path.read_bytes()) == ("clip.mp4", WHOLE)
    with open_stored(stored) as file:
        file.seek(6)
        assert file.read(4) == b"--45"
    assert stored_size(stored) == len(WHOLE)
    assert stored_size("shop/video.mp4") == 10


@pytest.mark.parametrize(
    ("wanted", "status", "content"),
    [
        ("", 200, WHOLE),
        ("bytes=0-3", 206, b"head"),
        ("bytes=6-9", 206, b"--45"),
        ("bytes=-2", 206, b"78"),
        ("bytes=99-", 416, b""),
    ],
)
def test_a_range_is_served_as_the_whole_file(stored, rf, wanted, status, content):
    request = rf.get("/", HTTP_RANGE=wanted) if wanted else rf.get("/")
    response = serve_stored(request, stored, content_type="video/mp4")
    assert response.status_code == status
    assert b"".join(response) == content
    response.close()


def test_a_range_of_a_file_that_is_gone_is_not_found(stored, rf):
    default_storage.delete("shop/video.mp4")
    with pytest.raises(Http404, match=r"shop/video\.mp4 is not in the storage"):
        serve_stored(rf.get("/"), stored, content_type="video/mp4")


def test_a_damaged_range_is_an_os_error(own_files):
    name = default_storage.save("shop/clip.mp4", ContentFile(b"AVA-RANGE-1\n{}\n"))
    with pytest.raises(OSError, match="damaged"), local_path(name):
        pass
