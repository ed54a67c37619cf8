"""Stage 2: a raw video becomes a standard video."""

from django.conf import settings

from avaproject.base.storage import local_path, store, work_folder
from datasets.core.media.clips_and_keyframes import FRAME_RATE, SHORTEST_CLIP_FRAMES, clip_bounds
from datasets.core.media.sandboxed_decoder import Caps, standardise
from datasets.core.media.standard_video import Limits, MediaError, Standardised
from datasets.models import Video

__all__ = ["MediaError", "decoder_caps", "standardise_video"]


def standardise_video(video_id: int) -> Video | None:
    """Make the standard video of a raw one; None if it is done or in other hands."""
    video: Video | None = Video.objects.claim(video_id)
    if video is None:
        return None
    dataset = video.dataset
    with video.working(MediaError, OSError), local_path(str(video.raw.name)) as raw:
        with work_folder() as folder:
            made = standardise(
                raw,
                folder / "standard.mp4",
                longest_side=dataset.longest_side,
                limits=Limits(settings.MAX_VIDEO_PIXELS, settings.MAX_VIDEO_SECONDS),
                keep_truncated=dataset.keep_truncated,
                progress=video.report,
                caps=decoder_caps(),
                name=video.original_name,
            )
            file = store(folder / "standard.mp4", f"{dataset.name}/videos/{video.name}.mp4")
        video.finish(
            file=file,
            width=made.width,
            height=made.height,
            frame_count=made.frame_count,
            probe=made.probe,
            unreadable=made.unreadable,
            changes=[*made.changes, *_left_over(made, dataset.clip_seconds)],
            warnings=[*made.warnings, *_too_short(made, dataset.clip_seconds)],
        )
    return video


def decoder_caps() -> Caps:
    """What the process may use at most that decodes one video."""
    return Caps(settings.DECODE_MEMORY, settings.DECODE_CPU_SECONDS, settings.DECODE_SECONDS)


def _too_short(made: Standardised, clip_seconds: int) -> list[str]:
    if clip_bounds(made.frame_count, made.unreadable, clip_seconds=clip_seconds):
        return []
    least = SHORTEST_CLIP_FRAMES // FRAME_RATE
    if made.unreadable:
        return [
            f"What can be read lies in pieces of less than {clip_seconds} s, and makes no clip."
        ]
    seconds = made.frame_count / FRAME_RATE
    return [f"It has {seconds:.1f} s and makes no clip: a clip needs {least} s."]


def _left_over(made: Standardised, clip_seconds: int) -> list[str]:
    """Sentences about readable footage that is too short for a clip of its own."""
    bounds = clip_bounds(made.frame_count, made.unreadable, clip_seconds=clip_seconds)
    if not bounds:
        return []
    lost = sum(stretch.stop - stretch.start for stretch in made.unreadable)
    used = sum(clip.frame_count for clip in bounds)
    tail = (made.frame_count - lost - used) / FRAME_RATE
    if made.unreadable:
        return [f"{tail:.1f} s beside the unreadable places are left over."]
    return [f"The last {tail:.1f} s are left over: too short for a clip."] if tail else []
