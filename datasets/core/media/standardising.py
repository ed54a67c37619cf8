"""Conversion of any video to a standard video, in one pass and one encode.

`datasets.core.media.standard_video` defines the standard.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from datasets.core.media.clips_and_keyframes import FRAME_RATE, MIN_CLIP_FRAMES, FrameRange
from datasets.core.media.corrupt_frames import as_frame_ranges
from datasets.core.media.encoding_segments import (
    SAME_BYTES,
    SEGMENT_FRAMES,
    encode,
    finished_frames,
)
from datasets.core.media.fingerprints import ThumbnailSampler
from datasets.core.media.resampling import TimingError, resample_to_cfr
from datasets.core.media.source_notes import (
    changes_of,
    check_readable,
    properties_of,
    warnings_of,
)
from datasets.core.media.standard_video import GOP_FRAMES, HD_HEIGHT
from datasets.core.media.stream_copy import copy_if_standard, may_be_standard
from datasets.core.media.video_reader import (
    MediaError,
    Probe,
    VideoLimits,
    VideoReader,
    is_full_range,
    open_video,
)

ENCODER = {
    "preset": "veryfast",
    "crf": "20",
    "g": str(GOP_FRAMES),
    "keyint_min": str(GOP_FRAMES),
    "sc_threshold": "0",
    "forced-idr": "1",
    "flags": "+cgop",
}
# Fixed, because the bytes x264 writes depend on the number of threads.
ENCODER_THREADS = 2
I_FRAME = 1
LIMITED_RANGE = 1
# AVCOL_SPC_*: BT.709, FCC, BT.470BG, SMPTE 170M, SMPTE 240M, BT.2020
MATRICES = (1, 4, 5, 6, 7, 9)
BT709, SMPTE170M = 1, 6
MIN_SIDE = 16


@dataclass(frozen=True)
class Standardised:
    """The result of `standardise`.

    Attributes:
        probe: Properties of the source (`Probe.as_dict`), and how many frames were decoded.
        changes: What was converted, as sentences.
        warnings: Problems of the source, as sentences.
        unreadable: Frames that cannot be read; no clip may contain them.
        stills: Frames in which the source holds one frame for longer than 4 s.
    """

    width: int
    height: int
    frame_count: int
    probe: dict[str, Any]
    changes: list[str]
    warnings: list[str]
    unreadable: list[FrameRange]
    stills: list[FrameRange]


class SegmentReport(NamedTuple):
    """What is known of a video while it is standardised.

    Attributes:
        frame_count: Frames in finished segments, before any place that is not known yet.
        unreadable: As in `Standardised`, of these frames; `stills` likewise.
    """

    width: int
    height: int
    frame_count: int
    unreadable: list[FrameRange]
    stills: list[FrameRange]


class ColourTags(NamedTuple):
    """How a file says that its colours are to be read: numbers of H.273."""

    matrix: int
    primaries: int
    transfer: int


def standardise(
    source: Path,
    target: Path,
    *,
    longest_side: int,
    limits: VideoLimits,
    keep_truncated: bool = True,
    progress: Callable[[float], None] | None = None,
    name: str = "",
    parts: Path | None = None,
    thumbnails: Path | None = None,
    on_segment: Callable[[SegmentReport], object] | None = None,
) -> Standardised:
    """Make the standard video `target` from `source` in one pass. Raises MediaError.

    A video that meets the standard is copied; all others are re-encoded.

    Args:
        longest_side: Pixels; larger frames are scaled down, small ones are never enlarged.
        keep_truncated: Whether the readable part of a truncated video is used.
        progress: Called with the share done, 0 to 1, once per second of video; 0 if the
            duration is unknown.
        name: Name of the video in messages; default the name of `source`.
        parts: A folder in which finished segments are kept: a later call with the same source,
            size and folder goes on from there.
        thumbnails: A file for the thumbnails of its fingerprint; none is written by a call
            that goes on from another.
        on_segment: Called when a segment is finished; not for a video that is copied.
    """
    if parts is None:
        with TemporaryDirectory(dir=target.parent) as folder:
            return standardise(
                source, target, longest_side=longest_side, limits=limits, name=name,
                keep_truncated=keep_truncated, progress=progress, parts=Path(folder),
                thumbnails=thumbnails, on_segment=on_segment,
            )  # fmt: skip
    try:
        with open_video(source, limits, name=name) as video:
            size = standard_size(video.probe, longest_side)
            if min(size) < MIN_SIDE:
                raise MediaError(f"{video.name} would have only {size[0]}x{size[1]} pixels")
            sampler = ThumbnailSampler()
            copied = _copy_if_standard(video, source, target, size, limits, sampler, progress)
            if copied:
                sampler.write(thumbnails)
                return _as_copied(video, size, copied, keep_truncated=keep_truncated)
            frames = resample_to_cfr(video.frames(), max_seconds=limits.max_seconds)
            start = finished_frames(parts)
            held: list[FrameRange] = []
            noted = _note_held(frames, held)
            if on_segment:
                noted = _note_settled(noted, video, size, held, on_segment)
            counted = _report(noted, video, progress)
            sampler = ThumbnailSampler()
            upright = _standard_frames(counted, video, size, limits, sampler, start=start)
            frame_count = encode(
                upright, target, parts, start=start,
                configure=lambda stream: configure_standard(stream, size, _tags(video)),
            )  # fmt: skip
            unreadable = as_frame_ranges(video.corruption.spans, frame_count=frame_count)
            check_readable(video, frame_count)
            if start == 0:
                sampler.write(thumbnails)
            return Standardised(
                *size,
                frame_count,
                properties_of(video, video.decoded, video.corruption.count),
                [*changes_of(video.probe, size), *video.left_out],
                warnings_of(video, frame_count, unreadable, keep_truncated=keep_truncated),
                unreadable,
                [each for each in held if not _overlaps(each, unreadable)],
            )
    except TimingError as error:
        target.unlink(missing_ok=True)
        raise MediaError(f"{name or source.name} {error}") from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _copy_if_standard(
    video: VideoReader,
    source: Path,
    target: Path,
    size: tuple[int, int],
    limits: VideoLimits,
    sampler: ThumbnailSampler,
    progress: Callable[[float], None] | None,
) -> int:
    """How many frames were copied; 0 if the video must be re-encoded."""
    if not may_be_standard(video.probe, size):
        return 0
    expected = (video.probe.seconds or 0) * FRAME_RATE
    return copy_if_standard(
        source, target, limits=limits, expected=expected, sampler=sampler, progress=progress
    )


def _as_copied(
    video: VideoReader, size: tuple[int, int], frame_count: int, *, keep_truncated: bool
) -> Standardised:
    check_readable(video, frame_count)
    _, *changes = changes_of(video.probe, size)
    return Standardised(
        *size,
        frame_count,
        properties_of(video, frame_count, 0),
        [
            "Copied without re-encoding: it is a standard video already.",
            *changes,
            *video.left_out,
        ],
        warnings_of(video, frame_count, [], keep_truncated=keep_truncated),
        [],
        [],
    )


def standard_size(source: Probe, longest_side: int) -> tuple[int, int]:
    """Width and height of the standard video: square pixels, upright, even, never enlarged."""
    width, height = map(Fraction, source.shown_size)
    width *= Fraction(source.sample_aspect)
    if source.rotation.startswith("transpose"):
        width, height = height, width
    scale = min(Fraction(1), longest_side / max(width, height))
    return int(width * scale / 2) * 2, int(height * scale / 2) * 2


def _note_settled(
    frames: Iterable[Any],
    video: VideoReader,
    size: tuple[int, int],
    held: list[FrameRange],
    on_segment: Callable[[SegmentReport], object],
) -> Iterator[Any]:
    """`frames`; what is known of those in finished segments is told."""
    before, start = None, 0
    for count, frame in enumerate(frames):
        if frame is not before:
            before, start = frame, count
        if count and count % SEGMENT_FRAMES == 0:
            since = video.corruption.open_since
            unknown = count if since is None else math.floor(since * FRAME_RATE)
            known = min(count, unknown, start if count - start > MIN_CLIP_FRAMES else count)
            spans = as_frame_ranges(video.corruption.spans, frame_count=count)
            on_segment(SegmentReport(*size, known, spans, [*held]))
        yield frame


def _note_held(frames: Iterable[Any], held: list[FrameRange]) -> Iterator[Any]:
    """`frames`; the ranges of more than 4 s in which one is repeated are added to `held`."""
    before, start, index = None, 0, 0
    for index, frame in enumerate(frames, start=1):
        if frame is not before:
            _add_held(held, start, index - 1)
            before, start = frame, index - 1
        yield frame
    _add_held(held, start, index)


def _add_held(held: list[FrameRange], start: int, stop: int) -> None:
    if stop - start > MIN_CLIP_FRAMES:
        held.append(FrameRange(start, stop))


def _overlaps(frames: FrameRange, others: Iterable[FrameRange]) -> bool:
    return any(frames.start < other.stop and other.start < frames.stop for other in others)


def _standard_frames(
    frames: Iterable[Any],
    video: VideoReader,
    size: tuple[int, int],
    limits: VideoLimits,
    sampler: ThumbnailSampler,
    *,
    start: int,
) -> Iterator[Any]:
    """Each frame from `start` on in its standard form; a repeated one is converted once."""
    reformatter = VideoReformatter()
    before: Any = None
    standard: Any = None
    for index, frame in enumerate(frames):
        if index < start:
            continue
        if frame is not before:
            if frame.width * frame.height > limits.max_pixels:
                raise MediaError(
                    f"{video.name} changes its frame size to {frame.width}x{frame.height}"
                )
            before = frame
            standard = reformatter.reformat(
                frame,
                width=size[0],
                height=size[1],
                format="yuv420p",
                interpolation=Interpolation.BICUBIC,
                threads=1,
                **_colour_arguments(frame),
            )
        sampler.add(index, standard)
        standard.pts = index
        standard.time_base = Fraction(1, FRAME_RATE)
        standard.pict_type = I_FRAME if index % GOP_FRAMES == 0 else 0
        yield standard


def _colour_arguments(frame: Any) -> dict[str, Any]:
    if frame.format.is_rgb:
        return {"dst_colorspace": _rgb_matrix(frame), "dst_color_range": ColorRange.MPEG}
    if is_full_range(frame):
        return {"src_color_range": ColorRange.JPEG, "dst_color_range": ColorRange.MPEG}
    return {}


def _rgb_matrix(frame: Any) -> Colorspace:
    return Colorspace.ITU709 if frame.height >= HD_HEIGHT else Colorspace.ITU601


def _tags(video: VideoReader) -> ColourTags:
    """What to write into the file."""
    first = video.first
    if video.probe.is_hdr:
        return ColourTags(BT709 if first.height >= HD_HEIGHT else SMPTE170M, BT709, BT709)
    return ColourTags(_matrix(first), first.color_primaries, first.color_trc)


def _matrix(first: Any) -> int:
    """The colour matrix of the source, else what players assume."""
    if first.colorspace in MATRICES:
        return int(first.colorspace)
    return BT709 if first.height >= HD_HEIGHT else SMPTE170M


def _report(
    frames: Iterable[Any], video: VideoReader, progress: Callable[[float], None] | None
) -> Iterator[Any]:
    """`frames`, and the share done once per second of video."""
    expected = (video.probe.seconds or 0) * FRAME_RATE
    for count, frame in enumerate(frames, start=1):
        yield frame
        if progress and count % FRAME_RATE == 0:
            progress(min(count / expected, 1.0) if expected else 0.0)


def configure_standard(stream: Any, size: tuple[int, int], tags: ColourTags) -> None:
    """Set an encoder to write a standard video of that width and height."""
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.options = ENCODER | SAME_BYTES
    context.thread_count = ENCODER_THREADS
    context.color_range = LIMITED_RANGE
    context.colorspace, context.color_primaries, context.color_trc = tags
