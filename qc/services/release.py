"""Stage 11: what is approved becomes a numbered AVA dataset, checked from end to end.

A release grows in `<dataset>/releases/<number>.<attempt>.part` and gets its name when the check
has passed. Nothing in it depends on the day, or on how often the work was interrupted.
"""

import hashlib
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Max

from annotation.models import Annotator
from datasets.core import ava
from datasets.core.clipping import FRAME_RATE
from datasets.core.media import MediaError
from datasets.files import keep, local_path, sha256_of, work_folder
from datasets.models import Action, Dataset, Video
from datasets.stages import Stage
from qc.core.card import CardFacts, card
from qc.core.configs import ConfigValues, write_configs
from qc.core.packing import write_manifest, zip_folder
from qc.core.release_check import Check, check_release
from qc.core.release_files import ANNOTATED, AnnotationWriter, ReleaseClip, SplitCounts
from qc.core.splits import SPLITS, Splits, split_videos
from qc.models import Release
from qc.services.agree import dataset_agreement
from qc.services.export_frames import bring_clip
from qc.services.release_content import (
    ApprovedClip,
    ContentReader,
    Selection,
    UnknownActionError,
    select_clips,
)
from tracking.models import TrackingRun

Tell = Callable[[float, str], None]
Progress = Callable[[float], None]


class ReleaseError(RuntimeError):
    """There is nothing to release, or what was made is not what it should be."""


class _Draft(NamedTuple):
    """What the release will hold, decided before the first file is written."""

    approved: list[ApprovedClip]
    left_out: dict[str, str]  # clip -> why
    splits: Splits
    prints: dict[str, bytes]  # clip -> fingerprint of its content
    actions: list[ava.Action]
    reader: ContentReader


class _Written(NamedTuple):
    """What the annotation files hold."""

    counts: dict[str, SplitCounts]
    threshold: float
    clips: list[ReleaseClip]  # without persons and proposals


def order_release(dataset: Dataset, *, user: User | None = None) -> Release:
    """The next release of `dataset`, waiting to be made; one that waits already is that one."""
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        releases = Release.objects.filter(dataset=dataset)
        if waiting := releases.filter(stage=Stage.WAITING).first():
            return waiting
        newest = releases.aggregate(newest=Max("number"))["newest"] or 0
        return Release.objects.create(dataset=dataset, number=newest + 1, created_by=user)


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

    expected = (ReleaseError, MediaError, ava.AvaFormatError, UnknownActionError)
    with release.working(*expected), _part_folder(release) as folder:
        part(0.0, 0.02, "reading answers")
        draft = _draft(release.dataset)
        written = _write_annotations(folder, draft)
        _bring_frames(folder, draft, written.clips, part(0.02, 0.75, "making pictures"))
        _write_texts(release, folder, draft, written)
        manifest = _manifest(release, draft, written)
        write_manifest(folder, manifest, progress=part(0.75, 0.82, "adding up sums"))
        checks = _checked(release, folder, part(0.82, 0.9, "checking"))
        archive = folder.with_name(f"{folder.name}.zip")
        zip_folder(folder, archive, progress=part(0.9, 1.0, "packing"))
        counts = _counts(draft, written) | {
            "archive": {"bytes": archive.stat().st_size, "sha256": sha256_of(archive)}
        }
        release.finish(counts=counts, checks=checks, **_keep(release, folder, archive))
    return release


def _draft(dataset: Dataset) -> _Draft:
    """Decide what the release holds. Raises ReleaseError if that is nothing."""
    selection = select_clips(dataset)
    left_out = dict(selection.left_out)
    reader = ContentReader(dataset)
    labels: dict[str, Counter[int]] = defaultdict(Counter)
    approved, prints = [], {}
    for each, clip in zip(selection.approved, reader.read(selection.approved), strict=True):
        if ANNOTATED not in clip.keyframes.values():
            left_out[clip.name] = "every keyframe has a question open"
            continue
        approved.append(each)
        prints[clip.name] = _fingerprint(clip)
        labels[clip.source_video].update(a for each in clip.persons for a in each.action_ids)
    if not approved:
        raise ReleaseError(_nothing(dataset, selection, left_out))
    splits = split_videos(labels, kept=_earlier_splits(dataset))
    actions = [
        ava.Action(action.action_id, action.name, action.group.label_type)
        for action in Action.objects.filter(dataset=dataset)
        .select_related("group")
        .order_by("action_id")
    ]
    return _Draft(approved, left_out, splits, prints, actions, reader)


