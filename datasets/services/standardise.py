"""Pipeline stage 2: convert raw videos to standard videos."""

from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from avaproject.base.storage import local_path, store
from avaproject.base.temporary import discard_kept, kept_folder, work_folder
from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE, MIN_CLIP_FRAMES, clip_bounds
from datasets.core.media.sandboxed_decoder import ResourceLimits, standardise_sandboxed
from datasets.core.media.segments import finished_frames
from datasets.core.media.standardising import Standardised
from datasets.core.media.video_reader import MediaError, VideoLimits
from datasets.models import Video

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
            )
            file = store(folder / "standard.mp4", video.standard_name)
        video.finish(
            file=file,
            width=made.width,
            height=made.height,
            frame_count=made.frame_count,
            probe=made.probe,
            unreadable=made.unreadable,
            changes=[*made.changes, *_unused_footage(made, dataset.clip_seconds)],
            warnings=[*made.warnings, *_too_short(made, dataset.clip_seconds)],
        )
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


def _too_short(made: Standardised, clip_seconds: int) -> list[str]:
    if clip_bounds(made.frame_count, made.unreadable, clip_seconds=clip_seconds):
        return []
    least = MIN_CLIP_FRAMES // FRAME_RATE
    if made.unreadable:
        return [f"Its readable parts are shorter than {clip_seconds} s: too short for a clip."]
    seconds = made.frame_count / FRAME_RATE
    return [f"It is {seconds:.1f} s long: too short for a clip ({least} s)."]


def _unused_footage(made: Standardised, clip_seconds: int) -> list[str]:
    """Sentences about readable footage that is too short for a clip."""
    bounds = clip_bounds(made.frame_count, made.unreadable, clip_seconds=clip_seconds)
    if not bounds:
        return []
    lost = sum(each.stop - each.start for each in made.unreadable)
    used = sum(clip.frame_count for clip in bounds)
    tail = (made.frame_count - lost - used) / FRAME_RATE
    if made.unreadable:
        return [f"{tail:.1f} s near the unreadable places are not used."]
    return [f"The last {tail:.1f} s are not used: too short for a clip."] if tail else []
