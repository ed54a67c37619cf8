"""Rows of labels and of predicted boxes of any AVA file, read as their consumers read them.

A row that cannot be read is a fault; the others go on. Files are read line by line.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from qc.core.ava_folder.faults import (
    CONSUMERS,
    EVALUATOR,
    MMACTION2,
    PYTORCHVIDEO,
    SLOWFAST,
    TRAINERS,
    FaultLog,
)

FIRST, LAST = 902, 1798  # the timestamps that SlowFast and pytorchvideo know
START, END = 900, 1800  # timestamps of a video's first frame, and behind its last
MAX_ACTION_ID = 80  # SlowFast asserts it
IN_PIXELS = 1.5  # a side above is no share of the frame
MAX_LINE = 4096
BOM = b"\xef\xbb\xbf"

Key = tuple[str, int]


@dataclass
class RowFacts:
    """What the rows of one file hold."""

    rows: int = 0
    keyframes: set[Key] = field(default_factory=set)
    empty: set[Key] = field(default_factory=set)  # keyframes named without a box
    actions: Counter[int] = field(default_factory=Counter)
    videos: dict[str, tuple[int, int]] = field(default_factory=dict)  # first and last timestamp

    def add(self, video: str, at: int) -> None:
        first, last = self.videos.get(video, (at, at))
        self.videos[video] = (min(first, at), max(last, at))
        self.keyframes.add((video, at))


class _Row(NamedTuple):
    number: int
    words: list[str]
    video: str
    at: int
    box: tuple[float, float, float, float]


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines from 1 of a text file, without their ends, a line cut at 4096 bytes."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), start=1):
            text = line.removeprefix(BOM) if number == 1 else line
            yield number, text.decode("utf-8", "replace").rstrip("\r\n")


def read_labels(path: Path, name: str, log: FaultLog, *, for_evaluator: bool) -> RowFacts:
    """Check a file of labels row by row.

    Args:
        path: The file, `name` as messages call it.
        log: Gets the faults.
        for_evaluator: Rows without a box are meant: keyframes at which nobody acts.
    """
    facts = RowFacts()
    texts: dict[tuple[str, int, tuple[float, ...]], str] = {}
    persons: dict[tuple[str, int, str], str] = {}
    boxes: dict[tuple[str, int, str], str] = defaultdict(str)
    seen: set[tuple[str, ...]] = set()
    for row in _rows(path, name, log, facts, for_evaluator=for_evaluator):
        _check_action(row, name, log, facts)
        person = _person(row, name, log)
        text = ",".join(row.words[2:6])
        before = texts.setdefault((row.video, row.at, row.box), text)
        if before != text:
            log.add(
                "text", name, f"the same box is written as {before} and as {text}",
                "Write every box with the same number of decimals: SlowFast joins by the text.",
                row=row.number, misleads=[SLOWFAST],
            )  # fmt: skip
        if persons.setdefault((row.video, row.at, person), text) != text and person:
            log.add(
                "two boxes", name, f"person {person} has two boxes at one keyframe",
                "Give every person of a video a number of their own.",
                row=row.number, misleads=[MMACTION2],
            )  # fmt: skip
        if boxes.setdefault((row.video, row.at, text), person) != person:
            log.add(
                "shared", name, "one box belongs to two persons",
                "Give both one person_id, or move a box: labels of equal boxes are joined.",
                row=row.number, misleads=[MMACTION2, SLOWFAST],
            )  # fmt: skip
        if (key := (row.video, str(row.at), text, *row.words[6:8])) in seen:
            log.add(
                "twice", name, "the row is there twice", "Remove one of them.",
                row=row.number, misleads=[EVALUATOR],
            )  # fmt: skip
        seen.add(key)
    return facts


def read_predicted(path: Path, name: str, log: FaultLog) -> RowFacts:
    """Check a file of predicted boxes, which SlowFast and pytorchvideo read."""
    facts = RowFacts()
    for row in _rows(path, name, log, facts, for_evaluator=False):
        score = row.words[7] if len(row.words) > 7 else ""
        try:
            is_score = 0 <= float(score) <= 1
        except ValueError:
            is_score = False
        if not is_score:
            log.add(
                "score", name, f"the score of a predicted box is {score!r}, not 0 to 1",
                "Write video_id,timestamp,x1,y1,x2,y2,,score.", row=row.number,
                stops=[SLOWFAST],
            )  # fmt: skip
    return facts


def _rows(
    path: Path, name: str, log: FaultLog, facts: RowFacts, *, for_evaluator: bool
) -> Iterator[_Row]:
    with path.open("rb") as file:
        if file.read(3) == BOM:
            log.add(
                "bom", name, "it begins with a byte order mark, which joins the first video's "
                "name", "Save it as UTF-8 without BOM.", misleads=CONSUMERS,
            )  # fmt: skip
    for number, line in read_lines(path):
        words = line.split(",")
        facts.rows += 1
        if number == 1 and _is_header(words):
            log.add(
                "header", name, "it begins with a header", "Remove the first line.", row=1,
                stops=CONSUMERS,
            )  # fmt: skip
        elif not line.strip():
            log.add(
                "empty", name, "the line is empty", "Remove empty lines.", row=number,
                stops=CONSUMERS,
            )  # fmt: skip
        elif row := _row(number, words, name, log, facts, for_evaluator=for_evaluator):
            yield row


def _is_header(words: list[str]) -> bool:
    return len(words) > 1 and not any(c.isdecimal() for c in words[1])


def _row(
    number: int,
    words: list[str],
    name: str,
    log: FaultLog,
    facts: RowFacts,
    *,
    for_evaluator: bool,
) -> _Row | None:
    video = words[0].strip()
    at = _timestamp(words[1] if len(words) > 1 else "", number, name, log)
    if len(words) == 2 and at is not None:
        facts.empty.add((video, at))
        if not for_evaluator:
            log.add(
                "no box", name, "the row names a keyframe without a box",
                "Keep such rows in a file for the evaluator only.", row=number, stops=TRAINERS,
            )  # fmt: skip
        return None
    if len(words) not in (7, 8):
        log.add(
            "columns", name, f"the row has {len(words)} columns",
            "Write video_id,timestamp,x1,y1,x2,y2,action_id,person_id.", row=number,
            stops=CONSUMERS,
        )  # fmt: skip
        return None
    box = _box(words[2:6], number, name, log)
    if at is None or box is None:
        return None
    if video != words[0] or not video or any(c.isspace() or c in "\"'" for c in video):
        log.add(
            "video", name, f"the video is called {words[0]!r}",
            "Use letters, digits, '-' and '_' in names: frame lists are split at spaces.",
            row=number, stops=[SLOWFAST, PYTORCHVIDEO],
        )  # fmt: skip
    facts.add(video, at)
    return _Row(number, words, video, at, box)


def _timestamp(text: str, number: int, name: str, log: FaultLog) -> int | None:
    try:
        at = int(text)
    except ValueError:
        log.add(
            "timestamp", name, f"the timestamp is {text[:40]!r}, not a whole number",
            "Write the second of the keyframe as a whole number, such as 0902.", row=number,
            stops=[MMACTION2, SLOWFAST, EVALUATOR], misleads=[PYTORCHVIDEO],
        )  # fmt: skip
        return None
    if not FIRST <= at <= LAST:
        _log_range(at, number, name, log)
    return at


def _log_range(at: int, number: int, name: str, log: FaultLog) -> None:
    """MMAction2 does not stop: outside of its range it shows the first or the last frame."""
    if at < START:
        mend = (
            "Add 900 to every timestamp: a video begins at 900, and its first labelled second "
            "is 902. For MMAction2 alone, set timestamp_start and timestamp_end instead."
        )
    else:
        mend = "Cut long videos into parts of at most 15 minutes, each beginning at 900."
    is_clipped = not START <= at <= END
    log.add(
        "below" if at < START else "range", name,
        f"the timestamp {at} is outside {FIRST} to {LAST}", mend, row=number, stops=[SLOWFAST],
        misleads=[PYTORCHVIDEO, *([MMACTION2] if is_clipped else [])],
    )  # fmt: skip


def _box(
    words: list[str], number: int, name: str, log: FaultLog
) -> tuple[float, float, float, float] | None:
    try:
        x1, y1, x2, y2 = map(float, words)
        if not all(map(isfinite, (x1, y1, x2, y2))):
            raise ValueError("not finite")
    except ValueError:
        log.add(
            "box", name, f"the box is {','.join(words)[:60]!r}, not four numbers",
            "Write x1,y1,x2,y2 from 0 to 1.", row=number, stops=CONSUMERS,
        )  # fmt: skip
        return None
    if max(x1, y1, x2, y2) > IN_PIXELS:
        log.add(
            "pixels", name, f"the box {','.join(words)} is in pixels",
            "Divide x by the width and y by the height of the frame.", row=number,
            misleads=CONSUMERS,
        )  # fmt: skip
    elif min(x1, y1, x2, y2) < 0 or max(x1, y1, x2, y2) > 1:
        log.add(
            "outside", name, f"the box {','.join(words)} reaches beyond the frame",
            "Clip boxes to 0 to 1.", row=number, misleads=CONSUMERS,
        )  # fmt: skip
    if x1 >= x2 or y1 >= y2:
        log.add(
            "area", name, f"the box {','.join(words)} has no area",
            "Write x2 and y2, the right and lower side, not a width and a height.", row=number,
            misleads=CONSUMERS,
        )  # fmt: skip
    return x1, y1, x2, y2


def _check_action(row: _Row, name: str, log: FaultLog, facts: RowFacts) -> None:
    try:
        action = int(row.words[6])
    except ValueError:
        is_empty = not row.words[6].strip()
        log.add(
            "action", name, f"the action is {row.words[6][:40]!r}, not a number",
            "Leave persons without an action out." if is_empty else
            "Write the action's id, not its name; the names belong into the action list.",
            row=row.number, stops=[MMACTION2, EVALUATOR] if is_empty else CONSUMERS,
        )  # fmt: skip
        return
    facts.actions[action] += 1
    if action < 1:
        log.add(
            "action 0", name, f"the action has the id {action}",
            "Number the actions from 1: 0 is the background.", row=row.number,
            stops=[SLOWFAST], misleads=[MMACTION2, PYTORCHVIDEO],
        )  # fmt: skip
    elif action > MAX_ACTION_ID:
        log.add(
            "action 80", name, f"the action has the id {action}, SlowFast takes 80 at most",
            "Use ids up to 80, or change the assertion in SlowFast's ava_helper.py.",
            row=row.number, stops=[SLOWFAST],
        )  # fmt: skip


def _person(row: _Row, name: str, log: FaultLog) -> str:
    person = row.words[7].strip() if len(row.words) > 7 else ""
    if not person.lstrip("-").isdecimal():
        log.add(
            "person", name, f"the person is {person!r}, not a whole number",
            "Write a person_id in the last column, the same for one person of a video.",
            row=row.number, stops=[MMACTION2],
        )  # fmt: skip
    return person
