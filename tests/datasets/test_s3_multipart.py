"""Zips straight into a bucket; the bucket is a double that behaves as S3 does."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from datasets.models import Transfer, Upload
from datasets.services import resumable_upload as service
from datasets.services import s3_multipart
from tests.datasets.test_resumable_upload import Sender
from tests.make import make_dataset, make_user

pytestmark = pytest.mark.django_db
PART = 16 << 20
SIZE = 2 * PART + 5


def refusal(code):
    return ClientError({"Error": {"Code": code}}, "the call")


class Bucket:
    """The calls of S3 that we make; `parts` are put by the test, as a browser would."""

    bucket_name = "ava"

    def __init__(self):
        self.open, self.whole, self.sizes = {}, {}, {}
        self.is_strict = False
        self.connection = SimpleNamespace(meta=SimpleNamespace(client=self))

    def _normalize_name(self, name):
        return name

    def create_multipart_upload(self, *, Bucket, Key, ContentType, ChecksumAlgorithm=""):  # noqa: N803
        self.is_strict = bool(ChecksumAlgorithm)
        self.open[Key] = {}
        return {"UploadId": f"id of {Key}"}

    def generate_presigned_url(self, call, *, Params, ExpiresIn):  # noqa: N803
        assert Params["UploadId"] == f"id of {Params['Key']}"
        return f"https://bucket/{call}/{Params['PartNumber']}?expires={ExpiresIn}"

    def put(self, number, size):
        (parts,) = self.open.values()
        parts[number] = {"PartNumber": number, "Size": size, "ETag": f"e{number}"}

    def get_paginator(self, call):
        assert call == "list_parts"

        def paginate(*, Bucket, Key, UploadId):  # noqa: N803
            if Key not in self.open:
                raise refusal("NoSuchUpload")
            return ({"Parts": [part]} for _, part in sorted(self.open[Key].items()))

        return SimpleNamespace(paginate=paginate)

    def complete_multipart_upload(self, *, Bucket, Key, UploadId, MultipartUpload):  # noqa: N803
        sent = self.open[Key]
        if self.is_strict and not all("ChecksumSHA256" in p for p in MultipartUpload["Parts"]):
            raise refusal("InvalidRequest")
        self.sizes[Key] = sum(part["Size"] for part in sent.values())
        self.open.pop(Key)
        self.whole[Key] = [part["ETag"] for part in MultipartUpload["Parts"]]

    def head_object(self, *, Bucket, Key):  # noqa: N803
        if Key not in self.whole:
            raise refusal("404")
        return {"ContentLength": self.sizes[Key]}

    def delete_object(self, *, Bucket, Key):  # noqa: N803
        self.whole.pop(Key, None)

    def abort_multipart_upload(self, *, Bucket, Key, UploadId):  # noqa: N803
        if Key not in self.open:
            raise refusal("NoSuchUpload")
        self.open.pop(Key)


@pytest.fixture
def bucket(monkeypatch):
    bucket = Bucket()
    monkeypatch.setattr(s3_multipart, "default_storage", bucket)
    return bucket


@pytest.fixture
def begun(bucket, client):
    admin = make_user()
    dataset = make_dataset("shop", owner=admin)
    client.force_login(admin)
    return Sender(client, dataset, b"", size=SIZE)


def post(client, begun, **content):
    return client.post(begun.address, content)


def test_the_client_is_told_to_put_parts_into_the_bucket(begun):
    assert begun.begun.status_code == 201
    assert begun.begun["Upload-Part-Size"] == str(PART)
    assert begun.address.endswith("/parts/")


def test_each_part_gets_a_presigned_url_with_its_checksum(begun, client):
    part = post(client, begun, part=2, sha256="abc=").json()
    assert part["url"].startswith("https://bucket/upload_part/2")
    assert part["headers"] == {"x-amz-checksum-sha256": "abc="}
    assert post(client, begun, part=4).status_code == 400
    assert post(client, begun, part="x").status_code == 400


def test_received_parts_need_not_be_sent_again(begun, bucket, client):
    bucket.put(2, PART)
    assert client.get(begun.address).json() == {"done": [2], "is_finished": False}


def test_all_parts_together_make_an_upload(begun, bucket, client):
    bucket.put(1, PART)
    bucket.put(2, PART)
    assert post(client, begun).status_code == 409
    assert not Upload.objects.exists()
    bucket.put(3, 5)
    assert post(client, begun).status_code == 200
    upload = Upload.objects.get()
    assert bucket.whole == {upload.file.name: ["e1", "e2", "e3"]}
    assert (upload.size, upload.sha256[0]) == (SIZE, "?")


def test_a_client_that_missed_the_last_response_gets_it_again(begun, bucket, client):
    for number, size in ((1, PART), (2, PART), (3, 5)):
        bucket.put(number, size)
    post(client, begun)
    assert client.get(begun.address).json() == {"done": [], "is_finished": True}
    assert post(client, begun).status_code == 200
    assert Upload.objects.count() == 1


def test_a_bucket_without_stored_checksums_gets_them_again(begun, bucket, client):
    bucket.is_strict = True
    for number, size in ((1, PART), (2, PART), (3, 5)):
        post(client, begun, part=number, sha256=f"{number}aa=")
        bucket.put(number, size)
    assert post(client, begun).status_code == 200


def test_an_upload_that_the_bucket_rejects_restarts(begun, bucket, client):
    bucket.is_strict = True
    for number, size in ((1, PART), (2, PART), (3, 5)):
        bucket.put(number, size)
    answer = post(client, begun)
    assert (answer.status_code, b"Choose the file again" in answer.content) == (422, True)
    assert bucket.open == {}
    assert not Transfer.objects.get().remote_id


def test_a_process_killed_after_completion_loses_nothing(begun, bucket, client, monkeypatch):
    def dies(**fields):
        raise KeyboardInterrupt

    for number, size in ((1, PART), (2, PART), (3, 5)):
        bucket.put(number, size)
    with monkeypatch.context() as patch:
        patch.setattr(Upload.objects, "create", dies)
        with pytest.raises(KeyboardInterrupt):
            post(client, begun)
    assert client.get(begun.address).json() == {"done": [1, 2, 3], "is_finished": False}
    assert post(client, begun).status_code == 200
    assert Upload.objects.count() == 1


def test_an_upload_that_the_bucket_does_not_know_restarts(begun, bucket, client):
    bucket.open.clear()
    answer = client.get(begun.address)
    assert (answer.status_code, b"to restart the upload" in answer.content) == (422, True)
    assert not Transfer.objects.get().remote_id


def test_an_unavailable_bucket_is_reported_and_may_recover(begun, bucket, client, monkeypatch):
    def away(**place):
        raise EndpointConnectionError(endpoint_url="http://bucket")

    client.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr(bucket, "head_object", away)
        answer = client.get(begun.address)
        assert (answer.status_code, b"Is it running" in answer.content) == (503, True)
    assert client.get(begun.address).status_code == 200


def test_a_discarded_upload_leaves_no_parts(begun, bucket):
    bucket.put(1, PART)
    service.discard(Transfer.objects.get())
    assert bucket.open == {}
    assert not Transfer.objects.exists()


def test_a_completed_upload_that_is_discarded_leaves_no_zip(begun, bucket):
    for number, size in ((1, PART), (2, PART), (3, 5)):
        bucket.put(number, size)
    transfer = Transfer.objects.get()
    s3_multipart._complete(transfer, s3_multipart._list_parts(transfer))
    assert bucket.whole
    service.discard(transfer)
    assert bucket.whole == {}


def test_aborting_an_unknown_upload_is_no_error(begun, bucket):
    bucket.open.clear()
    service.discard(Transfer.objects.get())
    assert not Transfer.objects.exists()


def test_a_zip_of_200_gb_has_no_more_parts_than_s3_allows():
    assert s3_multipart.part_count(Transfer(size=200 << 30)) <= 10_000


def test_only_the_uploader_can_access_the_parts(begun, client):
    client.force_login(make_user())
    assert client.get(begun.address).status_code == 404
    assert post(client, begun, part=1).status_code == 404
