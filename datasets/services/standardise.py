"""Pipeline stage 2: convert raw videos to standard videos."""

from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from avaproject.base.storage import local_path, store
from avaproject.base.temporary import discard_kept, kept_folder, work_folder
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import (
    FRAME_RATE,
    MIN_CLIP_FRAMES,
    ClipBounds,
    clip_bounds,
    long_stills,
)
from datasets.core.media.corrupt_frames import describe_times
from datasets.core.media.encoding_segments import finished_frames
from datasets.core.media.sandboxed_decoder import ResourceLimits, standardise_sandboxed
from datasets.core.media.standardising import Standardised
from datasets.core.media.video_reader import MediaError, VideoLimits
from datasets.models import Clip, Video
from datasets.services.compare_footage import keep_thumbnails
from datasets.services.early_clips import (
    cut_early_clips,
    drop_early_clips,
    share_early_clips,
    without_early_clips,
)

__all__ = ["MediaError", "decoder_limits", "standardise_video"]


def standardise_video(video_id: int) -> Video | None:
    """Convert one raw video; None if it is done or claimed by another worker."""
    video: Video | None = Video.objects.claim(video_id)
    if video is None:
        return None
    dataset = video.dataset
    parts = kept_folder(video) / str(dataset.longest_side)
    with video.working(MediaError, OSError), local_path(str(video.raw.name)) as raw:
        parts.mkdir(parents=True, exist_ok=True)
        with work_folder() as folder:
            made = standardise_sandboxed(
                raw,
                folder / "standard.mp4",
                longest_side=dataset.longest_side,
                limits=VideoLimits(settings.MAX_VIDEO_PIXELS, settings.MAX_VIDEO_SECONDS),
                keep_truncated=dataset.keep_truncated,
                progress=_reporter(video, parts),
                resources=decoder_limits(),
                name=video.original_name,
                parts=parts,
                thumbnails=folder / "thumbnails",
                on_segment=lambda known: cut_early_clips(video, parts, known),
            )
            thumbnails = folder / "thumbnails"
            content = thumbnails.read_bytes() if thumbnails.exists() else b""
            file = store(folder / "standard.mp4", video.standard_name)
        rest = without_early_clips(video, _bounds(made, dataset.clip_seconds))
        with transaction.atomic():  # else a video would seem done with its early clips alone
            Clip.objects.bulk_create(rest, ignore_conflicts=True)
            video.finish(
                file=file,
                width=made.width,
                height=made.height,
                frame_count=made.frame_count,
                probe=made.probe,
                unreadable=made.unreadable,
                stills=made.stills,
                changes=[*made.changes, *_cuts(made, dataset.clip_seconds)],
                warnings=[*made.warnings, *_too_short(made, dataset.clip_seconds)],
            )
        keep_thumbnails(video, content)
    if video.stage == Stage.DONE:
        share_early_clips(video)
    elif video.stage == Stage.FAILED:
        drop_early_clips(video)
    if video.stage in (Stage.DONE, Stage.FAILED):
        discard_kept(video)
    return video


def _reporter(video: Video, parts: Path) -> Callable[[float], None]:
    """A function that stores the share done, and that the work gets further than before."""
    known = finished_frames(parts)

    def report(share: float) -> None:
        nonlocal known
        video.report(share)
        if (frames := finished_frames(parts)) > known:
            known = frames
            video.got_further()

    return report


def decoder_limits() -> ResourceLimits:
    """VideoLimits of the process that decodes one video, from the settings."""
    return ResourceLimits(
        settings.DECODE_MEMORY, settings.DECODE_CPU_SECONDS, settings.DECODE_SECONDS
    )


def _bounds(made: Standardised, clip_seconds: int) -> list[ClipBounds]:
    return clip_bounds(
        made.frame_count, made.unreadable, made.stills, clip_seconds=clip_seconds
    )


def _too_short(made: Standardised, clip_seconds: int) -> list[str]:
    """Why a video has no clip; empty if it has one."""
    if _bounds(made, clip_seconds):
        return []
    least = MIN_CLIP_FRAMES // FRAME_RATE
    if made.unreadable:
        return [
            _("Its readable parts are shorter than %(least)s s: too short for a clip.")
            % {"least": least}
        ]
    if long_stills(made.stills, clip_seconds * FRAME_RATE):
        return [
            _("Its parts with movement are shorter than %(least)s s: too short for a clip.")
            % {"least": least}
        ]
    seconds = made.frame_count / FRAME_RATE
    return [
        _("It is %(seconds).1f s long: too short for a clip (%(least)s s).")
        % {"seconds": seconds, "least": least}
    ]


def _cuts(made: Standardised, clip_seconds: int) -> list[str]:
    """Sentences about where clips do not follow one another, and about a longer last one."""
    bounds, full = _bounds(made, clip_seconds), clip_seconds * FRAME_RATE
    still = long_stills(made.stills, full)
    sentences = []
    if still:
        where = describe_times((a / FRAME_RATE, b / FRAME_RATE) for a, b in still)
        sentences.append(
            _("Nothing changes at %(where)s, for longer than a clip: no clip shows it.")
            % {"where": where}
        )
    if not bounds:
        return sentences
    longer = [clip for clip in bounds if clip.frame_count > full]
    if len(longer) == 1:
        seconds = longer[0].frame_count / FRAME_RATE
        sentences.append(
            _(
                "One clip has %(seconds).1f s: its last %(seconds2).1f s are too short for "
                "a clip."
            )
            % {"seconds": seconds, "seconds2": seconds - clip_seconds}
        )
    elif longer:
        sentences.append(
            _(
                "%(count)s clips are longer than %(clip_seconds)s s, by rests that are too "
                "short for a clip."
            )
            % {"count": len(longer), "clip_seconds": clip_seconds}
        )
    out = sum(each.stop - each.start for each in (*made.unreadable, *still))
    rest = (made.frame_count - out - sum(clip.frame_count for clip in bounds)) / FRAME_RATE
    if rest > 0:
        near = _("the unreadable places") if made.unreadable else _("these places")
        sentences.append(
            _("%(rest).1f s near %(near)s are not used.") % {"rest": rest, "near": near}
        )
    return sentences
