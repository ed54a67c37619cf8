"""Quotas: who may create datasets, how many, and how many bytes; also of uploads at once."""

import zipfile
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import Permission
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.urls import reverse

from datasets.accounts.quotas import QuotaError, StorageQuotaError, usage
from datasets.models import Dataset, Member, Transfer, Upload, Video
from datasets.services import resumable_upload
from datasets.services import upload as upload_service
from datasets.services.create import create_dataset
from datasets.services.members import MemberError, transfer_ownership
from datasets.services.recut import copy_videos
from datasets.services.upload import receive_zip, unpack_upload
from tests.make import make_dataset, make_user, make_video

AT_ONCE = 6


@pytest.fixture
def owner():
    return make_user("boss")


@pytest.fixture
def dataset(owner):
    return make_dataset("shop", owner=owner, charged_to=owner)


def begin(dataset, user, size, name="a.zip"):
    return resumable_upload.start(dataset, user, original_name=name, size=size)


def at_once(works):
    """Run all works in threads that begin together; what each returned or raised."""
    barrier = Barrier(len(works))

    def run(work):
        try:
            barrier.wait()
            return work()
        except QuotaError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.mark.django_db
def test_videos_zips_and_begun_uploads_count_and_what_is_left_can_be_used(
    dataset, owner, settings
):
    settings.QUOTA_BYTES = 10_000
    make_video(dataset, size=4000)
    begin(dataset, owner, 3000)
    with pytest.raises(StorageQuotaError, match="AVA_QUOTA_BYTES"):
        begin(dataset, owner, 3001, "b.zip")
    assert Transfer.objects.count() == 1
    begin(dataset, owner, 3000, "b.zip")
    assert usage(owner).used_bytes == 10_000


@pytest.mark.django_db
def test_another_account_is_not_charged(dataset, owner, settings):
    settings.QUOTA_BYTES = 10
    make_video(dataset, size=10)
    other = make_user("kim")
    elsewhere = make_dataset("mall", owner=other, charged_to=other)
    begin(elsewhere, owner, 10)  # the account of the dataset is charged, not the uploader
    with pytest.raises(StorageQuotaError):
        begin(dataset, other, 1)


@pytest.mark.django_db
def test_the_page_of_uploads_says_what_is_left(dataset, owner, client, settings):
    settings.QUOTA_BYTES = 10
    client.force_login(owner)
    answer = client.post(
        reverse("datasets:transfers", args=["shop"]),
        headers={"Upload-Length": "11", "Upload-Metadata": "filename YS56aXA="},
    )
    assert answer.status_code == 413
    assert "0 bytes are left of the quota" in answer.content.decode()


@pytest.mark.django_db
def test_videos_copied_from_another_dataset_count(dataset, owner, settings, monkeypatch):
    monkeypatch.setattr("datasets.services.recut.link_stored", lambda source, target: target)
    settings.QUOTA_BYTES = 2500
    source = make_dataset("mall")
    for _ in range(3):
        make_video(source, size=1000, raw="mall/raw/a.mp4")
    with pytest.raises(StorageQuotaError):
        copy_videos(source, dataset)
    assert Video.objects.filter(dataset=dataset).count() == 2


@pytest.mark.django_db
def test_an_account_creates_as_many_datasets_as_allowed(owner, settings):
    settings.QUOTA_DATASETS = 1
    create_dataset("shop", owner=owner)
    with pytest.raises(QuotaError, match="1 dataset, and an account may have 1"):
        create_dataset("mall", owner=owner)
    assert not Dataset.objects.filter(name="mall").exists()
    assert create_dataset("shop", owner=owner).name == "shop"  # it is there already


@pytest.mark.django_db
def test_only_the_permitted_create_datasets_if_the_installation_says_so(owner, settings):
    settings.DATASET_CREATORS = "permitted"
    client = Client()
    client.force_login(owner)
    new = reverse("datasets:new")
    assert client.get(new).status_code == 404
    assert new not in client.get(reverse("datasets:list")).content.decode()
    owner.user_permissions.add(Permission.objects.get(codename="add_dataset"))
    assert client.get(new).status_code == 200
    assert new in client.get(reverse("datasets:list")).content.decode()


@pytest.mark.django_db
def test_who_takes_over_a_dataset_owns_it_and_is_charged(dataset, owner):
    kim = make_user("kim")
    with pytest.raises(MemberError, match="no member"):
        transfer_ownership(dataset, by=owner, to=kim)
    Member.objects.create(dataset=dataset, user=kim, role="viewer")
    transfer_ownership(dataset, by=owner, to=kim)
    roles = dict(dataset.members.values_list("user__username", "role"))
    assert roles == {"boss": "manager", "kim": "owner"}
    assert Dataset.objects.get().charged_to == kim


@pytest.mark.django_db
def test_a_dataset_that_does_not_fit_a_quota_is_not_taken_over(dataset, owner, settings):
    settings.QUOTA_BYTES = 999
    make_video(dataset, size=1000)
    kim = make_user("kim")
    Member.objects.create(dataset=dataset, user=kim, role="viewer")
    with pytest.raises(MemberError, match="kim cannot take over shop"):
        transfer_ownership(dataset, by=owner, to=kim)
    assert dataset.members.get(user=kim).role == "viewer"
    assert Dataset.objects.get().charged_to == owner


