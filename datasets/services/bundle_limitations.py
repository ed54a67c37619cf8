"""Limitations of clips that a bundle brought without their videos, as sentences."""

from collections import Counter
from collections.abc import Iterable

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from datasets.models import Clip


def limitations_of(clips: Iterable[Clip]) -> list[str]:
    """What can never be done with some of `clips`, since they came without video."""
    videos = [clip.video for clip in clips]
    without = Counter(video.frame_rate for video in videos if not video.has_all_frames)
    found = [clips_without_video(count, rate) for rate, count in sorted(without.items())]
    if any(video.has_all_frames and not video.file for video in videos):
        found.append(no_standard_video())
    return found


def no_standard_video() -> str:
    return _("The bundle has no standard video: no release can show its frames.")


def clips_without_video(count: int, rate: float) -> str:
    """What can't be done with `count` clips of annotation frames alone, `rate` a second."""
    sentence = ngettext(
        "%(count)s clip came without video: there are only its frames, %(rate)s a second. It "
        "can be annotated, reviewed and released as annotations alone; no release can hold "
        "frames at 30 a second or clips of it, and it cannot be tracked again.",
        "%(count)s clips came without video: there are only their frames, %(rate)s a second. "
        "They can be annotated, reviewed and released as annotations alone; no release can "
        "hold frames at 30 a second or clips of them, and they cannot be tracked again.",
        count,
    )
    return sentence % {"count": count, "rate": rate}
