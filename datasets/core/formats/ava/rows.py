"""AVA CSV rows: labels, predicted boxes, unlabelled persons, keyframes.

Parsed rows share (intern) the text of video and box, because most occur many times.
"""

import math
import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from sys import intern
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datasets.core.untrusted import UntrustedDataError

DECIMALS = 4

_BOX = r"(?:0|1)\.\d{3,6}(?:,(?:0|1)\.\d{3,6}){3}"
_KEY = r"([A-Za-z0-9][A-Za-z0-9_-]*),(\d{4})"
VIDEO_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)
LABEL_ROW = re.compile(rf"{_KEY},({_BOX}),([1-9]\d{{0,4}}),([1-9]\d{{0,17}})", re.ASCII)
PREDICTED_ROW = re.compile(rf"{_KEY},({_BOX}),,((?:0|1)\.\d+)", re.ASCII)
NEGATIVE_ROW = re.compile(rf"{_KEY},({_BOX}),([1-9]\d{{0,4}}|),((?:0|1)\.\d+)", re.ASCII)
UNLABELLED_ROW = re.compile(rf"{_KEY},({_BOX}),,([1-9]\d{{0,17}})", re.ASCII)
KEYFRAME_ROW = re.compile(_KEY, re.ASCII)
TIMESTAMP_ROW = re.compile(r"\d{4}", re.ASCII)


class AvaFormatError(UntrustedDataError):
    """The content is not what the AVA file should hold; the text names the row."""


class Keyframe(NamedTuple):
    video_id: str
    timestamp: int


class LabelRow(NamedTuple):
    """One action of one person at one keyframe: a row of `ava_train.csv`."""

    video_id: str
    timestamp: int
    box: str
    action_id: int
    person_id: int


class PredictedRow(NamedTuple):
    """One box of the tracker: a row of `ava_train_predicted_boxes.csv`."""

    video_id: str
    timestamp: int
    box: str
    score: float


class NegativeRow(NamedTuple):
    """A tracker box with the action of its person: a row of `..._include_negative`."""

    video_id: str
    timestamp: int
    box: str
    action_id: int | None  # None without a known action
    score: float


class UnlabelledRow(NamedTuple):
    """A person without an action: a row of `unlabelled_boxes.csv`."""

    video_id: str
    timestamp: int
    box: str
    person_id: int


def format_box(box: Iterable[float], *, width: int, height: int) -> str:
    """A box in pixels as `x1,y1,x2,y2`, normalised and clipped to the frame.

    A box that clipping or rounding leaves without area becomes one step of the last decimal
    wide, so `x1 < x2` and `y1 < y2` always hold.

    >>> format_box([100, 90, 150, 400], width=640, height=360)
    '0.1562,0.2500,0.2344,1.0000'
    """
    steps = 10**DECIMALS
    try:
        pixels = [float(corner) for corner in box]
    except TypeError:
        pixels = []
    if len(pixels) != 4 or not all(map(math.isfinite, pixels)):
        raise ValueError(f"a box is four finite numbers, not {box!r}")
    x1, y1, x2, y2 = (
        min(max(round(corner * (steps / side)), 0), steps)
        for corner, side in zip(pixels, (width, height, width, height), strict=True)
    )
    x1, y1 = min(x1, steps - 1), min(y1, steps - 1)
    corners = (x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))
    return ",".join(f"{corner / steps:.{DECIMALS}f}" for corner in corners)


def parse_box(text: str) -> NDArray[np.float64]:
    """The four numbers of a box's text.

    >>> parse_box("0.1000,0.2000,0.3000,1.0000").tolist()
    [0.1, 0.2, 0.3, 1.0]
    """
    return np.array([float(part) for part in text.split(",")])


def format_score(score: float) -> str:
    """A score with four decimals, kept between 0 and 1."""
    return f"{min(max(score, 0.0), 1.0):.4f}"


def keyframe_key(video_id: str, timestamp: int) -> str:
    """`video_id,timestamp`, the key by which consumers join rows.

    >>> keyframe_key("shop-c0000", 902)
    'shop-c0000,0902'
    """
    return f"{video_id},{timestamp:04d}"


def encode_lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def decode_ascii(content: bytes) -> str:
    """The text of a file. Raises AvaFormatError unless it is ASCII and ends in a newline."""
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise AvaFormatError("the text is not plain ASCII") from error
    if text and not text.endswith("\n"):
        raise AvaFormatError("the last row has no newline")
    return text


