"""What commands say of a database that is away, busy or not migrated."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import DatabaseError, OperationalError, ProgrammingError

from avaproject.base import command_line
from avaproject.base.command_line import explanation, run

ROOT = Path(__file__).resolve().parents[2]
AWAY = "postgres://ava:secret@127.0.0.1:1/ava"


def of_postgresql(kind: type[DatabaseError], text: str, code: str | None) -> DatabaseError:
    error = kind(text)
    error.__cause__ = Exception(text)
    error.__cause__.pgcode = code
    return error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (of_postgresql(OperationalError, "refused\nIs it?", None), "does not answer (refused)"),
        (of_postgresql(OperationalError, "ended", "57P01"), "does not answer (ended)"),
        (OperationalError("unable to open database file"), "does not answer"),
        (OperationalError("database is locked"), "another process writes"),
        (OperationalError("no such table: a"), "First run: ./ava manage bootstrap"),
        (of_postgresql(ProgrammingError, "no relation", "42P01"), "not up to date"),
        (of_postgresql(ProgrammingError, "syntax error", "42601"), ""),
        (OperationalError('near "SELEC": syntax error'), ""),
    ],
)
def test_each_fault_has_a_sentence_that_says_what_to_do(error, sentence):
    found = explanation(error)
    assert sentence in found
    assert bool(sentence) == bool(found)


def test_a_fault_of_the_program_and_one_to_be_traced_are_raised(monkeypatch):
    def fails(arguments: list[str]) -> None:
        raise OperationalError(arguments[1])

    monkeypatch.setattr(command_line, "execute_from_command_line", fails)
    with pytest.raises(OperationalError):
        run(["manage.py", "syntax error"])
    with pytest.raises(OperationalError):
        run(["manage.py", "database is locked", "--traceback"])
    with pytest.raises(SystemExit, match="CommandError: The database is busy"):
        run(["manage.py", "database is locked"])


@pytest.mark.parametrize(
    ("words", "database", "sentence"),
    [
        (["backup", "backups"], AWAY, "does not answer (connection to server at"),
        (["check_storage"], "", "not up to date with this version (no such table"),
    ],
)
def test_a_command_ends_with_a_sentence(words, database, sentence, tmp_path):
    environment = os.environ | {"AVA_DATA_DIR": str(tmp_path), "AVA_DATABASE_URL": database}
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *words],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
