"""Stage 5: persons are named once over all clips of a video, and proposed at its keyframes."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from django.db import transaction
from django.db.models import Case, Exists, Max, OuterRef, Q, QuerySet, Value

from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import Clip, Video
from tracking.core.identities import match_identities
from tracking.core.tracklet_merging import link
from tracking.core.proposals import sample_at_keyframes
from tracking.core.tracks_file import TracksFile, TracksFileError
from tracking.models import IdentityRun, Person, Proposal, TrackingRun
from tracking.selectors import tracks_of
from tracking.services.track import active_configs, config_keys_by, experiment_configs

ROWS_AT_ONCE = 1000


class IdentityError(RuntimeError):
    """The video cannot be linked yet; the message says what is missing."""


def plan_identity_runs() -> int:
    """Order the linking of each video whose clips are all tracked; return how many.

    All clips must be done, each with a done run of its dataset's way, or of a experiment.
    """
    chosen = active_configs()
    trial_of = {way.dataset: way.experiment for way in chosen}
    ready = _ready(config_keys_by("dataset", chosen))
    new = [
        IdentityRun(video_id=video, config_key=config_key, trial_id=trial_of[dataset])
        for video, config_key, dataset in ready.values_list("pk", "config_key", "dataset")
    ]
    for way in experiment_configs():
        ready = _ready(Value(way.config_key)).filter(dataset=way.dataset)
        new += [
            IdentityRun(video_id=video, config_key=way.config_key, trial_id=way.experiment)
            for video in ready.values_list("pk", flat=True)
        ]
    IdentityRun.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def _ready(config_key: Case | Value) -> QuerySet[Any]:
    """Videos tracked to their end with `config_key`, and not linked with it."""
    tracked = TrackingRun.objects.done().filter(clip=OuterRef("pk"))
    clips = Clip.objects.filter(video=OuterRef("pk"))
    is_tracked = Exists(tracked.filter(config_key=OuterRef(OuterRef("config_key"))))
    untracked = clips.exclude(Q(stage=Stage.DONE) & is_tracked)
    identity_runs = IdentityRun.objects.filter(video=OuterRef("pk"), config_key=OuterRef("config_key"))
    return (
        Video.objects.done()
        .annotate(config_key=config_key)
        .filter(Exists(clips))
        .exclude(Exists(untracked))
        .exclude(Exists(identity_runs))
    )


def assign_video_identities(linking_id: int) -> IdentityRun | None:
    """Name the persons of one video and write its proposals; None if it is not ours to do.

    Names once given stay, for clips may be annotated with them: done again it changes nothing,
    and who was named by an earlier tracking of the video keeps that number in a later one.
    """
    linking = IdentityRun.objects.claim(linking_id)
    if linking is None:
        return None
    with linking.working(IdentityError, TracksFileError):
        runs = _runs_of(linking)
        files = [tracks_of(run) for run in runs]
        named = _named(linking, runs, files)
        fresh = [run.pk for run in runs if not run.persons.exists()]
        persons: list[Person] = []
        proposals: list[Proposal] = []
        for run, file, names in zip(runs, files, named, strict=True):
            if run.pk in fresh:
                persons += [
                    Person(run=run, track_id=track_id, person_id=person_id)
                    for track_id, person_id in names.items()
                ]
                proposals += proposals_of(run, file, names)
        with transaction.atomic():
            Proposal.objects.filter(run__in=fresh).delete()
            Person.objects.bulk_create(persons, batch_size=ROWS_AT_ONCE)
            Proposal.objects.bulk_create(proposals, batch_size=ROWS_AT_ONCE)
            linking.finish(
                person_count=len({person for names in named for person in names.values()})
            )
    return linking


def _named(
    linking: IdentityRun, runs: list[TrackingRun], files: list[TracksFile]
) -> list[dict[int, int]]:
    """The person of each track, clip by clip."""
    tracks = [file.tracks for file in files]
    begins = [run.clip.start_frame for run in runs]
    steps = [later - begin for begin, later in pairwise([*begins, begins[-1]])]
    given = [_names_of(run) for run in runs]
    cuts = [file.cuts for file in files]
    named = link(tracks, steps, fps=FRAME_RATE, given=given, cuts=cuts)
    return named if any(given) else keep_earlier_ids(linking.video, files, named)


def keep_earlier_ids(
    video: Video, files: Sequence[TracksFile], named: Sequence[Mapping[int, int]]
) -> list[dict[int, int]]:
    """The persons `named` with the numbers that an earlier tracking of `video` gave them.

    Who was not seen then gets a number of their own. Without one they are as they were.

    Args:
        files: The new tracks of every clip of the video, in order.
        named: The person of each track, clip by clip.
    """
    earlier = _earlier_runs(video)
    if earlier is None:
        return [dict(names) for names in named]
    tracks = [file.tracks for file in files]
    others = [(tracks_of(run).tracks, _names_of(run)) for run in earlier]
    same = match_identities(list(zip(tracks, named, strict=True)), others)
    persons = Person.objects.filter(run__clip__video=video)
    highest = persons.aggregate(last=Max("person_id"))["last"]
    new = sorted({person for names in named for person in names.values()} - same.keys())
    numbers = same | {person: number for number, person in enumerate(new, (highest or 0) + 1)}
    return [{track: numbers[person] for track, person in names.items()} for names in named]


def _names_of(run: TrackingRun) -> dict[int, int]:
    return dict(run.persons.values_list("track_id", "person_id"))


def _earlier_runs(video: Video) -> list[TrackingRun] | None:
    """The runs of all clips that named the persons of `video` first; None if there are none."""
    done = IdentityRun.objects.done().filter(video=video).order_by("finished_at", "pk")
    if (first := done.first()) is None:
        return None
    runs = TrackingRun.objects.done().filter(clip__video=video, config_key=first.config_key)
    found = list(runs.select_related("clip").order_by("clip__index"))
    return found if len(found) == video.clips.count() else None


def _runs_of(linking: IdentityRun) -> list[TrackingRun]:
    """The done run of every clip of the video, in the order of the clips."""
    clips = list(linking.video.clips.order_by("index"))
    runs = {
        run.clip_id: run
        for run in TrackingRun.objects.done()
        .filter(clip__video=linking.video, config_key=linking.config_key)
        .select_related("clip__video")
    }
    missing = [clip.name for clip in clips if clip.pk not in runs]
    if missing:
        raise IdentityError(
            f"Not tracked with {linking.config_key}: {', '.join(missing)}. Try again when they are."
        )
    return [runs[clip.pk] for clip in clips]


def proposals_of(run: TrackingRun, file: TracksFile, names: Mapping[int, int]) -> list[Proposal]:
    """What to propose of `run` at the keyframes of its clip, not saved yet.

    Args:
        names: The person that each track shows.
    """
    boxes = sample_at_keyframes(
        file.tracks, run.clip.keyframes(), fps=file.fps, width=file.width, height=file.height
    )
    return [
        Proposal(
            run=run,
            second=box.second,
            person_id=names[box.track_id],
            x1=box.x1,
            y1=box.y1,
            x2=box.x2,
            y2=box.y2,
            score=box.score,
        )
        for box in boxes
    ]
