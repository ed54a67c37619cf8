"""Conversion of any video to a standard video, in one pass and one encode.

`datasets.core.media.standard_video` defines the standard.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from datasets.core.media.clips_and_keyframes import FRAME_RATE, FrameRange
from datasets.core.media.corrupt_frames import as_frame_ranges
from datasets.core.media.resampling import TimingError, resample_to_cfr
from datasets.core.media.segments import encode, finished_frames
from datasets.core.media.standard_video import GOP_FRAMES
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
HD_HEIGHT = 720
MIN_SIDE = 16
MIN_SECONDS = 0.5
MAX_UNREADABLE_SHARE = 0.5
MIN_DECODED_SHARE = 0.98


@dataclass(frozen=True)
class Standardised:
    """The result of `standardise`.

    Attributes:
        probe: Properties of the source (`Probe.as_dict`), and how many frames were decoded.
        changes: What was converted, as sentences.
        warnings: Problems of the source, as sentences.
        unreadable: Frames that cannot be read; no clip may contain them.
    """

    width: int
    height: int
    frame_count: int
    probe: dict[str, Any]
    changes: list[str]
    warnings: list[str]
    unreadable: list[FrameRange]


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
    """
    if parts is None:
        with TemporaryDirectory(dir=target.parent) as folder:
            return standardise(
                source, target, longest_side=longest_side, limits=limits, name=name,
                keep_truncated=keep_truncated, progress=progress, parts=Path(folder),
            )  # fmt: skip
    try:
        with open_video(source, limits, name=name) as video:
            size = standard_size(video.probe, longest_side)
            if min(size) < MIN_SIDE:
                raise MediaError(f"{video.name} would have only {size[0]}x{size[1]} pixels")
            if copied := _copy_if_standard(video, source, target, size, limits, progress):
                return _as_copied(video, size, copied, keep_truncated=keep_truncated)
            frames = resample_to_cfr(
                video.frames(),
                max_seconds=limits.max_seconds,
                is_known_loss=video.corruption.is_known_loss,
            )
            start = finished_frames(parts)
            counted = _report(frames, video, progress)
            upright = _standard_frames(counted, video, size, limits, start=start)
            frame_count = encode(
                upright, target, parts, start=start,
                configure=lambda stream: _configure(stream, video, size),
            )  # fmt: skip
            unreadable = as_frame_ranges(video.corruption.spans, frame_count=frame_count)
            _check_readable(video, frame_count)
            return Standardised(
                *size,
                frame_count,
                video.probe.as_dict()
                | {"decoded_frames": video.decoded, "corrupt_frames": video.corruption.count},
                _changes(video.probe, size),
                _warnings(video, frame_count, unreadable, keep_truncated=keep_truncated),
                unreadable,
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
    progress: Callable[[float], None] | None,
) -> int:
    """How many frames were copied; 0 if the video must be re-encoded."""
    if not may_be_standard(video.probe, size):
        return 0
    expected = (video.probe.seconds or 0) * FRAME_RATE
    return copy_if_standard(source, target, limits=limits, expected=expected, progress=progress)


def _as_copied(
    video: VideoReader, size: tuple[int, int], frame_count: int, *, keep_truncated: bool
) -> Standardised:
    _check_readable(video, frame_count)
    _, *changes = _changes(video.probe, size)
    return Standardised(
        *size,
        frame_count,
        video.probe.as_dict() | {"decoded_frames": frame_count, "corrupt_frames": 0},
        ["Copied without re-encoding: it is a standard video already.", *changes],
        _warnings(video, frame_count, [], keep_truncated=keep_truncated),
        [],
    )


def standard_size(source: Probe, longest_side: int) -> tuple[int, int]:
    """Width and height of the standard video: square pixels, upright, even, never enlarged."""
    width, height = source.width * Fraction(source.sample_aspect), Fraction(source.height)
    if source.rotation.startswith("transpose"):
        width, height = height, width
    scale = min(Fraction(1), longest_side / max(width, height))
    return int(width * scale / 2) * 2, int(height * scale / 2) * 2