def _nothing(dataset: Dataset, selection: Selection, left_out: dict[str, str]) -> str:
    first = "; ".join(f"{clip}: {reason}" for clip, reason in list(left_out.items())[:3])
    if selection.approved:
        return f"{dataset} has no keyframe without an open question ({first}): decide them."
    why = f" ({first})" if first else ""
    return f"{dataset} has no approved clip{why}: approve all answers of a clip first."


def _earlier_splits(dataset: Dataset) -> dict[str, str]:
    """The split of every video that was in a release before; a later release wins."""
    split_of: dict[str, str] = {}
    for earlier in Release.objects.filter(dataset=dataset).done().order_by("number"):
        split_of |= earlier.counts.get("split_of", {})
    return split_of


def _fingerprint(clip: ReleaseClip) -> bytes:
    return hashlib.sha256(repr(clip).encode()).digest()


def _write_annotations(folder: Path, draft: _Draft) -> _Written:
    """Write all rows, and remember of each clip what the manifest wants."""
    split_of = draft.splits.split_of
    used = [split for split in SPLITS if split != "test" or split in split_of.values()]
    clips = []
    with AnnotationWriter(folder, splits=used) as writer:
        for clip in draft.reader.read(draft.approved):
            if _fingerprint(clip) != draft.prints[clip.name]:
                raise ReleaseError(f"{clip.name} was changed meanwhile: make it again.")
            writer.add(replace(clip, split=split_of[clip.source_video]))
            clips.append(
                replace(clip, split=split_of[clip.source_video], persons=[], proposals={})
            )
        threshold = writer.finish(draft.actions)
    return _Written(writer.counts, threshold, clips)


def _bring_frames(
    folder: Path, draft: _Draft, clips: list[ReleaseClip], progress: Progress
) -> None:
    """Put the pictures and films of all clips in place, video by video."""
    pairs = list(zip(draft.approved, clips, strict=True))
    done = 0
    for video, group in groupby(pairs, key=lambda pair: pair[0].clip.video):
        with _standard_video(video) as path:
            video_sum = sha256_of(path)
            for each, clip in group:
                bring_clip(
                    each.clip,
                    clip.window,
                    folder,
                    video=path,
                    video_sum=video_sum,
                    progress=_part(progress, done / len(pairs), (done + 1) / len(pairs)),
                )
                done += 1


@contextmanager
def _standard_video(video: Video) -> Iterator[Path]:
    """The file of a standard video. Raises ReleaseError if the storage has lost it."""
    name = video.file.name or ""
    if not name or not default_storage.exists(name):
        raise ReleaseError(
            f"the standard video of {video} is not in the storage any more: make it again."
        )
    with local_path(name) as path:
        yield path


def _write_texts(release: Release, folder: Path, draft: _Draft, written: _Written) -> None:
    """Write the card and the configurations."""
    title = f"{release.dataset} release {release.number}"
    write_configs(
        folder / "configs",
        ConfigValues(
            title,
            max_action_id=max(action.action_id for action in draft.actions),
            threshold=written.threshold,
            has_test="test" in written.counts,
        ),
    )
    runs = TrackingRun.objects.filter(pk__in=[each.run_id for each in draft.approved])
    facts = CardFacts(
        title=title,
        description=release.dataset.description,
        is_simulated=_is_simulated(release.dataset, draft),
        actions=draft.actions,
        counts=written.counts,
        split_of=draft.splits.split_of,
        threshold=written.threshold,
        annotation_fps=release.dataset.annotation_fps,
        detectors=sorted(set(runs.order_by().values_list("recipe", flat=True))),
        annotators=Counter(each.annotators for each in draft.approved),
        agreement=dataset_agreement(
            release.dataset, clips=[each.clip.pk for each in draft.approved]
        ),
        warnings=draft.splits.warnings,
        left_out=draft.left_out,
    )
    (folder / "README.md").write_text(card(facts), encoding="utf-8", newline="\n")


