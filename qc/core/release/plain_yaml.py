"""A reader of the plain YAML that a release holds, which needs no library.

Known are mappings by indentation, lists of `- ` items, and values on one line or in brackets
over several: numbers, true and false, JSON texts and lists, and plain words. Whatever else YAML
allows is refused with its row, so nothing is read in another way than a consumer would.
"""

import json
import re
from typing import Any, NamedTuple

_PAIR = re.compile(r"(?P<key>[A-Za-z_][\w.-]*):(?: +(?P<value>\S.*))?")
_NUMBER = re.compile(r"[-+]?(\d{1,300}(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_PLAIN = re.compile(r"[A-Za-z0-9_./<~\x80-\U0010ffff][^#\[\]{}&*!|>%@`\"']*")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "~": None}


class PlainYamlError(ValueError):
    """The text is not plain YAML; the message names the row."""


class _Line(NamedTuple):
    row: int
    indent: int
    text: str


def read_plain_yaml(text: str) -> dict[str, Any]:
    """The mapping that `text` holds; empty if there is none.

    Raises:
        PlainYamlError: naming the first row that is not plain YAML.

    >>> read_plain_yaml('a: 1\\nb:\\n  c: [1, "x"]\\n  d:\\n    - name: "Ada"\\n')
    {'a': 1, 'b': {'c': [1, 'x'], 'd': [{'name': 'Ada'}]}}
    """
    lines = _joined(text)
    try:
        value, rest = _block(lines, 0, 0)
    except RecursionError as error:
        raise PlainYamlError("it is nested too deeply") from error
    if rest < len(lines):
        raise PlainYamlError(f"row {lines[rest].row} is indented differently")
    return value if isinstance(value, dict) else {}


def _joined(text: str) -> list[_Line]:
    """The lines with content; a value in brackets is on one line, wherever it was broken."""
    found: list[_Line] = []
    depth = 0
    for row, line in enumerate(text.split("\n"), start=1):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        if "\t" in line:
            raise PlainYamlError(f"row {row} has a tab")
        if depth:
            found[-1] = found[-1]._replace(text=f"{found[-1].text} {content}")
        else:
            found.append(_Line(row, len(line) - len(line.lstrip(" ")), content))
        outside = re.sub(r'"(\\.|[^"\\])*"', "", content)
        depth += outside.count("[") - outside.count("]")
    if depth:
        raise PlainYamlError(f"row {found[-1].row} has a bracket that is not closed")
    return found


def _block(lines: list[_Line], at: int, indent: int) -> tuple[Any, int]:
    """The mapping or list that begins at line `at`, and the line after it."""
    if at < len(lines) and lines[at].text.startswith("- "):
        return _items(lines, at, lines[at].indent)
    found: dict[str, Any] = {}
    while at < len(lines) and lines[at].indent == indent:
        match = _PAIR.fullmatch(lines[at].text)
        if match is None:
            raise PlainYamlError(f"row {lines[at].row} is not `key: value`")
        if match["key"] in found:
            raise PlainYamlError(f"row {lines[at].row} says {match['key']} a second time")
        row, at = lines[at].row, at + 1
        if match["value"] is not None:
            found[match["key"]] = _value(match["value"], row)
        elif at < len(lines) and (lines[at].indent > indent or lines[at].text.startswith("- ")):
            found[match["key"]], at = _block(lines, at, lines[at].indent)
        else:
            found[match["key"]] = None
    return found, at


def _items(lines: list[_Line], at: int, indent: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    while at < len(lines) and lines[at].indent == indent and lines[at].text.startswith("- "):
        line = lines[at]
        inside = line.text[2:].lstrip()
        if _PAIR.fullmatch(inside):
            lines[at] = _Line(line.row, indent + len(line.text) - len(inside), inside)
            value, at = _block(lines, at, lines[at].indent)
            found.append(value)
        else:
            found.append(_value(inside, line.row))
            at += 1
    return found, at


def _value(text: str, row: int) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    if text[0] in '"[':
        try:
            return json.loads(text)
        except ValueError as error:
            raise PlainYamlError(f"row {row} has a value that is not closed") from error
    if _PLAIN.fullmatch(text) and ": " not in text:
        return text
    raise PlainYamlError(f"row {row} has a value that is not plain: {text[:40]}")
