from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from annotation.models import CvatServer
from datasets.core.walls import Walls
from tests.make import make_dataset, make_user
from workers import checks
from workers.accounts import ensure_admin
from workers.checks import State

pytestmark = pytest.mark.django_db


def test_a_fresh_installation_needs_nothing_more(settings):
    settings.REDIS_URL = ""
    found = [check() for check in checks.CHECKS if check is not checks.check_detector]
    assert State.WRONG not in [finding.state for finding in found]
    assert all(finding.way_out or finding.state is State.OK for finding in found)


def test_missing_tables_are_told_with_the_command():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'qc'")
    finding = checks.check_database()
    assert finding.state is State.WRONG
    assert finding.way_out == "Run ./ava manage migrate"


def test_a_silent_broker_is_told_by_its_address(settings):
    settings.REDIS_URL = "redis://:secret@127.0.0.1:1/0"
    finding = checks.check_broker()
    assert finding.state is State.WRONG
    assert "Redis at 127.0.0.1:1 does not answer" in finding.sentence
    assert "secret" not in finding.sentence


def test_a_storage_that_cannot_be_written_is_told(settings, own_files):
    settings.MEDIA_ROOT = own_files / "media"
    settings.MEDIA_ROOT.write_text("a file where the folder should be")
    finding = checks.check_storage()
    assert finding.state is State.WRONG
    assert finding.way_out == "Correct AVA_DATA_DIR."


def test_a_decoder_without_walls_is_told_and_is_no_hindrance(monkeypatch):
    monkeypatch.setattr(checks, "standing_walls", lambda: Walls(files=False, network=True))
    finding = checks.check_decoder()
    assert finding.state is State.NOTE
    assert "could reach other files." in finding.sentence


def test_a_storage_that_works_is_left_as_it_was(settings):
    assert checks.check_storage().state in (State.OK, State.NOTE)
    assert not [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()]


def test_weights_that_are_not_there_are_named(settings, tmp_path):
    settings.WEIGHTS_DIR = tmp_path
    make_dataset(detector="rfdetr-file", weights="mine.pth")
    assert "mine.pth" in checks.check_weights().sentence
    (tmp_path / "mine.pth").touch()
    assert checks.check_weights().state is State.OK


def test_a_cvat_server_that_did_not_answer_is_named():
    assert checks.check_cvat().state is State.OK
    server = CvatServer.objects.create(
        name="lab", url="http://cvat.example.org", stage="failed", error="It is down."
    )
    assert checks.check_cvat().sentence == "lab: It is down."
    server.findings = [{"is_ok": False, "sentence": "No webhooks.", "way_out": "Do this."}]
    server.stage = "done"
    server.save()
    assert checks.check_cvat()[1:] == (State.NOTE, "lab: No webhooks.", "Do this.")
    CvatServer.objects.update(findings=[])
    assert checks.check_cvat().sentence == "Answered when tested last: lab."
    CvatServer.objects.update(stage="waiting")
    assert checks.check_cvat().sentence == "Not tested yet: lab."


def test_no_account_yet_is_a_note():
    assert checks.check_account().state is State.NOTE
    make_user()
    assert checks.check_account().state is State.OK


@pytest.mark.parametrize(
    ("code", "device", "state"),
    [
        pytest.param("print('2.14.1|NVIDIA A10')", "auto", State.OK, id="a GPU"),
        pytest.param("print('2.14.1|')", "auto", State.NOTE, id="no GPU"),
        pytest.param("print('2.14.1|')", "cuda", State.WRONG, id="no GPU though asked for"),
        pytest.param("import no_such_torch", "auto", State.WRONG, id="no torch"),
    ],
)
def test_what_torch_answers_is_told(settings, monkeypatch, code, device, state):
    monkeypatch.setattr(checks, "ASK_TORCH", code)
    settings.DEVICE = device
    assert checks.check_detector().state is state


def test_the_command_ends_in_an_error_if_something_is_wrong(settings, monkeypatch):
    settings.REDIS_URL = ""
    monkeypatch.setattr(checks, "ASK_TORCH", "import no_such_torch")
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 9 need attention"):
        call_command("doctor", stdout=out)
    assert "No module named 'no_such_torch'" in out.getvalue()


def test_the_first_account_is_made_once():
    password = ensure_admin()
    assert password
    assert ensure_admin() is None
    assert User.objects.get(username="admin").check_password(password)


def test_a_taken_name_is_left_alone():
    make_user("admin")
    assert ensure_admin() is None
