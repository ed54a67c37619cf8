"""Create a release: a numbered, checked AVA dataset of the approved clips.

A release is written to a hidden folder beside its place and renamed when its checks have
passed. Its bytes do not depend on the date, the time zone, the database or interruptions.
"""

import pickle
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Max

from avaproject.base.storage import local_path
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.core.formats import ava
from datasets.core.media.video_reader import MediaError
from datasets.models import Action, ActionGroup, Dataset, Video
from qc.core.release.checks.run_checks import Check, check_release
from qc.core.release.formats import FORMATS, FormatContext, FormatWriter
from qc.core.release.options import OptionsError, ReleaseOptions
from qc.core.release.packing import FileSum, part_sizes, write_manifest
from qc.core.release.provenance import ProvenanceWriter
from qc.core.release.records import ANNOTATED, ReleaseClip
from qc.core.release.splits import SPLITS, split_videos
from qc.core.release.stats import ReleaseStats
from qc.core.release.writer import AnnotationWriter, add_official_names
from qc.models import Release
from qc.selectors.release.approved_clips import Selection, select_clips
from qc.services.release.changes import changes_since_previous
from qc.services.release.clip_content import (
    ContentReader,
    UnknownActionError,
)
from qc.services.release.export_media import (
    ExportError,
    add_clip_media,
    add_clip_video,
    export_all,
    request_clip_export,
    video_sum,
)
from qc.services.release.release_docs import (
    ReleasePlan,
    WrittenAnnotations,
    counts_of,
    manifest,
    write_texts,
)
from qc.services.release.release_storage import part_folder, store_release

WITHOUT_VIDEO = "imported without a video: only in releases of annotations"

ProgressListener = Callable[[float, str], None]
Progress = Callable[[float], None]


class ReleaseError(RuntimeError):
    """There is nothing to release, or the release did not pass its checks."""


def request_release(
    dataset: Dataset, *, user: User | None = None, options: ReleaseOptions | None = None
) -> Release:
    """Request the next release of `dataset`, or return a waiting one with the same options."""
    chosen = (options or ReleaseOptions()).as_json()
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        releases = Release.objects.filter(dataset=dataset)
        for waiting in releases.filter(stage=Stage.WAITING):
            if waiting.options == chosen:
                return waiting
        newest = releases.aggregate(newest=Max("number"))["newest"] or 0
        return Release.objects.create(
            dataset=dataset, number=newest + 1, created_by=user, options=chosen
        )


def make_release(
    release_id: int, *, on_progress: ProgressListener = lambda share, what: None
) -> Release | None:
    """Create one release; None if another worker has it or it is done.

    Args:
        on_progress: Called with the share done and the current step.
    """
    release = Release.objects.claim(release_id)
    if release is None:
        return None

    def part(low: float, high: float, what: str) -> Progress:
        def progress(share: float) -> None:
            release.report(share)
            on_progress(share, what)

        progress(low)
        return _subrange(progress, low, high)

    expected = (
        ReleaseError, MediaError, ExportError, OptionsError, ava.AvaFormatError,
        UnknownActionError,
    )  # fmt: skip
    with (
        release.working(*expected),
        part_folder(release) as folder,
        work_folder() as spool,
        (spool / "clips").open("w+b") as content,
    ):
        part(0.0, 0.02, "reading answers")
        plan = _plan(release, content)
        written = _write_annotations(folder, release, plan, content)
        known, compared = _bring_media(folder, plan, part(0.05, 0.8, "extracting frames"))
        write_texts(release, folder, plan, written)
        sums = write_manifest(
            folder,
            manifest(release, plan, written),
            known=known,
            progress=part(0.8, 0.85, "computing checksums"),
        )
        checks = check_release(
            folder, compared=compared, known=known, progress=part(0.85, 1.0, "checking")
        )
        _require_passed(release, checks)
        counts = counts_of(release, plan, written, part_sizes(sums))
        counts["diff"] = changes_since_previous(release, folder, counts)
        kept = store_release(release, folder, sums)
        counts |= {"archives": kept.archives, "manifest": sums["manifest.json"].sha256}
        release.finish(counts=counts, checks=checks, archive=kept.archive, folder=kept.folder)
    return release


def _plan(release: Release, content: BinaryIO) -> ReleasePlan:
    """Decide what the release holds, and write the content of its clips to `content`.

    Answers are read only once, so later changes go into the next release. Raises ReleaseError
    if there is nothing to release.
    """
    dataset, options = release.dataset, ReleaseOptions.read(release.options)
    selection = select_clips(dataset)
    left_out = dict(selection.left_out)
    labels: dict[str, Counter[int]] = defaultdict(Counter)
    approved = []
    chosen = [
        each for each in selection.approved if each.clip.video.file or not options.with_clips
    ]
    if selection.approved and not chosen:
        raise ReleaseError(
            f"No approved clip of {dataset} has a video, because they were imported without: "
            "create a release of annotations only (make_release --frames annotations)."
        )
    left_out |= {
        each.clip.name: WITHOUT_VIDEO for each in selection.approved if each not in chosen
    }
    for each, clip in zip(chosen, ContentReader(dataset).read(chosen), strict=True):
        if ANNOTATED not in clip.keyframes.values():
            left_out[clip.name] = "every keyframe has undecided items"
            continue
        approved.append(each)
        pickle.dump(clip, content)
        labels[clip.source_video].update(a for each in clip.persons for a in each.action_ids)
    if not approved:
        raise ReleaseError(_nothing_to_release(dataset, selection, left_out))
    kept = _kept_splits(dataset, options)
    splits = split_videos(labels, seed=options.seed, kept=kept)
    actions = [
        ava.AvaAction(action.action_id, action.name, action.group.label_type)
        for action in Action.objects.filter(dataset=dataset)
        .select_related("group")
        .order_by("action_id")
    ]
    return ReleasePlan(options, approved, left_out, splits, actions)


