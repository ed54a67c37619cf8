"""Runs the benchmarks of this folder, all or by name: `./ava bench [name]`."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(names: list[str]) -> None:
    found = sorted(path.stem for path in HERE.glob("[!_]*.py"))
    unknown = set(names) - set(found)
    if unknown or not found:
        sys.exit(f"No benchmark {', '.join(sorted(unknown))}. There are: {', '.join(found)}")
    failed = [
        name
        for name in names or found
        if subprocess.call([sys.executable, "-m", f"benchmarks.{name}"], cwd=HERE.parent)
    ]
    sys.exit(f"Failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
