"""The checks of every release: its files, read again as their consumers read them.

Nothing here knows how the files were written. Each check reads the folder and gives one
sentence: what holds, or which file and row break it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TypedDict

from qc.core.release.checks import documents as documents
from qc.core.release.checks import manifest as lists
from qc.core.release.checks import media as media
from qc.core.release.checks import proposals as proposals
from qc.core.release.checks import rows as rows
from qc.core.release.checks import training_configs as configs
from qc.core.release.checks.expectations import CheckFailedError
from qc.core.release.packing import FileSum, ignore
from qc.core.release.reader import ReleaseReader, ReleaseReadError


class Check(TypedDict):
    name: str
    passed: bool
    sentence: str


def check_release(
    folder: Path,
    *,
    compared: Collection[str] = (),
    known: Mapping[str, FileSum] | None = None,
    progress: Callable[[float], None] = ignore,
) -> list[Check]:
    """Check a release folder from end to end.

    Args:
        folder: Holds `manifest.json`, `annotations/`, `rawframes/` and the rest.
        compared: Clips whose frames were compared with their clips when they were made.
        known: Sums computed when files were made: they are read again, but only for their CRC.
        progress: Gets the share done, 0 to 1.

    Returns:
        One result per check, always the same checks in the same order. A file that cannot be
        read fails every check that needs it.
    """
    checks: list[Check] = []
    for check in checks_of(folder, compared=compared, known=known):
        checks.append(check)
        progress(len(checks) / len(_CHECKS))
    return checks


def checks_of(
    folder: Path,
    *,
    compared: Collection[str] = (),
    known: Mapping[str, FileSum] | None = None,
) -> Iterator[Check]:
    """The same, one after the other as they are done."""
    release = ReleaseReader(folder, compared=compared, known=known)
    for name, check in _CHECKS:
        try:
            sentence, passed = check(release), True
        except (CheckFailedError, ReleaseReadError) as error:
            sentence, passed = str(error), False
        yield Check(name=name, passed=passed, sentence=sentence)


_CHECKS: tuple[tuple[str, Callable[[ReleaseReader], str]], ...] = (
    ("manifest", lists.check_manifest),
    ("rows", rows.check_rows),
    ("order", rows.check_order),
    ("coordinates", rows.check_coordinates),
    ("actions", lists.check_actions),
    ("persons", rows.check_persons),
    ("keyframes", rows.check_keyframes),
    ("included timestamps", rows.check_included),
    ("frames", media.check_frames),
    ("clips", media.check_clips),
    ("frame content", media.check_frame_content),
    ("proposals", proposals.check_proposals),
    ("negatives", proposals.check_negatives),
    ("oracle mAP", proposals.check_oracle_ap),
    ("splits", rows.check_splits),
    ("excluded timestamps", rows.check_excluded),
    ("empty keyframes", rows.check_empty_keyframes),
    ("evaluation", rows.check_evaluation),
    ("frame lists", lists.check_frame_lists),
    ("training configurations", configs.check_configurations),
    ("all splits together", rows.check_together),
    ("provenance", documents.check_provenance),
    ("documents", documents.check_documents),
    ("further formats", documents.check_formats),
    ("official names", lists.check_official_names),
    ("checksums", media.check_sums),
)
