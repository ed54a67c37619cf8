"""Argument types of management commands."""

from pathlib import Path


def weights_argument(text: str) -> str:
    """The weights file of a detector as a dataset stores it.

    An existing relative path becomes absolute; anything else is unchanged: an absolute path, or
    a name in AVA_WEIGHTS_DIR.
    """
    path = Path(text).expanduser()
    try:
        return str(path.resolve()) if text and path.exists() else text
    except OSError:  # too long for a path
        return text
