import ast
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from avaproject.environment import read_file

ROOT = Path(__file__).resolve().parents[2]
READ = set(re.findall(r'"(AVA_[A-Z0-9_]+)"', (ROOT / "avaproject/settings.py").read_text()))


def ask(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import avaproject.settings as s; {code}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_example_lists_all_settings():
    text = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^#?(AVA_[A-Z0-9_]+)=", text, re.MULTILINE)) == READ


def test_the_example_changes_nothing():
    text = (ROOT / ".env.example").read_text()
    assert not [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_environment_is_read_in_one_place():
    apps = ("datasets", "tracking", "annotation", "qc", "workers")
    for app in apps:
        for path in (ROOT / app).rglob("*.py"):
            used = re.findall(r"os\.(?:environ|getenv).*AVA_", path.read_text())
            assert not used, path


def test_with_an_empty_environment_there_is_sqlite_and_no_broker(tmp_path):
    code = (
        "print(s.DATABASES['default']['ENGINE'], s.REDIS_URL == '', s.DEBUG, s.S3_BUCKET == '')"
    )
    done = ask(code, AVA_DATA_DIR=str(tmp_path))
    assert done.stdout.split() == ["django.db.backends.sqlite3", "True", "False", "True"]


def test_postgresql_compiles_no_queries_and_other_options_stay(tmp_path):
    url = "postgres://kim@localhost/ava?options=-c%20statement_timeout=9s&sslmode=disable"
    code = "print(s.DATABASES['default']['OPTIONS'])"
    options = ast.literal_eval(
        ask(code, AVA_DATA_DIR=str(tmp_path), AVA_DATABASE_URL=url).stdout
    )
    assert options == {
        "options": "-c jit=off -c statement_timeout=9s", "sslmode": "disable",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [("AVA_DEVICE", "gpu"), ("AVA_LEASE_SECONDS", "two minutes"), ("AVA_MAX_ZIP_BYTES", "1GB")],
)
def test_an_invalid_value_stops_the_start_with_its_name(tmp_path, name, value):
    done = ask("", AVA_DATA_DIR=str(tmp_path), **{name: value})
    assert done.returncode == 1
    assert name in done.stderr


UGLY = [
    "", " ", "x", "0", "-1", "1e3", "True", "$HOME", "${HOME}", "a/b?c#d$e@f:g", "://", "http://",
    "postgres://ava:se/cret@db/ava", "redis://:se/cret@host/0", "\U0001f600", "'", '"', "a b",
    "9" * 5000, "x" * 5000, "../..", "2001-02-30", ",", "=", "\n", "%s", "{x}",
]  # fmt: skip


def refusal() -> str:
    """Why the settings cannot be read; empty if they can."""
    try:
        runpy.run_path(str(ROOT / "avaproject/settings.py"))
    except ImproperlyConfigured as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", sorted(READ))
def test_every_setting_takes_any_value_or_says_which_one_is_wrong(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for other in READ:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("AVA_DATA_DIR", str(tmp_path / "data"))
    for value in UGLY:
        monkeypatch.setenv(name, value)
        message = refusal()
        assert not message or name in message
        assert len(message) < 300
        assert "se/cret" not in message
    monkeypatch.setenv(name, "")
    runpy.run_path(str(ROOT / "avaproject/settings.py"))  # empty is the default


@pytest.mark.parametrize("name", sorted(READ))
def test_every_setting_can_be_read_from_a_file(name, monkeypatch, tmp_path):
    monkeypatch.setenv("AVA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("AVA_S3_BUCKET", "files")
    monkeypatch.setenv("AVA_RELEASES_S3_BUCKET", "releases")
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "missing"))
    with pytest.raises(ImproperlyConfigured, match=f"{name}_FILE cannot be read"):
        runpy.run_path(str(ROOT / "avaproject/settings.py"))


def test_a_bucket_that_takes_no_connections_is_not_waited_for_long(monkeypatch, tmp_path):
    monkeypatch.setenv("AVA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("AVA_S3_BUCKET", "files")
    monkeypatch.setenv("AVA_RELEASES_S3_BUCKET", "releases")
    storages = runpy.run_path(str(ROOT / "avaproject/settings.py"))["STORAGES"]
    for name in ("default", "releases"):
        config = storages[name]["OPTIONS"]["client_config"]
        assert (config.connect_timeout, config.signature_version) == (5, "s3v4")


@pytest.mark.parametrize("password", ["a/b?c#d$e", "$HOME", "p:w@x%41", "' \"", "ü€"])
def test_passwords_have_any_characters(password, monkeypatch, tmp_path):
    (tmp_path / "password").write_text(f"{password}\n", encoding="utf-8")
    monkeypatch.setenv("AVA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("AVA_DATABASE_URL", "postgres://ava@db:5432/ava")
    for name, value in (
        ("AVA_DATABASE_PASSWORD", password),
        ("AVA_DATABASE_PASSWORD_FILE", str(tmp_path / "password")),
    ):
        monkeypatch.setenv(name, value)
        found = runpy.run_path(str(ROOT / "avaproject/settings.py"))
        assert found["DATABASES"]["default"]["PASSWORD"] == password
        monkeypatch.delenv(name)


def test_the_secret_key_can_be_a_file(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("a-long-secret\n")
    monkeypatch.setenv("AVA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("AVA_SECRET_KEY_FILE", str(tmp_path / "key"))
    found = runpy.run_path(str(ROOT / "avaproject/settings.py"))
    assert found["SECRET_KEY"] == "a-long-secret"


def test_a_line_that_is_no_setting_is_named_and_not_shown(tmp_path):
    path = tmp_path / ".env"
    path.write_text("AVA_DEBUG=False\n\n# a comment\nse cret\n")
    with pytest.raises(ImproperlyConfigured, match="line 4") as caught:
        read_file(path)
    assert "cret" not in str(caught.value).replace(str(path), "")


def test_the_secret_is_created_once_and_readable_by_its_owner_only(tmp_path):
    first = ask("print(s.SECRET_KEY)", AVA_DATA_DIR=str(tmp_path)).stdout
    assert len(first) > 40
    assert ask("print(s.SECRET_KEY)", AVA_DATA_DIR=str(tmp_path)).stdout == first
    assert (tmp_path / "secret-key").stat().st_mode & 0o077 == 0
