"""Stage 11: what is approved becomes a numbered AVA dataset, checked from end to end.

A release grows in `<dataset>/releases/<number>.<attempt>.part` and gets its name when the check
has passed. Nothing in it depends on the day, the time zone, the database, or on how often the
work was interrupted.
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

from annotation.core.labels import GroupSpec
from avaproject.base.storage import local_path, work_folder
from avaproject.base.work import Stage
from datasets.core import ava
from datasets.core.media import MediaError
from datasets.models import Action, ActionGroup, Dataset, Video
from qc.core.release.checks.run_checks import Check, check_release
from qc.core.release.formats import FORMATS, FormatContext, FormatWriter
from qc.core.release.options import OptionsError, ReleaseOptions
from qc.core.release.packing import FileSum, part_sizes, write_manifest
from qc.core.release.provenance import ProvenanceWriter
from qc.core.release.records import ANNOTATED, ReleaseClip
from qc.core.release.splits import SPLITS, split_videos
from qc.core.release.stats import Tally
from qc.core.release.writer import AnnotationWriter, add_official_names
from qc.models import Release
from qc.selectors.release.approved_clips import Selection, select_clips
from qc.services.release.export_media import (
    ExportError,
    bring_clip,
    bring_film,
    export_all,
    order_export,
    video_sum,
)
from qc.services.release.changes import changes_since_the_last
from qc.services.release.content import (
    ContentReader,
    UnknownActionError,
)
from qc.services.release.release_storage import keep_release, part_folder
from qc.services.release.release_docs import Draft, Written, counts_of, manifest, write_texts

WITHOUT_FILM = "it came without film: only a release of annotations alone can hold it"

Tell = Callable[[float, str], None]
Progress = Callable[[float], None]


class ReleaseError(RuntimeError):
    """There is nothing to release, or what was made is not what it should be."""


def order_release(
    dataset: Dataset, *, user: User | None = None, options: ReleaseOptions | None = None
) -> Release:
    """The next release of `dataset`, waiting to be made; one that waits with the same options
    already is that one."""
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


def make_release(release_id: int, *, tell: Tell = lambda share, what: None) -> Release | None:
    """Make one release; None if somebody else has it or it is done.

    Args:
        tell: Told the share done and what is being done, as often as something moves.
    """
    release = Release.objects.claim(release_id)
    if release is None:
        return None

    def part(low: float, high: float, what: str) -> Progress:
        def progress(share: float) -> None:
            release.report(share)
            tell(share, what)

        progress(low)
        return _part(progress, low, high)

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
        draft = _draft(release, content)
        written = _write_annotations(folder, release, draft, content)
        known, compared = _bring_media(folder, draft, part(0.05, 0.8, "making pictures"))
        write_texts(release, folder, draft, written)
        sums = write_manifest(
            folder,
            manifest(release, draft, written),
            known=known,
            progress=part(0.8, 0.85, "adding up sums"),
        )
        checks = check_release(
            folder, compared=compared, known=known, progress=part(0.85, 1.0, "checking")
        )
        _accept(release, checks)
        counts = counts_of(release, draft, written, part_sizes(sums))
        counts["diff"] = changes_since_the_last(release, folder, counts)
        kept = keep_release(release, folder, sums)
        counts |= {"archives": kept.archives, "manifest": sums["manifest.json"].sha256}
        release.finish(counts=counts, checks=checks, archive=kept.archive, folder=kept.folder)
    return release


def _draft(release: Release, content: BinaryIO) -> Draft:
    """Decide what the release holds, and put what its clips hold into `content`.

    The answers are read this once, so what changes meanwhile is for the next release. Raises
    ReleaseError if there is nothing to release.
    """
    dataset, options = release.dataset, ReleaseOptions.read(release.options)
    selection = select_clips(dataset)
    left_out = dict(selection.left_out)
    labels: dict[str, Counter[int]] = defaultdict(Counter)
    approved = []
    chosen = [
        each for each in selection.approved if each.clip.video.file or not options.with_films
    ]
    if selection.approved and not chosen:
        raise ReleaseError(
            f"No approved clip of {dataset} has its film, for they came in a bundle without: "
            "make a release of annotations alone (make_release --pictures annotations)."
        )
    left_out |= {
        each.clip.name: WITHOUT_FILM for each in selection.approved if each not in chosen
    }
    for each, clip in zip(chosen, ContentReader(dataset).read(chosen), strict=True):
        if ANNOTATED not in clip.keyframes.values():
            left_out[clip.name] = "every keyframe has a question open"
            continue
        approved.append(each)
        pickle.dump(clip, content)
        labels[clip.source_video].update(a for each in clip.persons for a in each.action_ids)
    if not approved:
        raise ReleaseError(_nothing(dataset, selection, left_out))
    kept = _kept_splits(dataset, options)
    splits = split_videos(labels, seed=options.seed, kept=kept)
    actions = [
        ava.Action(action.action_id, action.name, action.group.label_type)
        for action in Action.objects.filter(dataset=dataset)
        .select_related("group")
        .order_by("action_id")
    ]
    return Draft(options, approved, left_out, splits, actions)


def _nothing(dataset: Dataset, selection: Selection, left_out: dict[str, str]) -> str:
    first = "; ".join(f"{clip}: {reason}" for clip, reason in list(left_out.items())[:3])
    if selection.approved:
        return f"{dataset} has no keyframe without an open question ({first}): decide them."
    why = f" ({first})" if first else ""
    return f"{dataset} has no approved clip{why}: approve all answers of a clip first."


def _kept_splits(dataset: Dataset, options: ReleaseOptions) -> dict[str, str]:
    """The splits that are settled: those of earlier releases, and those somebody listed."""
    earlier = earlier_splits(dataset)
    for video, split in options.split_of.items():
        if earlier.get(video, split) != split:
            raise ReleaseError(
                f"The split list puts {video} into {split}, but it was {earlier[video]} in an "
                "earlier release, and a video never changes sides: take it out of the list."
            )
    return earlier | dict(options.split_of)


def earlier_splits(dataset: Dataset) -> dict[str, str]:
    """The split of every video that was in a release before; a later release wins."""
    split_of: dict[str, str] = {}
    for earlier in Release.objects.filter(dataset=dataset).done().order_by("number"):
        split_of |= earlier.counts.get("split_of", {})
    return split_of


def _write_annotations(
    folder: Path, release: Release, draft: Draft, content: BinaryIO
) -> Written:
    """Write all rows in all formats, and remember of each clip what the manifest wants."""
    split_of = draft.splits.split_of
    used = [split for split in SPLITS if split != "test" or split in split_of.values()]
    clips, tally, provenance = [], Tally(), ProvenanceWriter(folder)
    formats = _formats(folder, release, draft, used)
    with AnnotationWriter(folder, splits=used) as writer:
        content.seek(0)
        for _ in draft.approved:
            clip: ReleaseClip = pickle.load(content)  # noqa: S301  written above
            placed = replace(clip, split=split_of[clip.source_video])
            for each in (writer, tally, provenance, *formats):
                each.add(placed)  # type: ignore[attr-defined]
            clips.append(replace(placed, persons=[], proposals={}, versions=()))
        measuring = writer.finish(draft.actions)
    for ending in (provenance, *formats):
        ending.finish()
    if draft.options.official_names:
        add_official_names(folder)
    ceilings = {split: _rounded(its.mean()) for split, its in writer.ceilings.items()}
    return Written(writer.counts, measuring, ceilings, tally, clips)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _formats(
    folder: Path, release: Release, draft: Draft, splits: list[str]
) -> list[FormatWriter]:
    groups = [
        GroupSpec(
            group.name,
            group.choice,
            group.required,
            tuple(action.name for action in group.actions.all()),
        )
        for group in ActionGroup.objects.filter(dataset=release.dataset)
        .prefetch_related("actions")
        .order_by("position")
    ]
    writers = []
    for name in sorted(draft.options.formats):
        place = folder / "formats" / name
        place.mkdir(parents=True)
        context = FormatContext(place, str(release), draft.actions, groups, splits)
        writers.append(FORMATS[name].writer(context))
    return writers


def _bring_media(
    folder: Path, draft: Draft, progress: Progress
) -> tuple[dict[str, FileSum], set[str]]:
    """Put pictures and films of all clips in place.

    Returns:
        The sums that are known, and the clips whose pictures were held against their films.
    """
    known: dict[str, FileSum] = {}
    compared: set[str] = set()
    if not draft.options.with_films:
        return known, compared
    exports = []
    for video, group in groupby(draft.approved, key=lambda each: each.clip.video):
        _expect_film(video)
        if not draft.options.with_pictures:
            with local_path(video.file.name or "") as path:
                for each in group:
                    bring_film(each.clip, folder, video=path)
            continue
        its, side = video_sum(video), draft.options.longest_side
        exports += [order_export(each.clip, video_sum=its, longest_side=side) for each in group]
    export_all([export.pk for export in exports], progress=_part(progress, 0.0, 0.9))
    for done, export in enumerate(exports):
        brought = bring_clip(export, folder)
        known |= brought.sums
        compared |= {export.clip.name} if brought.is_compared else set()
        progress(0.9 + 0.1 * done / len(exports))
    return known, compared


def _expect_film(video: Video) -> None:
    """Raises ReleaseError if the storage has lost the standard video."""
    if not default_storage.exists(video.file.name or ""):
        raise ReleaseError(
            f"the standard video of {video} is not in the storage any more: make it again."
        )


def _accept(release: Release, checks: list[Check]) -> None:
    """Keep the results of the self-check on the row, whatever they are; stop at a bad one."""
    Release.objects.filter(pk=release.pk, attempts=release.attempts).update(checks=checks)
    if failed := [check["sentence"] for check in checks if not check["passed"]]:
        raise ReleaseError(f"The release did not pass its check. {' '.join(failed)}")


def _part(progress: Progress, low: float, high: float) -> Progress:
    """A listener whose 0 to 1 is `low` to `high` of another's."""
    return lambda share: progress(low + (high - low) * share)
