"""Corrections of persons: merge, split at a frame, rename, "not a person", and undo.

A correction is a row; tracks as they were tracked stay as they are. Of each clip that it
changes, a second tracks file is written, and persons and proposals are replaced. A clip with
tasks keeps its persons, since answers point to them.
"""

from collections.abc import Collection, Iterable
from hashlib import sha256

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import PROTECT, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from avaproject.base.storage import local_path, store
from avaproject.base.temporary import work_folder
from datasets.models import Clip, PendingDeletion, Video
from tracking.core.appearance import person_features
from tracking.core.corrected_tracks import Correction, apply_corrections, split_frame
from tracking.core.doubts import doubts_of
from tracking.core.tracks_file import TracksFile, TracksFileError, dump, load
from tracking.models import (
    IdentityRun,
    Person,
    PersonCorrection,
    Proposal,
    TrackingRun,
    VideoPerson,
    highest_person_id,
)
from tracking.selectors import runs_in_use, tracks_of
from tracking.services.proposal_rows import ROWS_AT_ONCE, proposals_of

Kind = PersonCorrection.Kind
Ids = dict[int, int]  # person of each track


class CorrectionError(ValueError):
    """The correction is not possible; the message says why."""


def merge(video: Video, number: int, other_number: int, *, user: User) -> PersonCorrection:
    """Person `number` is person `other_number`.

    The other way round if only the clips of `other_number` can still change.
    Raises CorrectionError if both have clips with tasks, or one is not there.
    """
    if number == other_number:
        raise CorrectionError(_("P%s can't be merged with itself.") % number)
    with transaction.atomic():
        _lock(video)
        person, other = _person(video, number), _person(video, other_number)
        if _fixed(video, person) and not _fixed(video, other):
            person, other = other, person
        _check_free(_fixed(video, person), person)
        shared = _clips_of(video, person) & _clips_of(video, other)
        _check_free(_fixed(video, other, clips=shared), other)
        made = _make(video, Kind.MERGE, person, user, other=other)
    apply_to_video(video, only=_clips_of(video, person))
    return made


def split(video: Video, number: int, clip: Clip, frame: int, *, user: User) -> PersonCorrection:
    """Person `number` is somebody new from `frame` of `clip` on, in all later clips as well.

    If the person was not seen for a while just before, it is split there
    (`tracking.core.corrected_tracks.split_frame`).
    Raises CorrectionError if nothing of the person is before or after, or clips have tasks.
    """
    with transaction.atomic():
        _lock(video)
        person = _person(video, number)
        if clip.video_id != video.pk or not 0 <= frame < clip.frame_count:
            raise CorrectionError(
                _("%(clip)s has no frame %(frame)s in %(video)s.")
                % {"clip": clip, "frame": frame, "video": video}
            )
        later = Q(clip__index__gte=clip.index)
        _check_free(_fixed(video, person, where=later), person)
        frame = _best_frame(clip, person, frame)
        if not _is_seen(video, person, clip, frame, before=True):
            raise CorrectionError(
                _("P%s is not seen before that frame: choose a later one.") % number
            )
        if not _is_seen(video, person, clip, frame, before=False):
            raise CorrectionError(_("P%s is not seen from that frame on.") % number)
        free = highest_person_id(video) + 1
        new = VideoPerson.objects.create(video=video, person_id=free, label=person.label)
        made = _make(video, Kind.SPLIT, person, user, other=new, clip=clip, frame=frame)
    apply_to_video(video, only=_clips_of(video, person))
    return made


def drop(video: Video, number: int, *, user: User) -> PersonCorrection:
    """Person `number` is not a person. Raises CorrectionError if clips of it have tasks."""
    with transaction.atomic():
        _lock(video)
        person = _person(video, number)
        _check_free(_fixed(video, person), person)
        made = _make(video, Kind.DROP, person, user)
    apply_to_video(video, only=_clips_of(video, person))
    return made


