"""The videos of one dataset cut again in another, with the other's settings.

Clips keep their names and their annotations for ever; so other settings mean other clips, and
those need a dataset of their own. The raw videos are lent on a local disk, copied in a bucket.
"""

from typing import NamedTuple

from django.db import IntegrityError

from avaproject.base.storage import link_stored
from datasets.models import Dataset, Video
from datasets.services.name import add_video, give_name


class BroughtOver(NamedTuple):
    """How many videos are new in the dataset, and the names of those without a raw file."""

    new: int
    without_raw: list[str]


def bring_over(source: Dataset, target: Dataset) -> BroughtOver:
    """Make the videos of `source` new videos of `target`; nothing of `source` is touched.

    Videos that `target` has already stay as they are, so it may be called again at any time.
    """
    known = set(target.videos.values_list("sha256", flat=True))
    new, without_raw = 0, []
    for video in source.videos.exclude(sha256__in=known).order_by("pk"):
        if video.raw:
            new += _brought(video, target)
        else:
            without_raw.append(video.name)
    return BroughtOver(new, without_raw)


def _brought(video: Video, target: Dataset) -> bool:
    name = give_name(target, video.name, video.sha256)
    raw = link_stored(str(video.raw.name), f"{target.name}/raw/{video.sha256[:16]}-{name}")
    try:
        add_video(
            Video(
                dataset=target,
                name=name,
                original_name=video.original_name,
                sha256=video.sha256,
                size=video.size,
                raw=raw,
            )
        )
    except IntegrityError:
        return False  # somebody else brings it over in this very moment
    return True
