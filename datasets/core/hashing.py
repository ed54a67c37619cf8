"""SHA-256 of files, to recognise videos, weights and parts of bundles."""

import hashlib
from collections.abc import Callable
from pathlib import Path

CHUNK = 1 << 20


def sha256_of(path: Path, *, progress: Callable[[float], None] | None = None) -> str:
    """Hexadecimal SHA-256 of a local file; `progress` is called with the share read."""
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if progress:
                progress(done / max(size, done))
    return digest.hexdigest()
