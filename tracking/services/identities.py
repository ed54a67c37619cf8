"""Pipeline step "assign identities": one id for each person over all clips of a video.

The proposals at the keyframes of its clips are written with them.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from django.db import transaction
from django.db.models import Case, Exists, Max, OuterRef, Q, QuerySet, Value

from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import Clip, Video
from tracking.core.identities import assign_identities, match_identities
from tracking.core.proposals import sample_at_keyframes
from tracking.core.tracks_file import TracksFile, TracksFileError
from tracking.models import IdentityRun, Person, Proposal, TrackingRun
from tracking.selectors import tracks_of
from tracking.services.tracking_configs import (
    active_configs,
    config_keys_by,
    experiment_configs,
)

ROWS_AT_ONCE = 1000


class IdentityError(RuntimeError):
    """The persons of the video cannot be identified yet; the message says what is missing."""


def plan_identity_runs() -> int:
    """Create the identity run of each video whose clips are all tracked; return how many.

    Each clip must have a done run of its dataset's configuration, or of an experiment.
    """
    active = active_configs()
    experiment_of = {one.dataset: one.experiment for one in active}
    ready = _ready(config_keys_by("dataset", active))
    new = [
        IdentityRun(video_id=video, config_key=key, experiment_id=experiment_of[dataset])
        for video, key, dataset in ready.values_list("pk", "config_key", "dataset")
    ]
    for one in experiment_configs():
        ready = _ready(Value(one.config_key)).filter(dataset=one.dataset)
        new += [
            IdentityRun(video_id=video, config_key=one.config_key, experiment_id=one.experiment)
            for video in ready.values_list("pk", flat=True)
        ]
    IdentityRun.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def _ready(config_key: Case | Value) -> QuerySet[Any]:
    """Videos whose clips are all tracked with `config_key`, without an identity run of it."""
    key = OuterRef("config_key")
    tracked = TrackingRun.objects.done().filter(clip=OuterRef("pk"))
    clips = Clip.objects.filter(video=OuterRef("pk"))
    is_tracked = Exists(tracked.filter(config_key=OuterRef(key)))
    untracked = clips.exclude(Q(stage=Stage.DONE) & is_tracked)
    runs = IdentityRun.objects.filter(video=OuterRef("pk"), config_key=key)
    return (
        Video.objects.done()
        .annotate(config_key=config_key)
        .filter(Exists(clips))
        .exclude(Exists(untracked))
        .exclude(Exists(runs))
    )


def assign_video_identities(identity_run_id: int) -> IdentityRun | None:
    """Identify the persons of one video and write its proposals; None if it is not ours to do.

    Ids once given stay, since clips may be annotated with them: done again it changes nothing,
    and a person of an earlier tracking of the video keeps that id in a later one.
    """
    identity_run: IdentityRun | None = IdentityRun.objects.claim(identity_run_id)
    if identity_run is None:
        return None
    with identity_run.working(IdentityError, TracksFileError):
        runs = _runs_of(identity_run)
        files = [tracks_of(run) for run in runs]
        identities = _identities(identity_run, runs, files)
        fresh = [run.pk for run in runs if not run.persons.exists()]
        persons: list[Person] = []
        proposals: list[Proposal] = []
        for run, file, ids in zip(runs, files, identities, strict=True):
            if run.pk in fresh:
                persons += [
                    Person(run=run, track_id=track_id, person_id=person_id)
                    for track_id, person_id in ids.items()
                ]
                proposals += proposals_of(run, file, ids)
        with transaction.atomic():
            Proposal.objects.filter(run__in=fresh).delete()
            Person.objects.bulk_create(persons, batch_size=ROWS_AT_ONCE)
            Proposal.objects.bulk_create(proposals, batch_size=ROWS_AT_ONCE)
            identity_run.finish(
                person_count=len({person for ids in identities for person in ids.values()})
            )
    return identity_run


def _identities(
    identity_run: IdentityRun, runs: list[TrackingRun], files: list[TracksFile]
) -> list[dict[int, int]]:
    """The person of each track, clip by clip."""
    tracks = [file.tracks for file in files]
    starts = [run.clip.start_frame for run in runs]
    steps = [later - start for start, later in pairwise([*starts, starts[-1]])]
    given = [_person_ids(run) for run in runs]
    cuts = [file.cuts for file in files]
    found = assign_identities(tracks, steps, fps=FRAME_RATE, given=given, cuts=cuts)
    return found if any(given) else keep_earlier_ids(identity_run.video, files, found)


def keep_earlier_ids(
    video: Video, files: Sequence[TracksFile], identities: Sequence[Mapping[int, int]]
) -> list[dict[int, int]]:
    """`identities` with the ids that an earlier tracking of `video` gave the same persons.

    New persons get new ids. Without an earlier tracking they stay as they are.

    Args:
        files: The new tracks of every clip of the video, in order.
        identities: The person of each track, clip by clip.
    """
    earlier = _earlier_runs(video)
    if earlier is None:
        return [dict(ids) for ids in identities]
    tracks = [file.tracks for file in files]
    others = [(tracks_of(run).tracks, _person_ids(run)) for run in earlier]
    same = match_identities(list(zip(tracks, identities, strict=True)), others)
    persons = Person.objects.filter(run__clip__video=video)
    highest = persons.aggregate(last=Max("person_id"))["last"]
    new = sorted({person for ids in identities for person in ids.values()} - same.keys())
    numbers = same | {person: number for number, person in enumerate(new, (highest or 0) + 1)}
    return [{track: numbers[person] for track, person in ids.items()} for ids in identities]


def _person_ids(run: TrackingRun) -> dict[int, int]:
    return dict(run.persons.values_list("track_id", "person_id"))


def _earlier_runs(video: Video) -> list[TrackingRun] | None:
    """The runs of all clips that identified the persons of `video` first; None without any."""
    done = IdentityRun.objects.done().filter(video=video).order_by("finished_at", "pk")
    if (first := done.first()) is None:
        return None
    runs = TrackingRun.objects.done().filter(clip__video=video, config_key=first.config_key)
    found = list(runs.select_related("clip").order_by("clip__index"))
    return found if len(found) == video.clips.count() else None


def _runs_of(identity_run: IdentityRun) -> list[TrackingRun]:
    """The done run of every clip of the video, in the order of the clips."""
    clips = list(identity_run.video.clips.order_by("index"))
    runs = {
        run.clip_id: run
        for run in TrackingRun.objects.done()
        .filter(clip__video=identity_run.video, config_key=identity_run.config_key)
        .select_related("clip__video")
    }
    missing = [clip.name for clip in clips if clip.pk not in runs]
    if missing:
        raise IdentityError(
            f"Not tracked with {identity_run.config_key}: {', '.join(missing)}. Try again when "
            "they are."
        )
    return [runs[clip.pk] for clip in clips]


def proposals_of(run: TrackingRun, file: TracksFile, ids: Mapping[int, int]) -> list[Proposal]:
    """The proposals of `run` at the keyframes of its clip, not saved yet.

    Args:
        ids: The person of each track.
    """
    boxes = sample_at_keyframes(
        file.tracks, run.clip.keyframes(), fps=file.fps, width=file.width, height=file.height
    )
    return [
        Proposal(
            run=run, second=box.second, person_id=ids[box.track_id],
            x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2, score=box.score,
        )
        for box in boxes
    ]  # fmt: skip
