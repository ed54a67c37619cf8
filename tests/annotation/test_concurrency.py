"""Two workers at once, and a database that goes away: only a real server shows these."""

import threading

import pytest
from django.db import connection, connections

from annotation.cvat.client import CvatClient
from annotation.models import AnswerVersion, CvatJob, Reconciliation
from annotation.services.cvat.reconciliation import reconcile, request_reconciliation
from annotation.services.cvat.task_sending import request_sending, send_tasks
from avaproject.base.work import Stage
from tests.cvat_double.steps import make_world, project_of, sent_world, set_up

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite in memory has one writer"
    ),
]
TASK = "aisle-c0000--ann"


def at_once(work, count=2):
    """Run `work` in several threads, each with a connection of its own."""
    failures = []

    def run():
        try:
            work()
        except Exception as error:  # noqa: BLE001  told at the end
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_two_workers_send_each_task_once(cvat):
    dataset = make_world(cvat, annotators=("ann", "bob"), clips=4)
    set_up(dataset)
    request_sending(dataset)
    keys = list(CvatJob.objects.values_list("pk", flat=True))
    cvat.call_seconds = 0.01

    def work():
        for key in keys:
            send_tasks(key)

    at_once(work, 3)
    names = [task["name"] for task in cvat.state.tasks.values()]
    assert (len(names), len(set(names))) == (8, 8)
    assert CvatJob.objects.counts()["done"] == 8


def test_two_workers_fetch_a_job_once(cvat):
    dataset = sent_world(cvat)
    cvat.finish(TASK)
    order = request_reconciliation(project_of(dataset))
    at_once(lambda: reconcile(order.pk), 3)
    assert AnswerVersion.objects.count() == 1


def test_a_database_restarted_in_the_middle_loses_nothing(cvat, monkeypatch):
    dataset = sent_world(cvat)
    cvat.finish(TASK)
    order = request_reconciliation(project_of(dataset))
    mine = backend()
    real = CvatClient.job_count

    def restarted(self, number):
        at_once(lambda: terminate(mine), 1)
        return real(self, number)

    monkeypatch.setattr(CvatClient, "job_count", restarted)
    project_of(dataset).reconciliations.update(is_full=False)
    type(project_of(dataset)).objects.update(cursor="2020-01-01T00:00:00Z")
    reconcile(order.pk)
    connection.close()  # as the loop does before each round
    monkeypatch.undo()
    given_back = Reconciliation.objects.get()
    assert (given_back.stage, given_back.attempts) == (Stage.WAITING, 0)
    assert "The database did not answer" in given_back.error
    assert reconcile(order.pk).version_count == 1
    assert AnswerVersion.objects.count() == 1


def backend():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def terminate(pid):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
