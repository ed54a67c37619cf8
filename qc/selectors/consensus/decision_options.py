"""Options of an adjudication item: the answers that a reviewer can decide for."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from datasets.core.action_groups import UNKNOWN
from qc.selectors.display_names import answer_text


class AnnotatorAnswer(NamedTuple):
    """One annotator's answer; pages show the letter, so that names do not bias the reviewer."""

    letter: str
    annotator: str
    answer: str


@dataclass
class DecisionOption:
    """One possible decision. `digit` is its keyboard key, empty if there is none left."""

    text: str
    value: str  # JSON, as the form posts it
    answers: list[AnnotatorAnswer]
    digit: str = ""


def numbered(options: list[DecisionOption]) -> list[DecisionOption]:
    """Give each option its own digit key: `none`, else `unknown`, gets 0, others 1 to 9."""
    values = [option.value for option in options]
    zero = "[]" if "[]" in values else f'["{UNKNOWN}"]'
    digits = iter("123456789")
    for option in options:
        option.digit = "0" if option.value == zero else next(digits, "")
    return options


def option_of(answer: tuple[str, ...], answers: list[AnnotatorAnswer]) -> DecisionOption:
    return DecisionOption(answer_text(list(answer)), json.dumps(list(answer)), answers)


def answer_of(vote: Any, order: list[str]) -> tuple[str, ...] | None:
    """A vote as actions in the group's order; None if it is no answer."""
    if isinstance(vote, list):
        return tuple(name for name in order if name in vote)
    return (vote,) if vote in (UNKNOWN, *order) else None
