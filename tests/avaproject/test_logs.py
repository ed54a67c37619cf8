import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

from avaproject.base.logs import AddContext, log_context
from datasets.models import Upload
from tests.make import make_dataset

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lines():
    """The records of requests and work, with their context."""
    found: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = found.append
    handler.addFilter(AddContext())
    loggers = [logging.getLogger(f"avaproject.{name}") for name in ("requests", "work")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    yield found
    for logger, level in zip(loggers, before, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


def test_contexts_add_up_and_end():
    record = logging.makeLogRecord({})
    with log_context(request="r"), log_context(clip=4):
        AddContext().filter(record)
    assert (record.request, record.clip, record.context) == ("r", 4, " request=r clip=4")
    after = logging.makeLogRecord({})
    AddContext().filter(after)
    assert after.context == ""


@pytest.mark.django_db
def test_a_request_has_an_id_in_its_line_and_its_response(lines):
    answer = Client().get("/login/", headers={"X-Request-ID": "from-proxy_1"})
    assert answer["X-Request-ID"] == "from-proxy_1"
    [line] = lines
    assert (line.request, line.status) == ("from-proxy_1", 200)
    assert line.getMessage().startswith("GET /login/ 200 ")


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\tb", "é"])
def test_an_id_that_could_forge_lines_is_replaced(lines, given):
    answer = Client().get("/login/", headers={"X-Request-ID": given})
    assert answer["X-Request-ID"] not in ("", given)
    assert len(answer["X-Request-ID"]) == 16


@pytest.mark.django_db
def test_work_has_a_line_for_its_claim_and_its_end(lines):
    dataset = make_dataset()
    for outcome in ("done", "failed"):
        upload = Upload.objects.create(
            dataset=dataset, original_name="a.zip", size=1, sha256=outcome
        )
        row = Upload.objects.claim(upload.pk)
        with row.working(ValueError):
            if outcome == "failed":
                raise ValueError("the zip is damaged")
            row.finish()
        begin, end = lines
        assert begin.getMessage() == "claimed, attempt 1"
        assert end.getMessage().startswith(f"{outcome} after ")
        assert {one.row for one in lines} == {f"datasets.upload:{upload.pk}"}
        assert {one.dataset for one in lines} == {dataset.pk}
        lines.clear()
        if outcome == "failed":
            assert end.levelno == logging.WARNING
            assert end.getMessage().endswith("the zip is damaged")


def test_as_json_each_line_is_an_object_with_its_context(tmp_path):
    code = (
        "import django, logging; django.setup()\n"
        "from avaproject.base.logs import log_context, work\n"
        "with log_context(row='datasets.clip:7', clip=7): work.info('claimed\\nagain')"
    )
    environment = {
        "DJANGO_SETTINGS_MODULE": "avaproject.settings",
        "AVA_DATA_DIR": str(tmp_path),
        "AVA_LOG_FORMAT": "json",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    [line] = done.stderr.splitlines()
    entry = json.loads(line)
    assert (entry["message"], entry["clip"], entry["level"]) == ("claimed\nagain", 7, "INFO")
    assert entry["row"] == "datasets.clip:7"
