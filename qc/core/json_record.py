"""Frozen dataclasses that go to JSON and come back, by their type hints."""

from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, ClassVar, Self, Union, cast, get_args, get_origin, get_type_hints

Decoder = Callable[[Any], Any]


class JsonRecord:
    """A base of frozen dataclasses of JSON values, records, and lists or dicts of these.

    A field of type `Sequence` is decoded when it is read. Values that are their default are
    left out, but for lists and dicts. A class with a `VERSION` writes it, and refuses to read
    another one.
    """

    VERSION: ClassVar[int | None] = None

    def to_json(self) -> dict[str, Any]:
        """The record as dicts and lists."""
        found = {} if self.VERSION is None else {"version": self.VERSION}
        cls: Any = type(self)
        for name, _, default in _spec(cls):
            value = getattr(self, name)
            if default is MISSING or isinstance(value, list | dict) or value != default():
                found[name] = _encoded(value)
        return found

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        """The record out of what `to_json` gave. Raises ValueError for another version."""
        if cls.VERSION is not None and raw.get("version") != cls.VERSION:
            raise ValueError(
                f"{cls.__name__} has version {raw.get('version')}, not {cls.VERSION}"
            )
        record, key = cls.__new__(cls), cast(Any, cls)
        values = record.__dict__  # a frozen dataclass: only its own __init__ may assign
        for name, decode, default in _spec(key):
            if name not in raw and default is not MISSING:
                values[name] = default()
            else:
                values[name] = raw[name] if decode is None else decode(raw[name])
        return record


@cache
def _spec(cls: type[Any]) -> list[tuple[str, Decoder | None, Any]]:
    """Of each field its name, decoder (None: as it is) and default factory."""
    hints = get_type_hints(cls)
    return [(one.name, _decoder(hints[one.name]), _default(one)) for one in fields(cls)]


def _default(field: Any) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory
    if field.default is MISSING:
        return MISSING
    return lambda: field.default


def _decoder(hint: Any) -> Decoder | None:
    origin, parts = get_origin(hint), get_args(hint)
    if is_dataclass(hint) and isinstance(hint, type) and issubclass(hint, JsonRecord):
        return hint.from_json
    if origin in (Union, UnionType):
        return next((_unless_none(one) for one in map(_decoder, parts) if one), None)
    if origin is tuple:
        return tuple
    inner = _decoder(parts[-1]) if origin in (list, dict, Sequence) else None
    if inner is None:
        return None
    if origin is Sequence:
        return lambda raw: _LazyList(raw, inner)
    return _each(inner) if origin is list else _each_value(inner)


class _LazyList(Sequence[Any]):
    """Records that are decoded when they are read: thousands that few pages show."""

    def __init__(self, raw: list[Any], decode: Decoder) -> None:
        self.raw, self.decode = raw, decode

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, place: Any) -> Any:
        return self.decode(self.raw[place])


def _unless_none(decode: Decoder) -> Decoder:
    return lambda raw: None if raw is None else decode(raw)


def _each(decode: Decoder) -> Decoder:
    return lambda raw: [decode(one) for one in raw]


def _each_value(decode: Decoder) -> Decoder:
    return lambda raw: {key: decode(one) for key, one in raw.items()}


def _encoded(value: Any) -> Any:
    if isinstance(value, JsonRecord):
        return value.to_json()
    if isinstance(value, dict):
        return {key: _encoded(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_encoded(one) for one in value]
    return value
