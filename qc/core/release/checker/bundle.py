"""The checker that a release carries: `check.py`, and in `checker/` the modules that it runs.

They are copies of the modules that check releases here, found by their imports, so a receiver
needs nothing of AVA Studio.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

COMMAND, FOLDER = "check.py", "checker"
FIRST = "qc.core.release.checks.run_checks"
ROOT = Path(__file__).resolve().parents[4]
APPS = ("datasets", "tracking", "qc")


def write_checker(folder: Path) -> None:
    """Write `check.py` and `checker/` into a release folder."""
    (folder / COMMAND).write_bytes(Path(__file__).with_name("command.py").read_bytes())
    for path in modules():
        target = folder / FOLDER / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / path).read_bytes())


@cache
def modules() -> tuple[str, ...]:
    """Paths of all modules that the checks import, with their packages, sorted.

    >>> "qc/core/release/reader.py" in modules()
    True
    """
    found: set[str] = set()
    left = [FIRST]
    while left:
        name = left.pop()
        path = _path_of(name)
        if path is None or path in found:
            continue
        found.add(path)
        parents = name.split(".")[:-1]
        left += [".".join(parents[:length]) for length in range(1, len(parents) + 1)]
        left += _imports(ROOT / path)
    return tuple(sorted(found))


def _path_of(name: str) -> str | None:
    """The file of a module of ours by its dotted name; None if it is none."""
    if name.split(".")[0] not in APPS:
        return None
    base = name.replace(".", "/")
    for path in (f"{base}.py", f"{base}/__init__.py"):
        if (ROOT / path).is_file():
            return path
    return None


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
