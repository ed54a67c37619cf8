"""Re-encoding of a range of a standard video whose frames are changed, as a standard video."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av

from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.encoding_segments import encode
from datasets.core.media.standard_video import GOP_FRAMES, FrameArray, read_frames
from datasets.core.media.standardising import I_FRAME, ColourTags, configure_standard
from datasets.core.media.video_reader import MediaError


def reencode(
    source: Path,
    target: Path,
    change: Callable[[int, FrameArray], None],
    *,
    start: int,
    count: int,
) -> None:
    """Write frames of a standard video, changed, to a new one.

    The result has the same number of frames at the same times, with the encoder of standard
    videos. The same frames give the same bytes.

    Args:
        change: Called with the index in `source` and the planes of each frame, which it may
            change in place: shape `(height * 3 / 2, width)`, as `read_frames` gives them.
        start: The first frame; `count` follow.

    Raises:
        MediaError: if `source` cannot be read, or has fewer frames.
    """
    size, tags = _properties_of(source)

    def frames() -> Iterator[Any]:
        found = read_frames(source, start=start, count=count, order="planes")
        for number, (index, planes) in enumerate(found):
            change(index, planes)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            frame.time_base = Fraction(1, FRAME_RATE)
            if number % GOP_FRAMES == 0:
                frame.pict_type = I_FRAME  # type: ignore[assignment]
            yield frame

    with TemporaryDirectory(dir=target.parent) as parts:
        made = encode(
            frames(), target, Path(parts), start=0,
            configure=lambda stream: configure_standard(stream, size, tags),
        )  # fmt: skip
    if made != count:
        target.unlink()
        raise MediaError(f"{source.name} has only {made} of {count} frames")


def _properties_of(source: Path) -> tuple[tuple[int, int], ColourTags]:
    """Width and height, and colours."""
    try:
        with av.open(str(source)) as video:
            context: Any = video.streams.video[0].codec_context
            tags = ColourTags(context.colorspace, context.color_primaries, context.color_trc)
            return (context.width, context.height), tags
    except (OSError, av.FFmpegError, IndexError) as error:
        raise MediaError(f"{source.name} cannot be read: {error}; make it again") from error