def received(dataset, folder, name, *sizes):
    """An upload of a small zip that holds videos of `sizes` bytes."""
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, size in enumerate(sizes):
            archive.writestr(f"{path.stem}-{number}.mp4", f"{name} {number}".ljust(size))
    return receive_zip(dataset, path, original_name=name)


@pytest.mark.django_db
def test_a_zip_that_holds_more_than_what_is_left_is_not_unpacked(
    dataset, owner, settings, tmp_path
):
    settings.QUOTA_BYTES = 10_000
    upload = received(dataset, tmp_path, "a.zip", 4000, 6001)
    assert upload.size < 1000
    name = upload.file.name
    unpack_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.stage == "failed"
    assert "are left of the quota" in upload.error
    assert "upload it again when there is room" in upload.error
    assert (dataset.videos.count(), upload.file.name) == (0, "")
    assert not default_storage.exists(name)
    assert usage(owner).used_bytes == 0
    Upload.objects.all().retry()
    unpack_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.error == "the zip was not kept: upload it again"
    again = received(dataset, tmp_path, "a.zip", 4000, 6000)
    unpack_upload(again.pk)
    assert usage(owner).used_bytes == 10_000
    settings.QUOTA_BYTES = 20_001
    assert received(dataset, tmp_path, "b.zip", 4000, 6001).stage == "waiting"


@pytest.mark.django_db
def test_what_is_being_unpacked_counts_before_it_is_stored(
    dataset, owner, settings, tmp_path, monkeypatch
):
    settings.QUOTA_BYTES = 10_000
    first = received(dataset, tmp_path, "a.zip", 2000, 4000)
    second = received(dataset, tmp_path, "b.zip", 4001)
    whole, used = upload_service._extract_video, []

    def extract(upload, path, member):
        if upload.pk == first.pk:
            if not used:
                unpack_upload(second.pk)  # another worker
            used.append(usage(owner).used_bytes)
        return whole(upload, path, member)

    monkeypatch.setattr(upload_service, "_extract_video", extract)
    unpack_upload(first.pk)
    assert dict(Upload.objects.values_list("original_name", "stage")) == {
        "a.zip": "done", "b.zip": "failed",
    }  # fmt: skip
    assert used == [6000, 6000]
    assert usage(owner).used_bytes == 6000


@pytest.mark.django_db
def test_a_zip_that_was_half_unpacked_is_charged_once(
    dataset, owner, settings, tmp_path, monkeypatch
):
    settings.QUOTA_BYTES = 6000
    upload = received(dataset, tmp_path, "a.zip", 2000, 4000)
    whole, tries = upload_service._extract_video, []

    def extract(upload, path, member):
        tries.append(member.name)
        if len(tries) == 2:
            raise OSError("the storage is away")
        return whole(upload, path, member)

    monkeypatch.setattr(upload_service, "_extract_video", extract)
    unpack_upload(upload.pk)
    assert dataset.videos.count() == 1
    Upload.objects.all().retry()
    unpack_upload(upload.pk)
    upload.refresh_from_db()
    assert (upload.stage, upload.error) == ("done", "")
    assert usage(owner).used_bytes == 6000


@pytest.mark.django_db(transaction=True)
def test_zips_unpacked_at_once_store_no_more_than_what_is_left(
    dataset, owner, settings, tmp_path
):
    settings.QUOTA_BYTES = 9000
    uploads = [received(dataset, tmp_path, f"{one}.zip", 2000, 1000) for one in range(AT_ONCE)]
    at_once([lambda pk=one.pk: unpack_upload(pk) for one in uploads])
    stages = sorted(Upload.objects.values_list("stage", flat=True))
    held = usage(owner).used_bytes
    assert held <= 9000
    assert held == 3000 * stages.count("done")
    assert stages.count("done") + stages.count("failed") == AT_ONCE
    assert stages.count("done") >= 2


@pytest.mark.django_db(transaction=True)
def test_uploads_at_once_take_no_more_than_what_is_left(dataset, owner, settings):
    settings.QUOTA_BYTES = 3000
    works = [
        lambda number=number: begin(dataset, owner, 1000, f"{number}.zip")
        for number in range(AT_ONCE)
    ]
    found = at_once(works)
    assert sum(isinstance(one, Transfer) for one in found) == 3
    assert usage(owner).used_bytes == 3000


@pytest.mark.django_db(transaction=True)
def test_datasets_created_at_once_are_no_more_than_allowed(owner, settings):
    settings.QUOTA_DATASETS = 2
    works = [
        lambda number=number: create_dataset(f"shop-{number}", owner=owner)
        for number in range(AT_ONCE)
    ]
    found = at_once(works)
    assert sum(isinstance(one, Dataset) for one in found) == 2
    assert Dataset.objects.filter(charged_to=owner).count() == 2
