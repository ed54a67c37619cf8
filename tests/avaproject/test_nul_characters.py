"""NUL characters, which PostgreSQL cannot store, are refused with a message everywhere."""

import pytest
from django.urls import reverse

from qc.models import Comment
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

pytestmark = pytest.mark.django_db

SENTENCE = "contains a NUL character"


@pytest.fixture
def task():
    run = make_run(make_clips(make_video(make_dataset("shop"), "aisle"))[0])
    task = make_task(run, make_annotator(run.clip.video.dataset, "kim"))
    make_version(task)
    return task


@pytest.fixture
def boss(client):
    client.force_login(make_user("boss", is_superuser=True))
    return client


def test_a_comment_with_a_nul_character_is_refused(boss, task):
    address = reverse("qc:task-comment", args=["shop", task.pk])
    answer = boss.post(address, {"text": "He \0 waves."})
    assert (answer.status_code, SENTENCE in answer.content.decode()) == (400, True)
    assert not Comment.objects.exists()
    assert boss.post(address, {"text": "He waves."}).status_code == 302


def test_a_script_is_told_in_json(boss, task):
    answer = boss.post(
        reverse("qc:adjudicate", args=["shop"]), {"reason": "\0"},
        headers={"Accept": "application/json"},
    )  # fmt: skip
    assert (answer.status_code, SENTENCE in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        ("qc:clips", {"q": "a\0"}),
        ("qc:clips", {"state": "\0"}),
        ("qc:tasks", {"annotator": "\0"}),
        ("datasets:videos", {"q": "\0"}),
        ("qc:adjudication", {"at": "\0", "\0": "1"}),
    ],
)
def test_a_search_with_a_nul_character_is_refused(boss, task, page, asked):
    answer = boss.get(reverse(page, args=["shop"]), asked)
    assert (answer.status_code, SENTENCE in answer.content.decode()) == (400, True)


def test_an_address_with_a_nul_character_is_no_page(boss, task):
    address = reverse("qc:agreement-annotator", args=["shop", "kim"])
    assert boss.get(address.replace("kim", "k%00")).status_code == 404
