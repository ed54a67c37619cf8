"""Precomputed detections: made by another program, one file for each clip or video.

`<name>.txt` is a MOT file, `<name>.json` is COCO or ours, frames from 0 (`detection_files.py`):

    {"format": "ava-studio-detections/1", "frames": {"0": [[x1, y1, x2, y2, score], ...]}}

`<name>` is the name of a clip, and frames are clip frames; or it is the name of a video, or of
its file without the extension, and frames are those of the standard video. Either way 30 a
second, boxes in pixels of the standard video, unless the file names a rate or size
(`standard_frames.py`). MOT files may also lie as `<name>/det.txt`,
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
from tracking.detectors.detection_files import SEQUENCE, DetectionRows, read_detections
from tracking.detectors.file_tracks import FileTracks, IdsError, check_ids, tracks_of_rows
from tracking.detectors.registry import ClipFrames, DetectorError, folder_hash
from tracking.detectors.standard_frames import in_standard_frames

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

    def of_clip(self, clip: ClipFrames) -> list[Detections]:
        """The people in each frame of a clip.

        Raises:
            DetectorError: There is no file for the clip or its video, or it is not readable,
                or does not fit its frames.
        """
        rows, _ = self._rows_of(clip, are_ids_kept=False)
        good = np.flatnonzero(rows.scores >= self._threshold)
        order = good[np.argsort(rows.frames[good], kind="stable")]
        edges = np.searchsorted(rows.frames[order], np.arange(1, clip.frame_count))
        return [
            Detections(rows.boxes[part], rows.scores[part], None, rows.classes[part])
            for part in np.split(order, edges)
        ]

    def tracks_of_clip(self, clip: ClipFrames) -> FileTracks:
        """The tracks of a clip by the ids of its file, whatever the scores of their boxes.

        Raises:
            DetectorError: As in `of_clip`, or its ids can't be kept.
        """
        rows, is_of_video = self._rows_of(clip, are_ids_kept=True)
        return FileTracks(tracks_of_rows(rows, self._classes), is_of_video)

    def _rows_of(self, clip: ClipFrames, *, are_ids_kept: bool) -> tuple[DetectionRows, bool]:
        """The rows in the frames of a clip, and whether their file is that of the video."""
        file, is_of_video = self._file_for(clip.clip, clip.video, clip.file_name)
        rows = _read(
            file, _changed(file), self._classes, are_ids_kept, clip.size,
            clip.video_frames if is_of_video else clip.frame_count,
        )  # fmt: skip
        return _rows_in(
            rows, clip.start_frame if is_of_video else 0, clip.frame_count
        ), is_of_video

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


def _changed(file: Path) -> tuple[int, ...]:
    """The versions of a file and of what may be said of its frames beside it."""
    places = (file, file.parent / SEQUENCE, file.parent.parent / SEQUENCE)
    return tuple(place.stat().st_mtime_ns if place.is_file() else 0 for place in places)


@lru_cache(maxsize=2)
def _read(
    file: Path,
    changed: tuple[int, ...],
    classes: tuple[str, ...],
    are_ids_kept: bool,
    size: tuple[int, int],
    frame_count: int,
) -> DetectionRows:
    """All rows of a file, kept for the next clip of its video; `changed` tells its versions."""
    try:
        found = read_detections(file, classes=classes)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DetectorError(
            _("%(file)s is not a file of detections: %(error)s.")
            % {"file": file, "error": error}
        ) from error
    if are_ids_kept:
        try:
            check_ids(found.rows, file, classes)
        except IdsError as error:
            raise DetectorError(str(error)) from error
    return in_standard_frames(found, file, size=size, frame_count=frame_count)
