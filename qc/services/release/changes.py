"""What changed between two releases of a dataset."""

from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage

from qc.core.release.diff import diff_agreement, diff_releases
from qc.core.release.reader import ReleaseReader, ReleaseReadError
from qc.models import Release


class ChangesError(RuntimeError):
    """Two releases cannot be compared; the text says which one is not there."""


def changes_between(before: Release, after: Release) -> dict[str, Any]:
    """As `diff_releases` says it, with the agreement of the groups.

    Raises:
        ChangesError: if the files of one are not on local disk.
    """
    try:
        found = diff_releases(_reader(before), _reader(after))
    except ReleaseReadError as error:
        raise ChangesError(str(error)) from error
    sentences = _agreement(before.counts, after.counts)
    return found | {"sentences": [*found["sentences"], *sentences]}


def changes_since_the_last(release: Release, folder: Path, counts: dict[str, Any]) -> Any:
    """What a new release, still in `folder`, changes; empty if there is none to compare."""
    earlier = Release.objects.there().filter(dataset=release.dataset, number__lt=release.number)
    before = earlier.exclude(folder="").order_by("-number").first()
    if before is None:
        return {}
    try:
        found = diff_releases(_reader(before), ReleaseReader(folder))
    except (ChangesError, ReleaseReadError):
        return {}  # somebody deleted its files beside us: that is no fault of the new one
    sentences = _agreement(before.counts, counts)
    return {"since": before.number, "sentences": [*found["sentences"], *sentences]}


def _agreement(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    if "agreement" not in before or "agreement" not in after:
        return []  # made before agreement was kept with a release
    return diff_agreement(before["agreement"], after["agreement"])


def _reader(release: Release) -> ReleaseReader:
    if release.withdrawn_at or not release.folder:
        raise ChangesError(f"the files of {release} are not here as a folder")
    return ReleaseReader(Path(default_storage.path(release.folder)))
