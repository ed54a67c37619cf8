"""Action tubes (UCF101-24, MultiSports, ours): a pickle of `gttubes`, read safely.

`gttubes` is {video: {place of the label: [array (n, 5)]}}, a row a frame from 1 and a
box in pixels. A tube says one action and no person: equal boxes of a frame are one person with
several actions.
"""

from typing import Any

import numpy as np

from datasets.core.formats.ava import AvaFormatError, load_arrays
from datasets.core.formats.external.document import (
    MALFORMED,
    Builder,
    ImportedBox,
    ImportedDocument,
    ImportedLabel,
    ImportFileError,
    TimeUnit,
    VideoBuilder,
    text_of,
)
from datasets.core.sizes import size_text

MAX_BYTES = 512 << 20
ACTION = "action"


def read_tubes(content: bytes) -> ImportedDocument:
    """The boxes of all tubes. Raises ImportFileError."""
    if len(content) > MAX_BYTES:
        raise ImportFileError(f"it has more than {size_text(MAX_BYTES)}")
    try:
        raw = load_arrays(content)
    except AvaFormatError as error:
        raise ImportFileError(f"{error}") from error
    try:
        return _read(raw)
    except ImportFileError:
        raise
    except MALFORMED as error:
        raise ImportFileError(f"it is no pickle of tubes: {error!r}") from error


def _read(raw: dict[Any, Any]) -> ImportedDocument:
    labels, tubes = raw.get("labels"), raw.get("gttubes")
    if not isinstance(labels, list) or not isinstance(tubes, dict):
        raise ImportFileError("it is no pickle of tubes: it lacks labels or gttubes")
    builder = Builder()
    for name, by_label in tubes.items():
        video = builder.video(text_of(str(name).rpartition("/")[2]), TimeUnit.FRAME)
        _describe(video, raw, name)
        if not isinstance(by_label, dict):
            raise ImportFileError(f"the tubes of {text_of(name)} are not by label")
        _add(builder, video, by_label, labels)
    return builder.document(is_complete=True, of_persons=True)


def _describe(video: VideoBuilder, raw: dict[Any, Any], name: object) -> None:
    size = (raw.get("resolution") or {}).get(name)
    if isinstance(size, tuple | list) and len(size) == 2:
        video.height, video.width = (max(int(side), 0) for side in size)
    count = (raw.get("nframes") or {}).get(name)
    video.frame_count = int(count) if isinstance(count, int | float) else 0


def _add(
    builder: Builder, video: VideoBuilder, by_label: dict[Any, Any], labels: list[Any]
) -> None:
    found: dict[tuple[float, ...], list[ImportedLabel]] = {}
    for place, its in by_label.items():
        if not isinstance(place, int) or not 0 <= place < len(labels):
            raise ImportFileError(f"tubes of {video.name} are of a label that is not listed")
        label = ImportedLabel(ACTION, text_of(labels[place]))
        for tube in its if isinstance(its, list) else []:
            if not isinstance(tube, np.ndarray) or tube.ndim != 2 or tube.shape[1] < 5:
                builder.leave_out("tubes that are no array of frame, x1, y1, x2, y2")
                continue
            for row in tube[:, :5].tolist():
                found.setdefault(tuple(row), []).append(label)
    for (frame, x1, y1, x2, y2), said in found.items():
        kept = tuple(dict.fromkeys(said))
        builder.add(video, "", ImportedBox(frame - 1, (x1, y1, x2, y2), kept))
