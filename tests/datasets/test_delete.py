import threading

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import connection
from django.urls import reverse

from annotation.models import Annotation, AnnotationTask, AnswerVersion
from avaproject.base.storage import StorageError
from avaproject.base.work import Stage
from datasets.models import Clip, Dataset, PendingDeletion, Upload, Video
from datasets.services import delete as service
from datasets.services.create import create_dataset
from datasets.services.delete import (
    InUseError,
    delete,
    delete_pending_files,
    dependents,
    rows_of,
)
from qc.models import ClipExport
from tests.datasets.test_resumable_upload import Sender
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_run,
    make_task,
    make_user,
    make_version,
    make_video,
)
from tests.stored_files import make_bundled_video, put
from tracking.models import Proposal, TrackingRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    return make_user()


@pytest.fixture
def dataset(admin):
    return make_dataset("shop", owner=admin)


@pytest.fixture
def video(dataset):
    """A video with files, tracks and answers, and its zip."""
    video = make_bundled_video(dataset, name="aisle")
    video.upload = Upload.objects.create(dataset=dataset, sha256="a" * 64, size=1)
    video.raw.name = put("shop/raw/aisle", b"raw")
    video.save()
    for clip in video.clips.all():
        make_version(make_task(clip.tracking_runs.get(), make_annotator(dataset)))
    return video


def stored(folder="shop"):
    folders, files = default_storage.listdir(folder)
    inner = [name for one in folders for name in stored(f"{folder}/{one}")]
    return [*inner, *(f"{folder}/{file}" for file in files)]


def test_dependents_of_a_video_are_counted(video):
    counts = dict(dependents(video))
    assert counts["clips"] == video.clips.count() == 2
    assert counts["submissions"] == counts["tasks"] == 2
    assert "videos" not in counts


@pytest.mark.parametrize("name", ["dataset", "video"])
def test_exactly_the_dependents_that_are_deleted_are_counted(name, request, video, dataset):
    thing = request.getfixturevalue(name)
    make_bundled_video(make_dataset("street"), name="corner")
    before = {model: model._base_manager.count() for model in rows_of(thing)}
    counts = dict(dependents(thing))
    delete(thing)
    for model, count in before.items():
        gone = count - model._base_manager.count()
        if gone and model is not type(thing) and hasattr(model, "COUNTED_AS"):
            assert counts.pop(str(model.COUNTED_AS)) == gone
    assert counts == {}


def test_the_page_does_not_count_a_million_rows(client, admin, video, monkeypatch):
    monkeypatch.setattr("datasets.services.delete.COUNTED", 1)
    monkeypatch.setattr("datasets.views.pages.COUNTED", 1)
    client.force_login(admin)
    page = client.get(reverse("datasets:delete", args=["shop"])).content.decode()
    assert "<dt>Clips</dt><dd>more than 1</dd>" in page
    assert "<dt>Videos</dt><dd>1</dd>" in page


def test_a_video_is_deleted_with_its_dependents_and_files(video, dataset):
    other = make_bundled_video(dataset, name="other")
    delete(video)
    assert list(Video.objects.all()) == [other]
    for model in (AnnotationTask, AnswerVersion, Annotation):
        assert not model.objects.exists()
    assert Clip.objects.count() == TrackingRun.objects.count() == other.clips.count()
    assert not Proposal.objects.filter(run__clip__video=video.pk).exists()
    assert delete_pending_files() > 0
    assert not [name for name in stored() if "aisle" in name]
    assert any("other" in name for name in stored())
    assert not PendingDeletion.objects.exists()


def test_tasks_that_revise_one_another_are_deleted(video, dataset):
    first, second = AnnotationTask.objects.order_by("pk")[:2]
    AnnotationTask.objects.filter(pk=second.pk).update(revises=first)
    assert dict(dependents(video))["submissions"] == 2
    delete(video)
    assert not AnnotationTask.objects.exists()


def test_a_dataset_is_deleted_completely(video, dataset):
    make_bundled_video(make_dataset("street"), name="corner")
    delete(dataset)
    delete_pending_files()
    assert [one.name for one in Dataset.objects.all()] == ["street"]
    assert not default_storage.exists("shop")
    assert stored("street")


def test_files_without_a_file_field_are_deleted_too(video, dataset):
    put("shop/releases/1/README.md", b"card")
    put("shop/exportframes/aisle-c0000-abc/1.jpg", b"picture")
    ClipExport.objects.create(clip=video.clips.first(), content_key="abc", stage=Stage.DONE)
    delete(video)
    delete_pending_files()
    assert stored() == ["shop/releases/1/README.md"]
    delete(dataset)
    delete_pending_files()
    assert not default_storage.exists("shop")


def test_an_unfinished_upload_is_deleted_with_its_dataset(client, admin, dataset):
    client.force_login(admin)
    sending = Sender(client, dataset, b"0" * 99)
    sending.send(0, 20)
    delete(dataset)
    assert not list((settings.DATA_DIR / "incoming").iterdir())


