"""Argument types of management commands."""

from argparse import ArgumentTypeError
from pathlib import Path


def positive_int(text: str) -> int:
    """A whole number, 1 or more. Raises ArgumentTypeError.

    >>> positive_int("3")
    3
    """
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number, 1 or more")
    return int(text)


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
