"""What a release will hold, and what its annotation files do hold."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from datasets.core.formats import ava
from qc.core.release.options import ReleaseOptions
from qc.core.release.records import ReleaseClip
from qc.core.release.splits import Splits
from qc.core.release.stats import ReleaseStats
from qc.core.release.writer import EvaluationSettings, SplitCounts
from qc.selectors.release.approved_clips import ApprovedClip
from qc.services.release.blur_faces import FaceBlurring


class WrittenAnnotations(NamedTuple):
    """What the annotation files of a release hold."""

    counts: dict[str, SplitCounts]
    evaluation: EvaluationSettings
    oracle_aps: dict[str, float | None]
    stats: ReleaseStats
    clips: list[ReleaseClip]  # without persons and proposals


class ReleasePlan(NamedTuple):
    """What a release will hold, decided before the first file is written."""

    options: ReleaseOptions
    approved: list[ApprovedClip]
    left_out: dict[str, str]  # clip -> why
    splits: Splits
    actions: list[ava.AvaAction]
    version: str = ""  # semantic
    answers: Mapping[str, str] = {}  # of the datasheet
    taken_out: Sequence[Mapping[str, str]] = ()  # what no release may hold any more
    blurring: FaceBlurring | None = None  # of faces

    @property
    def warnings(self) -> list[str]:
        """Warnings for users of the release."""
        without = sum(not each.clip.video.file for each in self.approved)
        annotations_only = "Annotations only: this release has no frames and no clips."
        if without:
            annotations_only += (
                f" {without} of {len(self.approved)} clips were imported without a video: they "
                "have no frames at 30 per second, and their timestamps and frame lists count "
                "from the beginning of the imported clip."
            )
        blurred = [self.blurring.sentence] if self.blurring else []
        without_media = [annotations_only] * (not self.options.with_clips)
        return [*without_media, *blurred, *self.splits.warnings]

    @property
    def clips(self) -> list[int]:
        return [each.clip.pk for each in self.approved]
