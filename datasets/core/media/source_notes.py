"""Sentences about a source video: what was converted, left out or could not be read."""

from fractions import Fraction
from typing import Any

from datasets.core.media.clips_and_keyframes import FRAME_RATE, FrameRange
from datasets.core.media.video_reader import MediaError, Probe, VideoReader
from datasets.core.translation import gettext as _
from datasets.core.translation import ngettext

MIN_SECONDS = 0.5
MAX_UNREADABLE_SHARE = 0.5
MIN_DECODED_SHARE = 0.98


def properties_of(video: VideoReader, decoded: int, corrupt: int) -> dict[str, Any]:
    """Properties of the source; `left_out` are sentences about what clips do not show."""
    left_out = [*_left_out(video.probe), *video.left_out]
    counts = {"decoded_frames": decoded, "corrupt_frames": corrupt, "left_out": left_out}
    return video.probe.as_dict() | counts


def check_readable(video: VideoReader, frame_count: int) -> None:
    """Raises MediaError if a video is mostly unreadable, or too short."""
    corruption, seconds = video.corruption, frame_count / FRAME_RATE
    if (
        corruption.share > MAX_UNREADABLE_SHARE
        or corruption.count > MAX_UNREADABLE_SHARE * video.decoded
    ):
        where = (
            _(" at %(places)s") % {"places": corruption.describe()} if corruption.spans else ""
        )
        raise MediaError(
            _(
                "%(video)s is damaged: more than half of it is unreadable%(where)s; copy "
                "it again from its source"
            )
            % {"video": video.name, "where": where}
        )
    if seconds < MIN_SECONDS:
        raise MediaError(
            _("%(video)s is only %(seconds).2f s long; it needs %(min_seconds)s s at least")
            % {"video": video.name, "seconds": seconds, "min_seconds": MIN_SECONDS}
        )


def warnings_of(
    video: VideoReader, frame_count: int, unreadable: list[FrameRange], *, keep_truncated: bool
) -> list[str]:
    """Sentences about a video that was read to its end.

    Raises MediaError if it is truncated and the dataset does not accept such videos.
    """
    seconds, declared = frame_count / FRAME_RATE, video.probe.seconds or 0
    warnings = []
    if seconds < declared * MIN_DECODED_SHARE - MIN_SECONDS or video.stop_reason:
        whole = _(" of %(declared).1f") % {"declared": declared} if declared > seconds else ""
        sentence = _("%(video)s is truncated: only %(seconds).1f%(whole)s s can be read") % {
            "video": video.name,
            "seconds": seconds,
            "whole": whole,
        }
        if not keep_truncated:
            raise MediaError(
                _("%(sentence)s; the dataset does not accept truncated videos")
                % {"sentence": sentence}
            )
        warnings.append(f"{sentence}.")
    if unreadable:
        where = video.corruption.describe()
        warnings.append(
            _("The frames at %(where)s are unreadable; no clip contains them.")
            % {"where": where}
        )
    elif (count := video.corruption.count) and not warnings:
        sentence = ngettext(
            "%d corrupt place skipped: please check the video.",
            "%d corrupt places skipped: please check the video.",
            count,
        )
        warnings.append(sentence % count)
    if video.reshaped is not None:
        warnings.append(
            _("Its frames change their shape at %.1f s; all are stretched to the first shape.")
            % video.reshaped
        )
    if times := video.timestamps.restarts:
        often = _("once") if times == 1 else _("%d times") % times
        warnings.append(_("Its timestamps restarted %s; the parts were joined.") % often)
    return warnings


def changes_of(source: Probe, size: tuple[int, int]) -> list[str]:
    rate = source.frame_rate
    per_second = f"{float(Fraction(rate)):.6g}" if rate else _("an unknown number of")
    shown = _shown(source)
    is_h264 = source.codec == "h264"
    encoded = (
        _("as H.264")
        if is_h264
        else _("from %(codec)s to H.264") % {"codec": source.codec.upper()}
    )
    facts = {
        _("Re-encoded %(encoded)s, one keyframe per second.") % {"encoded": encoded}: True,
        _("Resampled from %(per_second)s to %(frame_rate)s frames per second.")
        % {"per_second": per_second, "frame_rate": FRAME_RATE}: rate != str(FRAME_RATE),
        _("Resized from %(shown)s to %(width)sx%(height)s pixels.")
        % {"shown": shown, "width": size[0], "height": size[1]}: (
            sorted(size) != sorted(source.shown_size)
        ),
        _("Pixels of aspect %(sample_aspect)s made square.")
        % {"sample_aspect": source.sample_aspect}: source.sample_aspect != "1",
        _("Rotated upright."): bool(source.rotation),
        _("Deinterlaced."): source.is_interlaced,
        _("Colours converted from full to limited range."): source.is_full_range,
        _("HDR converted to SDR."): source.is_hdr,
    }
    made = [sentence for sentence, is_true in facts.items() if is_true]
    return [*made, *_left_out(source)]


def _left_out(source: Probe) -> list[str]:
    crop = _("Cropped from %(width)sx%(height)s to %(shown)s, as the file says.") % {
        "width": source.width,
        "height": source.height,
        "shown": _shown(source),
    }
    return [*[crop] * bool(source.crop), *[_("Sound removed.")] * source.has_sound]


def _shown(source: Probe) -> str:
    return "{}x{}".format(*source.shown_size)
