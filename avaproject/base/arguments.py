"""What commands take as arguments."""

from pathlib import Path


def weights(text: str) -> str:
    """The weights of a detector as a dataset keeps them.

    A path that leads somewhere from the current folder becomes a whole one; anything else is
    left as it is: a whole path, or a name in AVA_WEIGHTS_DIR.
    """
    path = Path(text).expanduser()
    try:
        return str(path.resolve()) if text and path.exists() else text
    except OSError:  # too long to be a path
        return text
