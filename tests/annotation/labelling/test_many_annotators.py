"""Twenty annotators at once over links that lose and repeat requests: nothing is lost."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from annotation.models import AnnotationTask, AnswerDraft
from annotation.selectors.labelling import operations_of
from tests.annotation.labelling.conftest import new_tab
from tests.annotation.labelling.label_client import Tab
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_task,
    make_user,
    make_video,
)
from tests.stored_files import make_ready_run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ANNOTATORS, OPERATIONS = 20, 12


def make_tabs() -> list[Tab]:
    dataset = make_dataset("street")
    run = make_ready_run(make_clips(make_video(dataset, "aisle"))[0])
    tabs = []
    for number in range(ANNOTATORS):
        user = make_user(f"ann-{number}")
        dataset.members.create(user=user, role="annotator")
        annotator = make_annotator(dataset, user.username, user=user)
        tabs.append(new_tab(make_task(run, annotator), f"tab-{number}", user=user.username))
    return tabs


def work(tab: Tab) -> list[str]:
    """Label over a bad link; the ids of the operations, in their order."""
    rng = random.Random(tab.holder)
    try:
        tab.client.raise_request_exception = False  # a busy database is an answer, as in use
        while tab.open().status_code == 503:
            time.sleep(0.1)
        done = [
            tab.operation("set", person="1", second=2 + n % 10, answers={"posture": "sit"})
            for n in range(OPERATIONS)
        ]
        acknowledged = 0
        while acknowledged < len(done):
            time.sleep(rng.uniform(0, 0.03))  # the link
            batch = done[max(0, acknowledged - rng.randint(0, 2)) :][: rng.randint(1, 6)]
            answer = tab.send(*batch)
            is_heard = answer.status_code == 200 and rng.random() < 0.7  # else it is lost
            assert answer.status_code in (200, 503), answer.content
            if is_heard:
                acknowledged = answer.json()["last"]
        return [one["id"] for one in done]
    finally:
        connection.close()


def test_twenty_annotators_at_once_lose_nothing():
    tabs = make_tabs()
    with ThreadPoolExecutor(ANNOTATORS) as pool:
        logs = list(pool.map(work, tabs))
    for tab, log in zip(tabs, logs, strict=True):
        draft = AnswerDraft.objects.get(task=tab.task)
        assert [one["id"] for one in operations_of(draft)] == log
    assert AnnotationTask.objects.count() == ANNOTATORS


def test_one_task_opened_by_many_at_once_has_one_draft_and_one_holder():
    (first, *_) = make_tabs()
    tabs = [new_tab(first.task, f"other-{n}", user="ann-0") for n in range(8)]

    def open_it(tab: Tab) -> int:
        tab.client.raise_request_exception = False
        try:
            while (status := tab.open().status_code) == 503:
                time.sleep(0.1)
            return status
        finally:
            connection.close()

    with ThreadPoolExecutor(len(tabs)) as pool:
        found = sorted(pool.map(open_it, tabs))
    assert found == [200] + [409] * 7
    assert AnswerDraft.objects.filter(task=first.task).count() == 1
