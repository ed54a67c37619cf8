"""Pipeline step "import tracks": the tracks of a bundle, for videos and clips imported before.

Every value is checked against the manifest; the pickle of a prototype is read by a restricted
unpickler.
"""

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from avaproject.base.storage import local_path, remove, store
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.core.formats.bundle_files import (
    BundleError,
    open_zip,
    read_manifest,
    read_member,
    verified_file,
)
from datasets.core.formats.bundle_manifest import (
    TRACK_FILES,
    TRACKS,
    ClipEntry,
    Manifest,
    VideoEntry,
)
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import BundleImport, Clip, Dataset, PendingDeletion, Video
from tracking.core import tracks_file
from tracking.core.prototype_tracks import PrototypeTracks
from tracking.core.tracks_file import Track, TracksFile, TracksFileError
from tracking.models import IdentityRun, Person, Proposal, TrackImport, TrackingRun
from tracking.services.assign_identities import add_persons, keep_earlier_ids
from tracking.services.proposal_rows import proposals_of

BYTES_PER_FRAME = 200_000  # of a clip's JSON at most; a person in a frame takes 75
MAX_ORIGIN = 20_000  # characters of what made the tracks
ROWS_AT_ONCE = 500

Reader = Callable[[VideoEntry, ClipEntry], TracksFile]


class BundledTracks:
    """The tracks in a bundle, every value of them checked before the first is imported."""

    def __init__(self, manifest: Manifest, read: Reader) -> None:
        self.manifest = manifest
        self._read = read
        for video in manifest.videos:
            for one in video.clips:
                read(video, one)

    def import_all(
        self, dataset: Dataset, *, progress: Callable[[float], None] = lambda share: None
    ) -> list[TrackingRun]:
        """Import the tracks of all videos, one by one; return the runs of all clips.

        It may be called again at any time.
        """
        runs: list[TrackingRun] = []
        for number, video in enumerate(self.manifest.videos):
            progress(number / len(self.manifest.videos))
            runs += self.import_video(dataset, video)
        return runs

    def import_video(self, dataset: Dataset, entry: VideoEntry) -> list[TrackingRun]:
        """Import the tracks of one video, whose clips were imported before.

        Tracks imported before are left alone; runs without persons are replaced. Raises
        BundleError if the clips in `dataset` differ from the bundle's.
        """
        clips = _clips_of(dataset, entry)
        if (known := _known_runs(clips, self.manifest.config_key)) is not None:
            return known
        found = [self._read(entry, one) for one in entry.clips]
        persons = [
            {track.track_id: track.track_id for track in file.tracks}
            if self.manifest.is_prototype
            else one.persons
            for one, file in zip(entry.clips, found, strict=True)
        ]
        files = [
            _renamed(file, clip, self.manifest) for file, clip in zip(found, clips, strict=True)
        ]
        return _store(self.manifest, entry, clips, files, persons)


def plan_track_imports(since: datetime | None = None) -> int:
    """Create the import of the tracks of every bundle whose clips are here; return how many.

    Args:
        since: Look only at bundles that have changed since then.
    """
    new = BundleImport.objects.done().changed_since(since).filter(track_import=None)
    rows = [TrackImport(bundle_import_id=pk) for pk in new.values_list("pk", flat=True)]
    TrackImport.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def import_uploaded_tracks(import_id: int) -> TrackImport | None:
    """Import the tracks of an uploaded bundle; None if it is done or in other hands."""
    row: TrackImport | None = TrackImport.objects.claim(import_id)
    if row is None:
        return None
    stored = [f"{row.bundle_import.folder}/{name}" for name in TRACK_FILES]
    with row.working(BundleError, OSError):
        with ExitStack() as stack:
            folder = stack.enter_context(work_folder())
            for name in filter(default_storage.exists, stored):
                path = stack.enter_context(local_path(name))
                (folder / Path(name).name).symlink_to(path.absolute())
            tracks = stack.enter_context(open_tracks(folder))
            runs = tracks.import_all(row.bundle_import.upload.dataset, progress=row.report)
        row.finish(track_count=sum(run.track_count or 0 for run in runs))
        for name in stored:
            remove(name)
    return row


@contextmanager
def open_tracks(folder: Path) -> Iterator[BundledTracks]:
    """The tracks in the bundle in `folder`.

    Raises BundleError if a file is not what the manifest says, or a value cannot be right.
    """
    manifest = read_manifest(folder)
    if manifest.is_prototype:
        yield BundledTracks(manifest, PrototypeTracks(folder).tracks_of)
        return
    with open_zip(verified_file(manifest, folder, TRACKS)) as archive:
        yield BundledTracks(manifest, partial(_read_tracks, archive))


