"""Releases of a dataset, with their counts and checks ready to be shown."""

import math
from dataclasses import dataclass
from typing import Any

from avaproject.base.work import Stage
from datasets.core.clipping import FRAME_RATE, export_window
from datasets.models import Clip, Dataset
from qc.core.release.formats import FORMATS
from qc.core.release.images import picture_size
from qc.core.release.options import ReleaseOptions
from qc.models import Release, ReleaseSync
from qc.selectors.release.approved_clips import select_clips

COUNTED = ("videos", "clips", "keyframes", "persons", "boxes", "labels", "frames", "excluded")
LEFT_OUT_SHOWN = 20
SIDES = (("full", None), ("640", 640), ("320", 320))
CLIPS_LOOKED_AT = 20
BYTES_PER_PIXEL = 0.17  # JPEG of a street, where no clip's own files are there to look at
FILM_BYTES_PER_PIXEL = 0.012
SMALL_PICTURES_WEIGH = 0.75  # power of the share of pixels


@dataclass
class ReleaseRow:
    """One release as the page shows it."""

    release: Release
    counts: list[tuple[str, int]]
    splits: list[tuple[str, list[int]]]
    parts: list[tuple[str, int]]  # (part, bytes), annotations first
    ceilings: list[tuple[str, float]]  # (split, mAP)
    diff: dict[str, Any]
    choices: list[str]
    warnings: list[str]
    left_out: list[tuple[str, str]]
    left_out_count: int
    passed: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    syncs: list["SyncRow"]
    bucket: str  # that releases can be synced to; empty if there is none

    @property
    def percent(self) -> float:
        return 100 * self.release.progress

    @property
    def is_downloadable(self) -> bool:
        there = self.release.stage == Stage.DONE and self.release.withdrawn_at is None
        return there and bool(self.release.archive or self.release.folder)


@dataclass(frozen=True)
class SyncRow:
    """A release in the bucket, as the page shows it."""

    prefix: str
    address: str
    parts: list[str]
    stage: str
    percent: float
    error: str
    counts: dict[str, int]

    @property
    def is_over(self) -> bool:
        return self.stage in (Stage.DONE, Stage.FAILED)


def release_rows(dataset: Dataset, *, bucket: str = "") -> list[ReleaseRow]:
    """Every release, newest first; `bucket` is the address of the one for syncing."""
    releases = Release.objects.filter(dataset=dataset).select_related(
        "dataset", "created_by", "withdrawn_by"
    )
    return [_row(release, bucket) for release in releases.prefetch_related("syncs")]


def _row(release: Release, bucket: str) -> ReleaseRow:
    counts = release.counts
    left_out = sorted(counts.get("left_out", {}).items())
    return ReleaseRow(
        release,
        counts=[(name, counts[name]) for name in COUNTED if name in counts],
        splits=[
            (split, [numbers.get(name, 0) for name in COUNTED])
            for split, numbers in counts.get("splits", {}).items()
        ],
        parts=sorted(counts.get("parts", {}).items()),
        ceilings=[
            (split, value) for split, value in counts.get("ceilings", {}).items() if value
        ],
        diff=counts.get("diff", {}),
        choices=_choices(ReleaseOptions.read(release.options)),
        warnings=counts.get("warnings", []),
        left_out=left_out[:LEFT_OUT_SHOWN],
        left_out_count=len(left_out),
        passed=[check for check in release.checks if check.get("passed")],
        failed=[check for check in release.checks if not check.get("passed")],
        syncs=[_sync(each, bucket) for each in release.syncs.all()],
        bucket=bucket,
    )


def _sync(sync: ReleaseSync, bucket: str) -> SyncRow:
    return SyncRow(
        sync.prefix, f"{bucket}{sync.prefix}/", sync.parts, sync.stage, 100 * sync.progress,
        sync.error, sync.counts,
    )  # fmt: skip


def _choices(options: ReleaseOptions) -> list[str]:
    """What was chosen other than the default, in words."""
    said = [
        ("annotations alone", not options.with_films),
        ("no pictures", options.with_films and not options.with_pictures),
        (f"pictures of {options.longest_side} pixels", options.longest_side is not None),
        (", ".join(FORMATS[name].title for name in options.formats), bool(options.formats)),
        ("names of AVA v2.2", options.official_names),
        (f"split seed {options.seed}", options.seed != 0),
        ("splits by list", bool(options.split_of)),
        (options.licence, bool(options.licence)),
    ]
    return [words for words, is_so in said if is_so]


@dataclass(frozen=True)
class ReleasePlan:
    """What a release would hold if it were ordered now."""

    clips: int
    left_out: int
    without_film: int  # of `clips`: only a release of annotations alone can hold them
    videos: int
    films: int  # bytes
    pictures: list[tuple[str, int]]  # (choice of the form, bytes, about)


def release_plan(dataset: Dataset) -> ReleasePlan:
    """Sizes of a release of what is approved now, from those of some clips' own files."""
    selection = select_clips(dataset)
    approved = [each.clip for each in selection.approved]
    clips = [clip for clip in approved if clip.video.file]
    some = clips[:: max(1, len(clips) // CLIPS_LOOKED_AT)]
    per_picture, per_film = _bytes_per_pixel(some)
    largest = max((max(_size(clip)) for clip in clips), default=0)
    pictures = [
        (choice, round(per_picture * sum(_picture_pixels(clip, side) for clip in clips)))
        for choice, side in SIDES
        if clips and (side is None or side < largest)
    ]
    films = round(per_film * sum(_picture_pixels(clip, None) for clip in clips))
    videos = len({clip.video_id for clip in approved})
    return ReleasePlan(
        len(approved), len(selection.left_out), len(approved) - len(clips), videos, films,
        pictures,
    )  # fmt: skip


def _size(clip: Clip) -> tuple[int, int]:
    return clip.video.width or 1, clip.video.height or 1


def _picture_pixels(clip: Clip, side: int | None) -> float:
    """Pixels of all pictures of a clip; those of small ones weigh more, as they do in JPEG."""
    size = picture_size(*_size(clip), longest_side=side)
    window = export_window(
        clip.start_frame, clip.frame_count, video_frame_count=clip.video.frame_count or 0
    )
    whole = math.prod(_size(clip))
    return whole * (math.prod(size) / whole) ** SMALL_PICTURES_WEIGH * window.frame_count


def _bytes_per_pixel(clips: list[Clip]) -> tuple[float, float]:
    """Of annotation frames, which are encoded as a release's pictures are, and of films."""
    seen = [clip for clip in clips if clip.frames and clip.file]
    try:
        pictures = sum(clip.frames.size for clip in seen)
        films = sum(clip.file.size for clip in seen)
    except OSError:
        seen = []
    if not seen:
        return BYTES_PER_PIXEL, FILM_BYTES_PER_PIXEL
    shown = sum(math.prod(_size(clip)) * clip.frame_count for clip in seen)
    fps = seen[0].video.dataset.annotation_fps
    return pictures / (shown * fps / FRAME_RATE), films / shown


def is_moving(rows: list[ReleaseRow]) -> bool:
    """Whether a release is being made or synced, or waits to be."""
    stages = {row.release.stage for row in rows} | {s.stage for row in rows for s in row.syncs}
    return not stages.isdisjoint((Stage.WAITING, Stage.RUNNING))
