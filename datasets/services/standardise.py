"""Stage 2: a raw video becomes a standard video."""

from django.conf import settings

from datasets.core.clipping import FRAME_RATE, SHORTEST_CLIP_FRAMES, clip_bounds
from datasets.core.media import Limits, MediaError, standardise
from datasets.files import keep, local_path, work_folder
from datasets.models import Video

__all__ = ["MediaError", "standardise_video"]


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
                name=video.original_name,
            )
            file = keep(folder / "standard.mp4", f"{dataset.name}/videos/{video.name}.mp4")
        video.finish(
            file=file,
            width=made.width,
            height=made.height,
            frame_count=made.frame_count,
            probe=made.probe,
            changes=[*made.changes, *_left_over(made.frame_count)],
            warnings=[*made.warnings, *_too_short(made.frame_count)],
        )
    return video


def _too_short(frame_count: int) -> list[str]:
    if frame_count >= SHORTEST_CLIP_FRAMES:
        return []
    return [
        f"It has {frame_count / FRAME_RATE:.1f} s and makes no clip: "
        f"a clip needs {SHORTEST_CLIP_FRAMES // FRAME_RATE} s."
    ]


def _left_over(frame_count: int) -> list[str]:
    """A sentence about the tail that is too short for a clip of its own."""
    bounds = clip_bounds(frame_count)
    tail = frame_count - sum(clip.frame_count for clip in bounds)
    if not bounds or not tail:
        return []
    return [f"The last {tail / FRAME_RATE:.1f} s are left over: too short for a clip."]