def _nothing_to_release(
    dataset: Dataset, selection: Selection, left_out: dict[str, str]
) -> str:
    first = "; ".join(f"{clip}: {reason}" for clip, reason in list(left_out.items())[:3])
    if selection.approved:
        return f"All keyframes of {dataset} have undecided items ({first}). Decide them first."
    why = f" ({first})" if first else ""
    return f"{dataset} has no approved clip{why}. Approve all tasks of a clip first."


def _kept_splits(dataset: Dataset, options: ReleaseOptions) -> dict[str, str]:
    """The fixed splits: those of earlier releases and of the split list."""
    earlier = earlier_splits(dataset)
    for video, split in options.split_of.items():
        if earlier.get(video, split) != split:
            raise ReleaseError(
                f"The split list has {video} in {split}, but it was in {earlier[video]} in an "
                "earlier release, and a video keeps its split: remove it from the list."
            )
    return earlier | dict(options.split_of)


def earlier_splits(dataset: Dataset) -> dict[str, str]:
    """The split of every video of earlier releases; a later release wins."""
    split_of: dict[str, str] = {}
    for earlier in Release.objects.filter(dataset=dataset).done().order_by("number"):
        split_of |= earlier.counts.get("split_of", {})
    return split_of


def _write_annotations(
    folder: Path, release: Release, plan: ReleasePlan, content: BinaryIO
) -> WrittenAnnotations:
    """Write all rows in all formats; keep what the manifest needs of each clip."""
    split_of = plan.splits.split_of
    used = [split for split in SPLITS if split != "test" or split in split_of.values()]
    clips, stats, provenance = [], ReleaseStats(), ProvenanceWriter(folder)
    formats = _formats(folder, release, plan, used)
    with AnnotationWriter(folder, splits=used) as writer:
        content.seek(0)
        for _ in plan.approved:
            clip: ReleaseClip = pickle.load(content)  # noqa: S301  written above
            placed = replace(clip, split=split_of[clip.source_video])
            for each in (writer, stats, provenance, *formats):
                each.add(placed)  # type: ignore[attr-defined]
            clips.append(replace(placed, persons=[], proposals={}, versions=()))
        evaluation = writer.finish(plan.actions)
    for other in (provenance, *formats):
        other.finish()
    if plan.options.official_names:
        add_official_names(folder)
    oracle_aps = {split: _rounded(its.mean()) for split, its in writer.oracle_aps.items()}
    return WrittenAnnotations(writer.counts, evaluation, oracle_aps, stats, clips)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _formats(
    folder: Path, release: Release, plan: ReleasePlan, splits: list[str]
) -> list[FormatWriter]:
    groups = [
        group.spec()
        for group in ActionGroup.objects.filter(dataset=release.dataset)
        .prefetch_related("actions")
        .order_by("position")
    ]
    writers = []
    for name in sorted(plan.options.formats):
        place = folder / "formats" / name
        place.mkdir(parents=True)
        context = FormatContext(place, str(release), plan.actions, groups, splits)
        writers.append(FORMATS[name].writer(context))
    return writers


def _bring_media(
    folder: Path, plan: ReleasePlan, progress: Progress
) -> tuple[dict[str, FileSum], set[str]]:
    """Add the frames and clip files of all clips.

    Returns:
        The known checksums, and the clips whose frames were compared with the clip file.
    """
    known: dict[str, FileSum] = {}
    compared: set[str] = set()
    if not plan.options.with_clips:
        return known, compared
    exports = []
    for video, group in groupby(plan.approved, key=lambda each: each.clip.video):
        _require_video(video)
        if not plan.options.with_frames:
            with local_path(video.file.name or "") as path:
                for each in group:
                    add_clip_video(each.clip, folder, video=path)
            continue
        its, side = video_sum(video), plan.options.longest_side
        exports += [
            request_clip_export(each.clip, video_sum=its, longest_side=side) for each in group
        ]
    export_all([export.pk for export in exports], progress=_subrange(progress, 0.0, 0.9))
    for done, export in enumerate(exports):
        known |= add_clip_media(export, folder)
        compared.add(export.clip.name)
        progress(0.9 + 0.1 * done / len(exports))
    return known, compared


def _require_video(video: Video) -> None:
    """Raises ReleaseError if the standard video is not in the storage."""
    if not default_storage.exists(video.file.name or ""):
        raise ReleaseError(
            f"the standard video of {video} is no longer in the storage: recreate it."
        )


def _require_passed(release: Release, checks: list[Check]) -> None:
    """Store the results of the checks; raise ReleaseError if one failed."""
    Release.objects.filter(pk=release.pk, claim_token=release.claim_token).update(checks=checks)
    if failed := [check["sentence"] for check in checks if not check["passed"]]:
        raise ReleaseError(f"The release did not pass its checks. {' '.join(failed)}")


def _subrange(progress: Progress, low: float, high: float) -> Progress:
    """A listener that maps 0..1 to `low`..`high` of another listener."""
    return lambda share: progress(low + (high - low) * share)
