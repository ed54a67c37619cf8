"""How a video from outside becomes a standard video: one pass, one encode.

What a standard video is stands in `datasets.core.media.standard_video`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from datasets.core.media.clips_and_keyframes import FRAME_RATE, Stretch
from datasets.core.media.stream_copy import copy_if_standard, looks_standard
from datasets.core.media.corrupt_frames import as_stretches
from datasets.core.media.resampling import TimingError, slots
from datasets.core.media.video_reader import Film, Limits, MediaError, Probe, is_full_range, open_film

GROUP_FRAMES = FRAME_RATE
ENCODER = {
    "preset": "veryfast",
    "crf": "20",
    "g": str(GROUP_FRAMES),
    "keyint_min": str(GROUP_FRAMES),
    "sc_threshold": "0",
    "forced-idr": "1",
    "flags": "+cgop",
}
# Fixed, because x264 writes other bytes with another number of threads.
ENCODER_THREADS = 2
KEY_PICTURE = 1
LIMITED_RANGE = 1
# AVCOL_SPC_*: BT.709, FCC, BT.470BG, SMPTE 170M, SMPTE 240M, BT.2020
MATRICES = (1, 4, 5, 6, 7, 9)
BT709, SMPTE170M = 1, 6
HD_LINES = 720
SMALLEST_SIDE = 16
SHORTEST_SECONDS = 0.5
MOST_UNREADABLE = 0.5
LEAST_DECODED = 0.98


@dataclass(frozen=True)
class Standardised:
    """What `standardise` has made.

    Attributes:
        probe: What the source was (`Probe.as_dict`), and how many pictures were decoded.
        changes: Sentences about what was changed on purpose.
        warnings: Sentences about what is wrong with the source.
        unreadable: Stretches of frames that do not show what was filmed; no clip may hold them.
    """

    width: int
    height: int
    frame_count: int
    probe: dict[str, Any]
    changes: list[str]
    warnings: list[str]
    unreadable: list[Stretch]


def standardise(
    source: Path,
    target: Path,
    *,
    longest_side: int,
    limits: Limits,
    keep_truncated: bool = True,
    progress: Callable[[float], None] | None = None,
    name: str = "",
) -> Standardised:
    """Make the standard video `target` from `source` in one pass. Raises MediaError.

    The packets of a film that conforms are copied; all else is coded anew.

    Args:
        longest_side: Pixels; larger pictures are made smaller, small ones are never enlarged.
        keep_truncated: Whether the good part of a film that was cut off is taken.
        progress: Is told the share done, 0 to 1, once for each second of film; 0 as long as
            the film does not say how long it is.
        name: What messages call the film, if not by the name of `source`.
    """
    try:
        with open_film(source, limits, name=name) as film:
            size = standard_size(film.probe, longest_side)
            if min(size) < SMALLEST_SIDE:
                raise MediaError(f"{film.name} would have only {size[0]}x{size[1]} pixels")
            if copied := _copied(film, source, target, size, limits, progress):
                return _taken_over(film, size, copied, keep_truncated=keep_truncated)
            pictures = slots(
                film.pictures(), most_seconds=limits.max_seconds, explains=film.damage.explains
            )
            upright = _standard_pictures(pictures, film, size, limits)
            frame_count = _encode(upright, target, film, size, progress)
            unreadable = as_stretches(film.damage.stretches, frame_count=frame_count)
            _check_readable(film, frame_count)
            return Standardised(
                *size,
                frame_count,
                film.probe.as_dict() | {"pictures": film.decoded, "damaged": film.damage.count},
                _changes(film.probe, size),
                _warnings(film, frame_count, unreadable, keep_truncated=keep_truncated),
                unreadable,
            )
    except TimingError as error:
        target.unlink(missing_ok=True)
        raise MediaError(f"{name or source.name} {error}") from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _copied(
    film: Film,
    source: Path,
    target: Path,
    size: tuple[int, int],
    limits: Limits,
    progress: Callable[[float], None] | None,
) -> int:
    """How many frames could be copied; 0 if they must be coded anew."""
    if not looks_standard(film.probe, size):
        return 0
    expected = (film.probe.seconds or 0) * FRAME_RATE
    return copy_if_standard(source, target, limits=limits, expected=expected, progress=progress)


def _taken_over(
    film: Film, size: tuple[int, int], frame_count: int, *, keep_truncated: bool
) -> Standardised:
    _check_readable(film, frame_count)
    _, *changes = _changes(film.probe, size)
    return Standardised(
        *size,
        frame_count,
        film.probe.as_dict() | {"pictures": frame_count, "damaged": 0},
        ["Taken over as it was coded: it is a standard video already.", *changes],
        _warnings(film, frame_count, [], keep_truncated=keep_truncated),
        [],
    )


def standard_size(source: Probe, longest_side: int) -> tuple[int, int]:
    """Width and height of the standard video: square pixels, upright, even, never enlarged."""
    width, height = source.width * Fraction(source.sample_aspect), Fraction(source.height)
    if source.turn.startswith("transpose"):
        width, height = height, width
    scale = min(Fraction(1), longest_side / max(width, height))
    return int(width * scale / 2) * 2, int(height * scale / 2) * 2


def _standard_pictures(
    pictures: Iterable[Any], film: Film, size: tuple[int, int], limits: Limits
) -> Iterator[Any]:
    """Each picture in its standard form, stamped with its slot; a held picture is made once."""
    reformatter = VideoReformatter()
    before: Any = None
    standard: Any = None
    for slot, picture in enumerate(pictures):
        if picture is not before:
            if picture.width * picture.height > limits.max_pixels:
                raise MediaError(f"{film.name} grows to {picture.width}x{picture.height}")
            before = picture
            standard = reformatter.reformat(
                picture,
                width=size[0],
                height=size[1],
                format="yuv420p",
                interpolation=Interpolation.BICUBIC,
                threads=1,
                **_colours(picture),
            )
        standard.pts = slot
        standard.time_base = Fraction(1, FRAME_RATE)
        standard.pict_type = KEY_PICTURE if slot % GROUP_FRAMES == 0 else 0
        yield standard


def _colours(picture: Any) -> dict[str, Any]:
    if picture.format.is_rgb:
        return {"dst_colorspace": _rgb_matrix(picture), "dst_color_range": ColorRange.MPEG}
    if is_full_range(picture):
        return {"src_color_range": ColorRange.JPEG, "dst_color_range": ColorRange.MPEG}
    return {}


def _rgb_matrix(picture: Any) -> Colorspace:
    return Colorspace.ITU709 if picture.height >= HD_LINES else Colorspace.ITU601


def _tags(film: Film) -> tuple[int, int, int]:
    """Matrix, primaries and transfer to write into the file."""
    first = film.first
    if film.probe.is_hdr:
        return (BT709 if first.height >= HD_LINES else SMPTE170M), BT709, BT709
    return _matrix(first), first.color_primaries, first.color_trc


def _matrix(first: Any) -> int:
    """The matrix to write into the file: the source's own, else what players assume."""
    if first.colorspace in MATRICES:
        return int(first.colorspace)
    return BT709 if first.height >= HD_LINES else SMPTE170M


