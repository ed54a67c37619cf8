"""Keys of annotators in stored figures and votes: a name can change, a key cannot.

A key is "#" and the primary key; user names have no "#". Pages replace keys by names.
"""

from collections.abc import Mapping
from typing import Any


def annotator_key(pk: int) -> str:
    """
    >>> annotator_key(7)
    '#7'
    """
    return f"#{pk}"


def with_names(value: Any, names: Mapping[str, str]) -> Any:
    """JSON with names instead of keys, in values and in keys of objects.

    >>> with_names({"#7": ["#7", "walk"]}, {"#7": "ann"})
    {'ann': ['ann', 'walk']}
    """
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, list):
        return [with_names(one, names) for one in value]
    if isinstance(value, dict):
        return {names.get(key, key): with_names(one, names) for key, one in value.items()}
    return value
