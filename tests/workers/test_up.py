"""`up` in a process: web server and workers under one supervisor, in its own data folder."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from django.core.management import CommandError, call_command

from avaproject.base.bootstrap import folder_lock
from tests.server_process import answer, free_port, running_up, wait_until
from workers.management.commands.up import programs

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def children_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def test_it_serves_pages_restarts_processes_and_stops_cleanly(tmp_path):
    port = free_port()
    with running_up(tmp_path / "data", port) as running:
        wait_until(lambda: answer(port) == 200)
        assert answer(port, "/static/css/app.css") == 200
        web = next(c for c in children_of(running) if "serve" in c.cmdline())
        web.kill()
        wait_until(lambda: answer(port) == 0)
        wait_until(lambda: answer(port) == 200)
        children = children_of(running)
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert re.search(r"^Your account: admin, password: \S{16} ", output, re.MULTILINE)
    assert "web was killed by SIGKILL; restart in 1 s." in output
    assert output.rstrip().endswith("Stopped.")
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_the_password_is_shown_once(tmp_path):
    for times in (1, 0):
        with running_up(tmp_path / "data", port := free_port()) as running:
            wait_until(lambda port=port: answer(port) == 200)
            running.terminate()
            output, _ = running.communicate(timeout=60)
        assert output.count("shown this once") == times


def test_a_port_in_use_is_refused_with_a_hint(handlers_kept):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"--port {number + 1}"):
            call_command("up", port=number)


def test_a_second_one_in_the_same_folder_is_refused_with_a_sentence(handlers_kept, own_files):
    with (
        folder_lock("up.lock"),
        pytest.raises(CommandError, match="AVA Studio is running"),
    ):
        call_command("up", port=free_port())


def test_tables_are_created_by_one_process_after_another(tmp_path):
    environment = os.environ | {"AVA_DATA_DIR": str(tmp_path)}
    environment["AVA_DATABASE_URL"] = f"sqlite:///{tmp_path}/ava.sqlite3"
    command = [sys.executable, "manage.py", "bootstrap"]
    started = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [(one.communicate()[1], one.returncode) for one in started] == [("", 0)] * 3


def test_zero_workers_are_refused():
    with pytest.raises(CommandError, match="--workers must be 1 or more"):
        call_command("up", workers=0)


def test_detection_has_its_own_process():
    found = programs("::1", 8000, workers=2)
    assert [program.name for program in found] == ["web", "detector", "worker 1", "worker 2"]
    assert [list(program.command)[-1] for program in found[1:]] == ["gpu", "cpu", "cpu"]
    assert found[0].command[-4:] == ["--host", "::1", "--port", "8000"]
