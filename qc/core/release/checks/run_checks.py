"""The checks of every release: its files, read again as their consumers read them.

Nothing here knows how the files were written. Each check reads the folder and gives one
sentence: what holds, or which file and row break it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NotRequired, TypedDict

from qc.core.release.checks import blurring as blurring
from qc.core.release.checks import documents as documents
from qc.core.release.checks import formats as formats
from qc.core.release.checks import manifest as lists
from qc.core.release.checks import media as media
from qc.core.release.checks import motion as motion
from qc.core.release.checks import pixels as pixels
from qc.core.release.checks import plausibility as plausibility
from qc.core.release.checks import proposals as proposals
from qc.core.release.checks import provenance as provenance
from qc.core.release.checks import rows as rows
from qc.core.release.checks import training_configs as configs
from qc.core.release.checks import vocabulary as vocabulary
from qc.core.release.checks.expectations import ODD_CONTENT, CheckFailedError
from qc.core.release.packing import FileSum, ignore
from qc.core.release.reader import ReleaseReader, ReleaseReadError

# Checks by likelihood. They may fail on a release whose provenance is sound, such as one of odd
# footage: whoever makes a release is warned, and is not kept from it.
BY_LIKELIHOOD = ("split sizes", "identities", "scores", "motion", "decisions")


class Check(TypedDict):
    name: str
    passed: bool
    sentence: str
    skipped: NotRequired[bool]  # a library that it needs is not installed here


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
    is_complete: bool = True,
) -> Iterator[Check]:
    """The same, one after the other as they are done.

    Args:
        is_complete: Whether frames, clips and formats must be there; if not, a folder that a
            download left out is not missed.
    """
    release = ReleaseReader(folder, compared=compared, known=known, is_complete=is_complete)
    for name, check in _CHECKS:
        try:
            yield Check(name=name, passed=True, sentence=check(release))
        except (CheckFailedError, ReleaseReadError) as error:
            yield Check(name=name, passed=False, sentence=str(error))
        except ODD_CONTENT as error:  # no check foresaw it; the others go on
            sentence = (
                f"This cannot be checked: a file holds what none should ({error!r:.200})."
            )
            yield Check(name=name, passed=False, sentence=sentence)
        except ImportError as error:
            sentence = f"Not checked: {error.name or error} is not installed."
            yield Check(name=name, passed=True, skipped=True, sentence=sentence)


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
    ("vocabulary", vocabulary.check_vocabulary),
    ("near boxes", plausibility.check_near_boxes),
    ("coverage", plausibility.check_coverage),
    ("split sizes", plausibility.check_split_sizes),
    ("counts", plausibility.check_counts),
    ("identities", plausibility.check_identities),
    ("scores", plausibility.check_scores),
    ("provenance", provenance.check_provenance),
    ("votes", provenance.check_votes),
    ("decisions", provenance.check_decisions),
    ("drawn boxes", provenance.check_drawn_boxes),
    ("tracked boxes", provenance.check_tracked_boxes),
    ("looks", pixels.check_looks),
    ("same footage", pixels.check_same_footage),
    ("motion", motion.check_motion),
    ("blurring", blurring.check_blurring),
    ("documents", documents.check_documents),
    ("croissant", documents.check_croissant),
    ("further formats", formats.check_formats),
    ("official names", lists.check_official_names),
    ("checksums", media.check_sums),
)
