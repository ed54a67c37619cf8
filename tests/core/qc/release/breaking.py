"""Breaks a release in one place and tells which checks notice."""

import json
from pathlib import Path

from qc.core.release.checks.run_checks import check_release
from qc.core.release.packing import write_manifest


def failures(folder: Path) -> dict[str, str]:
    """The sentence of each check that is not passed, by the name of the check."""
    return {c["name"]: c["sentence"] for c in check_release(folder) if not c["passed"]}


def edit(path: Path, old: bytes, new: bytes) -> None:
    """Replace the first `old`, which must be there."""
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def with_sums(folder: Path) -> None:
    """Let the manifest of a broken folder have the sums of what is there now."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    path.unlink()
    write_manifest(folder, {key: said for key, said in manifest.items() if key != "files"})
