"""CVAT issues of a review: a rejection's reason, parsed into issues on single keyframes.

    "Second 3: she sits. Seconds 5 and 7, person 2: too large. Check the edges."

gives an issue on second 3, one on 5 and one on 7; the rest concerns the whole clip.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

from datasets.core.formats.cvat_labels import PERSON

SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+")
SECONDS = re.compile(r"\bsec(?:ond)?s?\.?((?:\d|\s|,|and|&)*+)", re.IGNORECASE)
SHORT = re.compile(r"\b(\d{1,6})\s?s\b")
NUMBERED = r"\bperson\s*+(\d{1,9})\b"


class ReviewIssue(NamedTuple):
    """A comment on one keyframe; `person_id` if it names a person."""

    second: int
    person_id: int | None
    text: str


def parse_issues(
    reason: str, seconds: Collection[int], labels: Collection[str] = ()
) -> list[ReviewIssue]:
    """The issues in `reason` on keyframes among `seconds`, ascending.

    A reason that names no keyframe becomes one issue on the first, so that it is seen as soon
    as the job is opened. Empty without keyframes.

    Args:
        labels: Classes that the dataset follows: `P4 vehicle` names somebody, too.

    >>> parse_issues("Second 3, person 2: she sits. Redo it.", [2, 3])
    [ReviewIssue(second=2, person_id=None, text='Redo it.'), \
ReviewIssue(second=3, person_id=2, text='Second 3, person 2: she sits.')]
    """
    if not seconds:
        return []
    names = "|".join(re.escape(label) for label in labels if label != PERSON)
    person_pattern = f"{NUMBERED}|\\bP(\\d{{1,9}}) (?:{names})\\b" if names else NUMBERED
    found: list[ReviewIssue] = []
    rest: list[str] = []
    for sentence in filter(None, (part.strip() for part in SENTENCE.split(reason))):
        named = sorted(_seconds(sentence) & set(seconds))
        person = re.search(person_pattern, sentence, re.IGNORECASE)
        who = int(next(filter(None, person.groups()))) if person else None
        found += [ReviewIssue(second, who, sentence) for second in named]
        rest += [] if named else [sentence]
    if rest:
        found.append(ReviewIssue(min(seconds), None, " ".join(rest)))
    return sorted(found, key=lambda one: (one.second, one.person_id or 0, one.text))


def _seconds(sentence: str) -> set[int]:
    lists = [re.findall(r"\b\d{1,6}\b", match) for match in SECONDS.findall(sentence)]
    return {int(one) for numbers in lists for one in numbers} | {
        int(one) for one in SHORT.findall(sentence)
    }
