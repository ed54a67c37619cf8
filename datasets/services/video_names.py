"""Video names: unique in a dataset, and never reused, even after a video is deleted.

Clips, files and AVA ids contain the name of their video.
"""

from django.db import transaction

from datasets.core.naming import safe_name
from datasets.models import Dataset, Video, VideoName

__all__ = ["add_video", "reserve_name"]


def reserve_name(dataset: Dataset, original: str, sha256: str) -> str:
    """Reserve a name for the video file `sha256`, uploaded as `original`.

    No other video can get it, so files may be written under it; if the process is killed before
    `add_video`, the same file gets the same name again.
    """
    names = VideoName.objects.filter(dataset=dataset)
    while True:
        reserved = names.filter(reserved_for=sha256).order_by("pk").first()
        if reserved is not None:
            return reserved.name
        free = safe_name(original, taken=set(names.values_list("name", flat=True)))
        _, is_new = VideoName.objects.get_or_create(
            dataset=dataset, name=free, defaults={"reserved_for": sha256}
        )
        if is_new:
            return free


def add_video(video: Video) -> None:
    """Insert a video with a reserved name. Raises IntegrityError if the file is known."""
    with transaction.atomic():
        video.save(force_insert=True)
        VideoName.objects.filter(dataset=video.dataset, reserved_for=video.sha256).update(
            reserved_for=""
        )
