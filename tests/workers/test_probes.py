import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from avaproject.base.work import Stage
from datasets.models import Upload
from tests.make import make_dataset
from workers.doctor import CheckResult, Status
from workers.monitoring import probes

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch):
    monkeypatch.setattr(probes, "_kept", probes._Kept())


def test_the_process_answers_without_the_database(django_db_blocker):
    with django_db_blocker.block():
        answer = Client().get("/healthz", HTTP_HOST="10.1.2.3:8000")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_health_needs_no_https_and_no_known_host(settings):
    settings.SECURE_SSL_REDIRECT = True
    for path in ("/healthz", "/readyz", "/metrics"):
        assert Client().get(path, HTTP_HOST="anything").status_code == 200


def test_readiness_names_what_is_missing_and_nothing_else(monkeypatch):
    assert Client().get("/readyz").json() == {"database": "ok", "storage": "ok", "broker": "ok"}
    monkeypatch.setattr(probes, "_kept", probes._Kept())
    broken = CheckResult("database", Status.ERROR, "password rejected for kim")
    monkeypatch.setattr(probes, "READY_CHECKS", (lambda: broken,))
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"database": "error"})


def test_a_warning_is_ready(monkeypatch):
    full = CheckResult("storage", Status.WARNING, "only 3 GB")
    monkeypatch.setattr(probes, "READY_CHECKS", (lambda: full,))
    assert Client().get("/readyz").status_code == 200


def test_readiness_is_checked_once_in_a_while(monkeypatch):
    calls = []
    check = CheckResult("database", Status.OK, "")
    monkeypatch.setattr(probes, "READY_CHECKS", (lambda: calls.append(1) or check,))
    for _ in range(5):
        Client().get("/readyz")
    assert calls == [1]


def test_only_reading(db):
    assert Client().post("/healthz").status_code == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, 200),
        ({"REMOTE_ADDR": "172.18.0.5"}, 200),
        ({"REMOTE_ADDR": "93.184.216.34"}, 404),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 404),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=10.0.0.1"}, 404),
        ({"REMOTE_ADDR": ""}, 404),
    ],
)
def test_metrics_are_for_private_networks_and_never_through_a_proxy(headers, status):
    assert Client().get("/metrics", **headers).status_code == status


def test_with_a_token_everybody_needs_it(settings):
    settings.METRICS_TOKEN = "t0ken"
    right = {"HTTP_AUTHORIZATION": "Bearer t0ken"}
    assert Client().get("/metrics", REMOTE_ADDR="93.184.216.34", **right).status_code == 200
    assert Client().get("/metrics", HTTP_AUTHORIZATION="Bearer x").status_code == 404
    assert Client().get("/metrics").status_code == 404
    proxied = right | {"HTTP_X_FORWARDED_FOR": "10.0.0.1"}
    assert Client().get("/metrics", **proxied).status_code == 404


def test_metrics_count_rows_by_step_and_say_how_old_the_oldest_is():
    dataset = make_dataset()
    Upload.objects.create(dataset=dataset, original_name="a.zip", size=1)
    text = Client().get("/metrics").content.decode()
    assert 'ava_rows{queue="cpu",stage="waiting",step="unpack"} 1.0' in text
    assert 'ava_rows{queue="gpu",stage="done",step="track"} 0.0' in text
    oldest = re.search(r'ava_oldest_waiting_seconds{.*step="unpack"} (\S+)', text)
    assert 0 < float(oldest[1]) < 60
    assert 'ava_info{version="' in text
    assert "ava_disk_free_bytes" in text


def test_the_rates_count_only_what_ended_in_the_last_hour():

    dataset = make_dataset()
    for hours in (0.1, 5):
        ended = timezone.now() - timedelta(hours=hours)
        upload = Upload.objects.create(
            dataset=dataset, original_name="a.zip", size=1, sha256=str(hours)
        )
        Upload.objects.filter(pk=upload.pk).update(
            stage=Stage.FAILED, finished_at=ended, modified_at=ended
        )
    text = Client().get("/metrics").content.decode()
    assert 'ava_rows_ended_last_hour{queue="cpu",stage="failed",step="unpack"} 1.0' in text
