"""Pipeline step "compare footage": footage that a video repeats, and chapters of recordings."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
from django.db import transaction
from django.utils.dateparse import parse_datetime

from avaproject.base.storage import local_path
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.fingerprints import (
    Hashes,
    Thumbnails,
    from_bytes,
    hash_a_second,
    hashes,
    read_thumbnails,
)
from datasets.core.media.repeats import likeness, look_alike, repeats
from datasets.core.media.video_reader import MediaError
from datasets.core.recordings import Source, continues
from datasets.models import Fingerprint, SharedFootage, Video

__all__ = ["compare_footage", "keep_thumbnails", "plan_fingerprints"]

Kind = SharedFootage.Kind


def keep_thumbnails(video: Video, content: bytes) -> None:
    """Store the thumbnails that were made while `video` was standardised; may be empty."""
    Fingerprint.objects.get_or_create(video=video, defaults={"thumbnails": content})


def plan_fingerprints(since: datetime | None = None) -> int:
    """Create the fingerprints of standard videos that have none; return how many.

    Args:
        since: Look only at videos that have changed since then.
    """
    videos = Video.objects.done().changed_since(since).filter(fingerprint=None)
    found = videos.filter(frame_rate=FRAME_RATE).exclude(file="").values_list("pk", flat=True)
    rows = [Fingerprint(video_id=pk) for pk in found]
    Fingerprint.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def compare_footage(fingerprint_id: int) -> Fingerprint | None:
    """Compare a video with all others of its dataset; None if it is done or claimed.

    What two videos share is stored once, whichever of them is compared last: a fingerprint is
    stored before the comparison.
    """
    row: Fingerprint | None = Fingerprint.objects.claim(fingerprint_id)
    if row is None:
        return None
    with row.working(MediaError, OSError):
        video, content = row.video, bytes(row.thumbnails)
        if not content:
            with local_path(str(video.file.name)) as path:
                content = read_thumbnails(path).tobytes()
        seconds = hash_a_second(from_bytes(content)).tobytes()
        row.claimed_rows().update(thumbnails=content, hashes=seconds)
        shared = list(_shared_footage(video, from_bytes(content)))
        with transaction.atomic():
            row.check_claim()
            SharedFootage.objects.bulk_create(shared, ignore_conflicts=True)
        row.finish()
    return row


def _shared_footage(video: Video, thumbnails: Thumbnails) -> Iterator[SharedFootage]:
    """What `video` has in common with each video of its dataset that has a fingerprint."""
    others = Fingerprint.objects.filter(video__dataset=video.dataset_id).exclude(hashes=b"")
    others = others.exclude(video=video.pk).order_by("video").select_related("video")
    own = hashes(thumbnails)
    for other in others.defer("thumbnails"):
        known = np.frombuffer(bytes(other.hashes), np.uint64)
        yield from _repeats(video, thumbnails, own, other, known)
        yield from _chapters(video, thumbnails, other)


def _repeats(
    video: Video, thumbnails: Thumbnails, own: Hashes, other: Fingerprint, known: Hashes
) -> Iterator[SharedFootage]:
    if not look_alike(own, known):
        return
    theirs = from_bytes(bytes(other.thumbnails))
    for found in repeats(thumbnails, theirs):
        starts = (found.start, found.other_start)
        if video.pk < other.video_id:
            yield _row(other.video_id, video.pk, Kind.REPEAT, starts[::-1], found.seconds)
        else:
            yield _row(video.pk, other.video_id, Kind.REPEAT, starts, found.seconds)


def _chapters(
    video: Video, thumbnails: Thumbnails, other: Fingerprint
) -> Iterator[SharedFootage]:
    """The link to a video that goes on where `video` ends, or the other way round."""
    one, two = _source(video), _source(other.video)
    if not any(_may_continue(*pair) for pair in ((one, two), (two, one))):
        return
    theirs = from_bytes(bytes(other.thumbnails))
    if not len(thumbnails) or not len(theirs):
        return
    later, earlier = max(video.pk, other.video_id), min(video.pk, other.video_id)
    seconds = {video.pk: one.seconds, other.video_id: two.seconds}
    for first, second, pair, key in (
        (thumbnails, theirs, (one, two), video.pk),
        (theirs, thumbnails, (two, one), other.video_id),
    ):
        if continues(*pair, likeness=likeness(first[-1], second[0])):
            start = {later: 0.0, earlier: 0.0} | {key: seconds[key]}
            yield _row(later, earlier, Kind.CHAPTER, (start[later], start[earlier]), 0.0)


def _may_continue(one: Source, other: Source) -> bool:
    """Whether the names allow it, so that no thumbnails are read for all other pairs."""
    return continues(one, other, likeness=1.0)


def _source(video: Video) -> Source:
    begins = parse_datetime(str(video.probe.get("created") or ""))
    return Source(video.original_name, video.seconds or 0.0, begins)


def _row(
    video: int, other: int, kind: Kind, starts: tuple[float, ...], seconds: float
) -> SharedFootage:
    start, other_start = starts
    return SharedFootage(
        video_id=video, other_id=other, kind=kind,
        start=start, other_start=other_start, seconds=seconds,
    )  # fmt: skip
