"""Blurred faces of a release: where faces are in the frames of a clip, and clips without them.

Faces are the heads of people who were tracked or drawn, or what a face detector finds. Heads
are those of all runs in use of the whole video, corrected or not, since a clip is exported with
frames of its neighbours. Other classes have no heads, and a run that did not follow persons
says nothing of them.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.utils.translation import gettext
from numpy.typing import NDArray

from avaproject.base.storage import StorageError, local_path
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.reencoding import reencode
from datasets.core.media.standard_video import read_frames
from datasets.models import Clip, Dataset, Video
from qc.core.release.blurring import (
    AROUND,
    BEYOND,
    HEADS,
    HELD,
    METHOD,
    Boxes,
    Regions,
    blur,
    blur_planes,
    blurring_sentence,
    faces_of,
    heads_of,
    on_every_frame,
)
from qc.core.release.options import OptionsError, ReleaseOptions
from qc.models import ConsensusBox
from qc.selectors.release.approved_clips import window_of
from tracking.core.tracks_file import PERSON, TracksFile, TracksFileError, load
from tracking.detectors.registry import (
    Detector,
    DetectorError,
    file_hash,
    open_detector,
    weights_path,
)
from tracking.models import TrackingRun
from tracking.person_classes import classes_in
from tracking.selectors import tracks_of

FACE_SCORE = 0.3  # from which on a face is blurred: better one too many
Part = tuple[NDArray[np.int64], Boxes]


class BlurringError(RuntimeError):
    """Faces of a clip cannot be blurred; the message says why and what to do."""


def face_detector_files() -> list[str]:
    """Names of the ONNX files in the weights folder, sorted."""
    folder = Path(settings.WEIGHTS_DIR)
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in found if path.suffix.lower() == ".onnx")


def require_faces(options: ReleaseOptions, dataset: Dataset) -> None:
    """Raises OptionsError if faces are to be blurred and nothing finds them.

    That is a file that cannot be used, and heads where persons are not followed.
    """
    if options.blur_faces == HEADS and PERSON not in dataset.class_names:
        raise OptionsError(
            gettext(
                "heads cannot be blurred: this dataset follows no persons, but %(classes)s. "
                "Blur what a face detector finds, or add person to what is followed"
            )
            % {"classes": ", ".join(dataset.class_names)}
        )
    if options.blur_faces in ("", HEADS):
        return
    try:
        _open(options.blur_faces)
    except DetectorError as error:
        raise OptionsError(
            gettext("faces cannot be blurred with %(blur_faces)s: %(error)s")
            % {"blur_faces": options.blur_faces, "error": error}
        ) from error


def blurring_of(method: str) -> "FaceBlurring | None":
    """How faces are blurred by that option of a release; None if they are not."""
    if not method:
        return None
    return FaceBlurring(method)


class FaceBlurring:
    """One way to blur faces, which keeps what it knows of the last video.

    Args:
        method: `HEADS`, or the file of a face detector in the weights folder.
    """

    def __init__(self, method: str) -> None:
        self.method = method
        self._heads: tuple[int, Regions] | None = None

    @cached_property
    def sha256(self) -> str:
        """Of the detector's file; empty for heads."""
        if self.method == HEADS:
            return ""
        path = weights_path(self.method)
        if path is None or not path.is_file():
            raise BlurringError(
                gettext("the face detector %(method)s is not in the weights folder")
                % {"method": self.method}
            )
        return file_hash(path)

    @property
    def sentence(self) -> str:
        return blurring_sentence(self.method, self.sha256)

    def facts(self) -> dict[str, Any]:
        """What the manifest says."""
        how = {"blurred": HEADS} if self.method == HEADS else {
            "blurred": "detector", "file": self.method, "sha256": self.sha256,
        }  # fmt: skip
        return how | {"sentence": self.sentence}

    def key(self, clip: Clip) -> str:
        """Text that changes when something else of `clip` is blurred, or otherwise."""
        if self.method != HEADS:
            return f"{METHOD}/{self.sha256}/{FACE_SCORE}"
        return f"{METHOD}/{HEADS}/{self._heads_of(clip.video).digest(_frames_of(clip))}"

    def write_clip(self, clip: Clip, source: Path, target: Path) -> None:
        """Write the released frames of `clip` from the standard video `source`, blurred.

        Raises BlurringError or MediaError.
        """
        frames = _frames_of(clip)
        if self.method == HEADS:
            self._require_tracks(clip)
            regions = self._heads_of(clip.video)
        else:
            regions = self._found_in(source, frames)
        reencode(
            source, target, lambda index, planes: blur_planes(planes, regions.at(index)),
            start=frames.start, count=len(frames),
        )  # fmt: skip

    def blur_frame(self, clip: Clip, rgb: NDArray[np.uint8], frame: int) -> None:
        """Blur the image of frame `frame` of the standard video, in its size, in place."""
        if self.method == HEADS:
            blur(rgb, self._heads_of(clip.video).at(frame))
        else:
            blur(rgb, self._faces_in([rgb])[0])

    def _heads_of(self, video: Video) -> Regions:
        if self._heads is None or self._heads[0] != video.pk:
            self._heads = video.pk, Regions(_heads(video))
        return self._heads[1]

    def _require_tracks(self, clip: Clip) -> None:
        runs = list(TrackingRun.objects.done().filter(clip=clip).in_use().exclude(tracks=""))
        if not runs:
            raise BlurringError(
                gettext(
                    "%(clip)s has no tracks, so nobody knows where heads are: track it, or "
                    "blur faces with a face detector"
                )
                % {"clip": clip}
            )
        if not any(map(_follows_persons, runs)):
            raise BlurringError(
                gettext(
                    "%(clip)s was tracked when no persons were followed, so nobody knows where "
                    "heads are: track it again, or blur faces with a face detector"
                )
                % {"clip": clip}
            )

    def _found_in(self, source: Path, frames: range) -> Regions:
        """What the face detector finds in these frames of a standard video."""
        numbers: list[NDArray[np.int64]] = []
        found: list[Boxes] = []
        batch: list[NDArray[np.uint8]] = []
        size = max(1, self._detector.batch_size)

        def detect() -> None:
            for boxes in self._faces_in(batch):
                number = frames.start + len(numbers)
                numbers.append(np.full(len(boxes), number))
                found.append(boxes)
            batch.clear()

        for _, rgb in read_frames(source, start=frames.start, count=len(frames)):
            batch.append(rgb)
            if len(batch) == size:
                detect()
        detect()
        return Regions(zip(numbers, found, strict=True), held=HELD)

    def _faces_in(self, images: list[NDArray[np.uint8]]) -> list[Boxes]:
        if not images:
            return []
        try:
            return [faces_of(found.boxes) for found in self._detector.detect(images)]
        except DetectorError as error:
            raise BlurringError(
                gettext("the face detector %(method)s failed: %(error)s")
                % {"method": self.method, "error": error}
            ) from error

    @cached_property
    def _detector(self) -> Detector:
        try:
            return _open(self.method)
        except DetectorError as error:
            raise BlurringError(
                gettext("the face detector cannot be used: %(error)s") % {"error": error}
            ) from error


