"""Re-cutting: the videos of one dataset are added to another one with other settings.

Clips keep their names and annotations forever, so clips with other settings need another
dataset. Raw videos are hard links on a local disk, and copies in a bucket.
"""

from typing import NamedTuple

from django.db import IntegrityError

from avaproject.base.storage import link_stored
from datasets.accounts.activity import record
from datasets.accounts.quotas import charging_bytes
from datasets.models import Dataset, Video
from datasets.services.video_names import add_video, reserve_name


class CopiedVideos(NamedTuple):
    """How many videos are new in the dataset, and the names of those without a raw file."""

    new: int
    without_raw: list[str]


def copy_videos(source: Dataset, target: Dataset) -> CopiedVideos:
    """Add the videos of `source` to `target`; `source` does not change.

    Videos that `target` has already are skipped, so it may be called again at any time. Raises
    StorageQuotaError where a video does not fit the quota of `target`; those before it stay.
    """
    known = set(target.videos.values_list("sha256", flat=True))
    new, without_raw = 0, []
    for video in source.videos.exclude(sha256__in=known).order_by("pk"):
        if video.raw:
            new += _copy_video(video, target)
        else:
            without_raw.append(video.name)
    if new:
        record("copy videos", f"{new} of {source}", dataset=target)
    return CopiedVideos(new, without_raw)


def _copy_video(video: Video, target: Dataset) -> bool:
    name = reserve_name(target, video.name, video.sha256)
    raw = link_stored(str(video.raw.name), f"{target.name}/raw/{video.sha256[:16]}-{name}")
    added = Video(
        dataset=target,
        name=name,
        original_name=video.original_name,
        sha256=video.sha256,
        size=video.size,
        raw=raw,
    )
    try:
        with charging_bytes(target, video.size):
            add_video(added)
    except IntegrityError:
        return False  # another process has just added it
    return True
