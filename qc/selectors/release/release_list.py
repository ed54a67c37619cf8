"""The list of releases with counts, checks and bucket copies; size estimates of a new one."""

import math
from dataclasses import dataclass
from typing import Any

from django.db.models import (
    BigIntegerField,
    Count,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    Sum,
    Value,
)
from django.db.models.functions import Least
from django.utils.translation import gettext as _

from avaproject.base.storage import stored_size
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import CONTEXT_BEFORE, FRAME_RATE
from datasets.models import Clip, Dataset
from qc.core.release.blurring import HEADS
from qc.core.release.formats import FORMATS
from qc.core.release.images import frame_size
from qc.core.release.options import ReleaseOptions
from qc.models import ClipStatus, Release, ReleaseSync
from qc.selectors.statuses import clip_statuses

COUNTED = ("videos", "clips", "keyframes", "persons", "boxes", "labels", "frames", "excluded")
LEFT_OUT_SHOWN = 20
SIDES = (("full", None), ("640", 640), ("320", 320))
CLIPS_SAMPLED = 20
BYTES_PER_PIXEL = 0.17  # of a street scene as JPEG, if no clip has files to measure
VIDEO_BYTES_PER_PIXEL = 0.012
SIZE_EXPONENT = 0.75  # bytes grow with this power of the number of pixels


@dataclass
class ReleaseRow:
    """One release, ready for display."""

    release: Release
    counts: list[tuple[str, int]]
    splits: list[tuple[str, list[int]]]
    parts: list[tuple[str, int]]  # (part, bytes), annotations first
    oracle_aps: list[tuple[str, float]]  # (split, mAP)
    diff: dict[str, Any]
    choices: list[str]
    warnings: list[str]
    left_out: list[tuple[str, str]]
    left_out_count: int
    passed: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    copies: list["BucketCopy"]
    bucket: str  # the address of the bucket; empty if none is configured

    @property
    def version(self) -> str:
        """The semantic version; empty if it has none yet."""
        return str(self.release.counts.get("version", ""))

    @property
    def percent(self) -> float:
        return 100 * self.release.progress

    @property
    def is_downloadable(self) -> bool:
        is_kept = self.release.withdrawn_at is None and not self.release.errata
        there = self.release.stage == Stage.DONE and is_kept
        return there and bool(self.release.archive or self.release.folder)


@dataclass(frozen=True)
class BucketCopy:
    """A copy of a release in a bucket, ready for display."""

    prefix: str
    address: str
    parts: list[str]
    stage: str
    percent: float
    error: str
    counts: dict[str, int]

    @property
    def is_finished(self) -> bool:
        return self.stage in (Stage.DONE, Stage.FAILED)


def release_rows(dataset: Dataset, *, bucket: str = "") -> list[ReleaseRow]:
    """Every release, newest first; `bucket` is the address of the bucket."""
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
        oracle_aps=[
            (split, value) for split, value in counts.get("oracle_aps", {}).items() if value
        ],
        diff=counts.get("diff", {}),
        choices=_choices(ReleaseOptions.read(release.options)),
        warnings=counts.get("warnings", []),
        left_out=left_out[:LEFT_OUT_SHOWN],
        left_out_count=len(left_out),
        passed=[check for check in release.checks if check.get("passed")],
        failed=[check for check in release.checks if not check.get("passed")],
        copies=[_copy(each, bucket) for each in release.syncs.all()],
        bucket=bucket,
    )


def _copy(sync: ReleaseSync, bucket: str) -> BucketCopy:
    return BucketCopy(
        sync.prefix, f"{bucket}{sync.prefix}/", sync.parts, sync.stage, 100 * sync.progress,
        sync.error, sync.counts,
    )  # fmt: skip


def _choices(options: ReleaseOptions) -> list[str]:
    """The options that are not the default, as text."""
    texts = [
        (_("annotations only"), not options.with_clips),
        (_("no frames"), options.with_clips and not options.with_frames),
        (
            _("frames of %(longest_side)s pixels") % {"longest_side": options.longest_side},
            options.longest_side is not None,
        ),
        (", ".join(FORMATS[name].title for name in options.formats), bool(options.formats)),
        (_("AVA v2.2 file names"), options.official_names),
        (_("split seed %(seed)s") % {"seed": options.seed}, options.seed != 0),
        (_("split list"), bool(options.split_of)),
        (options.licence, bool(options.licence)),
        ("public", options.is_public),
        (_("heads blurred"), options.blur_faces == HEADS),
        (
            _("faces blurred with %(blur_faces)s") % {"blur_faces": options.blur_faces},
            options.blur_faces not in ("", HEADS),
        ),
    ]
    return [text for text, is_used in texts if is_used]


