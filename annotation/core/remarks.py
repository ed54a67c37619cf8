"""A reviewer's reason, taken apart: what is said of which keyframe goes to that picture.

    "Second 3: she sits. Seconds 5 and 7, person 2: too large. Mind the edges."

gives a remark on second 3, one on 5 and one on 7, and the rest belongs to the whole clip.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+")
SECONDS = re.compile(r"\bsec(?:ond)?s?\.?\s*((?:\d+|\s|,|and|&)*\d)", re.IGNORECASE)
SHORT = re.compile(r"\b(\d+)\s?s\b")
PERSON = re.compile(r"\bperson\s*(\d+)", re.IGNORECASE)


class Remark(NamedTuple):
    """What is said of one keyframe; `person_id` if one is named."""

    second: int
    person_id: int | None
    text: str


def remarks_in(reason: str, seconds: Collection[int]) -> list[Remark]:
    """The remarks of `reason` on keyframes among `seconds`, ascending; never none of a clip.

    A reason that names none of them becomes one remark on the first keyframe, so that it is
    seen as soon as the job is opened. Without keyframes there is nothing to remark on.

    >>> remarks_in("Second 3, person 2: she sits. Redo it.", [2, 3])
    [Remark(second=2, person_id=None, text='Redo it.'), \
Remark(second=3, person_id=2, text='Second 3, person 2: she sits.')]
    """
    if not seconds:
        return []
    found: list[Remark] = []
    rest: list[str] = []
    for sentence in filter(None, (part.strip() for part in SENTENCE.split(reason))):
        named = sorted(_seconds(sentence) & set(seconds))
        person = PERSON.search(sentence)
        who = int(person[1]) if person else None
        found += [Remark(second, who, sentence) for second in named]
        rest += [] if named else [sentence]
    if rest:
        found.append(Remark(min(seconds), None, " ".join(rest)))
    return sorted(found, key=lambda one: (one.second, one.person_id or 0, one.text))


def _seconds(sentence: str) -> set[int]:
    lists = [re.findall(r"\d+", match) for match in SECONDS.findall(sentence)]
    return {int(one) for numbers in lists for one in numbers} | {
        int(one) for one in SHORT.findall(sentence)
    }
