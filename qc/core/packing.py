"""What a finished release folder is packed in: the manifest with its sums, and the zip.

Paths inside a release are relative, with forward slashes, sorted as text. The same files give
the same bytes.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datasets.core.zipping import new_zip

MANIFEST = "manifest.json"
FORMAT = "ava-studio-release/1"
CONTEXT_FRAMES = 45  # after a keyframe at least; before it 60


def ignore(share: float) -> None:
    """A listener for progress, 0 to 1, that does not care."""


def release_paths(folder: Path) -> list[str]:
    """All files of a release, relative and sorted."""
    found = (
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    return sorted(found)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(
    folder: Path, content: Mapping[str, Any], *, progress: Callable[[float], None] = ignore
) -> None:
    """Write `manifest.json`: `content` and the SHA-256 of every other file of the folder."""
    paths = [path for path in release_paths(folder) if path != MANIFEST]
    sums = {}
    for done, path in enumerate(paths):
        sums[path] = sha256_of(folder / path)
        progress(done / len(paths))
    frame = {
        "format": FORMAT,
        "fps": 30,
        "timestamp_start": 900,
        "frame_template": "img_{:05d}.jpg",
        "first_frame": 1,
        "context_frames": CONTEXT_FRAMES,
    }
    text = json.dumps(frame | dict(content) | {"files": sums}, indent=1, ensure_ascii=True)
    (folder / MANIFEST).write_text(f"{text}\n", encoding="ascii", newline="\n")


def zip_folder(
    folder: Path, target: Path, *, progress: Callable[[float], None] = ignore
) -> None:
    """Write all files of `folder` into the zip `target`, sorted and without dates."""
    names = release_paths(folder)
    with new_zip(target) as archive:
        for done, name in enumerate(names):
            archive.add_file(name, folder / name)
            progress(done / len(names))