def _open(name: str) -> Detector:
    found = open_detector("onnx", weights=name, threshold=FACE_SCORE)
    return found  # type: ignore[return-value]  # files of boxes are another detector


def _frames_of(clip: Clip) -> range:
    start, count, _ = window_of(clip)
    return range(start, start + count)


def _heads(video: Video) -> Iterator[Part]:
    """Heads of all who were tracked or drawn, and whole frames where nobody was looked for."""
    is_unseen = np.ones(video.frame_count or 0, dtype=bool)
    runs = TrackingRun.objects.done().filter(clip__video=video).in_use().exclude(tracks="")
    for run in runs.select_related("clip__video__dataset").order_by("pk"):
        start = run.clip.start_frame
        if _follows_persons(run):
            is_unseen[start : start + run.clip.frame_count] = False
        tracks = (track for file in _tracks(run) for track in file.tracks)
        for track in tracks:
            if track.label == PERSON:
                frames, boxes = on_every_frame(track.frames, track.boxes, beyond=AROUND)
                yield start + frames, heads_of(boxes)
    yield from _drawn_heads(video)
    unseen = np.flatnonzero(is_unseen)
    whole = np.array([[0.0, 0.0, video.width or 0, video.height or 0]])
    yield unseen, np.repeat(whole, len(unseen), axis=0)


def _drawn_heads(video: Video) -> Iterator[Part]:
    """Heads of the persons of every consensus."""
    others = classes_in(video.pk)
    drawn = ConsensusBox.objects.filter(consensus__clip__video=video)
    fields = ("consensus_id", "person_id", "consensus__clip__start_frame", "second")
    rows = drawn.exclude(person_id__in=others).order_by(*fields)
    persons: dict[tuple[int, int], list[tuple[float, ...]]] = {}
    for consensus, person, start, second, *box in rows.values_list(
        *fields, "x1", "y1", "x2", "y2"
    ):
        at = start + second * FRAME_RATE
        persons.setdefault((consensus, person), []).append((at, *box))
    for keyframes in persons.values():
        table = np.array(keyframes, dtype=np.float64)
        frames, boxes = on_every_frame(
            table[:, 0].astype(np.int64), table[:, 1:], beyond=BEYOND
        )
        yield frames, heads_of(boxes)


def _follows_persons(run: TrackingRun) -> bool:
    """Whether a run looked for persons; one that does not say what it followed did."""
    return PERSON in run.made_by.get("classes", [PERSON])


def _tracks(run: TrackingRun) -> Iterator[TracksFile]:
    """The tracks of a run, and those from before people corrected them."""
    try:
        yield tracks_of(run)
        if run.uncorrected:
            with local_path(run.uncorrected.name or "") as path:
                yield load(path.read_bytes())
    except StorageError:
        raise
    except (OSError, TracksFileError) as error:
        raise BlurringError(str(error)) from error
