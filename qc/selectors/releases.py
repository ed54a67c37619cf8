"""Releases of a dataset, with their counts and checks ready to be shown."""

from dataclasses import dataclass
from typing import Any

from datasets.core.clipping import export_window
from datasets.models import Clip, Dataset
from datasets.stages import Stage
from qc.core.formats import FORMATS
from qc.core.pictures import picture_size
from qc.core.release_options import ReleaseOptions
from qc.models import Release
from qc.selectors.release_clips import select_clips

COUNTED = ("videos", "clips", "keyframes", "persons", "boxes", "labels", "frames", "excluded")
LEFT_OUT_SHOWN = 20
SIDES = (("full", None), ("640", 640), ("320", 320))
BYTES_PER_PIXEL = 0.17  # JPEG at quality 90 of street videos, measured
FILM_BYTES_PER_PIXEL = 0.012  # of a standard video


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

    @property
    def percent(self) -> float:
        return 100 * self.release.progress

    @property
    def is_downloadable(self) -> bool:
        there = self.release.stage == Stage.DONE and self.release.withdrawn_at is None
        return there and bool(self.release.archive or self.release.folder)


def release_rows(dataset: Dataset) -> list[ReleaseRow]:
    """Every release, newest first."""
    releases = Release.objects.filter(dataset=dataset).select_related(
        "created_by", "withdrawn_by"
    )
    return [_row(release) for release in releases]


def _row(release: Release) -> ReleaseRow:
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
    )


def _choices(options: ReleaseOptions) -> list[str]:
    """What was chosen other than the default, in words."""
    said = [
        ("no pictures", not options.with_pictures),
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
    videos: int
    films: int  # bytes
    pictures: list[tuple[str, int]]  # (choice of the form, bytes, about)


def release_plan(dataset: Dataset) -> ReleasePlan:
    """Sizes of a release of what is approved now."""
    selection = select_clips(dataset)
    clips = [each.clip for each in selection.approved]
    sizes = {
        choice: sum(_picture_bytes(clip, side) for clip in clips) for choice, side in SIDES
    }
    films = sum(_film_bytes(clip) for clip in clips)
    videos = len({clip.video_id for clip in clips})
    return ReleasePlan(len(clips), len(selection.left_out), videos, films, list(sizes.items()))


def _picture_bytes(clip: Clip, side: int | None) -> int:
    width, height = clip.video.width or 1, clip.video.height or 1
    size = picture_size(width, height, longest_side=side)
    window = export_window(
        clip.start_frame, clip.frame_count, video_frame_count=clip.video.frame_count or 0
    )
    return round(BYTES_PER_PIXEL * size[0] * size[1] * window.frame_count)


def _film_bytes(clip: Clip) -> int:
    """Bytes of the clip's film as a release has it: its own, and the padding's share."""
    video = clip.video
    window = export_window(
        clip.start_frame, clip.frame_count, video_frame_count=video.frame_count or 0
    )
    pixels = (video.width or 0) * (video.height or 0)
    return round(FILM_BYTES_PER_PIXEL * pixels * window.frame_count)


def is_moving(rows: list[ReleaseRow]) -> bool:
    """Whether a release is being made or waits to be."""
    return any(row.release.stage in (Stage.WAITING, Stage.RUNNING) for row in rows)
