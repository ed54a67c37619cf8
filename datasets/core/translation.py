"""Translation of sentences of the core: marked here, translated by Django where it runs.

The core imports no Django: `datasets/apps.py` calls `use` with Django's functions. Without it,
as in core tests and in the process that decodes videos, sentences stay English.
"""

from collections.abc import Callable

_gettext: Callable[[str], str] = str
_ngettext: Callable[[str, str, int], str] | None = None


def use(gettext: Callable[[str], str], ngettext: Callable[[str, str, int], str]) -> None:
    """Translate by these functions from now on."""
    global _gettext, _ngettext
    _gettext, _ngettext = gettext, ngettext


def gettext(sentence: str) -> str:
    """The translation of a marked sentence; itself if there is none.

    >>> gettext("it is empty")
    'it is empty'
    """
    return _gettext(sentence)


def gettext_noop(sentence: str) -> str:
    """Mark a constant, which is translated where it is used."""
    return sentence


def ngettext(singular: str, plural: str, number: int) -> str:
    """The form of a marked sentence that fits a number.

    >>> ngettext("%d clip", "%d clips", 2) % 2
    '2 clips'
    """
    if _ngettext is None:
        return singular if number == 1 else plural
    return _ngettext(singular, plural, number)
