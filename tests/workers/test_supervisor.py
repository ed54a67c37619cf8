import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from workers import supervisor as module
from workers.supervisor import Program, Supervisor

ROOT = Path(__file__).resolve().parents[2]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def wait_until(condition, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(autouse=True)
def quick(monkeypatch, handlers_kept):
    monkeypatch.setattr(module, "FIRST_DELAY", 0.05)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)


def stop_soon(supervisor: Supervisor, condition) -> None:
    def watch() -> None:
        wait_until(condition)
        supervisor.stopping = True

    threading.Thread(target=watch).start()


def test_a_program_that_exits_is_restarted(tmp_path):
    messages: list[str] = []
    supervisor = Supervisor(messages.append)
    stop_soon(supervisor, lambda: len(messages) >= 2)
    supervisor.run([Program("web", python("raise SystemExit(3)"))])
    assert messages[0] == "web exited with code 3; restart in 0 s."
    assert len(messages) >= 2


def test_the_others_keep_running_while_one_exits(tmp_path):
    messages: list[str] = []
    steady = Program("steady", python("import time; time.sleep(60)"))
    supervisor = Supervisor(messages.append)
    stop_soon(supervisor, lambda: len(messages) >= 2)
    supervisor.run([Program("web", python("raise SystemExit(1)")), steady])
    assert not [line for line in messages if line.startswith("steady")]


def test_the_delay_doubles_and_a_long_run_resets_it(monkeypatch):
    monkeypatch.setattr(module, "FIRST_DELAY", 1.0)
    program = Program("web", [])
    delays = [program.schedule_restart(program.started + 1) for _ in range(8)]
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60]
    assert program.schedule_restart(program.started + module.HEALTHY_AFTER) == 0


def test_all_programs_are_terminated_on_stop():
    programs = [Program(name, python("import time; time.sleep(60)")) for name in "ab"]
    supervisor = Supervisor(print)
    stop_soon(supervisor, lambda: all(program.process for program in programs))
    supervisor.run(programs)
    assert [program.process.poll() for program in programs] == [-signal.SIGTERM] * 2


def test_a_program_that_ignores_sigterm_is_killed(tmp_path):
    ready = tmp_path / "ready"
    stubborn = Program(
        "stubborn",
        python(
            f"""
            import pathlib, signal, time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            pathlib.Path({str(ready)!r}).touch()
            time.sleep(60)
            """
        ),
    )
    supervisor = Supervisor(print, grace=0.2)
    stop_soon(supervisor, ready.exists)
    supervisor.run([stubborn])
    assert stubborn.process.poll() == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_supervisor(number):
    supervisor = Supervisor(print)
    supervisor.handle_signals()
    threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
    supervisor.run([Program("web", python("import time; time.sleep(60)"))])
    assert supervisor.stopping


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_the_children_of_a_killed_supervisor_are_terminated(tmp_path):
    noted = tmp_path / "pid"
    script = f"""
        import sys
        from workers.supervisor import Program, Supervisor
        child = "import os, time; print(os.getpid(), file=open({str(noted)!r}, 'w'))"
        Supervisor(print).run(
            [Program("web", [sys.executable, "-c", child + "; time.sleep(60)"])]
        )
    """
    parent = subprocess.Popen(python(script), cwd=ROOT)
    assert wait_until(lambda: noted.exists() and noted.read_text())
    pid = int(noted.read_text())
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not psutil.pid_exists(pid))


def test_a_program_that_runs_once_is_not_started_again(tmp_path):
    messages: list[str] = []
    runs = tmp_path / "runs"
    code = f"open({str(runs)!r}, 'a').write('x'); raise SystemExit(1)"
    once = Program("measurement", python(code), is_once=True)
    other = Program("web", python("raise SystemExit(3)"))
    supervisor = Supervisor(messages.append)
    stop_soon(supervisor, lambda: len(messages) >= 3)
    supervisor.run([once, other])
    assert runs.read_text() == "x"
    assert not any("measurement" in one for one in messages)
