"""Runs the benchmarks of this folder, all or by name: `./ava bench [name]`."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


GROUPS = ("", "annotation.", "numbers.", "training.")  # folders; others hold what these need


def main(names: list[str]) -> None:
    found = {
        path.stem: f"benchmarks.{group}{path.stem}"
        for group in GROUPS
        for path in (HERE / group.rstrip(".")).glob("[!_]*.py")
    }
    unknown = set(names) - set(found)
    if unknown or not found:
        there = ", ".join(sorted(found))
        sys.exit(f"No benchmark {', '.join(sorted(unknown))}. There are: {there}")
    failed = [
        name
        for name in names or sorted(found)
        if subprocess.call([sys.executable, "-m", found[name]], cwd=HERE.parent)
    ]
    sys.exit(f"Failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
