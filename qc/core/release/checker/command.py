"""Check a release of AVA Studio: `python check.py`, in its folder or an unpacked part of it.

It needs Python 3.11 and numpy. What needs PyAV, OpenCV or pyarrow is not checked where these
are not installed (`pip install av opencv-python-headless pyarrow`), and said to be so. The code
that checks is in `checker/`: it is the code that checked the release when it was made.
"""

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

OPTIONAL = ("av", "cv2", "pyarrow", "yaml")  # packages that may be absent


class _AbsentType(type):
    """What an absent package has under any name: it can be named, but not used."""

    package = ""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls

    def __call__(cls, *args: Any, **options: Any) -> Any:
        raise ImportError("not installed", name=cls.package)


class _AbsentModule(ModuleType):
    """A package that is not installed; importing it works, using it raises ImportError."""

    __path__: list[str] = []  # so that its modules can be imported, too

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _AbsentType("Absent", (Exception,), {"package": self.__name__.split(".")[0]})


class _AbsentPackages:
    """A finder of the optional packages that are not installed, and of their modules."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.split(".")[0] in self._names:
            return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _AbsentModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


def is_installed(name: str) -> bool:
    """Whether a package can be imported here, with the libraries that it needs."""
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def print_line(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(folder: Path, *, is_complete: bool) -> int:
    """Check `folder`, print a line for each check; 0 if none failed."""
    checks = importlib.import_module("qc.core.release.checks.run_checks")
    failed = skipped = count = 0
    for check in checks.checks_of(folder, is_complete=is_complete):
        count += 1
        failed += not check["passed"]
        skipped += bool(check.get("skipped"))
        mark = (
            "FAILED" if not check["passed"] else "      " if check.get("skipped") else "passed"
        )
        print_line(f"  {mark}  {check['name']}: {check['sentence']}")
    done = count - skipped
    more = f"; {skipped} were not checked" if skipped else ""
    said = f"failed {failed} of {done}" if failed else f"passed all {done}"
    print_line(f"{folder} {said} checks{more}.")
    return 1 if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and check; 0 if every check passed, else 1."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Check a release.")
    parser.add_argument("folder", nargs="?", type=Path, default=here, metavar="DIR")
    parser.add_argument(
        "--complete", action="store_true",
        help="miss frames, clips and formats that a part download has left out",
    )  # fmt: skip
    chosen = parser.parse_args(arguments)
    if not (chosen.folder / "manifest.json").is_file():
        sys.exit(f"{chosen.folder} is not a release: it has no manifest.json.")
    if not is_installed("numpy"):
        sys.exit("Install numpy first: pip install numpy")
    sys.dont_write_bytecode = True  # a release stays as it is
    sys.path.insert(0, str(here / "checker"))
    absent = [name for name in OPTIONAL if not is_installed(name)]
    for name in absent:
        for known in [k for k in sys.modules if k.split(".")[0] == name]:
            del sys.modules[known]
    sys.meta_path.insert(0, _AbsentPackages(absent))  # type: ignore[arg-type]
    return run(chosen.folder, is_complete=chosen.complete)


if __name__ == "__main__":
    sys.exit(main())
