"""A bucket that is away is answered with 503 and a sentence, whatever page or call needs it."""

import pytest
from django.urls import reverse

from avaproject.base.storage import StorageError
from avaproject.base.work import Stage
from datasets.accounts.tokens import make_token
from qc.models import Release
from tests.annotation.labelling.label_client import Tab
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_task,
    make_user,
    make_video,
)
from tests.stored_files import make_ready_run, put
from tests.system.s3_server import free_ports

SENTENCE = "The bucket ava is unavailable or refused the request"
pytestmark = pytest.mark.django_db


@pytest.fixture
def task():
    """A task of the user ann, who owns the dataset; its files are stored."""
    ann = make_user("ann")
    dataset = make_dataset("street", owner=ann)
    clip = make_clips(make_video(dataset, "aisle"))[0]
    clip.file = put(f"street/clips/{clip.name}.mp4", b"video")
    clip.frames = put(f"street/clips/{clip.name}.zip", b"frames")
    clip.save()
    package = put("street/packages/1.zip", b"package")
    ann = make_annotator(dataset, "ann", user=ann)
    return make_task(make_ready_run(clip), ann, package=package)


@pytest.fixture
def away(task, settings, monkeypatch):
    """The files are in a bucket whose server refuses connections."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    settings.S3_BUCKET = "ava"
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": settings.S3_STORAGE,
            "OPTIONS": {
                "bucket_name": "ava", "access_key": "key", "secret_key": "secret",
                "region_name": "us-east-1",
                "endpoint_url": f"http://127.0.0.1:{free_ports(1)[0]}",
            },
        }
    }  # fmt: skip


@pytest.fixture
def asked(client, task, away):
    client.force_login(task.annotator.user)
    client.raise_request_exception = False
    return client


MODULES = {"dataset": "datasets", "video": "videos_and_clips"}
ADDRESSES = {
    "label page": ("qc:label-task", lambda task: ["street", task.pk]),
    "annotation frame": ("annotation:label-frame", lambda task: ["street", task.pk, 0]),
    "keyframe": ("datasets:keyframe", lambda task: ["street", task.clip, 2]),
    "clip": ("qc:clip", lambda task: ["street", task.clip]),
    "tracks of a run": ("tracking:run", lambda task: ["street", task.run_id]),
    "contact sheet": ("tracking:sheet", lambda task: ["street", task.run_id, 1]),
    "backup": ("annotation:backup", lambda task: ["street", task.pk]),
    "backup of a project": ("annotation:backups", lambda task: ["street", task.annotator_id]),
    "backups of tasks": ("annotation:task_backups", lambda task: ["street", task.annotator_id]),
    "packages": ("annotation:packages", lambda task: ["street", task.annotator_id]),
    "packages of all": ("annotation:all-packages", lambda task: ["street"]),
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_page_says_that_the_bucket_is_away(asked, task, name):
    address, args = ADDRESSES[name]
    page = asked.get(reverse(address, args=args(task)))
    assert (page.status_code, page.headers.get("Retry-After")) == (503, "2")
    assert SENTENCE in page.content.decode()


def test_a_script_gets_the_sentence_as_json(asked, task):
    address = reverse("qc:label-task", args=["street", task.pk])
    answer = asked.get(address, headers={"X-Requested-With": "XMLHttpRequest"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert SENTENCE in answer.json()["error"]


def test_a_draft_that_cannot_begin_now_may_begin_later(asked, task):
    asked.defaults["HTTP_X_REQUESTED_WITH"] = "XMLHttpRequest"
    answer = Tab(asked, task, "tab-a").open()
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert SENTENCE in answer.json()["error"]


def test_a_program_gets_the_sentence_as_json(asked, task):
    address = reverse("api:tracks", args=["street", task.clip])
    _, key = make_token(task.annotator.user, name="robot", scopes=["read"], days=1)
    asked.logout()
    answer = asked.get(address, headers={"Authorization": f"Token {key}"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert SENTENCE in answer.json()["detail"]


def test_a_program_deletes_the_files_of_a_release_later(asked, task):
    release = Release.objects.create(
        dataset=task.clip.video.dataset, number=1, folder="street/releases/1", stage=Stage.DONE
    )
    address = reverse("api:release", args=["street", 1])
    _, key = make_token(task.annotator.user, name="robot", scopes=["delete"], days=1)
    asked.logout()
    answer = asked.delete(f"{address}?confirm=1", headers={"Authorization": f"Token {key}"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert SENTENCE in answer.json()["detail"]
    release.refresh_from_db()
    assert release.withdrawn_at  # the next worker deletes them
    assert release.folder


@pytest.mark.parametrize("name", ["dataset", "video"])
def test_a_program_deletes_what_has_an_unfinished_upload_later(asked, task, name, monkeypatch):
    def fails(thing: object) -> None:
        raise StorageError(SENTENCE)

    monkeypatch.setattr(f"workers.api.{MODULES[name]}.delete", fails)
    args = {"dataset": ["street"], "video": ["street", "aisle"]}[name]
    _, key = make_token(task.annotator.user, name="robot", scopes=["delete"], days=1)
    asked.logout()
    address = f"{reverse(f'api:{name}', args=args)}?confirm={args[-1]}"
    answer = asked.delete(address, headers={"Authorization": f"Token {key}"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")


@pytest.mark.parametrize("address", ["datasets:transfers", "api:transfers"])
def test_an_upload_is_to_be_tried_again(asked, address):
    begun = {"Upload-Length": "100", "Upload-Metadata": "filename di56aXA="}
    script = {"X-Requested-With": "XMLHttpRequest"}
    answer = asked.post(reverse(address, args=["street"]), headers=begun | script)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert SENTENCE in answer.json()["error"]