def _read_tracks(archive: zipfile.ZipFile, entry: VideoEntry, one: ClipEntry) -> TracksFile:
    name = f"{one.name}.tracks.json"
    max_bytes = MAX_ORIGIN + one.frame_count * BYTES_PER_FRAME
    try:
        file = tracks_file.parse(read_member(archive, name, max_bytes=max_bytes))
    except TracksFileError as error:
        raise BundleError(
            _("%(name)s in %(tracks)s cannot be read: %(error)s")
            % {"name": name, "tracks": TRACKS, "error": error}
        ) from error
    _check_file(file, name, one, entry)
    return file


def _clips_of(dataset: Dataset, entry: VideoEntry) -> list[Clip]:
    """The clips of this dataset that are those of `entry`, in their order."""
    video = dataset.videos.filter(sha256=entry.sha256).first()
    if video is None:
        raise BundleError(
            _("the video %(entry)s is not in %(dataset)s: import its clips first")
            % {"entry": entry.name, "dataset": dataset}
        )
    clips = list(video.clips.done().select_related("video__dataset").order_by("index"))
    cuts = [(clip.index, clip.start_frame, clip.frame_count) for clip in clips]
    if cuts != [(one.index, one.start_frame, one.frame_count) for one in entry.clips]:
        raise BundleError(
            _("the video %(entry)s is cut into other clips in %(dataset)s")
            % {"entry": entry.name, "dataset": dataset}
        )
    if (video.width, video.height) != (entry.width, entry.height):
        raise BundleError(
            _(
                "the video %(entry)s has %(width)sx%(height)s pixels in %(dataset)s, but "
                "%(width2)sx%(height2)s in the bundle"
            )
            % {
                "entry": entry.name,
                "width": video.width,
                "height": video.height,
                "dataset": dataset,
                "width2": entry.width,
                "height2": entry.height,
            }
        )
    return clips


def _check_file(file: TracksFile, name: str, one: ClipEntry, entry: VideoEntry) -> None:
    size = (file.width, file.height, file.frame_count, file.fps)
    if size != (entry.width, entry.height, one.frame_count, FRAME_RATE):
        raise BundleError(
            _("%(name)s has another size or length than the manifest says") % {"name": name}
        )
    if file.clip != one.name or not _is_origin(file.made_by):
        raise BundleError(
            _("%(name)s is not that of %(one)s") % {"name": name, "one": one.name}
        )
    if sorted(track.track_id for track in file.tracks) != sorted(one.persons):
        raise BundleError(
            _("%(name)s has other tracks than the manifest names") % {"name": name}
        )
    if not all(0 < cut < file.frame_count for cut in file.cuts):
        raise BundleError(_("%(name)s has a cut outside of its clip") % {"name": name})
    for track in file.tracks:
        _check_track(track, name, file)


