"""Clips of one video of 35 s as imports see them, and the groups of questions."""

from annotation.core.importing.clip_places import ClipPlace
from datasets.core.action_groups import ActionGroupSpec
from datasets.core.media.clips_and_keyframes import (
    clip_bounds,
    export_window,
    keyframe_seconds,
)

WIDTH, HEIGHT, FRAMES = 640, 360, 1050
GROUPS = (
    ActionGroupSpec("posture", "one", True, ("stand", "walk")),
    ActionGroupSpec("doing", "many", False, ("wave", "carry")),
)


def places(video="shop", *, original="Shop 1.mp4", fps=5, raw_size=(1280, 720), raw_fps=25.0):
    """The clips of a video: two of 15 s and one of 5 s."""
    return [
        ClipPlace(
            f"{video}-c{number:04d}", video, original, start, count,
            export_window(start, count, video_frame_count=FRAMES),
            tuple(keyframe_seconds(start, count, video_frame_count=FRAMES)),
            WIDTH, HEIGHT, fps, raw_size, raw_fps, FRAMES,
        )
        for number, (start, count) in enumerate(clip_bounds(FRAMES))
    ]  # fmt: skip