def _encode(
    pictures: Iterable[Any],
    target: Path,
    film: Film,
    size: tuple[int, int],
    progress: Callable[[float], None] | None,
) -> int:
    expected = (film.probe.seconds or 0) * FRAME_RATE
    count = 0
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=FRAME_RATE, options=ENCODER)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        context: Any = stream.codec_context
        context.thread_count = ENCODER_THREADS
        context.color_range = LIMITED_RANGE
        context.colorspace, context.color_primaries, context.color_trc = _tags(film)
        for count, picture in enumerate(pictures, start=1):
            out.mux(stream.encode(picture))
            if progress and count % FRAME_RATE == 0:
                progress(min(count / expected, 1.0) if expected else 0.0)
        if count:
            out.mux(stream.encode(None))
        else:
            stream.codec_context.open()  # without it the file cannot be closed
    return count


def _check_readable(film: Film, frame_count: int) -> None:
    """Raises MediaError about a film that is unreadable for the most part, or too short."""
    damage, seconds = film.damage, frame_count / FRAME_RATE
    if damage.share > MOST_UNREADABLE or damage.count > MOST_UNREADABLE * film.decoded:
        where = f" at {damage.seconds()}" if damage.stretches else ""
        raise MediaError(
            f"{film.name} is damaged: more than half of it is unreadable{where}; "
            "copy it again from where it came"
        )
    if seconds < SHORTEST_SECONDS:
        raise MediaError(
            f"{film.name} is only {seconds:.2f} s long; it needs {SHORTEST_SECONDS} s at least"
        )


def _warnings(
    film: Film, frame_count: int, unreadable: list[Stretch], *, keep_truncated: bool
) -> list[str]:
    """Sentences about a film that was read to its end.

    Raises MediaError if it was cut off and such films are not wanted.
    """
    seconds, declared = frame_count / FRAME_RATE, film.probe.seconds or 0
    warnings = []
    if seconds < declared * LEAST_DECODED - SHORTEST_SECONDS or film.stopped:
        whole = f" of {declared:.1f}" if declared > seconds else ""
        sentence = f"{film.name} was cut off: only {seconds:.1f}{whole} s can be read"
        if not keep_truncated:
            raise MediaError(f"{sentence}; the dataset does not keep such videos")
        warnings.append(f"{sentence}.")
    if unreadable:
        where = film.damage.seconds()
        warnings.append(f"The pictures at {where} are unreadable; no clip holds them.")
    elif (count := film.damage.count) and not warnings:
        pieces = "A damaged piece" if count == 1 else f"{count} damaged pieces"
        warnings.append(f"{pieces} could be passed over; look at it.")
    if times := film.clock.restarts:
        often = "once" if times == 1 else f"{times} times"
        warnings.append(f"The clock began anew {often}; the parts are joined.")
    return warnings


def _changes(source: Probe, size: tuple[int, int]) -> list[str]:
    rate = source.frame_rate
    shown = f"{float(Fraction(rate)):.6g}" if rate else "an unknown number of"
    facts = {
        f"Coded anew as H.264 with a key picture every second; it was {source.codec}.": True,
        f"Brought from {shown} to {FRAME_RATE} frames a second.": rate != str(FRAME_RATE),
        f"Resized from {source.width}x{source.height} to {size[0]}x{size[1]} pixels.": (
            sorted(size) != sorted((source.width, source.height))
        ),
        f"Pixels of shape {source.sample_aspect} made square.": source.sample_aspect != "1",
        "Turned upright.": bool(source.turn),
        "Interlaced fields joined into whole pictures.": source.is_interlaced,
        "Colours brought from full to limited range.": source.is_full_range,
        "High dynamic range brought to that of ordinary screens.": source.is_hdr,
        "Sound left out.": source.has_sound,
    }
    return [sentence for sentence, is_true in facts.items() if is_true]
