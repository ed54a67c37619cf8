"""Data from outside: bounded before it is parsed, and shortened in messages.

What somebody uploads, pastes or sends may be made to use up memory or time: aliases in YAML
that double with every line, brackets nested without end, gzip that unpacks to a thousand times
its size, texts of megabytes that a message would repeat. Readers of such data use these
functions, and their errors extend `UntrustedDataError`.
"""

import gzip
import io
import json
import reprlib
import zlib
from typing import Any, ClassVar

import yaml

from datasets.core.sizes import size_text

MAX_MESSAGE = 600  # characters of an error's message
MAX_DEPTH = 64  # levels of nested lists and mappings
MAX_YAML_BYTES = 128 << 10  # and characters
MAX_YAML_NODES = 20_000
MAX_YAML_TEXT = 2000  # characters of one value

_REPR = reprlib.Repr()
_REPR.maxlevel, _REPR.maxdict, _REPR.maxlist, _REPR.maxtuple = 2, 3, 3, 3
_REPR.maxstring = _REPR.maxother = 80


class UntrustedDataError(ValueError):
    """The data cannot be used; the message says where and why, and is never long."""

    def __init__(self, message: str = "") -> None:
        super().__init__(shortened(message))


def shortened(text: str, most: int = MAX_MESSAGE) -> str:
    """`text`, without its middle if it is longer than `most` characters.

    >>> shortened("a" * 50 + " b" * 5, 20)
    'aaaaaaaaaaaa ... b b'
    """
    if len(text) <= most:
        return text
    tail = most // 5
    return f"{text[: most - tail - 4]} ...{text[-tail:]}"


def shown(value: object) -> str:
    """A value for a message, on one short line, whatever its size.

    >>> shown({"name": "walk", "deep": [[[[[]]]]]})
    "{'deep': [[...]], 'name': 'walk'}"
    """
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    try:
        return shortened(_REPR.repr(value), 200)
    except (ValueError, RecursionError):  # a number inside that is too long to write
        return f"a {type(value).__name__}"


def read_json(content: bytes | str, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """The value in `content`. Raises UntrustedDataError if it is no JSON, too large or deep.

    >>> read_json(b'{"a": [1]}', max_bytes=100)
    {'a': [1]}
    """
    check_size(content, max_bytes=max_bytes)
    try:
        value = json.loads(content)
    except RecursionError as error:
        raise UntrustedDataError("it is nested too deeply") from error
    except ValueError as error:
        raise UntrustedDataError(f"it is not JSON: {error}") from error
    _check_depth(value, max_depth)
    return value


def read_yaml(text: str) -> Any:
    """The value in `text`: plain values, lists and mappings, without aliases.

    Raises UntrustedDataError if it is no YAML, has aliases, or is too large or deep.

    >>> read_yaml("{1: walk, 2: [sit, stand]}")
    {1: 'walk', 2: ['sit', 'stand']}
    """
    check_size(text, max_bytes=MAX_YAML_BYTES)
    try:
        return yaml.load(text, Loader=_BoundedLoader)  # noqa: S506  # extends SafeLoader
    except yaml.YAMLError as error:
        raise UntrustedDataError(f"it is not YAML: {error}") from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:  # dates, numbers
        if isinstance(error, UntrustedDataError):
            raise
        raise UntrustedDataError(f"it is not YAML: {error}") from error


def gunzip(content: bytes, *, max_bytes: int) -> bytes:
    """The bytes in gzip `content`. Raises UntrustedDataError if they are more than allowed.

    >>> gunzip(gzip.compress(b"walk"), max_bytes=4)
    b'walk'
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            found = file.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UntrustedDataError(f"it is not gzip: {error}") from error
    check_size(found, max_bytes=max_bytes)
    return found


def check_size(content: bytes | str, *, max_bytes: int) -> None:
    """Raises UntrustedDataError if `content` has more bytes (or characters) than allowed."""
    if len(content) > max_bytes:
        raise UntrustedDataError(f"it has more than {size_text(max_bytes)}")


def _check_depth(value: Any, max_depth: int) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(max_depth + 1):
        inner: list[Any] = []
        for one in level:
            inside = one.values() if isinstance(one, dict) else one
            inner.extend(each for each in inside if isinstance(each, dict | list))
        level = inner
        if not level:
            return
    raise UntrustedDataError(f"it is nested more than {max_depth} levels deep")


class _BoundedLoader(yaml.SafeLoader):
    """Composes no aliases, and no more nodes and levels than allowed."""

    max_depth: ClassVar[int] = 16

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.nodes = self.depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise UntrustedDataError("it has an alias (*), which is not allowed here")
        self.nodes += 1
        self.depth += 1
        if self.nodes > MAX_YAML_NODES or self.depth > self.max_depth:
            raise UntrustedDataError(
                f"it has more than {MAX_YAML_NODES} values, or {self.max_depth} levels"
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(node, yaml.ScalarNode) and len(node.value) > MAX_YAML_TEXT:
            raise UntrustedDataError(f"it has a text of more than {MAX_YAML_TEXT} characters")
        return node
