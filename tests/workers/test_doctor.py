from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from annotation.models import CvatServer
from avaproject.base.bootstrap import bootstrap, create_admin, create_tables
from datasets.core.media.sandbox import Restrictions
from tests.make import make_dataset, make_user
from workers import doctor
from workers.doctor import Status

pytestmark = pytest.mark.django_db


def test_a_fresh_installation_has_no_errors(settings):
    settings.REDIS_URL = ""
    found = [check() for check in doctor.CHECKS if check is not doctor.check_detector]
    assert Status.ERROR not in [result.status for result in found]
    assert all(result.hint or result.status is Status.OK for result in found)


def test_missing_migrations_are_reported_with_the_command():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'qc'")
    result = doctor.check_database()
    assert result.status is Status.ERROR
    assert result.hint == "Run ./ava manage bootstrap"


def test_a_broker_that_does_not_answer_is_reported_without_its_password(settings):
    settings.REDIS_URL = "redis://:secret@127.0.0.1:1/0"
    result = doctor.check_broker()
    assert result.status is Status.ERROR
    assert "Redis at 127.0.0.1:1 does not answer" in result.message
    assert "secret" not in result.message


def test_a_storage_that_cannot_be_written_is_an_error(settings, own_files):
    settings.MEDIA_ROOT = own_files / "media"
    settings.MEDIA_ROOT.write_text("a file where the folder should be")
    result = doctor.check_storage()
    assert result.status is Status.ERROR
    assert result.hint == "Correct AVA_DATA_DIR."


def test_a_decoder_without_a_sandbox_is_a_warning(monkeypatch):
    monkeypatch.setattr(
        doctor, "active_restrictions", lambda: Restrictions(files=False, network=True)
    )
    result = doctor.check_decoder()
    assert result.status is Status.WARNING
    assert "can access other files." in result.message


def test_the_storage_check_leaves_no_files(settings):
    assert doctor.check_storage().status in (Status.OK, Status.WARNING)
    assert not [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()]


def test_missing_weights_are_named(settings, tmp_path):
    settings.WEIGHTS_DIR = tmp_path
    make_dataset(detector="rfdetr-file", weights="mine.pth")
    assert "mine.pth" in doctor.check_weights().message
    (tmp_path / "mine.pth").touch()
    assert doctor.check_weights().status is Status.OK


def test_a_cvat_server_that_did_not_answer_is_reported():
    assert doctor.check_cvat().status is Status.OK
    server = CvatServer.objects.create(
        name="lab", url="http://cvat.example.org", stage="failed", error="It is down."
    )
    assert doctor.check_cvat().message == "lab: It is down."
    server.checks = [{"is_ok": False, "message": "No webhooks.", "fix": "Do this."}]
    server.stage = "done"
    server.save()
    assert doctor.check_cvat()[1:] == (Status.WARNING, "lab: No webhooks.", "Do this.")
    CvatServer.objects.update(checks=[])
    assert doctor.check_cvat().message == "Connected: lab."
    CvatServer.objects.update(stage="waiting")
    assert doctor.check_cvat().message == "Not tested yet: lab."


def test_no_account_is_a_warning():
    assert doctor.check_account().status is Status.WARNING
    make_user()
    assert doctor.check_account().status is Status.OK


@pytest.mark.parametrize(
    ("code", "device", "status"),
    [
        pytest.param("print('2.14.1|NVIDIA A10')", "auto", Status.OK, id="a GPU"),
        pytest.param("print('2.14.1|')", "auto", Status.WARNING, id="no GPU"),
        pytest.param("print('2.14.1|')", "cuda", Status.ERROR, id="no GPU though asked for"),
        pytest.param("import no_such_torch", "auto", Status.ERROR, id="no torch"),
    ],
)
def test_the_state_of_torch_is_reported(settings, monkeypatch, code, device, status):
    monkeypatch.setattr(doctor, "TORCH_PROBE", code)
    settings.DEVICE = device
    assert doctor.check_detector().status is status


def test_the_command_fails_if_a_check_fails(settings, monkeypatch):
    settings.REDIS_URL = ""
    monkeypatch.setattr(doctor, "TORCH_PROBE", "import no_such_torch")
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 10 checks failed"):
        call_command("doctor", stdout=out)
    assert "No module named 'no_such_torch'" in out.getvalue()


def test_the_first_account_is_created_once():
    password = create_admin()
    assert password
    assert create_admin() is None
    assert User.objects.get(username="admin").check_password(password)


def test_every_start_says_who_can_log_in_and_how_to_set_a_password():
    said: list[str] = []
    bootstrap(said.append)
    assert said[0].startswith("Your account: admin, password: ")
    bootstrap(said.append)
    assert said[1] == "Log in as admin. A new password: ./ava manage changepassword admin"


def test_a_taken_name_is_left_alone():
    make_user("admin")
    assert create_admin() is None


def test_a_database_of_another_version_is_refused():
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) "
            "VALUES ('qc', '0099_later', CURRENT_TIMESTAMP)"
        )
    with pytest.raises(CommandError, match="another version of AVA Studio"):
        create_tables()
