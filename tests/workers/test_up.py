"""`up` for real: pages and work under one supervisor, in a folder of its own."""

import re
import signal
import socket
import subprocess

import psutil
import pytest
from django.core.management import CommandError, call_command

from tests.running import answer, free_port, running_up, wait_until
from workers.management.commands.up import programs

pytestmark = pytest.mark.slow


def children_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def test_it_serves_restarts_and_stops_cleanly(tmp_path):
    port = free_port()
    with running_up(tmp_path / "data", port) as running:
        wait_until(lambda: answer(port) == 200)
        assert answer(port, "/static/css/app.css") == 200
        web = next(c for c in children_of(running) if "gunicorn" in " ".join(c.cmdline()))
        web.kill()
        wait_until(lambda: answer(port) == 0)
        wait_until(lambda: answer(port) == 200)
        children = children_of(running)
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert re.search(r"^Your account: admin, password: \S{16} ", said, re.MULTILINE)
    assert "web was ended by SIGKILL; it starts again in 1 s." in said
    assert said.rstrip().endswith("Stopped.")
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_the_password_is_shown_once(tmp_path):
    for times in (1, 0):
        with running_up(tmp_path / "data", port := free_port()) as running:
            wait_until(lambda port=port: answer(port) == 200)
            running.terminate()
            said, _ = running.communicate(timeout=60)
        assert said.count("password") == times


def test_a_taken_port_is_told_with_the_way_out(handlers_kept):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"--port {number + 1}"):
            call_command("up", port=number)


def test_no_workers_are_refused():
    with pytest.raises(CommandError, match="--workers must be 1 or more"):
        call_command("up", workers=0)


def test_detection_has_a_process_of_its_own():
    found = programs("::1", 8000, workers=2)
    assert [program.name for program in found] == ["web", "detector", "worker 1", "worker 2"]
    assert [list(program.command)[-1] for program in found[1:]] == ["gpu", "cpu", "cpu"]
    assert "[::1]:8000" in found[0].command
