"""SHA-256 of files: how the rooms know a film, weights or a part of a bundle again."""

import hashlib
from collections.abc import Callable
from pathlib import Path

CHUNK = 1 << 20


def sha256_of(path: Path, *, progress: Callable[[float], None] | None = None) -> str:
    """Hexadecimal SHA-256 of a local file; `progress` is told the share read."""
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if progress:
                progress(done / max(size, done))
    return digest.hexdigest()
