"""Everything that can be tested here, for hours: `./ava proof [--only TEXT]`.

Every Python found, in a virtual environment of its own; all tests on SQLite, then with
services; backups restored between both databases, both ways; axe on all pages; API fuzzing;
what the containers run; chaos. One table of the results comes last. Logs and environments stay
in `var/proof`; with `--resume` what has passed is not repeated.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.__main__ import CORES, PARALLEL, WITHOUT_DJANGO

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "var" / "proof"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
POSTGRESQL = os.environ.get("CI_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("CI_REDIS_URL", "redis://127.0.0.1:6379/15")
SERVICES = {
    "AVA_DATABASE_URL": POSTGRESQL,
    "AVA_REDIS_URL": REDIS,
    "AVA_TEST_REQUIRES_SERVICES": "1",
    "AVA_TEST_EVERYTHING": "1",
}
WITHOUT_CORES = [f"--ignore={core}" for core in CORES]
FAST = "not slow and not browser and not services and not cvat"


class Part(NamedTuple):
    """One line of the table: a command with its environment."""

    name: str
    command: list[str]
    environment: dict[str, str] = {}


class Result(NamedTuple):
    """What came of a part."""

    name: str
    outcome: str
    seconds: float
    last_line: str


def pythons() -> dict[str, str]:
    """The path of each Python found, by version: in the PATH, of pyenv, or of uv."""
    found = {"{}.{}".format(*sys.version_info): sys.executable}
    for version in PYTHONS:
        paths = [shutil.which(f"python{version}")]
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        paths += map(str, sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True))
        if uv := shutil.which("uv"):
            find = [uv, "python", "find", "--system", version]
            paths.append(subprocess.run(find, capture_output=True, text=True).stdout.strip())
        for path in filter(None, paths):
            if version not in found and _works(path, version):
                found[version] = path
    return dict(sorted(found.items()))


def _works(path: str, version: str) -> bool:
    code = "import sys; print('{}.{}'.format(*sys.version_info))"
    done = subprocess.run([path, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() == version


def environment_of(version: str, python: str) -> str:
    """The Python of a virtual environment with all packages of the lock of the tests."""
    if python == sys.executable:
        return python
    folder = PLACE / f"python{version}"
    own = str(folder / "bin" / "python")
    if not (folder / "finished").exists():
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        lock = ["--no-deps", "--require-hashes", "-r", str(ROOT / "tests/requirements.txt")]
        subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
        for words in (lock, project["optional-dependencies"]["torch"]):
            subprocess.run([own, "-m", "pip", "install", "-q", *words], check=True)
        (folder / "finished").touch()
    return own


def parts(is_wanted: Callable[[str], bool]) -> Iterator[Part]:
    """All parts, quick ones first; the environment of a wanted part is made when it is next."""
    python = sys.executable
    for version, path in pythons().items():
        core, fast = f"Python {version}, core", f"Python {version}, fast"
        if not is_wanted(core) and not is_wanted(fast):
            continue
        try:
            own = environment_of(version, path)
        except subprocess.CalledProcessError as error:
            yield Part(
                f"Python {version}", [python, "-c", f"raise SystemExit({error!s:.200r})"]
            )
            continue
        test = [own, "-m", "pytest", "-q", *PARALLEL]
        yield Part(core, [*test, *WITHOUT_DJANGO, *CORES])
        yield Part(fast, [*test, "-m", FAST, *WITHOUT_CORES])
    yield Part("all checks and tests, SQLite", [python, "-m", "tests"], {"CI": "1"})
    chosen = [python, "-m", "tests", "tests", *WITHOUT_CORES, *PARALLEL]
    marked = ["-m", "(database or services) and not browser"]
    yield Part("tests with PostgreSQL and Redis", [*chosen, *marked], {"CI": "1"} | SERVICES)
    upgrade = [python, "-m", "tests", "-q", "tests/upgrade"]
    yield Part("upgrade, backup, restore: both ways", upgrade, SERVICES)
    pages = [python, "-m", "tests", "-q", "tests/pages/test_all_pages_in_browser.py"]
    yield Part("axe on all pages", pages, {"CI": "1", "AVA_TEST_ALL_PAGES": "1"})
    schema = [python, "-m", "tests", "-q", "tests/api/test_schema.py"]
    yield Part("API fuzzing", schema, {"CI": "1"})
    run = ["tests/system/test_containers.py", "tests/workers/test_compose.py"]
    yield Part("commands of the containers", [python, "-m", "tests", "-q", *run], SERVICES)
    yield Part("chaos", [python, "-m", "tests.chaos"])


def run(part: Part) -> Result:
    """Run a part, with its output in a log; its last line is kept."""
    log = PLACE / f"{part.name.replace(' ', '-').replace(',', '').replace(':', '')}.log"
    began = time.monotonic()
    with log.open("w") as file:
        code = subprocess.call(
            part.command, cwd=ROOT, env=os.environ | part.environment,
            stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
    lines = [line.strip("= ") for line in log.read_text(errors="replace").splitlines() if line]
    outcome = "passed" if code == 0 else f"failed ({code})"
    return Result(part.name, outcome, time.monotonic() - began, (lines or [""])[-1][:100])


def main() -> None:
    parser = argparse.ArgumentParser(prog="./ava proof", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="only parts with this in their name")
    parser.add_argument("--resume", action="store_true", help="keep results that passed")
    options = parser.parse_args()
    PLACE.mkdir(parents=True, exist_ok=True)
    kept = PLACE / "results.json"
    old = json.loads(kept.read_text()) if options.resume and kept.exists() else {}
    results: dict[str, Result] = {
        name: Result(*values) for name, values in old.items() if values[1] == "passed"
    }

    def is_wanted(name: str) -> bool:
        return options.only in name and name not in results

    for part in parts(is_wanted):
        if is_wanted(part.name):
            print(f"{part.name} ...", flush=True)
            results[part.name] = run(part)
            kept.write_text(json.dumps(results))
    width = max(map(len, results), default=0)
    for result in results.values():
        print(
            f"{result.name:{width}}  {result.outcome:12} {result.seconds / 60:6.1f} min  "
            f"{result.last_line}"
        )
    failed = [name for name, result in results.items() if result.outcome != "passed"]
    sys.exit(f"Failed: {', '.join(failed)}. Logs: {PLACE}" if failed else 0)


if __name__ == "__main__":
    main()
