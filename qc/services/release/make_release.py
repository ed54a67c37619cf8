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
from django.urls import reverse
from django.utils.translation import gettext

from avaproject.base.storage import local_path
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.accounts.activity import record
from datasets.accounts.notifications import Kind, members_with, notify
from datasets.core.formats import ava
from datasets.core.media.video_reader import MediaError
from datasets.core.roles import Act
from datasets.models import Action, ActionGroup, Dataset, Video
from datasets.selectors import recording_groups_of
from qc.core.release.checks.run_checks import BY_LIKELIHOOD, Check, check_release
from qc.core.release.formats import FORMATS, FormatContext, FormatWriter
from qc.core.release.options import OptionsError, ReleaseOptions
from qc.core.release.packing import FileSum, part_sizes, write_manifest
from qc.core.release.provenance import ProvenanceWriter
from qc.core.release.records import ANNOTATED, ReleaseClip
from qc.core.release.splits import SPLITS, split_videos
from qc.core.release.stats import ReleaseStats
from qc.core.release.versions import ReleaseOutline
from qc.core.release.writer import AnnotationWriter, add_official_names
from qc.models import Release
from qc.selectors.release.approved_clips import Selection, select_clips
from qc.selectors.release.datasheets import datasheet_answers, open_questions, taken_out_of
from qc.selectors.release.release_warnings import earlier_splits
from qc.services.release.blur_faces import (
    BlurringError,
    blurring_of,
    require_faces,
)
from qc.services.release.changes import changes_since_previous, version_of
from qc.services.release.clip_content import (
    ContentReader,
    UnknownActionError,
    labels_of,
)
from qc.services.release.export_media import (
    ExportError,
    add_clip_media,
    add_clip_video,
    export_all,
    request_clip_export,
    video_sum,
)
from qc.services.release.release_docs import counts_of, manifest, write_texts
from qc.services.release.release_images import clip_looks
from qc.services.release.release_plan import ReleasePlan, WrittenAnnotations
from qc.services.release.release_storage import part_folder, store_release

WITHOUT_VIDEO = "imported without a video: only in releases of annotations"

ProgressListener = Callable[[float, str], None]
Progress = Callable[[float], None]


class ReleaseError(RuntimeError):
    """There is nothing to release, or the release did not pass its checks."""


def request_release(
    dataset: Dataset, *, user: User | None = None, options: ReleaseOptions | None = None
) -> Release:
    """Request the next release of `dataset`, or return a waiting one with the same options.

    Raises:
        OptionsError: for a public release whose datasheet is not complete, and for faces to be
            blurred that nothing finds.
    """
    require_datasheet(dataset, options or ReleaseOptions())
    require_faces(options or ReleaseOptions(), dataset)
    chosen = (options or ReleaseOptions()).as_json()
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        releases = Release.objects.filter(dataset=dataset)
        for waiting in releases.filter(stage=Stage.WAITING):
            if waiting.options == chosen:
                return waiting
        newest = releases.aggregate(newest=Max("number"))["newest"] or 0
        record("request release", newest + 1, dataset=dataset)
        return Release.objects.create(
            dataset=dataset, number=newest + 1, created_by=user, options=chosen
        )


def require_datasheet(dataset: Dataset, options: ReleaseOptions) -> None:
    """Raises OptionsError if a public release lacks answers of the datasheet."""
    missing = open_questions(dataset) if options.is_public else []
    if missing:
        questions = " ".join(question.text for question in missing)
        raise OptionsError(
            gettext("a public release needs the whole datasheet; open are: %(questions)s")
            % {"questions": questions}
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
        UnknownActionError, BlurringError,
    )  # fmt: skip
    with (
        release.working(*expected),
        part_folder(release) as folder,
        work_folder() as spool,
        (spool / "clips").open("w+b") as content,
    ):
        part(0.0, 0.02, gettext("reading answers"))
        plan = _plan(release, content)
        written = _write_annotations(folder, release, plan, content)
        plan = plan._replace(version=version_of(release, _outline(plan, written)))
        known, compared = _bring_media(
            folder, plan, part(0.05, 0.8, gettext("extracting frames"))
        )
        write_texts(release, folder, plan, written)
        sums = write_manifest(
            folder,
            manifest(release, plan, written, clip_looks(folder, plan, written.clips)),
            known=known,
            progress=part(0.8, 0.85, gettext("computing checksums")),
        )
        checks = check_release(
            folder,
            compared=compared,
            known=known,
            progress=part(0.85, 1.0, gettext("checking")),
        )
        _require_passed(release, checks)
        counts = counts_of(release, plan, written, part_sizes(sums))
        counts["warnings"] += [check["sentence"] for check in checks if not check["passed"]]
        counts["diff"] = changes_since_previous(release, folder, counts)
        kept = store_release(release, folder, sums)
        counts |= {"archives": kept.archives, "manifest": sums["manifest.json"].sha256}
        release.finish(counts=counts, checks=checks, archive=kept.archive, folder=kept.folder)
        _tell_ready(release)
    return release


