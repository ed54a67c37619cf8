"""Corrections of persons: merge, split at a frame, rename, "not a person", and undo.

A correction is a row, which `corrected_runs.py` applies to tracks. A clip with tasks keeps its
persons, since answers point to them.
"""

from collections.abc import Collection

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from datasets.models import Clip, Video
from tracking.core.corrected_tracks import split_frame
from tracking.models import (
    Person,
    PersonCorrection,
    TrackingRun,
    VideoPerson,
    highest_person_id,
)
from tracking.selectors import tracks_of
from tracking.services.corrected_runs import apply_to_video, is_fixed

Kind = PersonCorrection.Kind


class CorrectionError(ValueError):
    """The correction is not possible; the message says why."""


def merge(video: Video, number: int, other_number: int, *, user: User) -> PersonCorrection:
    """Person `number` is person `other_number`.

    The other way round if only the clips of `other_number` can still change.
    Raises CorrectionError if both have clips with tasks, one is not there, or they are of
    different classes.
    """
    with transaction.atomic():
        _lock(video)
        person, other = _person(video, number), _person(video, other_number)
        if person == other:
            raise CorrectionError(
                _("%(person)s can't be merged with itself.") % {"person": person.called}
            )
        if person.label != other.label:
            raise CorrectionError(
                _(
                    "%(person)s can't be merged with %(other)s: one is of the class "
                    "%(class)s, the other of the class %(other_class)s."
                )
                % {
                    "person": person.called,
                    "other": other.called,
                    "class": person.label,
                    "other_class": other.label,
                }
            )
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
                _("%(person)s is not seen before that frame: choose a later one.")
                % {"person": person.called}
            )
        if not _is_seen(video, person, clip, frame, before=False):
            raise CorrectionError(
                _("%(person)s is not seen from that frame on.") % {"person": person.called}
            )
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


def check(video: Video, number: int) -> VideoPerson:
    """Somebody looked at person `number`, and it is right. Raises CorrectionError."""
    person = VideoPerson.objects.filter(video=video, person_id=number).first()
    if person is None:
        raise CorrectionError(
            _("%(video)s has no person %(number)s.") % {"video": video, "number": number}
        )
    VideoPerson.objects.filter(pk=person.pk).update(checked_at=timezone.now())
    return person


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
                "%(person)s is in %(fixed)s%(more)s with tasks, whose answers point to "
                "it: unassign them first, or let annotators correct the boxes."
            )
            % {"person": person.called, "fixed": fixed[0], "more": more}
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
