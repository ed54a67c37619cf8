import base64
import errno
import hashlib
import io
import zipfile
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone

from avaproject.base.work import Stage
from datasets.models import Transfer, Upload
from datasets.services import resumable_upload as service
from datasets.services.upload import receive_unhashed, unpack_upload
from tests.make import make_dataset, make_user

pytestmark = pytest.mark.django_db


def a_zip(content=b"video"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("walk.mp4", content)
    return buffer.getvalue()


def text64(text):
    return base64.b64encode(text.encode()).decode()


def checksum(piece):
    return "sha256 " + base64.b64encode(hashlib.sha256(piece).digest()).decode()


class Sender:
    """A browser that sends one file."""

    def __init__(self, client, dataset, content, *, name="videos.zip", size=None):
        self.client, self.content = client, content
        about = f"filename {text64(name)},fingerprint {text64(name)}"
        self.begun = client.post(
            reverse("datasets:transfers", args=[dataset.name]),
            headers={"Upload-Length": str(size or len(content)), "Upload-Metadata": about},
        )
        self.address = self.begun.get("Location")

    @property
    def offset(self):
        return int(self.client.head(self.address)["Upload-Offset"])

    def send(self, start, stop, *, piece=None, **headers):
        piece = self.content[start:stop] if piece is None else piece
        return self.client.patch(
            self.address,
            piece,
            content_type="application/offset+octet-stream",
            headers={"Upload-Offset": str(start)} | headers,
        )


@pytest.fixture
def admin():
    return make_user()


@pytest.fixture
def dataset(admin):
    return make_dataset("shop", owner=admin)


@pytest.fixture
def sender(client, admin, dataset):
    def make(content, **options):
        client.force_login(admin)
        return Sender(client, dataset, content, **options)

    return make


def test_a_zip_uploaded_in_chunks_is_unpacked(sender, dataset):
    content = a_zip()
    sending = sender(content)
    assert sending.begun.status_code == 201
    first = sending.send(0, 50, **{"Upload-Checksum": checksum(content[:50])})
    assert (first.status_code, first["Upload-Offset"]) == (204, "50")
    assert sending.send(50, None).status_code == 204
    upload = Upload.objects.get()
    assert (upload.original_name, upload.size) == ("videos.zip", len(content))
    upload = unpack_upload(upload.pk)
    assert (upload.stage, upload.sha256) == (Stage.DONE, hashlib.sha256(content).hexdigest())
    assert dataset.videos.get().name == "walk"


def test_the_same_file_resumes_where_it_stopped(sender):
    content = a_zip()
    sender(content).send(0, 60)
    again = sender(content)
    assert again.offset == 60
    assert again.send(60, None).status_code == 204
    assert Transfer.objects.count() == 1


def test_a_client_that_missed_the_last_response_gets_it_again(sender):
    sending = sender(a_zip())
    sending.send(0, None)
    assert sending.offset == len(sending.content)
    assert sending.send(0, None).status_code == 409
    assert Upload.objects.count() == 1


def test_a_process_killed_after_the_last_byte_loses_nothing(sender):
    sending = sender(a_zip())
    transfer = Transfer.objects.get()
    service.append(transfer, io.BytesIO(sending.content).read, offset=0)
    assert sending.offset == len(sending.content)
    assert Upload.objects.get().original_name == "videos.zip"
    assert not service._path(transfer).exists()


def test_a_process_killed_after_creating_the_upload_creates_no_second_one(sender):
    sending = sender(a_zip())
    transfer = Transfer.objects.get()
    service.append(transfer, io.BytesIO(sending.content).read, offset=0)
    receive_unhashed(
        transfer.dataset, service._path(transfer), original_name="a", key=transfer.key.hex
    )
    assert sending.offset == len(sending.content)
    assert Transfer.objects.get().upload == Upload.objects.get()


def test_one_zip_becomes_one_upload(sender):
    sending = sender(a_zip())
    transfer = Transfer.objects.get()
    service.append(transfer, io.BytesIO(sending.content).read, offset=0)
    late = Transfer.objects.get()
    assert service.finish(transfer) == service.finish(late) == Upload.objects.get()


@pytest.mark.parametrize(
    ("headers", "piece", "status"),
    [
        pytest.param({"Upload-Offset": "7"}, None, 409, id="another place"),
        pytest.param({"Upload-Offset": "x"}, None, 400, id="no place"),
        pytest.param({"Upload-Checksum": checksum(b"other")}, None, 460, id="changed"),
        pytest.param({"Upload-Checksum": "md5 abc"}, None, 400, id="unknown checksum"),
        pytest.param({}, b"x" * 5000, 413, id="too much"),
    ],
)
def test_an_invalid_chunk_is_refused_and_discarded(sender, headers, piece, status):
    sending = sender(a_zip())
    sending.send(0, 20)
    answer = sending.send(20, 40, piece=piece, **headers)
    assert answer.status_code == status
    assert sending.offset == 20


def test_bytes_received_before_a_broken_connection_are_kept(sender):
    sender(a_zip())
    transfer = Transfer.objects.get()
    pieces = iter([b"PK", b"\x03"])

    def read(count):
        try:
            return next(pieces)
        except StopIteration:
            raise OSError("gone") from None

    with pytest.raises(service.TransferError, match="is incomplete"):
        service.append(transfer, read, offset=0)
    assert service.received_bytes(transfer) == 3


def test_a_full_disk_is_reported_and_the_chunk_discarded(sender, monkeypatch):
    sending = sender(a_zip())
    sending.send(0, 20)

    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(service, "_write", full)
    answer = sending.send(20, 40, **{"Upload-Checksum": checksum(b"x")})
    assert (answer.status_code, b"disk is full" in answer.content) == (507, True)
    assert sending.offset == 20


def test_concurrent_chunks_are_not_mixed(sender):
    sending = sender(a_zip())
    with service._locked_file(Transfer.objects.get()):
        assert sending.send(0, 20).status_code == 423


def test_a_file_that_is_no_zip_is_refused_with_its_name(sender):
    answer = sender(b"no zip at all", name="video.zip").send(0, None)
    assert answer.status_code == 422
    assert b"video.zip is not a zip" in answer.content
    assert not Transfer.objects.exists()


def test_a_zip_over_the_limit_is_refused_before_it_is_sent(sender, settings):
    settings.MAX_ZIP_BYTES = 10
    assert sender(a_zip()).begun.status_code == 422


def test_a_zip_larger_than_the_disk_is_refused_before_it_is_sent(sender, monkeypatch, settings):
    def full(file, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(service, "allocate", full)
    begun = sender(a_zip()).begun
    assert (begun.status_code, b"free some space" in begun.content) == (507, True)
    assert not list((settings.DATA_DIR / "incoming").iterdir())


def test_uploading_the_same_zip_again_adds_nothing(sender, dataset):
    content = a_zip()
    for name in ("a.zip", "b.zip"):
        sender(content, name=name).send(0, None)
    _, second = (unpack_upload(upload.pk) for upload in Upload.objects.order_by("pk"))
    assert second.skipped_files == [{"name": "b.zip", "reason": "the same zip as a.zip"}]
    assert dataset.videos.count() == 1
    assert default_storage.listdir("shop/uploads")[1] == []


def test_an_unfinished_upload_can_be_discarded(sender, client):
    sending = sender(a_zip())
    sending.send(0, 20)
    assert client.delete(sending.address).status_code == 204
    assert client.head(sending.address).status_code == 404
    assert not any(service._path(Transfer(key=uuid4())).parent.iterdir())


def test_only_the_uploader_can_access_it(sender, client, dataset):
    sending = sender(a_zip())
    client.force_login(make_user())
    assert client.head(sending.address).status_code == 404
    assert sending.send(0, 20).status_code == 404
    client.logout()
    assert Sender(client, dataset, a_zip()).begun.status_code == 404


def test_uploads_without_activity_for_a_week_are_deleted(sender):
    sender(a_zip()).send(0, 20)
    assert service.delete_stale_transfers() == 0
    Transfer.objects.update(touched_at=timezone.now() - timedelta(days=8))
    assert service.delete_stale_transfers() == 1
    assert not Transfer.objects.exists()


def test_the_page_shows_unfinished_uploads(sender, client):
    sender(a_zip(), name="half.zip")
    page = client.get(reverse("datasets:upload", args=["shop"])).content.decode()
    assert "half.zip" in page
    assert "Unfinished uploads" in page


def test_the_tus_capabilities_are_announced(sender, client, dataset):
    answer = client.options(reverse("datasets:transfers", args=["shop"]))
    assert answer["Tus-Version"] == "1.0.0"
    assert "creation" in answer["Tus-Extension"]
