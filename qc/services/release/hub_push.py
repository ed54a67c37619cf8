"""Releases pushed to the Hugging Face Hub as a dataset repository.

The layout is the release itself: its `README.md` has the header that the Hub reads, and the
viewer shows the tables of `formats/parquet/`. Files that are there already are not sent again.
"""

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from django.core.files.storage import default_storage
from django.utils.translation import gettext as _

from qc.core.release.packing import PARTS
from qc.models import Release

TARGET = re.compile(r"hf:([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)", re.ASCII)


class PushError(RuntimeError):
    """A release cannot be pushed; the message says why and what to do."""


class HubApi(Protocol):
    """What is used of `huggingface_hub.HfApi`."""

    @property
    def create_repo(self) -> Callable[..., Any]: ...

    @property
    def upload_folder(self) -> Callable[..., Any]: ...


class PushResult(NamedTuple):
    """Where a release is now."""

    repository: str
    revision: str  # commit of the Hub


def push_release(
    release: Release,
    target: str,
    *,
    parts: Collection[str],
    api: HubApi,
    is_private: bool = True,
) -> PushResult:
    """Push the annotations and these parts of a release to `hf:ORG/NAME`.

    Raises:
        PushError: if it cannot be pushed there.
    """
    match = TARGET.fullmatch(target)
    if match is None:
        raise PushError(
            _("%(target)r is not a target such as hf:ORG/NAME") % {"target": target}
        )
    _require_ready(release, is_private=is_private)
    folder = Path(default_storage.path(release.folder))
    if not folder.is_dir():
        raise PushError(
            _("the files of %(release)s are no longer in the storage") % {"release": release}
        )
    repository = match[1]
    api.create_repo(repository, repo_type="dataset", private=is_private, exist_ok=True)
    left_out = [f"{PARTS[part]}**" for part in PARTS if part not in {"formats", *parts}]
    version = release.counts.get("version", "")
    commit = api.upload_folder(
        repo_id=repository,
        repo_type="dataset",
        folder_path=folder,
        ignore_patterns=left_out,
        commit_message=f"{release}{f', version {version}' if version else ''}",
    )
    return PushResult(repository, str(getattr(commit, "oid", "")))


def _require_ready(release: Release, *, is_private: bool) -> None:
    """Raises PushError if a release has no files, or may not or should not be passed on."""
    if not Release.objects.available().filter(pk=release.pk).exists() or not release.folder:
        raise PushError(_("%(release)s has no folder in the storage") % {"release": release})
    if release.errata:
        raise PushError(
            _(
                "%(release)s holds %(errata)s, which was taken out: push the release that "
                "follows it"
            )
            % {"release": release, "errata": release.errata[0]["what"]}
        )
    if "parquet" not in release.options.get("formats", []):
        raise PushError(
            _(
                "%(release)s has no Parquet tables, so the Hub would show nothing: make it "
                "with --format parquet"
            )
            % {"release": release}
        )
    if not is_private and not release.options.get("is_public"):
        raise PushError(
            f"{release} is not a public release: push it with --private, or make one with "
            "--public, which asks for licence and datasheet"
        )
