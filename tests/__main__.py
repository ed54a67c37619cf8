"""All checks and tests of the project, one after another: `./ava check`, `./ava test`.

With arguments only pytest runs, with these arguments.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent  # not resolved: the folder of the virtual environment
APPS = ["avaproject", "datasets", "tracking", "annotation", "qc", "workers", "demo"]
CORES = ["tests/core", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("*/core"))]
PYTEST = [sys.executable, "-m", "pytest"]
# A file stays in one process: its tests share videos, a server or a Redis.
PARALLEL = ["-n", "logical", "--dist", "loadfile", "--no-loadscope-reorder"]
WITHOUT_DJANGO = [
    "-c", "/dev/null", "--rootdir=.", "-p", "no:django", "-p", "no:cacheprovider",
    "--strict-markers", "-W", "error", "--doctest-modules",
]  # fmt: skip


def checks() -> list[list[str]]:
    """Linters and architecture rules, then the core tests without Django."""
    templates = sorted(str(path) for path in ROOT.glob("templates/**/*.html"))
    return [
        [f"{BIN}/ruff", "format", "--check", "."],
        [f"{BIN}/ruff", "check", "."],
        [f"{BIN}/mypy", *APPS],
        [f"{BIN}/djade", "--check", "--target-version", "5.2", *templates],
        [f"{BIN}/lint-imports"],
        [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
        *javascript_checks(),
        [*PYTEST, "-q", *PARALLEL, *WITHOUT_DJANGO, *CORES],
    ]


def javascript_checks() -> list[list[str]]:
    """Linter, types and tests of `static/`: where Node is installed, and always in CI."""
    npm = shutil.which("npm")
    if npm is None:
        if os.environ.get("CI"):
            sys.exit("The checks of static/ need Node 20 or newer with npm.")
        print("Skipped: the checks of static/ need Node 20 or newer with npm.")  # noqa: T201
        return []
    lock, installed = ROOT / "package-lock.json", ROOT / "node_modules" / ".package-lock.json"
    is_new = installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime
    install = [] if is_new else [[npm, "ci", "--no-audit", "--no-fund"]]
    return [*install, [npm, "run", "--silent", "check"]]


def remaining_tests() -> list[str]:
    """Options for all tests except the core tests, which have run already."""
    return [*PARALLEL, "--durations=20", *(f"--ignore={core}" for core in CORES)]


def main(arguments: list[str]) -> None:
    os.chdir(ROOT)
    for command in [] if arguments else checks():
        words = [Path(command[0]).name, *command[1:]]
        print("$", *words[:6], "..." if len(words) > 6 else "", flush=True)  # noqa: T201
        if subprocess.call(command):
            sys.exit(f"Failed: {' '.join(words)}")
    os.execv(sys.executable, [*PYTEST, *(arguments or remaining_tests())])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
