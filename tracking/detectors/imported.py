"""Precomputed detections: made by another program, one file for each clip or video.

`<name>.txt` is a MOT file, `<name>.json` is COCO or ours, frames from 0 (`detection_files.py`):

    {"format": "ava-studio-detections/1", "frames": {"0": [[x1, y1, x2, y2, score], ...]}}

`<name>` is the name of a clip, and frames are clip frames; or it is the name of a video, or of
its file without the extension, and frames are those of the standard video. Either way 30 a
second, boxes in pixels of the standard video. MOT files may also lie as `<name>/det.txt`,
`<name>/det/det.txt`, `<name>/gt.txt` or `<name>/gt/gt.txt`; of detections and ground truth the
detections are read. The ids of a file can be kept (`file_tracks.py`).
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np
from django.utils.translation import gettext as _

from datasets.core.naming import safe_name
from tracking.core.boxes import Detections
from tracking.detectors.class_names import PERSON
from tracking.detectors.detection_files import DetectionRows, read_detections
from tracking.detectors.file_tracks import FileTracks, IdsError, check_ids, tracks_of_rows
from tracking.detectors.registry import DetectorError, folder_hash

PLACES = ("{}.json", "{}.txt", "{}/det.txt", "{}/det/det.txt", "{}/gt.txt", "{}/gt/gt.txt")


class ImportedDetections:
    """Detections read from a folder of files."""

    def __init__(
        self, folder: Path, *, threshold: float, classes: Sequence[str] = (PERSON,)
    ) -> None:
        self._folder, self._classes = folder, tuple(classes)
        self._threshold = threshold
        self.about = {
            "name": "imported",
            "weights": folder.name,
            "sha256": folder_hash(folder),
        }

    def of_clip(
        self, clip: str, *, video: str, file_name: str, start_frame: int, frame_count: int
    ) -> list[Detections]:
        """The people in each frame of a clip.

        Raises:
            DetectorError: There is no file for the clip or its video, or it is not readable.
        """
        file, is_of_video = self._file_for(clip, video, file_name)
        rows = _rows_in(_read(file, file.stat().st_mtime_ns, self._classes),
                        start_frame if is_of_video else 0, frame_count)  # fmt: skip
        good = np.flatnonzero(rows.scores >= self._threshold)
        order = good[np.argsort(rows.frames[good], kind="stable")]
        edges = np.searchsorted(rows.frames[order], np.arange(1, frame_count))
        return [
            Detections(rows.boxes[part], rows.scores[part], None, rows.classes[part])
            for part in np.split(order, edges)
        ]

    def tracks_of_clip(
        self, clip: str, *, video: str, file_name: str, start_frame: int, frame_count: int
    ) -> FileTracks:
        """The tracks of a clip by the ids of its file, whatever the scores of their boxes.

        Raises:
            DetectorError: There is no file for the clip or its video, or it is not readable,
                or its ids can't be kept.
        """
        file, is_of_video = self._file_for(clip, video, file_name)
        rows = _read_with_ids(file, file.stat().st_mtime_ns, self._classes)
        inside = _rows_in(rows, start_frame if is_of_video else 0, frame_count)
        return FileTracks(tracks_of_rows(inside, self._classes), is_of_video)

    def _file_for(self, clip: str, video: str, file_name: str) -> tuple[Path, bool]:
        """The file of the clip, else of its video; and whether it is that of the video."""
        if file := self._file_of(clip):
            return file, False
        names = [video]
        stem = PurePosixPath(file_name).stem
        if safe_name(file_name, taken=()) == video and stem != "..":  # else of another one
            names.append(stem)
        found = (self._file_of(name) for name in names)
        return next(filter(None, found), None) or self._nothing_for(clip, names), True

    def _file_of(self, name: str) -> Path | None:
        places = (self._folder / place.format(name) for place in PLACES)
        return next((place for place in places if place.is_file()), None)

    def _nothing_for(self, clip: str, names: list[str]) -> Path:
        raise DetectorError(
            _(
                "%(folder)s has no detections of %(clip)s: expected %(clip)s.txt or "
                "%(clip)s.json, or one for the whole video, %(videos)s."
            )
            % {
                "folder": self._folder,
                "clip": clip,
                "videos": _(" or ").join(
                    f"{name}{ending}"
                    for name in dict.fromkeys(names)
                    for ending in (".txt", ".json")
                ),
            }
        )


def load(name: str, path: Path, threshold: float, classes: Sequence[str]) -> ImportedDetections:
    """The detections in the folder `path`. Raises DetectorError if it is not a folder."""
    if not path.is_dir():
        raise DetectorError(
            _(
                "%(path)s is not a folder; the weights of the detector %(name)s are a "
                "folder with a MOT or JSON file for each clip or video."
            )
            % {"path": path, "name": name}
        )
    return ImportedDetections(path, threshold=threshold, classes=classes)


def _rows_in(rows: DetectionRows, first_frame: int, frame_count: int) -> DetectionRows:
    """The rows in some frames, which count from 0 then; boxes without area are left out."""
    rows = rows._replace(frames=rows.frames - first_frame)
    is_inside = (rows.frames >= 0) & (rows.frames < frame_count)
    return rows.take(is_inside & (rows.boxes[:, 2:] > rows.boxes[:, :2]).all(axis=1))


@lru_cache(maxsize=2)
def _read_with_ids(file: Path, changed: int, classes: tuple[str, ...]) -> DetectionRows:
    """As `_read`, of a file whose ids can be kept."""
    rows = _read(file, changed, classes)
    try:
        check_ids(rows, file, classes)
    except IdsError as error:
        raise DetectorError(str(error)) from error
    return rows


@lru_cache(maxsize=2)
def _read(file: Path, changed: int, classes: tuple[str, ...]) -> DetectionRows:
    """All rows of a file, kept for the next clip of its video; `changed` tells its versions."""
    try:
        return read_detections(file, classes=classes)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DetectorError(
            _("%(file)s is not a file of detections: %(error)s.")
            % {"file": file, "error": error}
        ) from error
