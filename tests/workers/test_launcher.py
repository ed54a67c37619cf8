"""The launcher, run in its own folder with a fake Python in its .venv."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = ROOT / "ava"
FAKE_PYTHON = """#!/bin/sh
# Records its arguments and does nothing else.
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
def project(tmp_path):
    """A folder with the launcher, two locks, and a .venv whose Python only records calls."""
    folder = tmp_path / "project"
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
        FAKE_PYTHON.format(
            log=folder / "log", broken=folder / "broken", libraries=folder / "libraries"
        )
    )
    python.chmod(0o755)
    (folder / "libraries").touch()
    (folder / ".venv" / "ava-stamp.json").write_text('{"venv": true}')
    return folder


def ava(project: Path, *arguments: str, path: str = os.environ["PATH"], **more: str):
    environment = {"PATH": path, "HOME": str(project)} | more
    return subprocess.run(
        [sys.executable, str(project / "ava"), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def installs(project: Path) -> list[str]:
    log = project / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [line for line in lines if " install " in line]


def test_it_is_short_and_uses_only_the_standard_library():
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
    assert len(text.splitlines()) <= 155
    assert os.access(LAUNCHER, os.X_OK)


def old_python(path: Path):
    """Run the launcher as in Python 3.9, with the programs in the folder `path` alone."""
    code = "import sys, runpy; sys.version_info = (3, 9, 2); del sys.argv[0]; "
    code += "runpy.run_path(sys.argv[0])"
    return subprocess.run(
        [sys.executable, "-c", code, str(LAUNCHER), "doctor"],
        env={"PATH": str(path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_without_a_fitting_python_it_says_how_to_get_one(tmp_path):
    program(tmp_path, "python3.12", "exit 127")  # a shim that leads nowhere
    done = old_python(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("AVA Studio needs Python 3.11 to 3.")
    assert "astral.sh/uv/install.sh" in done.stderr


def test_an_old_python_starts_a_fitting_one(tmp_path):
    program(tmp_path, "python3.11", 'echo "3.11 runs $@"')
    program(tmp_path, "python3.12", 'echo "3.12 runs $@"')
    assert f"3.12 runs {LAUNCHER} doctor" in old_python(tmp_path).stdout


def test_uv_brings_a_python(tmp_path):
    program(tmp_path / "of-uv", "python", 'echo "of uv: $@"')
    found = tmp_path / "of-uv" / "python"
    program(tmp_path, "uv", f'[ "$2" = install ] || echo {found}')
    assert f"of uv: {LAUNCHER} doctor" in old_python(tmp_path).stdout


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",)])
def test_without_a_command_it_prints_help(project, arguments):
    done = ava(project, *arguments)
    assert done.returncode == 0
    assert "./ava demo" in done.stdout
    assert not installs(project)


def test_an_unknown_command_is_named(project):
    done = ava(project, "dmeo")
    assert done.returncode == 1
    assert "There is no command 'dmeo'." in done.stderr


def test_it_installs_then_runs_the_command(project):
    done = ava(project, "demo", "--zip", "my.zip", TORCH="cuda")
    assert done.returncode == 0
    assert "1 of 1 packages" not in done.stdout  # the fake pip collects nothing
    assert f"ran {project}/manage.py demo --zip my.zip" in done.stdout
    lock, torch = installs(project)
    assert lock.endswith(f"--no-deps --require-hashes -r {project}/requirements.txt")
    assert torch.endswith("install torch==2.0")


def test_the_second_start_installs_nothing(project):
    ava(project, "manage", "check", TORCH="cpu")
    installs(project)
    done = ava(project, "manage", "check")
    assert f"ran {project}/manage.py check" in done.stdout
    assert not installs(project)


def test_a_failed_installation_says_why_and_is_resumed(project):
    (project / "broken").touch()
    done = ava(project, "up")
    assert done.returncode == 1
    assert "no route to the index" in done.stderr
    assert "Could not install requirements.txt" in done.stderr
    (project / "broken").unlink()
    installs(project)
    assert ava(project, "up").returncode == 0
    assert len(installs(project)) == 2


def test_a_changed_lock_is_installed_and_nothing_else(project):
    ava(project, "up")
    installs(project)
    (project / "requirements.txt").write_text("vine==5.1.1 \\\n    --hash=sha256:00\n")
    ava(project, "up")
    [again] = installs(project)
    assert again.endswith("requirements.txt")


def test_the_lock_of_the_tests_covers_both(project):
    assert "ran -m tests -x" in ava(project, "test", "-x").stdout
    assert installs(project)[0].endswith(f"{project}/tests/requirements.txt")
    ava(project, "up")
    assert not installs(project)


def test_the_build_of_torch_can_be_changed_later(project):
    ava(project, "up", TORCH="cuda")
    installs(project)
    done = ava(project, "up", "--torch", "cpu")
    assert f"ran {project}/manage.py up" in done.stdout
    assert "--torch" not in done.stdout.split("ran ")[-1]
    assert len(installs(project)) == 1
    ava(project, "up")
    assert not installs(project)


def test_an_unknown_build_of_torch_is_refused(project):
    done = ava(project, "up", TORCH="gpu")
    assert "must be cpu or cuda, not 'gpu'" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the CPU index is Linux's")
def test_without_pytorchs_index_the_default_build_is_taken(project):
    done = ava(project, "up", TORCH="cpu")
    assert "does not answer" in done.stdout
    assert installs(project)[-1].endswith("install torch==2.0")


def test_missing_libraries_are_named_with_the_command_to_install_them(project):
    (project / "libraries").unlink()
    tools = project / "tools"  # no apt-get there
    tools.mkdir()
    (tools / "sh").symlink_to("/bin/sh")
    done = ava(project, "up", path=str(tools))
    assert done.returncode == 1
    assert "apt-get install -y libgl1 libglib2.0-0 libxcb1" in done.stderr
    assert done.stderr.startswith("libGL.so.1: cannot open shared object file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs libraries by itself")
def test_root_installs_missing_libraries(project):
    (project / "libraries").unlink()
    tools = project / "tools"
    tools.mkdir()
    apt = tools / "apt-get"
    apt.write_text(
        f'#!/bin/sh\necho "apt-get $@" >> {project}/log\ntouch {project}/libraries\n'
    )
    apt.chmod(0o755)
    done = ava(project, "up", path=f"{tools}:/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    assert "apt-get install -y libgl1 libglib2.0-0 libxcb1" in installs(project)


def pins(lock: str) -> set[str]:
    lines = (ROOT / lock).read_text().splitlines()
    return {line.split(" ")[0] for line in lines if line[:1] not in (" ", "#", "")}


def test_the_lock_of_the_tests_holds_all_of_the_lock():
    assert pins("requirements.txt") <= pins("tests/requirements.txt")


@pytest.mark.parametrize("lock", ["requirements.txt", "tests/requirements.txt"])
def test_every_pin_has_hashes_and_torch_is_not_locked(lock):
    text = (ROOT / lock).read_text()
    for pin in text.replace("\\\n", " ").splitlines():
        assert "--hash=sha256:" in pin, pin
    assert not [pin for pin in pins(lock) if pin.startswith(("nvidia-", "torch", "triton"))]