def _standard_frames(
    frames: Iterable[Any],
    video: VideoReader,
    size: tuple[int, int],
    limits: VideoLimits,
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


def _tags(video: VideoReader) -> tuple[int, int, int]:
    """Colour matrix, primaries and transfer to write into the file."""
    first = video.first
    if video.probe.is_hdr:
        return (BT709 if first.height >= HD_HEIGHT else SMPTE170M), BT709, BT709
    return _matrix(first), first.color_primaries, first.color_trc


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


def _configure(stream: Any, video: VideoReader, size: tuple[int, int]) -> None:
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.options = ENCODER
    context.thread_count = ENCODER_THREADS
    context.color_range = LIMITED_RANGE
    context.colorspace, context.color_primaries, context.color_trc = _tags(video)


def _check_readable(video: VideoReader, frame_count: int) -> None:
    """Raises MediaError if a video is mostly unreadable, or too short."""
    corruption, seconds = video.corruption, frame_count / FRAME_RATE
    if (
        corruption.share > MAX_UNREADABLE_SHARE
        or corruption.count > MAX_UNREADABLE_SHARE * video.decoded
    ):
        where = f" at {corruption.describe()}" if corruption.spans else ""
        raise MediaError(
            f"{video.name} is damaged: more than half of it is unreadable{where}; "
            "copy it again from its source"
        )
    if seconds < MIN_SECONDS:
        raise MediaError(
            f"{video.name} is only {seconds:.2f} s long; it needs {MIN_SECONDS} s at least"
        )


def _warnings(
    video: VideoReader, frame_count: int, unreadable: list[FrameRange], *, keep_truncated: bool
) -> list[str]:
    """Sentences about a video that was read to its end.

    Raises MediaError if it is truncated and the dataset does not accept such videos.
    """
    seconds, declared = frame_count / FRAME_RATE, video.probe.seconds or 0
    warnings = []
    if seconds < declared * MIN_DECODED_SHARE - MIN_SECONDS or video.stop_reason:
        whole = f" of {declared:.1f}" if declared > seconds else ""
        sentence = f"{video.name} is truncated: only {seconds:.1f}{whole} s can be read"
        if not keep_truncated:
            raise MediaError(f"{sentence}; the dataset does not accept truncated videos")
        warnings.append(f"{sentence}.")
    if unreadable:
        where = video.corruption.describe()
        warnings.append(f"The frames at {where} are unreadable; no clip contains them.")
    elif (count := video.corruption.count) and not warnings:
        places = "1 corrupt place" if count == 1 else f"{count} corrupt places"
        warnings.append(f"{places} skipped: please check the video.")
    if times := video.timestamps.restarts:
        often = "once" if times == 1 else f"{times} times"
        warnings.append(f"Its timestamps restarted {often}; the parts were joined.")
    return warnings


def _changes(source: Probe, size: tuple[int, int]) -> list[str]:
    rate = source.frame_rate
    shown = f"{float(Fraction(rate)):.6g}" if rate else "an unknown number of"
    is_h264 = source.codec == "h264"
    encoded = "as H.264" if is_h264 else f"from {source.codec.upper()} to H.264"
    facts = {
        f"Re-encoded {encoded}, one keyframe per second.": True,
        f"Resampled from {shown} to {FRAME_RATE} frames per second.": rate != str(FRAME_RATE),
        f"Resized from {source.width}x{source.height} to {size[0]}x{size[1]} pixels.": (
            sorted(size) != sorted((source.width, source.height))
        ),
        f"Pixels of aspect {source.sample_aspect} made square.": source.sample_aspect != "1",
        "Rotated upright.": bool(source.rotation),
        "Deinterlaced.": source.is_interlaced,
        "Colours converted from full to limited range.": source.is_full_range,
        "HDR converted to SDR.": source.is_hdr,
        "Sound removed.": source.has_sound,
    }
    return [sentence for sentence, is_true in facts.items() if is_true]
