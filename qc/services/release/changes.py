"""What changed between two releases of a dataset."""

from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.utils.translation import gettext as _

from qc.core.release.diff import diff_agreement, diff_releases
from qc.core.release.reader import ReleaseReader, ReleaseReadError
from qc.core.release.versions import FIRST, ReleaseOutline, next_version, outline_of
from qc.models import Release


class ReleaseDiffError(RuntimeError):
    """Two releases cannot be compared; the message says which one has no files."""


def release_changes(before: Release, after: Release) -> dict[str, Any]:
    """The result of `diff_releases` with the changes in agreement.

    Raises:
        ReleaseDiffError: if the files of a release are not on the local disk.
    """
    try:
        found = diff_releases(_reader(before), _reader(after))
    except ReleaseReadError as error:
        raise ReleaseDiffError(str(error)) from error
    sentences = diff_agreement(before.counts["agreement"], after.counts["agreement"])
    return found | {"sentences": [*found["sentences"], *sentences]}


def changes_since_previous(release: Release, folder: Path, counts: dict[str, Any]) -> Any:
    """The changes of a new release in `folder`; empty without a previous release."""
    earlier = Release.objects.available().filter(
        dataset=release.dataset, number__lt=release.number
    )
    before = earlier.exclude(folder="").order_by("-number").first()
    if before is None:
        return {}
    try:
        found = diff_releases(_reader(before), ReleaseReader(folder))
    except (ReleaseDiffError, ReleaseReadError):
        return {}  # its files were deleted meanwhile: not a fault of the new release
    sentences = diff_agreement(before.counts["agreement"], counts["agreement"])
    return {"since": before.number, "sentences": [*found["sentences"], *sentences]}


def version_of(release: Release, outline: ReleaseOutline) -> str:
    """The semantic version of a release that holds `outline`, after the newest before it."""
    earlier = Release.objects.filter(dataset=release.dataset, number__lt=release.number)
    before = earlier.done().order_by("-number").first()
    if before is None:
        return FIRST
    version = before.counts.get("version", FIRST)
    try:
        return next_version(version, outline_of(_reader(before).manifest()), outline)
    except (ReleaseDiffError, ReleaseReadError):  # its files are gone: it may hold anything
        return next_version(version, outline, outline._replace(splits={}))


def _reader(release: Release) -> ReleaseReader:
    if release.withdrawn_at or not release.folder:
        raise ReleaseDiffError(
            _("the files of %(release)s are not stored as a local folder")
            % {"release": release}
        )
    return ReleaseReader(Path(default_storage.path(release.folder)))
