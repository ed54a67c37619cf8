"""AVA CSV of anybody: labels, AVA-Kinetics, persons without an action, proposals.

Unlike the reader of our own files (`datasets.core.formats.ava`), this one takes headers, boxes
in pixels, timestamps with fractions and persons without a number, and says what it left out.
"""

import csv
import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from datasets.core.formats.ava import AvaFormatError, load_arrays
from datasets.core.formats.external.document import (
    Builder,
    ImportedBox,
    ImportedDocument,
    ImportedLabel,
    ImportFileError,
    TimeUnit,
    VideoBuilder,
    columns,
    text_of,
)
from datasets.core.formats.persons_csv import PERSONS, load_classes

MAX_LINE = 1000
ACTION = "action"
IN_PIXELS = 1.5  # a side above is no share of the frame


def is_ava_csv(content: bytes) -> bool:
    """Whether one of the first rows is `video_id,timestamp,x1,y1,x2,y2,...`."""
    head = content[:20_000].decode("utf-8-sig", "replace").splitlines()
    return any(_box(columns(line)) is not None for line in head[:20])


def read_ava(
    tables: Mapping[str, bytes],
    *,
    names: Mapping[int, str] | None = None,
    proposals: Iterable[bytes] = (),
    is_release: bool = False,
    classes: bytes = b"",
) -> ImportedDocument:
    """The people in CSV files by name, with their actions. Raises ImportFileError.

    Args:
        tables: Files of labels; rows of several files and splits are put together.
        names: Actions by their ids; without one the id stands for it.
        proposals: Pickles of boxes; read only if there are no labels.
        is_release: The files are those of a release made here.
        classes: The content of `persons.csv`; empty if there is none.
    """
    builder = Builder()
    try:
        class_of = load_classes(classes.decode("utf-8-sig", "replace")) if classes else {}
    except (ValueError, csv.Error) as error:
        raise ImportFileError(f"its {PERSONS} can't be read: {error}") from error
    reader = _Reader(builder, names or {}, class_of)
    for name, content in tables.items():
        reader.read(name, content)
    if not tables:
        for content in proposals:
            reader.read_proposals(content)
    elif any(True for _ in proposals):
        builder.leave_out("files of proposals: they are a detector's boxes, not answers")
    reader.flush()
    return builder.document(
        is_complete=bool(tables), is_release=is_release, of_persons=not class_of
    )


class _Reader:
    """Puts the rows of one person at one keyframe together."""

    def __init__(
        self,
        builder: Builder,
        names: Mapping[int, str],
        classes: Mapping[tuple[str, int], str],
    ) -> None:
        self.builder, self.names, self.classes = builder, names, classes
        self.found: dict[tuple[str, float, str, tuple[float, ...]], list[ImportedLabel]] = {}

    def read(self, name: str, content: bytes) -> None:
        for row, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
            words = columns(line[:MAX_LINE])
            if len(words) <= 2:
                continue  # a keyframe at which nobody acts
            box, at = _box(words), _number(words[1])
            if box is None or at is None:
                if row > 1:
                    self.builder.leave_out(
                        "rows that are not video_id,timestamp,x1,y1,x2,y2,..."
                    )
                continue
            action = words[6] if len(words) > 6 else ""
            person = words[7] if len(words) > 7 else ""
            if "." in person:
                self.builder.leave_out("rows with a score: they are a detector's boxes")
                continue
            its_class = self._class(words[0], person)
            labels = self.found.setdefault((text_of(words[0]), at, person, box), its_class)
            if label := self._label(action):
                labels.append(label)

    def _class(self, video: str, person: str) -> list[ImportedLabel]:
        """What `persons.csv` says of somebody in a clip of a source video."""
        source = video.rpartition("-c")[0] or video
        label = self.classes.get((source, int(person)), "") if person.isdecimal() else ""
        return [ImportedLabel("", text_of(label))] if label else []

    def read_proposals(self, content: bytes) -> None:
        try:
            table = load_arrays(content)
        except AvaFormatError as error:
            raise ImportFileError(f"{error}") from error
        for key, boxes in table.items():
            video, _, at = str(key).rpartition(",")
            moment = _number(at)
            if not isinstance(boxes, np.ndarray) or boxes.ndim != 2 or moment is None:
                self.builder.leave_out("proposals that are not `video_id,0902`: array of boxes")
                continue
            for row in boxes[:, :4].tolist() if boxes.shape[1] >= 4 else ():
                self.found.setdefault((text_of(video), moment, "", tuple(row)), [])

    def flush(self) -> None:
        videos: dict[str, VideoBuilder] = {}
        for (name, at, person, box), labels in self.found.items():
            video = videos.setdefault(name, self.builder.video(name, TimeUnit.TIMESTAMP))
            if max(box) <= IN_PIXELS:
                video.width = video.height = 1
            x1, y1, x2, y2 = box
            said = tuple(dict.fromkeys(labels))
            self.builder.add(video, person, ImportedBox(at, (x1, y1, x2, y2), said))

    def _label(self, action: str) -> ImportedLabel | None:
        if not action or action == "-1":
            return None
        if re.fullmatch(r"\d{1,6}", action):
            return ImportedLabel(ACTION, text_of(self.names.get(int(action), str(int(action)))))
        return ImportedLabel(ACTION, text_of(action))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _box(words: list[str]) -> tuple[float, float, float, float] | None:
    if len(words) < 6:
        return None
    sides = [_number(word) for word in words[2:6]]
    if None in sides or _number(words[1]) is None:
        return None
    x1, y1, x2, y2 = (side for side in sides if side is not None)
    return x1, y1, x2, y2