def numbered_lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Numbered lines, from 1. Raises AvaFormatError unless the text is plain."""
    if content:
        decode_ascii(content)
        for number, line in enumerate(BytesIO(content), start=1):
            yield number, line[:-1].decode("ascii")


def match_rows(
    content: bytes, pattern: re.Pattern[str], what: str, *, first: int = 1
) -> Iterator[re.Match[str]]:
    """The rows, all of which have to fit; `first` is the number of the first one."""
    for number, line in numbered_lines(content):
        match = pattern.fullmatch(line)
        if match is None:
            row = number + first - 1
            raise AvaFormatError(f"row {row} is not {what}: {line[:80]!r}")
        yield match


def dump_labels(rows: Iterable[LabelRow]) -> bytes:
    """Ground truth, `video_id,timestamp,x1,y1,x2,y2,action_id,person_id`.

    >>> dump_labels([LabelRow("a-c0000", 902, "0.1000,0.1000,0.2000,0.2000", 3, 1)])
    b'a-c0000,0902,0.1000,0.1000,0.2000,0.2000,3,1\\n'
    """
    return encode_lines(
        f"{keyframe_key(row.video_id, row.timestamp)},{row.box},{row.action_id},{row.person_id}"
        for row in rows
    )


def load_labels(content: bytes) -> list[LabelRow]:
    """The rows of a ground truth file; raises AvaFormatError at the first bad one."""
    return [
        LabelRow(intern(video), int(at), intern(box), int(action), int(person))
        for video, at, box, action, person in (
            match.groups() for match in match_rows(content, LABEL_ROW, "a label row")
        )
    ]


def dump_predicted(rows: Iterable[PredictedRow]) -> bytes:
    """The tracker's boxes, `video_id,timestamp,x1,y1,x2,y2,,score`."""
    return encode_lines(
        f"{keyframe_key(row.video_id, row.timestamp)},{row.box},,{format_score(row.score)}"
        for row in rows
    )


def load_predicted(content: bytes) -> list[PredictedRow]:
    """The rows of a file of predicted boxes; raises AvaFormatError at the first bad one."""
    return [
        PredictedRow(intern(video), int(at), intern(box), float(score))
        for video, at, box, score in (
            match.groups() for match in match_rows(content, PREDICTED_ROW, "a predicted box")
        )
    ]


def dump_negatives(rows: Iterable[NegativeRow]) -> bytes:
    """The tracker's boxes with their actions, `video_id,timestamp,x1,y1,x2,y2,action_id,score`.

    >>> dump_negatives([NegativeRow("a-c0000", 902, "0.1000,0.1000,0.2000,0.2000", None, 0.9)])
    b'a-c0000,0902,0.1000,0.1000,0.2000,0.2000,,0.9000\\n'
    """
    return encode_lines(
        f"{keyframe_key(row.video_id, row.timestamp)},{row.box},{row.action_id or ''},"
        f"{format_score(row.score)}"
        for row in rows
    )


def load_negatives(content: bytes) -> list[NegativeRow]:
    """The rows that `dump_negatives` wrote; raises AvaFormatError at the first bad one."""
    return [
        NegativeRow(
            intern(video), int(at), intern(box), int(action) if action else None, float(score)
        )
        for video, at, box, action, score in (
            match.groups() for match in match_rows(content, NEGATIVE_ROW, "a box to train on")
        )
    ]


def dump_unlabelled(rows: Iterable[UnlabelledRow]) -> bytes:
    """Persons without actions, `video_id,timestamp,x1,y1,x2,y2,,person_id`."""
    return encode_lines(
        f"{keyframe_key(row.video_id, row.timestamp)},{row.box},,{row.person_id}"
        for row in rows
    )


def load_unlabelled(content: bytes) -> list[UnlabelledRow]:
    """The rows of `unlabelled_boxes.csv`; raises AvaFormatError at the first bad one."""
    return [
        UnlabelledRow(video, int(at), box, int(person))
        for video, at, box, person in (
            match.groups() for match in match_rows(content, UNLABELLED_ROW, "an unlabelled box")
        )
    ]


def dump_keyframes(keyframes: Iterable[Keyframe]) -> bytes:
    """Excluded timestamps, `video_id,timestamp`; no bytes at all if there are none."""
    return encode_lines(keyframe_key(*keyframe) for keyframe in keyframes)


def load_keyframes(content: bytes) -> list[Keyframe]:
    """The rows of a file of excluded timestamps."""
    rows = match_rows(content, KEYFRAME_ROW, "`video_id,timestamp`")
    return [Keyframe(match[1], int(match[2])) for match in rows]


def dump_evaluation(rows: Iterable[LabelRow | Keyframe]) -> bytes:
    """Ground truth for the ActivityNet evaluator; a Keyframe is one without actions."""
    return b"".join(
        dump_labels([row]) if isinstance(row, LabelRow) else dump_keyframes([row])
        for row in rows
    )


def load_evaluation(content: bytes) -> list[LabelRow | Keyframe]:
    """The rows that `dump_evaluation` wrote."""
    rows: list[LabelRow | Keyframe] = []
    for number, line in numbered_lines(content):
        if match := LABEL_ROW.fullmatch(line):
            video, at, box, action, person = match.groups()
            rows.append(LabelRow(intern(video), int(at), intern(box), int(action), int(person)))
        elif match := KEYFRAME_ROW.fullmatch(line):
            rows.append(Keyframe(match[1], int(match[2])))
        else:
            raise AvaFormatError(f"row {number} is not a label or a keyframe: {line[:80]!r}")
    return rows


def dump_timestamps(timestamps: Iterable[int]) -> bytes:
    """`ava_included_timestamps.txt`, one timestamp of four digits per row."""
    return encode_lines(f"{timestamp:04d}" for timestamp in timestamps)


def load_timestamps(content: bytes) -> list[int]:
    """The rows of `ava_included_timestamps.txt`."""
    return [int(match[0]) for match in match_rows(content, TIMESTAMP_ROW, "a timestamp")]
