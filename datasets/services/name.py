"""Names of videos, each given once in a dataset, also after its video is deleted.

Clips, files and AVA ids are called after it: whatever bears the name is of that one video.
"""

from django.db import transaction

from datasets.core.naming import safe_name
from datasets.models import Dataset, Video, VideoName

__all__ = ["add_video", "give_name"]


def give_name(dataset: Dataset, original: str, sha256: str) -> str:
    """The name under which the film `sha256`, which came as `original`, comes to the dataset.

    It is nobody else's from now on, so files may be written under it; whoever is killed before
    `add_video` gets the same name again.
    """
    names = VideoName.objects.filter(dataset=dataset)
    while True:
        kept = names.filter(kept_for=sha256).order_by("pk").first()
        if kept is not None:
            return kept.name
        free = safe_name(original, taken=set(names.values_list("name", flat=True)))
        _, is_ours = VideoName.objects.get_or_create(
            dataset=dataset, name=free, defaults={"kept_for": sha256}
        )
        if is_ours:
            return free


def add_video(video: Video) -> None:
    """Write the row of a video with a given name. Raises IntegrityError if its film is here."""
    with transaction.atomic():
        video.save(force_insert=True)
        VideoName.objects.filter(dataset=video.dataset, kept_for=video.sha256).update(
            kept_for=""
        )