def rename(video: Video, number: int, name: str, *, user: User) -> PersonCorrection:
    """Give person `number` a name for pages; empty for none."""
    name = " ".join(name.split())
    if len(name) > 80:
        raise CorrectionError(_("A name has at most 80 characters."))
    with transaction.atomic():
        _lock(video)
        person = _person(video, number)
        made = _make(video, Kind.RENAME, person, user, name=name, name_before=person.name)
        VideoPerson.objects.filter(pk=person.pk).update(name=name)
    return made


def check(video: Video, number: int) -> None:
    """Somebody looked at person `number`, and it is right."""
    found = VideoPerson.objects.filter(video=video, person_id=number)
    if not found.update(checked_at=timezone.now()):
        raise CorrectionError(
            _("%(video)s has no person %(number)s.") % {"video": video, "number": number}
        )


def undo(video: Video) -> PersonCorrection:
    """Undo the newest correction of `video`.

    Raises CorrectionError if there is none, or a clip that it changed has tasks now.
    """
    with transaction.atomic():
        _lock(video)
        newest = PersonCorrection.objects.in_force().filter(video=video).last()
        if newest is None:
            raise CorrectionError(_("Nothing is left to undo in %s.") % video)
        persons = [one for one in (newest.person, newest.other) if one]
        if newest.kind != Kind.RENAME:
            for person in persons:
                _check_free(_fixed(video, person), person)
        PersonCorrection.objects.filter(pk=newest.pk).update(undone_at=timezone.now())
        touched = [one.pk for one in persons]
        VideoPerson.objects.filter(pk__in=touched).update(checked_at=None)
        if newest.kind == Kind.RENAME:
            VideoPerson.objects.filter(pk=newest.person_id).update(name=newest.name_before)
    if newest.kind != Kind.RENAME:
        apply_to_video(video)
    return newest


def corrections_of(video: Video) -> list[Correction]:
    """The corrections of tracks in `video` that hold, in the order they were made."""
    places = {
        pk: place
        for place, pk in enumerate(video.clips.order_by("index").values_list("pk", flat=True))
    }
    rows = PersonCorrection.objects.in_force().filter(video=video).exclude(kind=Kind.RENAME)
    return [
        Correction(
            row.kind, row.person.person_id, row.other.person_id if row.other else 0,
            places.get(row.clip_id or 0, 0), row.frame or 0,
        )
        for row in rows.select_related("person", "other")
    ]  # fmt: skip


def apply_to_video(video: Video, *, only: Collection[int] | None = None) -> None:
    """Bring tracks, persons and proposals of `video` to what its corrections say.

    Killed in between, it is continued by the next correction, or by identifying the persons
    again. Clips with tasks keep what they have.

    Args:
        only: Keys of the clips that may change; None for all.
    """
    corrections = corrections_of(video)
    for identity_run in IdentityRun.objects.done().filter(video=video).order_by("pk"):
        runs = runs_of(video, identity_run.config_key)
        base = _keep_base(identity_run, runs)
        for place, run in enumerate(runs):
            if only is None or run.clip_id in only:
                correct_run(run, base.get(run.pk, {}), corrections, place)
    keep_doubts(video)


def runs_of(video: Video, config_key: str) -> list[TrackingRun]:
    """The done runs of `video` with a configuration, by clip."""
    runs = TrackingRun.objects.done().filter(clip__video=video, config_key=config_key)
    return list(runs.select_related("clip__video__dataset").order_by("clip__index"))


def _keep_base(identity_run: IdentityRun, runs: Iterable[TrackingRun]) -> dict[int, Ids]:
    """The persons of each run before any correction, kept with the identity run."""
    if identity_run.persons_before is None:
        found = {run.pk: dict(run.persons.values_list("track_id", "person_id")) for run in runs}
        IdentityRun.objects.filter(pk=identity_run.pk, persons_before__isnull=True).update(
            persons_before=found
        )
        identity_run.refresh_from_db(fields=["persons_before"])
    return stated_persons(identity_run)


def stated_persons(identity_run: IdentityRun) -> dict[int, Ids]:
    """`persons_before` with numbers for keys, as JSON has none; empty without corrections."""
    return {
        int(run): {int(track): person for track, person in ids.items()}
        for run, ids in (identity_run.persons_before or {}).items()
    }