def _is_origin(made_by: object) -> bool:
    """Whether a database takes it, and pages can show the detector in it."""
    try:
        text = json.dumps(made_by, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (ValueError, RecursionError):
        return False
    if len(text) > MAX_ORIGIN or "\\u0000" in text or not isinstance(made_by, dict):
        return False
    detector = made_by.get("detector", {})
    return isinstance(detector, dict) and all(
        isinstance(value, str | int) for value in detector.values()
    )


def _check_track(track: Track, name: str, file: TracksFile) -> None:
    frames, boxes, scores = track.frames, track.boxes, track.scores
    is_whole = 0 < len(frames) == len(boxes) == len(scores)
    if not is_whole or (np.diff(frames) <= 0).any() or not np.isfinite(boxes).all():
        raise BundleError(
            _("%(name)s: track %(track)s is not whole")
            % {"name": name, "track": track.track_id}
        )
    if frames[0] < 0 or frames[-1] >= file.frame_count:
        raise BundleError(
            _("%(name)s: track %(track)s is longer than its clip")
            % {"name": name, "track": track.track_id}
        )
    if (boxes[:, 2:] <= boxes[:, :2]).any():
        raise BundleError(
            _("%(name)s: track %(track)s has a box without area")
            % {"name": name, "track": track.track_id}
        )
    reach = np.array([file.width, file.height, file.width, file.height])
    if (np.abs(boxes) > 2 * reach).any():
        raise BundleError(
            _("%(name)s: track %(track)s leaves the image")
            % {"name": name, "track": track.track_id}
        )
    if ((scores < 0) | (scores > 1)).any():
        raise BundleError(
            _("%(name)s: track %(track)s has a score not from 0 to 1")
            % {"name": name, "track": track.track_id}
        )


def _known_runs(clips: list[Clip], config_key: str) -> list[TrackingRun] | None:
    """The runs imported before; None if the video has no identities with `config_key`."""
    if (
        not IdentityRun.objects.done()
        .filter(video=clips[0].video, config_key=config_key)
        .exists()
    ):
        return None
    runs = TrackingRun.objects.filter(clip__in=clips, config_key=config_key)
    return list(runs.order_by("clip__index"))


def _renamed(file: TracksFile, clip: Clip, manifest: Manifest) -> TracksFile:
    """The same tracks as those of `clip`, with where they come from."""
    origin = {"dataset": manifest.dataset, "config_key": manifest.config_key, "clip": file.clip}
    return replace(file, clip=clip.name, made_by=file.made_by | {"bundle": origin})


def _store(
    manifest: Manifest,
    entry: VideoEntry,
    clips: list[Clip],
    files: list[TracksFile],
    persons: list[dict[int, int]],
) -> list[TrackingRun]:
    config_key, video = manifest.config_key, clips[0].video
    contents = [tracks_file.dump(file) for file in files]
    try:
        identities = keep_earlier_ids(video, files, persons)
    except TracksFileError as error:
        raise BundleError(str(error)) from error
    with transaction.atomic():
        # A worker that is about to finish an identity run of the video waits, or was first.
        Video.objects.select_for_update().get(pk=video.pk)
        list(IdentityRun.objects.select_for_update().filter(video=video))
        if (known := _known_runs(clips, config_key)) is not None:
            return known
        replaced = _delete_replaced(clips, config_key)
        runs = [
            _import_clip(run, file, content, ids)
            for run, file, content, ids in zip(
                _new_runs(config_key, entry, clips, files),
                files,
                contents,
                identities,
                strict=True,
            )
        ]
        IdentityRun.objects.create(
            video=video, config_key=config_key, stage=Stage.DONE, progress=1.0,
            finished_at=timezone.now(),
            person_count=len({person for ids in identities for person in ids.values()}),
        )  # fmt: skip
        PendingDeletion.objects.bulk_create(PendingDeletion(name=name) for name in replaced)
    return runs


def _delete_replaced(clips: list[Clip], config_key: str) -> list[str]:
    """Delete the runs of `clips` that the bundle's replace; return the names of their files.

    Those are the waiting runs, and all with `config_key`: the pipeline may have started them
    since the clips were imported. A worker that is running one stops within seconds.
    """
    video = clips[0].video
    mine = Q(stage=Stage.WAITING, experiment=None) | Q(config_key=config_key)
    runs = TrackingRun.objects.filter(mine, clip__in=clips)
    if runs.filter(persons__isnull=False).exists():
        raise BundleError(
            _(
                "the video %(video)s was tracked here with %(configuration)s: wait until "
                "its persons are identified"
            )
            % {"video": video, "configuration": config_key}
        )
    names = [run.tracks.name for run in runs if run.tracks.name]
    runs.delete()
    IdentityRun.objects.filter(mine, video=video).delete()
    return names


def _new_runs(
    config_key: str, entry: VideoEntry, clips: list[Clip], files: list[TracksFile]
) -> Iterator[TrackingRun]:
    for one, clip, file in zip(entry.clips, clips, files, strict=True):
        yield TrackingRun.objects.create(
            clip=clip, config_key=config_key, made_by=file.made_by, stage=Stage.DONE,
            progress=1.0, finished_at=timezone.now(), track_count=len(file.tracks),
            detection_count=_detection_count(one, file),
        )  # fmt: skip


def _import_clip(
    run: TrackingRun, file: TracksFile, content: bytes, ids: Mapping[int, int]
) -> TrackingRun:
    """Give a new run its tracks file, persons and proposals."""
    with work_folder() as folder:
        path = folder / "tracks.json.gz"
        path.write_bytes(content)
        run.tracks = store(path, run.stored_name)
    run.save(update_fields=["tracks"])
    add_persons(
        run.clip.video,
        [
            Person(run=run, track_id=track, person_id=person)
            for track, person in sorted(ids.items())
        ],
        [file],
        [ids],
    )
    Proposal.objects.bulk_create(proposals_of(run, file, ids), batch_size=ROWS_AT_ONCE)
    return run


def _detection_count(one: ClipEntry, file: TracksFile) -> int:
    """As the manifest says; else those that are in the tracks."""
    if one.detections is not None:
        return one.detections
    return sum(int((~np.isnan(track.scores)).sum()) for track in file.tracks)
