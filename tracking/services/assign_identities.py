"""Pipeline step "assign identities": one id for each person over all clips of a video.

The proposals at the keyframes of its clips are written with them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count, pairwise

from django.db import transaction
from django.utils.translation import gettext as _

from avaproject.base.work import Stage
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import Clip, Video
from tracking.core.identities import assign_identities, match_identities
from tracking.core.returning import join_returned
from tracking.core.tracks_file import PERSON, TracksFile, TracksFileError
from tracking.models import (
    IDS_OF_VIDEO,
    IdentityRun,
    Person,
    Proposal,
    TrackingRun,
    VideoPerson,
    highest_person_id,
)
from tracking.services.corrected_runs import (
    correct_run,
    corrections_of,
    keep_doubts,
    stated_persons,
    uncorrected_tracks,
)
from tracking.services.proposal_rows import ROWS_AT_ONCE, proposals_of
from tracking.services.tracking_configs import WantedConfig, wanted_configs

NOT_CUT = 0  # no key of a clip, so never among the tracked ones


class IdentityError(RuntimeError):
    """The persons of the video cannot be identified yet; the message says what is missing."""


def plan_identity_runs(since: datetime | None = None) -> int:
    """Create the identity run of each video whose clips are all tracked; return how many.

    Each clip must have a done run of its dataset's configuration, or of an experiment.

    Args:
        since: Plan only videos with a tracking run that has changed since then.
    """
    tracked = TrackingRun.objects.done().order_by()
    videos = Video.objects.done()
    if since is not None:
        changed = tracked.changed_since(since).values_list("clip__video", flat=True)
        videos = videos.filter(pk__in=set(changed))
    rows = list(videos.order_by("pk").values_list("pk", "dataset"))
    if not rows:
        return 0
    keys = [pk for pk, _ in rows]
    clips: dict[int, set[int]] = defaultdict(set)
    stages = Clip.objects.filter(video__in=keys).values_list("video", "pk", "stage")
    for video, clip, stage in stages:
        clips[video].add(clip if stage == Stage.DONE else NOT_CUT)
    done: dict[tuple[int, str], set[int]] = defaultdict(set)
    runs = tracked.filter(clip__video__in=keys)
    for video, key, clip in runs.values_list("clip__video", "config_key", "clip"):
        done[video, key].add(clip)
    identified = IdentityRun.objects.filter(video__in=keys).order_by()
    there = set(identified.values_list("video", "config_key"))
    wanted: dict[int, list[WantedConfig]] = defaultdict(list)
    for one in wanted_configs():
        wanted[one.dataset].append(one)
    new = [
        IdentityRun(video_id=video, config_key=one.config_key, experiment_id=one.experiment)
        for video, dataset in rows
        for one in wanted[dataset]
        if clips[video]
        and clips[video] <= done[video, one.config_key]
        and (video, one.config_key) not in there
    ]
    IdentityRun.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def assign_video_identities(identity_run_id: int) -> IdentityRun | None:
    """Identify the persons of one video and write its proposals; None if it is not ours to do.

    Ids once given stay, since clips may be annotated with them: done again it changes nothing,
    and a person of an earlier tracking of the video keeps that id in a later one. Corrections
    of people are applied to what the tracker said.
    """
    identity_run: IdentityRun | None = IdentityRun.objects.claim(identity_run_id)
    if identity_run is None:
        return None
    with identity_run.working(IdentityError, TracksFileError):
        runs = _runs_of(identity_run)
        files = [uncorrected_tracks(run) for run in runs]
        corrections = corrections_of(identity_run.video)
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
            add_persons(identity_run.video, persons, files, identities)
            Proposal.objects.filter(run__in=fresh).delete()
            Proposal.objects.bulk_create(proposals, batch_size=ROWS_AT_ONCE)
            if corrections and identity_run.persons_before is None:
                before = {run.pk: ids for run, ids in zip(runs, identities, strict=True)}
                same = IdentityRun.objects.filter(pk=identity_run.pk)
                same.update(persons_before=before)
        for place, (run, ids) in enumerate(zip(runs, identities, strict=True)):
            if corrections:
                correct_run(run, ids, corrections, place)
        keep_doubts(identity_run.video)
        identity_run.finish(
            person_count=len({person for ids in identities for person in ids.values()})
        )
    return identity_run


def add_persons(
    video: Video,
    persons: Sequence[Person],
    files: Sequence[TracksFile] = (),
    identities: Sequence[Mapping[int, int]] = (),
) -> None:
    """Add the persons of a video and which tracks show them.

    Args:
        video: The source video.
        persons: Rows to be added.
        files: Tracks, which say what the persons are; who is in none is a person.
        identities: The person of each track in `files`.

    Raises IdentityError if annotators drew persons meanwhile who got these numbers.
    """
    labels: dict[int, str] = {}
    for file, ids in zip(files, identities, strict=True):
        for track in file.tracks:
            labels.setdefault(ids.get(track.track_id, 0), track.label)
    new = {one.person_id: labels.get(one.person_id, PERSON) for one in persons}
    if VideoPerson.add_tracked(video, new):
        raise IdentityError(
            _("Persons were drawn in this video at the same moment. Try again.")
        )
    Person.objects.bulk_create(persons, batch_size=ROWS_AT_ONCE)


def _identities(
    identity_run: IdentityRun, runs: list[TrackingRun], files: list[TracksFile]
) -> list[dict[int, int]]:
    """The person of each track, clip by clip."""
    tracks = [file.tracks for file in files]
    starts = [run.clip.start_frame for run in runs]
    steps = [later - start for start, later in pairwise([*starts, starts[-1]])]
    before = stated_persons(identity_run)
    done = [before.get(run.pk) or _person_ids(run) for run in runs]
    cuts = [file.cuts for file in files]
    last = highest_person_id(identity_run.video) if any(done) else 0
    given = _with_ids_of_video(runs, files, done, last)
    found = assign_identities(
        tracks, steps, fps=FRAME_RATE, given=given, cuts=cuts, highest=last
    )
    if any(done):
        return found
    if not any(given):
        found = join_returned(tracks, found, starts, fps=FRAME_RATE)
    return keep_earlier_ids(identity_run.video, files, found)


def _with_ids_of_video(
    runs: list[TrackingRun], files: list[TracksFile], done: list[dict[int, int]], last: int
) -> list[dict[int, int]]:
    """`done`, with the persons of tracks whose ids hold over all clips of the video.

    Such an id is the number of its person, unless persons of the video have numbers up to
    `last`: then new ones count on from there.
    """
    is_kept = [run.made_by.get("ids") == IDS_OF_VIDEO for run in runs]
    known: dict[int, int] = {}
    for kept, ids in zip(is_kept, done, strict=True):
        known |= ids if kept else {}
    shown = {
        track.track_id
        for kept, file in zip(is_kept, files, strict=True)
        for track in (file.tracks if kept else ())
    }
    new = sorted(shown - known.keys())
    known |= dict(zip(new, count(last + 1), strict=False)) if last else {n: n for n in new}
    return [
        {track.track_id: known[track.track_id] for track in file.tracks} if kept else ids
        for kept, file, ids in zip(is_kept, files, done, strict=True)
    ]


def keep_earlier_ids(
    video: Video, files: Sequence[TracksFile], identities: Sequence[Mapping[int, int]]
) -> list[dict[int, int]]:
    """`identities` with the ids that an earlier tracking of `video` gave the same persons.

    New persons get new ids, which no person of `video` ever had.

    Args:
        files: The new tracks of every clip of the video, in order.
        identities: The person of each track, clip by clip.
    """
    highest = highest_person_id(video)
    first = IdentityRun.objects.done().filter(video=video).order_by("finished_at", "pk").first()
    earlier = _earlier_runs(first) if first else None
    if first is None or earlier is None:
        return [
            {track: highest + person for track, person in ids.items()} for ids in identities
        ]
    tracks = [file.tracks for file in files]
    before = stated_persons(first)  # corrections are applied to the new tracks afterwards
    others = [
        (uncorrected_tracks(run).tracks, before.get(run.pk) or _person_ids(run))
        for run in earlier
    ]
    same = match_identities(list(zip(tracks, identities, strict=True)), others)
    new = sorted({person for ids in identities for person in ids.values()} - same.keys())
    numbers = same | {person: number for number, person in enumerate(new, highest + 1)}
    return [{track: numbers[person] for track, person in ids.items()} for ids in identities]


def _person_ids(run: TrackingRun) -> dict[int, int]:
    return dict(run.persons.values_list("track_id", "person_id"))


def _earlier_runs(first: IdentityRun) -> list[TrackingRun] | None:
    """The runs of all clips of its video; None if not all are done."""
    runs = TrackingRun.objects.done().filter(
        clip__video=first.video_id, config_key=first.config_key
    )
    found = list(runs.select_related("clip").order_by("clip__index"))
    return found if len(found) == Clip.objects.filter(video=first.video_id).count() else None


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
            _("Not tracked with %(configuration)s: %(missing)s. Try again when they are.")
            % {"configuration": identity_run.config_key, "missing": ", ".join(missing)}
        )
    return [runs[clip.pk] for clip in clips]
