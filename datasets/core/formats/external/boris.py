"""BORIS: events of a project (`.boris`), and its tables of tabular and aggregated events.

A state event begins when it is coded and ends when it is coded again for the same subject and
modifiers; a point event is a moment. Times are seconds, and several media files of player 1
follow one another; they count from the observation's `time offset`, and from when the file was
made where `media_creation_date_as_offset` is set (`write_event.py` and `core.py` of BORIS).
https://www.boris.unito.it/user_guide
"""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from datasets.core.formats.external.document import (
    MALFORMED,
    Builder,
    ImportedDocument,
    ImportedInterval,
    ImportedLabel,
    ImportFileError,
    TimeUnit,
    number,
    text_of,
)
from datasets.core.untrusted import UntrustedDataError, check_size, read_json

MAX_BYTES = 128 << 20
NO_SUBJECT = ("", "no focal subject")
MAX_ROWS = 1_000_000


def is_boris(content: Any) -> bool:
    """Whether a JSON value is a project of BORIS."""
    return isinstance(content, dict) and {"observations", "behaviors_conf"} <= content.keys()


def read_boris(content: bytes) -> ImportedDocument:
    """The events of all observations of a project. Raises ImportFileError."""
    try:
        raw = read_json(content, max_bytes=MAX_BYTES)
        if not is_boris(raw):
            raise ImportFileError("it is no project of BORIS: it lacks observations")
        points = {
            str(one.get("code")) for one in raw["behaviors_conf"].values()
            if "point" in str(one.get("type", "")).lower()
        }  # fmt: skip
        builder = Builder()
        for name, one in raw["observations"].items():
            _read_observation(builder, str(name), one, points)
        return builder.document()
    except ImportFileError:
        raise
    except UntrustedDataError as error:
        raise ImportFileError(str(error)) from error
    except MALFORMED as error:
        raise ImportFileError(f"it is no project of BORIS: {error!r}") from error


class _Queue(NamedTuple):
    """The media files of an observation one after the other, and when the first begins.

    `lengths` are in seconds; nothing is in the files after one whose length is not known.
    """

    media: Sequence[str]
    lengths: Sequence[float]
    offset: float = 0.0

    def parts(self, start: float, stop: float) -> Iterator[tuple[str, float, float]]:
        """An interval in the files it lies in, in the times of each; nothing outside of them.

        >>> list(_Queue(["a", "b"], [10.0, 5.0]).parts(8, 12))
        [('a', 8.0, 10.0), ('b', 0.0, 2.0)]
        """
        begin = self.offset
        for place, name in enumerate(self.media):
            is_known = place < len(self.lengths) and place + 1 < len(self.media)
            end = begin + self.lengths[place] if is_known else math.inf
            if start < end and (stop > begin or begin <= start == stop):
                yield name, max(start - begin, 0.0), min(stop, end) - begin
            begin = end


def _read_observation(
    builder: Builder, name: str, observation: dict[str, Any], points: set[str]
) -> None:
    events = observation.get("events") or []
    if observation.get("type") == "IMAGES":
        if events:
            builder.leave_out(f"events of {name}, which are of single images", len(events))
        return
    queue = _queue(builder, name, observation)
    started: dict[tuple[str, str, str], float] = {}
    for event in events:
        at, subject, code = number(event[0], "a time"), _subject(event[1]), text_of(event[2])
        modifiers = text_of(event[3]) if len(event) > 3 else ""
        if code in points:
            _add(builder, queue, subject, _behavior(code, modifiers), at, at)
        elif (key := (subject, code, modifiers)) in started:
            _add(builder, queue, subject, _behavior(code, modifiers), started.pop(key), at)
        else:
            started[key] = at
    if started:
        builder.leave_out(
            f"state events of {name} that were begun and never ended", len(started)
        )


def _queue(builder: Builder, name: str, observation: dict[str, Any]) -> _Queue:
    """What the times of an observation count."""
    files = observation.get("file") or {}
    media = list(files.get("1") or []) if isinstance(files, dict) else []
    others = sum(map(len, files.values())) - len(media) if isinstance(files, dict) else 0
    if others:
        builder.leave_out(f"media files of {name} in other players, shown beside", others)
    about = observation.get("media_info") or {}
    known = about.get("length") or {}
    lengths = []
    for path in media:
        if path not in known:
            break
        lengths.append(number(known[path], "a length"))
    if len(lengths) + 1 < len(media):
        builder.leave_out(
            f"media files of {name} that follow one whose length the project does not name",
            len(media) - len(lengths) - 1,
        )
    offset = number(observation.get("time offset") or 0, "a time offset")
    if observation.get("media_creation_date_as_offset") and media:
        made = (about.get("media_creation_time") or {}).get(media[0], 0)
        offset += number(made, "the time when a file was made")
    return _Queue([_media(path) for path in media] or [name], lengths, offset)


def is_boris_table(content: bytes) -> bool:
    """Whether a text is a table of events as BORIS exports it."""
    head = content[:20_000].decode("utf-8-sig", "replace")
    return any(_is_head(row) for row in _cells(head))


