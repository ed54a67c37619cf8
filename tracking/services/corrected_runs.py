"""Tracks, persons and proposals of a video as corrections of persons leave them.

Tracks as they were tracked stay as they are. Of each clip that a correction changes, a second
tracks file is written, and persons and proposals are replaced. A clip with tasks keeps its
persons. A correction that fits no longer is left out, and `corrections_left_out` says why.
"""

from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from django.db import transaction
from django.db.models import PROTECT
from django.utils.translation import gettext as _

from avaproject.base.storage import local_path, store
from avaproject.base.temporary import work_folder
from datasets.models import PendingDeletion, Video
from tracking.core.corrected_tracks import Correction, apply_corrections
from tracking.core.doubts import doubts_of
from tracking.core.returning import person_features
from tracking.core.tracks_file import TracksFile, TracksFileError, dump, load
from tracking.models import (
    IdentityRun,
    Person,
    PersonCorrection,
    Proposal,
    TrackingRun,
    VideoPerson,
)
from tracking.selectors import runs_in_use, tracks_of
from tracking.services.proposal_rows import ROWS_AT_ONCE, proposals_of

Kind = PersonCorrection.Kind
Ids = dict[int, int]  # person of each track


class LeftOut(NamedTuple):
    """A correction that changes nothing in the runs in use, and why."""

    correction: PersonCorrection
    reason: str


def corrections_of(video: Video) -> list[Correction]:
    """The corrections of tracks in `video` that hold, in the order they were made.

    Two of different classes are never one, so a merge of these is left out.
    """
    places = {
        pk: place
        for place, pk in enumerate(video.clips.order_by("index").values_list("pk", flat=True))
    }
    return [
        Correction(
            row.kind, row.person.person_id, row.other.person_id if row.other else 0,
            places.get(row.clip_id or 0, 0), row.frame or 0,
        )
        for row in _in_force(video)
        if not _class_fault(row)
    ]  # fmt: skip


def corrections_left_out(video: Video) -> list[LeftOut]:
    """The corrections in force that change nothing in the runs in use, in their order.

    They merge two of different classes, or correct somebody whom the tracks do not show, as
    after a tracking that found somebody else there.
    """
    rows = _in_force(video)
    there = _shown_before(video) if rows else set()
    found = []
    for row in rows:
        person = row.person
        if fault := _class_fault(row):
            found.append(LeftOut(row, fault))
        elif person.person_id not in there:
            fault = _("the tracks do not show %(person)s") % {"person": person.called}
            found.append(LeftOut(row, fault))
        else:
            if row.kind != Kind.SPLIT:
                there.discard(person.person_id)
            if row.other is not None:
                there.add(row.other.person_id)
    return found


def _in_force(video: Video) -> list[PersonCorrection]:
    rows = PersonCorrection.objects.in_force().filter(video=video).exclude(kind=Kind.RENAME)
    return list(rows.select_related("person", "other"))


def _class_fault(row: PersonCorrection) -> str:
    """Why a merge is none, if the classes differ; else empty."""
    if row.kind != Kind.MERGE or row.other is None or row.person.label == row.other.label:
        return ""
    return _("%(person)s and %(other)s are of different classes") % {
        "person": row.person.called, "other": row.other.called,
    }  # fmt: skip


def _shown_before(video: Video) -> set[int]:
    """Numbers of those whom the runs in use show without any correction."""
    runs = runs_in_use(video)
    base: dict[int, Ids] = {}
    for identity_run in IdentityRun.objects.done().filter(
        video=video, config_key__in={run.config_key for run in runs}
    ):
        base |= stated_persons(identity_run)
    without = [run.pk for run in runs if run.pk not in base]
    rows = Person.objects.filter(run__in=without).values_list("person_id", flat=True)
    return {*rows, *(who for run in runs for who in base.get(run.pk, {}).values())}


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
    """Store how much each person of the runs in use is in doubt, and what it looks like."""
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
