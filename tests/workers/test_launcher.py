"""The launcher, run for real in a folder of its own with a pretended Python in its .venv."""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = ROOT / "ava"
PRETENDED_PYTHON = """#!/bin/sh
# Notes what it is asked; does nothing else.
echo "$@" >> {log}
case "$*" in
    *"--version") exit 0 ;;
    *"import cv2")
        [ -e {libraries} ] && exit 0
        echo "libGL.so.1: cannot open shared object file" >&2; exit 1 ;;
    *" install "*) [ ! -e {broken} ] || {{ echo "no route to the index"; exit 1; }} ;;
    *) echo "ran $@" ;;
esac
"""


@pytest.fixture
def house(tmp_path):
    """A folder with the launcher, two locks, and a .venv whose Python only takes notes."""
    folder = tmp_path / "house"
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / "tests").mkdir()
    text = LAUNCHER.read_text().replace("https://download.pytorch.org", "http://127.0.0.1:9")
    (folder / "ava").write_text(text)
    (folder / "requirements.txt").write_text("vine==5.1.0 \\\n    --hash=sha256:00\n")
    (folder / "tests" / "requirements.txt").write_text("vine==5.1.0 \\\n    --hash=sha256:00\n")
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "x"\n[project.optional-dependencies]\ntorch = ["torch==2.0"]\n'
    )
    python = folder / ".venv" / "bin" / "python"
    python.write_text(
        PRETENDED_PYTHON.format(
            log=folder / "log", broken=folder / "broken", libraries=folder / "libraries"
        )
    )
    python.chmod(0o755)
    (folder / "libraries").touch()
    (folder / ".venv" / "ava-stamp.json").write_text('{"venv": true}')
    return folder


def ava(house: Path, *words: str, path: str = os.environ["PATH"], **more: str):
    environment = {"PATH": path, "HOME": str(house)} | more
    return subprocess.run(
        [sys.executable, str(house / "ava"), *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def asked(house: Path) -> list[str]:
    log = house / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [line for line in lines if " install " in line]


def test_it_is_short_and_needs_the_standard_library_alone():
    text = LAUNCHER.read_text()
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert imported <= sys.stdlib_module_names
    assert len(text.splitlines()) <= 150
    assert os.access(LAUNCHER, os.X_OK)


def test_another_python_gets_a_sentence():
    code = "import sys, runpy; sys.version_info = (3, 9, 2); runpy.run_path(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(LAUNCHER)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("AVA Studio needs Python 3.11.")


@pytest.mark.parametrize("words", [(), ("help",), ("--help",)])
def test_alone_it_says_what_it_can_do(house, words):
    done = ava(house, *words)
    assert done.returncode == 0
    assert "./ava demo" in done.stdout
    assert not asked(house)


def test_an_unknown_command_is_named(house):
    done = ava(house, "dmeo")
    assert done.returncode == 1
    assert "There is no command 'dmeo'." in done.stderr


def test_it_installs_then_hands_over(house):
    done = ava(house, "demo", "--zip", "my.zip", TORCH="cuda")
    assert done.returncode == 0
    assert "1 of 1 packages" not in done.stdout  # the pretended pip collects nothing
    assert f"ran {house}/manage.py demo --zip my.zip" in done.stdout
    lock, torch = asked(house)
    assert lock.endswith(f"--no-deps --require-hashes -r {house}/requirements.txt")
    assert torch.endswith("install torch==2.0")


def test_the_second_start_installs_nothing_and_is_quick(house):
    ava(house, "manage", "check", TORCH="cpu")
    asked(house)
    took = []
    for _ in range(3):  # the machine may be busy with something else
        began = time.monotonic()
        done = ava(house, "manage", "check")
        took.append(time.monotonic() - began)
    assert min(took) < 1.0
    assert f"ran {house}/manage.py check" in done.stdout
    assert not asked(house)


def test_a_failed_install_says_why_and_the_next_start_goes_on(house):
    (house / "broken").touch()
    done = ava(house, "up")
    assert done.returncode == 1
    assert "no route to the index" in done.stderr
    assert "Could not install requirements.txt" in done.stderr
    (house / "broken").unlink()
    asked(house)
    assert ava(house, "up").returncode == 0
    assert len(asked(house)) == 2


def test_a_changed_lock_is_installed_and_nothing_else(house):
    ava(house, "up")
    asked(house)
    (house / "requirements.txt").write_text("vine==5.1.1 \\\n    --hash=sha256:00\n")
    ava(house, "up")
    [again] = asked(house)
    assert again.endswith("requirements.txt")


def test_the_tests_lock_counts_for_both(house):
    assert "ran -m tests -x" in ava(house, "test", "-x").stdout
    assert asked(house)[0].endswith(f"{house}/tests/requirements.txt")
    ava(house, "up")
    assert not asked(house)


def test_the_build_of_torch_can_be_changed_later(house):
    ava(house, "up", TORCH="cuda")
    asked(house)
    done = ava(house, "up", "--torch", "cpu")
    assert f"ran {house}/manage.py up" in done.stdout
    assert "--torch" not in done.stdout.split("ran ")[-1]
    assert len(asked(house)) == 1
    ava(house, "up")
    assert not asked(house)


def test_an_unknown_build_of_torch_is_refused(house):
    done = ava(house, "up", TORCH="gpu")
    assert "must be cpu or cuda, not 'gpu'" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the CPU index is Linux's")
def test_without_pytorchs_index_the_default_build_is_taken(house):
    done = ava(house, "up", TORCH="cpu")
    assert "does not answer" in done.stdout
    assert asked(house)[-1].endswith("install torch==2.0")


def test_missing_libraries_are_named_with_the_line_that_gets_them(house):
    (house / "libraries").unlink()
    tools = house / "tools"  # no apt-get there
    tools.mkdir()
    (tools / "sh").symlink_to("/bin/sh")
    done = ava(house, "up", path=str(tools))
    assert done.returncode == 1
    assert "apt-get install -y libgl1 libglib2.0-0 libxcb1" in done.stderr
    assert done.stderr.startswith("libGL.so.1: cannot open shared object file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs libraries by itself")
def test_root_gets_missing_libraries_by_itself(house):
    (house / "libraries").unlink()
    tools = house / "tools"
    tools.mkdir()
    apt = tools / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "apt-get $@" >> {house}/log\ntouch {house}/libraries\n')
    apt.chmod(0o755)
    done = ava(house, "up", path=f"{tools}:/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    assert "apt-get install -y libgl1 libglib2.0-0 libxcb1" in asked(house)


def pins(lock: str) -> set[str]:
    lines = (ROOT / lock).read_text().splitlines()
    return {line.split(" ")[0] for line in lines if line[:1] not in (" ", "#", "")}


def test_the_lock_of_the_tests_holds_all_of_the_lock():
    assert pins("requirements.txt") <= pins("tests/requirements.txt")


@pytest.mark.parametrize("lock", ["requirements.txt", "tests/requirements.txt"])
def test_every_pin_has_its_hashes_and_torch_is_chosen_apart(lock):
    text = (ROOT / lock).read_text()
    for pin in text.replace("\\\n", " ").splitlines():
        assert "--hash=sha256:" in pin, pin
    assert not [pin for pin in pins(lock) if pin.startswith(("nvidia-", "torch", "triton"))]