def read_boris_table(content: bytes, *, name: str = "") -> ImportedDocument:
    """The events of a table, comma or tab separated. Raises ImportFileError.

    Args:
        name: What the video is called if no column says.
    """
    check_size(content, max_bytes=MAX_BYTES)
    builder = Builder()
    head: list[str] = []
    rows = []
    for count, cells in enumerate(_cells(content.decode("utf-8-sig", "replace"))):
        if count > MAX_ROWS:
            raise ImportFileError(f"it has more than {MAX_ROWS} rows")
        if not head:
            head = [one.strip().lower() for one in cells] if _is_head(cells) else []
            continue
        row = dict(zip(head, (one.strip() for one in cells), strict=False))
        if row.get("behavior"):
            rows.append(row)
    if not head:
        raise ImportFileError("it is no table of BORIS: no row has Subject and Behavior")
    _read_rows(builder, rows, name)
    return builder.document()


def _read_rows(builder: Builder, rows: Sequence[Mapping[str, str]], name: str) -> None:
    media: dict[str, dict[str, None]] = defaultdict(dict)  # of each observation, in order
    for row in rows:
        media[row.get("observation id", "")][_media_of(row, name)] = None
    started: dict[tuple[str, str, str, str], float] = {}
    for row in rows:
        queue = _row_queue(row, name)
        its = media[row.get("observation id", "")]
        if len(its) > 1 and not queue.lengths and queue.media[0] != next(iter(its)):
            builder.leave_out(
                "events in later media files of an observation, whose lengths the table does "
                "not name: import the project (.boris)"
            )
            continue
        _read_row(builder, row, queue, started)
    if started:
        builder.leave_out("state events that were begun and never ended", len(started))


def _media_of(row: Mapping[str, str], name: str) -> str:
    return _first(row, "media file name", "media file path", "media file") or name


def _row_queue(row: Mapping[str, str], name: str) -> _Queue:
    """What the times of a row count; only newer tables name lengths and the offset."""
    media = [_media(_media_of(row, name))]
    offset = number(_first(row, "time offset (s)") or 0, "a time offset")
    source = row.get("source", "").partition("|")[0].removeprefix("player #1:")
    durations = row.get("media duration (s)", "").partition("|")[0].split(";")
    lengths = [number(one, "a media duration") for one in durations if one not in ("", "NA")]
    listed = [_media(path) for path in source.split(";")]
    if len(listed) == len(lengths) and media[0] in listed:
        media = listed
    else:
        lengths = []
    return _Queue(media, lengths, offset)


def _read_row(
    builder: Builder,
    row: Mapping[str, str],
    queue: _Queue,
    started: dict[tuple[str, str, str, str], float],
) -> None:
    subject, code = _subject(row.get("subject", "")), text_of(row["behavior"])
    modifiers = text_of(_first(row, "modifiers", "modifier", "modifier #1"))
    said = _behavior(code, modifiers)
    start, stop = _first(row, "start (s)", "start"), _first(row, "stop (s)", "stop")
    if start:
        begin = number(start, "a start")
        end = number(stop, "a stop") if stop else begin
        _add(builder, queue, subject, said, begin, end)
        return
    at = number(_first(row, "time"), "a time")
    status = _first(row, "status", "behavior type").upper()
    key = (row.get("observation id", "") or queue.media[0], subject, code, modifiers)
    if status == "START":
        started[key] = at
    elif status == "STOP" and key in started:
        _add(builder, queue, subject, said, started.pop(key), at)
    elif status == "STOP":
        builder.leave_out("state events that were ended and never begun")
    else:
        _add(builder, queue, subject, said, at, at)


def _behavior(code: str, modifiers: str) -> ImportedLabel:
    said = f"{code} ({modifiers})" if modifiers and modifiers.lower() != "none" else code
    return ImportedLabel("behavior", text_of(said))


def _add(
    builder: Builder,
    queue: _Queue,
    subject: str,
    label: ImportedLabel,
    start: float,
    stop: float,
) -> None:
    found = list(queue.parts(start, max(start, stop)))
    if not found:
        builder.leave_out("events before the beginning of their media file")
    for name, begin, end in found:
        video = builder.video(name, TimeUnit.SECOND)
        video.intervals.append(ImportedInterval(subject, begin, end, label))


def _cells(text: str) -> Iterator[list[str]]:
    head = text[:4000]
    delimiter = "\t" if head.count("\t") > head.count(",") else ","
    try:
        yield from csv.reader(io.StringIO(text), delimiter=delimiter)
    except csv.Error as error:
        raise ImportFileError(f"it is no table: {error}") from error


def _is_head(cells: list[str]) -> bool:
    names = {one.strip().lower() for one in cells}
    times = {"time", "start (s)", "start"}
    return {"subject", "behavior"} <= names and bool(times & names)


def _first(row: Mapping[str, str], *names: str) -> str:
    return next((row[name] for name in names if row.get(name) not in (None, "", "NA")), "")


def _subject(value: object) -> str:
    subject = text_of(value)
    return "" if subject.lower() in NO_SUBJECT else subject


def _media(path: str) -> str:
    return text_of(PurePosixPath(str(path).replace("\\", "/")).name)