def _is_simulated(dataset: Dataset, draft: _Draft) -> bool:
    clips = [each.clip.pk for each in draft.approved]
    simulated = Annotator.objects.filter(tasks__clip__in=clips, is_simulated=True)
    return dataset.is_simulated or simulated.exists()


def _manifest(release: Release, draft: _Draft, written: _Written) -> dict[str, Any]:
    """What `manifest.json` says besides the sums."""
    return {
        "dataset": release.dataset.name,
        "release": release.number,
        "simulated": _is_simulated(release.dataset, draft),
        "score_threshold": written.threshold,
        "videos": [
            {
                "video_id": clip.name,
                "split": clip.split,
                "source_video": clip.source_video,
                "source_start_sec": clip.window.start_frame / FRAME_RATE,
                "pad_seconds": clip.window.pad_seconds,
                "n_frames": clip.window.frame_count,
                "width": clip.width,
                "height": clip.height,
            }
            for clip in written.clips
        ],
        "actions": [
            {"id": action.action_id, "name": action.name, "type": action.label_type}
            for action in draft.actions
        ],
        "keyframes": [
            {"video_id": clip.name, "timestamp": at, "status": status}
            for clip in written.clips
            for at, status in clip.keyframes.items()
        ],
    }


def _checked(release: Release, folder: Path, progress: Progress) -> list[Check]:
    """The results of the self-check, kept on the row whatever they are."""
    checks = check_release(folder, progress=progress)
    Release.objects.filter(pk=release.pk, attempts=release.attempts).update(checks=checks)
    if failed := [check["sentence"] for check in checks if not check["passed"]]:
        raise ReleaseError(f"The release did not pass its check. {' '.join(failed)}")
    return checks


def _counts(draft: _Draft, written: _Written) -> dict[str, Any]:
    """What pages show of a release, and the splits that the next one keeps."""
    splits = {
        split: {
            "videos": len(each.videos),
            "clips": each.clips,
            "frames": each.frames,
            "keyframes": each.keyframes,
            "excluded": each.excluded,
            "persons": len(each.persons),
            "boxes": each.boxes,
            "labels": each.labels.total(),
        }
        for split, each in written.counts.items()
    }
    total: Counter[str] = Counter()
    for each in splits.values():
        total.update(each)
    return dict(total) | {
        "splits": splits,
        "actions": {
            action.name: {s: c.labels[action.action_id] for s, c in written.counts.items()}
            for action in draft.actions
        },
        "split_of": draft.splits.split_of,
        "warnings": list(draft.splits.warnings),
        "left_out": draft.left_out,
        "threshold": written.threshold,
    }


def _base(release: Release) -> str:
    return f"{release.dataset.name}/releases"


@contextmanager
def _part_folder(release: Release) -> Iterator[Path]:
    """The folder that the release grows in, beside its final place where files have paths.

    There is room for the zip next to it. Both are gone afterwards, unless they were moved.
    """
    try:
        base = Path(default_storage.path(_base(release)))
    except NotImplementedError:
        with work_folder() as base:
            (base / "release").mkdir()
            yield base / "release"
        return
    base.mkdir(parents=True, exist_ok=True)
    _remove(base, f"{release.number}.*.part*")  # of a worker that died
    folder = base / f"{release.number}.{release.attempts}.part"
    folder.mkdir()
    try:
        yield folder
    finally:
        _remove(base, f"{folder.name}*")


def _remove(base: Path, pattern: str) -> None:
    for path in base.glob(pattern):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _keep(release: Release, folder: Path, archive: Path) -> dict[str, str]:
    """Put the zip into the storage, and the folder beside it where files have paths."""
    base = _base(release)
    name = keep(archive, f"{base}/{release.dataset.name}-release-{release.number}.zip")
    kept = f"{base}/{release.number}"
    try:
        place = Path(default_storage.path(kept))
    except NotImplementedError:
        return {"archive": name, "folder": ""}
    if place.exists():  # of a worker that died before it could say so
        shutil.rmtree(place)
    folder.rename(place)
    return {"archive": name, "folder": kept}


def _part(progress: Progress, low: float, high: float) -> Progress:
    """A listener whose 0 to 1 is `low` to `high` of another's."""
    return lambda share: progress(low + (high - low) * share)
