import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMPORT_ALL = """
import importlib
import benchmarks.annotation.cvat_frames  # needs settings at once, others set them up
from benchmarks.__main__ import GROUPS, HERE
for group in GROUPS:
    for path in sorted((HERE / group.rstrip(".")).glob("[!_]*.py")):
        try:
            importlib.import_module(f"benchmarks.{group}{path.stem}")
        except SystemExit as missing:
            assert "pip install" in str(missing), missing
        print(path.stem)
"""


def test_every_benchmark_starts_in_an_empty_environment(tmp_path):
    empty = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL],
        cwd=ROOT, env=empty | {"AVA_DATA_DIR": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 20