def correct_run(run: TrackingRun, base: Ids, corrections: list[Correction], place: int) -> None:
    """Write tracks, persons and proposals of one clip, unless it has tasks.

    Args:
        base: The persons of its tracks before corrections.
        corrections: Of the whole video.
        place: Number of the clip in its video, from 0.
    """
    if is_fixed(run):
        return
    raw = uncorrected_tracks(run)
    tracks, ids = apply_corrections(raw.tracks, base, corrections, clip=place)
    is_changed = ids != base or len(tracks) != len(raw.tracks)
    made_by = {key: value for key, value in run.made_by.items() if key != "corrections"}
    name = str(run.uncorrected or run.tracks)
    file = raw
    if is_changed:
        made_by["corrections"] = len(corrections)
        file = TracksFile(
            raw.clip, raw.width, raw.height, raw.frame_count, tracks, raw.fps,
            raw.made_by | {"corrections": len(corrections)}, raw.cuts,
        )  # fmt: skip
        name = _store(run, dump(file))
    old = str(run.tracks)
    with transaction.atomic():
        locked = TrackingRun.objects.select_for_update().get(pk=run.pk)
        if is_fixed(locked):  # assigned meanwhile
            PendingDeletion.objects.bulk_create(_unused({name}, locked))
            return
        locked.uncorrected = str(run.uncorrected or run.tracks) if is_changed else ""
        locked.tracks, locked.made_by, locked.track_count = name, made_by, len(tracks)
        locked.save(update_fields=["tracks", "uncorrected", "made_by", "track_count"])
        locked.persons.all().delete()
        locked.proposals.all().delete()
        Person.objects.bulk_create(
            [Person(run=locked, track_id=track, person_id=who) for track, who in ids.items()],
            batch_size=ROWS_AT_ONCE,
        )
        Proposal.objects.bulk_create(proposals_of(locked, file, ids), batch_size=ROWS_AT_ONCE)
        PendingDeletion.objects.bulk_create(_unused({old}, locked))


def _unused(names: set[str], run: TrackingRun) -> list[PendingDeletion]:
    used = {str(run.tracks), str(run.uncorrected), run.stored_name}
    return [PendingDeletion(name=name) for name in names - used if name]


def _store(run: TrackingRun, content: bytes) -> str:
    """Store a corrected tracks file, under a name that no other state of corrections has."""
    made = PersonCorrection.objects.filter(video=run.clip.video_id)
    state = f"{made.count()}-{made.exclude(undone_at=None).count()}"  # one of them only grows
    token = f"{state}-{sha256(content).hexdigest()[:8]}"
    folder, _slash, name = run.stored_name.rpartition("/")
    with work_folder() as work:
        path = work / "tracks.json.gz"
        path.write_bytes(content)
        return store(path, f"{folder}/corrected-{token}-{name}")


def uncorrected_tracks(run: TrackingRun) -> TracksFile:
    """The tracks of `run` as they were tracked. Raises TracksFileError."""
    if not run.uncorrected:
        return tracks_of(run)
    try:
        with local_path(str(run.uncorrected)) as path:
            return load(path.read_bytes())
    except FileNotFoundError as error:
        raise TracksFileError(
            _(
                "The tracks of %(clip)s as they were tracked cannot be read "
                "(%(uncorrected)s: %(error)s): restore the file, or delete the run so that "
                "the clip is tracked again."
            )
            % {"clip": run.clip, "uncorrected": run.uncorrected, "error": error}
        ) from error


def is_fixed(run: TrackingRun) -> bool:
    """Whether rows of later steps, such as tasks, point to the run and so to its persons."""
    return any(
        relation.related_model._default_manager.filter(**{relation.field.name: run}).exists()
        for relation in TrackingRun._meta.related_objects
        if relation.on_delete is PROTECT  # type: ignore[attr-defined]  # of a foreign key
    )


