"""Releases of a dataset, with their counts and checks ready to be shown."""

from dataclasses import dataclass
from typing import Any

from datasets.models import Dataset
from datasets.stages import Stage
from qc.models import Release

COUNTED = ("videos", "clips", "keyframes", "persons", "boxes", "labels", "frames", "excluded")
LEFT_OUT_SHOWN = 20


@dataclass
class ReleaseRow:
    """One release as the page shows it."""

    release: Release
    counts: list[tuple[str, int]]
    splits: list[tuple[str, list[int]]]
    size: int | None  # bytes of the archive
    sha256: str
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
        return self.release.stage == Stage.DONE and bool(self.release.archive)


def release_rows(dataset: Dataset) -> list[ReleaseRow]:
    """Every release, newest first."""
    releases = Release.objects.filter(dataset=dataset).select_related("created_by")
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
        size=counts.get("archive", {}).get("bytes"),
        sha256=counts.get("archive", {}).get("sha256", ""),
        warnings=counts.get("warnings", []),
        left_out=left_out[:LEFT_OUT_SHOWN],
        left_out_count=len(left_out),
        passed=[check for check in release.checks if check.get("passed")],
        failed=[check for check in release.checks if not check.get("passed")],
    )


def is_moving(rows: list[ReleaseRow]) -> bool:
    """Whether a release is being made or waits to be."""
    return any(row.release.stage in (Stage.WAITING, Stage.RUNNING) for row in rows)