@dataclass(frozen=True)
class ReleaseEstimate:
    """What a release created now would hold."""

    clips: int
    left_out: int
    without_video: int  # of `clips`: only a release of annotations can hold them
    videos: int
    video_bytes: int
    frames: list[tuple[str, int]]  # (choice of the form, estimated bytes)


def estimate_release(dataset: Dataset) -> ReleaseEstimate:
    """A release of the clips approved now; sizes are estimated from files of some clips."""
    statuses = clip_statuses(dataset)
    approved = statuses.filter(is_releasable=True).order_by()
    clips = approved.exclude(clip__video__file="")
    counts = approved.aggregate(
        clips=Count("pk"),
        with_video=Count("pk", filter=~Q(clip__video__file="")),
        videos=Count("clip__video", distinct=True),
    )
    count, with_video = counts["clips"], counts["with_video"]
    keys = clips.values_list("pk", flat=True).order_by("pk")
    some = Clip.objects.filter(pk__in=keys[:: max(1, with_video // CLIPS_SAMPLED)])
    per_frame, per_video = _bytes_per_pixel(list(some.select_related("video__dataset")))
    sizes = _frames_by_size(clips)
    largest = max((max(size) for size in sizes), default=0)
    frames = [
        (choice, round(per_frame * _encoded_pixels(sizes, side)))
        for choice, side in SIDES
        if sizes and (side is None or side < largest)
    ]
    return ReleaseEstimate(
        count, statuses.count() - count, count - with_video, counts["videos"],
        round(per_video * _encoded_pixels(sizes, None)), frames,
    )  # fmt: skip


def _frames_by_size(statuses: QuerySet[ClipStatus]) -> dict[tuple[int, int], int]:
    """The frames that a release would hold of these clips, by width and height."""
    start, length = F("clip__start_frame"), F("clip__frame_count")
    pad = Least(Value(CONTEXT_BEFORE), start)  # `export_window` also cuts it to whole seconds
    end = Least(start + length + CONTEXT_BEFORE, F("clip__video__frame_count"))
    frames = ExpressionWrapper(end - start + pad, BigIntegerField())
    rows = statuses.values_list("clip__video__width", "clip__video__height")
    return {
        (width or 1, height or 1): count or 0
        for width, height, count in rows.annotate(frames=Sum(frames))
    }


def _encoded_pixels(sizes: dict[tuple[int, int], int], side: int | None) -> float:
    """Pixels of all frames; those of small frames take more bytes in JPEG."""
    total = 0.0
    for size, frames in sizes.items():
        whole = math.prod(size)
        shown = math.prod(frame_size(*size, longest_side=side))
        total += whole * (shown / whole) ** SIZE_EXPONENT * frames
    return total


def _size(clip: Clip) -> tuple[int, int]:
    return clip.video.width or 1, clip.video.height or 1


def _bytes_per_pixel(clips: list[Clip]) -> tuple[float, float]:
    """Bytes per pixel of annotation frames, encoded like release frames, and of videos."""
    seen = [clip for clip in clips if clip.frame_bytes and clip.file]
    fps = seen[0].video.dataset.annotation_fps if seen else 1
    try:
        shown_frames = ((one.frame_bytes or 0) * one.frame_count for one in seen)
        frames = sum(shown_frames) * fps / FRAME_RATE
        videos_size = sum(stored_size(str(clip.file)) for clip in seen)
    except OSError:
        seen = []
    if not seen:
        return BYTES_PER_PIXEL, VIDEO_BYTES_PER_PIXEL
    shown = sum(math.prod(_size(clip)) * clip.frame_count for clip in seen)
    return frames / (shown * fps / FRAME_RATE), videos_size / shown


def is_in_progress(rows: list[ReleaseRow]) -> bool:
    """Whether a release is being created or copied, or waits for it."""
    stages = {row.release.stage for row in rows} | {s.stage for row in rows for s in row.copies}
    return not stages.isdisjoint((Stage.WAITING, Stage.RUNNING))