def keep_doubts(video: Video) -> None:
    """Store how much each person of the runs in use is in doubt, and what it features like."""
    clips = [
        (tracks_of(run).tracks, dict(run.persons.values_list("track_id", "person_id")))
        for run in runs_in_use(video)
    ]
    found, features = doubts_of(clips), person_features(clips)
    rows = list(VideoPerson.objects.filter(video=video, is_drawn=False))
    for row in rows:
        doubt, look = found.get(row.person_id), features.get(row.person_id)
        row.doubt, row.doubt_reason = (doubt.value, doubt.reason) if doubt else (None, "")
        row.look = None if look is None else look.astype(np.float16).tobytes()
        row.look_parts = 0 if look is None else len(look)
    fields = ["doubt", "doubt_reason", "look", "look_parts"]
    VideoPerson.objects.bulk_update(rows, fields, batch_size=ROWS_AT_ONCE)


def _lock(video: Video) -> None:
    list(Video.objects.select_for_update().filter(pk=video.pk).values("pk"))


def _person(video: Video, number: int) -> VideoPerson:
    person = VideoPerson.objects.filter(video=video, person_id=number).first()
    if person is None or not _clips_of(video, person):
        raise CorrectionError(
            _("%(video)s has no person %(number)s in its tracks.")
            % {"video": video, "number": number}
        )
    return person


def _clips_of(video: Video, person: VideoPerson) -> set[int]:
    """Keys of the clips in which `person` is tracked, by any configuration."""
    rows = Person.objects.filter(run__clip__video=video, person_id=person.person_id)
    return set(rows.values_list("run__clip", flat=True))


def _fixed(
    video: Video,
    person: VideoPerson,
    *,
    where: Q | None = None,
    clips: Collection[int] | None = None,
) -> list[str]:
    """Names of the clips with tasks in which `person` is."""
    runs = TrackingRun.objects.done().filter(
        where or Q(), clip__video=video, persons__person_id=person.person_id
    )
    if clips is not None:
        runs = runs.filter(clip__in=clips)
    return [run.clip.name for run in runs.select_related("clip") if is_fixed(run)]


def _check_free(fixed: list[str], person: VideoPerson) -> None:
    if fixed:
        more = _(" and %s more clips") % (len(fixed) - 1) if len(fixed) > 1 else ""
        raise CorrectionError(
            _(
                "P%(person)s is in %(fixed)s%(more)s with tasks, whose answers point to "
                "it: unassign them first, or let annotators correct the boxes."
            )
            % {"person": person.person_id, "fixed": fixed[0], "more": more}
        )


def _make(
    video: Video, kind: PersonCorrection.Kind, person: VideoPerson, user: User, **more: object
) -> PersonCorrection:
    VideoPerson.objects.filter(pk=person.pk).update(checked_at=timezone.now())
    return PersonCorrection.objects.create(
        video=video, kind=kind, person=person, made_by=user, **more
    )


def _best_frame(clip: Clip, person: VideoPerson, frame: int) -> int:
    """Where to split in the run in use, if the person has a track there."""
    run = TrackingRun.objects.done().filter(clip=clip).in_use().first()
    track = run and run.persons.filter(person_id=person.person_id).first()
    if not run or not track:
        return frame
    for one in tracks_of(run).tracks:
        if one.track_id == track.track_id:
            return split_frame(one.frames, one.scores, frame)
    return frame


def _is_seen(
    video: Video, person: VideoPerson, clip: Clip, frame: int, *, before: bool
) -> bool:
    """Whether `person` has a box before `frame` of `clip`, or from it on."""
    there = Person.objects.filter(run__clip__video=video, person_id=person.person_id)
    other = Q(run__clip__index__lt=clip.index) if before else Q(run__clip__index__gt=clip.index)
    if there.filter(other).exists():
        return True
    for row in there.filter(run__clip=clip).select_related("run__clip"):
        for track in tracks_of(row.run).tracks:
            if track.track_id == row.track_id:
                sides = track.frames < frame if before else track.frames >= frame
                if sides.any():
                    return True
    return False
