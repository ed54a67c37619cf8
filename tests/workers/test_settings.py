import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_the_secret_is_created_once_and_readable_by_its_owner_only(tmp_path):
    first = ask("print(s.SECRET_KEY)", AVA_DATA_DIR=str(tmp_path)).stdout
    assert len(first) > 40
    assert ask("print(s.SECRET_KEY)", AVA_DATA_DIR=str(tmp_path)).stdout == first
    assert (tmp_path / "secret-key").stat().st_mode & 0o077 == 0
