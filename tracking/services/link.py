"""Stage 5: persons are named once over all clips of a video, and proposed at its keyframes."""

from collections.abc import Sequence

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from datasets.core.clipping import FRAME_RATE
from datasets.models import Clip, Video
from datasets.stages import Stage
from tracking.core.linking import link
from tracking.core.proposals import boxes_at
from tracking.core.trackfile import TrackFile, TrackFileError, load
from tracking.models import Linking, Person, Proposal, TrackingRun
from tracking.services.track import current_recipe

ROWS_AT_ONCE = 1000


class LinkingError(RuntimeError):
    """The video cannot be linked yet; the message says what is missing."""


def plan_linkings() -> int:
    """Order the linking of each video whose clips are all tracked; return how many.

    All clips must be done, each with a done run of the dataset's current recipe.
    """
    tracked = TrackingRun.objects.done().filter(clip=OuterRef("pk"))
    clips = Clip.objects.filter(video=OuterRef("pk"))
    is_tracked = Exists(tracked.filter(recipe=OuterRef(OuterRef("recipe"))))
    untracked = clips.exclude(Q(stage=Stage.DONE) & is_tracked)
    ready = (
        Video.objects.done()
        .annotate(recipe=current_recipe("dataset"))
        .filter(Exists(clips))
        .exclude(Exists(untracked))
        .exclude(
            Exists(Linking.objects.filter(video=OuterRef("pk"), recipe=OuterRef("recipe")))
        )
        .values_list("pk", "recipe")
    )
    new = [Linking(video_id=video, recipe=recipe) for video, recipe in ready]
    Linking.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def link_video(linking_id: int) -> Linking | None:
    """Name the persons of one video and write its proposals; None if it is not ours to do.

    Done again it writes the same rows in place of the old ones.
    """
    linking = Linking.objects.claim(linking_id)
    if linking is None:
        return None
    with linking.working(LinkingError):
        runs = _runs_of(linking)
        files = [_tracks_of(run) for run in runs]
        named = link(
            [file.tracks for file in files],
            [file.frame_count for file in files],
            fps=FRAME_RATE,
        )
        persons = [
            Person(run=run, track_id=track_id, person_id=person_id)
            for run, names in zip(runs, named, strict=True)
            for track_id, person_id in names.items()
        ]
        proposals = [
            row
            for run, file, names in zip(runs, files, named, strict=True)
            for row in _proposals(run, file, names)
        ]
        with transaction.atomic():
            Person.objects.filter(run__in=runs).delete()
            Proposal.objects.filter(run__in=runs).delete()
            Person.objects.bulk_create(persons, batch_size=ROWS_AT_ONCE)
            Proposal.objects.bulk_create(proposals, batch_size=ROWS_AT_ONCE)
            linking.finish(person_count=len({person.person_id for person in persons}))
    return linking


def _runs_of(linking: Linking) -> list[TrackingRun]:
    """The done run of every clip of the video, in the order of the clips."""
    clips = list(linking.video.clips.order_by("index"))
    runs = {
        run.clip_id: run
        for run in TrackingRun.objects.done()
        .filter(clip__video=linking.video, recipe=linking.recipe)
        .select_related("clip__video")
    }
    missing = [clip.name for clip in clips if clip.pk not in runs]
    if missing:
        raise LinkingError(
            f"Not tracked with {linking.recipe}: {', '.join(missing)}. Try again when they are."
        )
    return [runs[clip.pk] for clip in clips]


def _tracks_of(run: TrackingRun) -> TrackFile:
    try:
        with default_storage.open(str(run.tracks), "rb") as file:
            return load(file.read())
    except FileNotFoundError as error:
        raise LinkingError(
            f"The tracks of {run.clip} are gone from the storage ({run.tracks.name}): bring "
            "the file back, or delete the run so that the clip is tracked again."
        ) from error
    except TrackFileError as error:
        raise LinkingError(f"{run.tracks.name}: {error}") from error


def _proposals(run: TrackingRun, file: TrackFile, names: dict[int, int]) -> Sequence[Proposal]:
    boxes = boxes_at(
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
