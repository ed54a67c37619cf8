import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from qc.core.json_record import JsonRecord


@dataclass(frozen=True)
class Inner(JsonRecord):
    value: float | None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Outer(JsonRecord):
    VERSION: ClassVar[int | None] = 2

    name: str
    one: Inner | None
    by_name: dict[str, Inner]
    listed: list[Inner] = field(default_factory=list)
    many: Sequence[Inner] = ()


RECORD = Outer("a", Inner(0.5, (0.25, 0.75)), {"b": Inner(None)}, [Inner(1.0)], [Inner(2.0)])


def test_a_record_comes_back_from_its_json():
    found = Outer.from_json(json.loads(json.dumps(RECORD.to_json())))
    assert (found.name, found.one, found.by_name, found.listed) == (
        RECORD.name, RECORD.one, RECORD.by_name, RECORD.listed
    )  # fmt: skip
    assert list(found.many) == RECORD.many


def test_defaults_are_left_out_and_filled_in_again():
    assert Inner(0.5).to_json() == {"value": 0.5}
    assert Inner.from_json({"value": 0.5}) == Inner(0.5)


def test_another_version_is_refused():
    with pytest.raises(ValueError, match="Outer has version 1, not 2"):
        Outer.from_json(RECORD.to_json() | {"version": 1})


def test_a_missing_field_without_a_default_is_refused():
    with pytest.raises(KeyError):
        Inner.from_json({})