def _tell_ready(release: Release) -> None:
    dataset = release.dataset
    notify(
        dataset, Kind.RELEASE_READY,
        users=[release.created_by_id, *members_with(dataset, Act.RELEASE)],
        text=gettext("Release %(release)s of %(dataset)s is ready.")
        % {"release": release.number, "dataset": dataset},
        url=reverse("qc:releases", args=[dataset.name]),
    )  # fmt: skip


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
            gettext(
                "No approved clip of %(dataset)s has a video, because they were imported "
                "without: create a release of annotations only (make_release --frames "
                "annotations)."
            )
            % {"dataset": dataset}
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
    groups = recording_groups_of(dataset)
    splits = split_videos(labels, seed=options.seed, kept=kept, groups=groups)
    actions = [
        ava.AvaAction(action.action_id, action.name, action.group.label_type)
        for action in Action.objects.filter(dataset=dataset, merged_into=None)
        .select_related("group")
        .order_by("action_id")
    ]
    return ReleasePlan(
        options, approved, left_out, splits, actions,
        answers=datasheet_answers(dataset), taken_out=taken_out_of(dataset),
        blurring=blurring_of(options.blur_faces),
    )  # fmt: skip


def _nothing_to_release(
    dataset: Dataset, selection: Selection, left_out: dict[str, str]
) -> str:
    first = "; ".join(f"{clip}: {reason}" for clip, reason in list(left_out.items())[:3])
    if selection.approved:
        return gettext(
            "All keyframes of %(dataset)s have undecided items (%(first)s). Decide them first."
        ) % {"dataset": dataset, "first": first}
    why = f" ({first})" if first else ""
    return gettext(
        "%(dataset)s has no approved clip%(why)s. Approve all tasks of a clip first."
    ) % {"dataset": dataset, "why": why}


def _kept_splits(dataset: Dataset, options: ReleaseOptions) -> dict[str, str]:
    """The fixed splits: those of earlier releases and of the split list."""
    earlier = earlier_splits(dataset)
    for video, split in options.split_of.items():
        if earlier.get(video, split) != split:
            raise ReleaseError(
                gettext(
                    "The split list has %(video)s in %(split)s, but it was in %(earlier)s "
                    "in an earlier release, and a video keeps its split: remove it from "
                    "the list."
                )
                % {"video": video, "split": split, "earlier": earlier[video]}
            )
    return earlier | dict(options.split_of)


def _write_annotations(
    folder: Path, release: Release, plan: ReleasePlan, content: BinaryIO
) -> WrittenAnnotations:
    """Write all rows in all formats; keep what the manifest needs of each clip."""
    split_of = plan.splits.split_of
    used = [split for split in SPLITS if split != "test" or split in split_of.values()]
    names = {action.action_id: action.name for action in plan.actions}
    clips, stats = [], ReleaseStats(names)
    provenance = ProvenanceWriter(folder, names=names)
    formats = _formats(folder, release, plan, used)
    least = plan.options.min_instances
    with AnnotationWriter(folder, splits=used, min_instances=least) as writer:
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


def _outline(plan: ReleasePlan, written: WrittenAnnotations) -> ReleaseOutline:
    return ReleaseOutline(
        {clip.name: clip.split for clip in written.clips},
        {(clip.name, at) for clip in written.clips for at in clip.annotated},
        {action.action_id: action.name for action in plan.actions},
    )


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
        context = FormatContext(
            place, str(release), plan.actions, groups, splits,
            plan.options.longest_side if plan.options.with_frames else None,
            labels_of(release.dataset),
        )  # fmt: skip
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
        if not plan.options.with_frames and not plan.blurring:
            with local_path(video.file.name or "") as path:
                for each in group:
                    add_clip_video(each.clip, folder, video=path)
            continue
        its, side = video_sum(video), plan.options.longest_side
        exports += [
            request_clip_export(
                each.clip, video_sum=its, longest_side=side, blurring=plan.blurring,
                has_frames=plan.options.with_frames,
            )
            for each in group
        ]  # fmt: skip
    export_all([export.pk for export in exports], progress=_subrange(progress, 0.0, 0.9))
    for done, export in enumerate(exports):
        known |= add_clip_media(export, folder)
        if export.has_frames:
            compared.add(export.clip.name)
        progress(0.9 + 0.1 * done / len(exports))
    return known, compared


def _require_video(video: Video) -> None:
    """Raises ReleaseError if the standard video is not in the storage."""
    if not default_storage.exists(video.file.name or ""):
        raise ReleaseError(
            gettext("the standard video of %(video)s is no longer in the storage: recreate it.")
            % {"video": video}
        )


def _require_passed(release: Release, checks: list[Check]) -> None:
    """Store the results of the checks; raise ReleaseError if one failed that must not."""
    Release.objects.filter(pk=release.pk, claim_token=release.claim_token).update(checks=checks)
    failed = [
        check["sentence"]
        for check in checks
        if not check["passed"] and check["name"] not in BY_LIKELIHOOD
    ]
    if failed:
        raise ReleaseError(
            gettext("The release did not pass its checks. %(failed)s")
            % {"failed": " ".join(failed)}
        )


def _subrange(progress: Progress, low: float, high: float) -> Progress:
    """A listener that maps 0..1 to `low`..`high` of another listener."""
    return lambda share: progress(low + (high - low) * share)
