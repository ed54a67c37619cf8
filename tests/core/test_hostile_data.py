"""Hostile data: every reader refuses or reads it, within limits of memory and time."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.hostile_readers import READERS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", READERS)
def test_hostile_data_ends_no_process(name):
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.hostile_readers", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-3000:]}"