def test_the_name_of_a_deleted_dataset_is_free_after_its_files_are_removed(video, dataset):
    delete(dataset)
    with pytest.raises(ValidationError, match="still being removed"):
        create_dataset("shop")
    delete_pending_files()
    assert create_dataset("shop").pk


def test_a_file_that_cannot_be_removed_is_retried(video, monkeypatch):
    def away(name):
        raise StorageError("the bucket is away")

    delete(video)
    count = PendingDeletion.objects.count()
    with monkeypatch.context() as patch:
        patch.setattr(service, "remove", away)
        assert delete_pending_files() == 0
    assert PendingDeletion.objects.count() == count
    assert delete_pending_files() == count


def test_a_process_killed_after_deleting_rows_leaves_no_file(video):
    delete(video)  # and no more
    assert PendingDeletion.objects.count() > 0
    delete_pending_files()
    assert not [name for name in stored() if "aisle" in name]


def test_a_file_that_a_new_row_refers_to_stays(video, dataset):
    name = video.raw.name
    delete(video)
    make_video(dataset, "aisle", raw=name)
    delete_pending_files()
    assert default_storage.exists(name)


def test_a_row_that_a_worker_is_busy_with_is_not_deleted(video):
    clip = video.clips.first()
    Clip.objects.filter(pk=clip.pk).update(stage=Stage.RUNNING)
    with pytest.raises(InUseError, match="busy with the clip aisle-c0000"):
        delete(video)
    assert Video.objects.filter(pk=video.pk).exists()
    assert not PendingDeletion.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_claim_won_while_a_video_is_deleted_is_none(monkeypatch):
    """A worker that claimed a row between the check and the deletion left its files behind."""
    video = make_video(make_dataset(), stage=Stage.WAITING)
    claims, claiming = [], None
    file_names = service._file_names

    def claim():
        try:
            claims.append(Video.objects.claim(video.pk))
        finally:
            connection.close()

    def names_while_a_worker_claims(model, rows):
        nonlocal claiming
        if claiming is None:
            claiming = threading.Thread(target=claim)
            claiming.start()
            claiming.join(1.0)
        return file_names(model, rows)

    monkeypatch.setattr(service, "_file_names", names_while_a_worker_claims)
    delete(video)
    claiming.join()
    assert claims == [None]


def test_files_that_a_killed_worker_had_stored_go_with_their_rows(video):
    """It was killed after storing them and before its row named them."""
    clip, run = video.clips.first(), TrackingRun.objects.first()
    names = [video.standard_name, *clip.stored_names, run.stored_name]
    names += [one.stored_name for one in AnnotationTask.objects.all()]
    Clip.objects.update(file="", frames="", poster="", stage=Stage.WAITING)
    TrackingRun.objects.update(tracks="", stage=Stage.WAITING)
    Video.objects.update(file="")
    for name in names:
        put(name, b"stored")
    delete(video)
    delete_pending_files()
    assert not [name for name in names if default_storage.exists(name)]


def test_deleting_costs_no_query_for_each_row(dataset, django_assert_max_num_queries):
    clips = [make_clips(make_video(dataset, frame_count=450 * 40)) for _ in range(2)]
    make_run(clips[0][0])
    with django_assert_max_num_queries(150):
        delete(clips[0][0].video)


def test_a_task_and_its_revision_are_deleted_together(video):
    first = AnnotationTask.objects.first()
    make_task(first.run, make_annotator(video.dataset), revises=first)
    delete(video)
    assert not AnnotationTask.objects.exists()


def test_the_zip_of_a_deleted_video_can_be_uploaded_again(video):
    delete(video)
    assert Upload.objects.get().sha256 != "a" * 64


def test_the_page_asks_and_shows_the_dependents(client, admin, video):
    client.force_login(admin)
    address = reverse("datasets:delete-video", args=["shop", "aisle"])
    page = client.get(address).content.decode()
    assert "<dt>Submissions</dt>" in page
    assert client.post(address, {"name": "wrong"}).status_code == 422
    assert Video.objects.exists()
    assert client.post(address, {"name": "aisle"}).status_code == 302
    assert not Video.objects.exists()


def test_the_page_of_a_busy_dataset_says_so(client, admin, video):
    Clip.objects.update(stage=Stage.RUNNING)
    client.force_login(admin)
    address = reverse("datasets:delete", args=["shop"])
    answer = client.post(address, {"name": "shop"})
    assert (answer.status_code, b"A worker is busy" in answer.content) == (422, True)


def test_reviewers_and_other_users_cannot_delete(client, dataset, video):
    reviewer = make_user()
    dataset.members.create(user=reviewer, role="reviewer")
    for user in (reviewer, make_user()):
        client.force_login(user)
        for address in (
            reverse("datasets:delete", args=["shop"]),
            reverse("datasets:delete-video", args=["shop", "aisle"]),
        ):
            assert client.post(address, {"name": "shop"}).status_code == 404
    assert Video.objects.exists()
