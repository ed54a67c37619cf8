"""The list of clips, and all that the page of one clip shows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Count
from django.utils.translation import gettext as _

from annotation.models import AnnotationTask
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import Clip, Dataset
from qc.models import AgreementReport, ClipStatus, Consensus, ConsensusBox, TaskStatus
from qc.selectors.clip_and_task_states import CLIP_STATES, State, tasks_of
from qc.selectors.display_names import annotator_names, name_annotators
from qc.selectors.statuses import clip_statuses, task_statuses
from qc.selectors.task_list import TaskRow, task_rows
from tracking.core.tracks_file import Track, TracksFileError, with_class
from tracking.models import Person, TrackingRun
from tracking.person_classes import classes_in
from tracking.selectors import tracks_of


class FrameSegment(NamedTuple):
    """Consecutive frames of a clip."""

    start: int
    length: int


class Tick(NamedTuple):
    """A mark of the timeline."""

    frame: int
    css: str


@dataclass
class PersonInClip:
    """A person of a tracking run, with their boxes.

    `person_id` is None until the persons of the video are identified; until then the track id
    is shown.
    """

    track: Track
    person_id: int | None

    @property
    def number(self) -> int:
        return self.track.track_id if self.person_id is None else self.person_id

    @property
    def label(self) -> str:
        name = f"T{self.number}" if self.person_id is None else f"P{self.number}"
        return with_class(name, self.track.label)

    @property
    def segments(self) -> list[FrameSegment]:
        return segments(self.track.frames)

    @property
    def from_second(self) -> float:
        return float(self.track.frames[0]) / FRAME_RATE

    @property
    def to_second(self) -> float:
        return float(self.track.frames[-1] + 1) / FRAME_RATE


def segments(frames: Any) -> list[FrameSegment]:
    """Ascending frame numbers as segments of consecutive frames.

    >>> segments(np.array([3, 4, 5, 9]))
    [FrameSegment(start=3, length=3), FrameSegment(start=9, length=1)]
    """
    parts = np.split(frames, np.flatnonzero(np.diff(frames) != 1) + 1)
    return [FrameSegment(int(part[0]), len(part)) for part in parts if len(part)]


@dataclass
class ClipRow:
    """One line of the list of clips."""

    clip: Clip
    state: State
    run: TrackingRun | None
    tasks: int
    answered: int
    approved: int
    annotators: list[str]
    status: ClipStatus

    @property
    def percent(self) -> float:
        return 100 * self.answered / self.tasks if self.tasks else 0.0


def clip_rows(statuses: Iterable[ClipStatus]) -> list[ClipRow]:
    """Lines for a page of `clip_statuses`; three queries."""
    order = {status.pk: status for status in statuses}
    clips = Clip.objects.select_related("video").order_by().in_bulk(order)
    runs: dict[int, TrackingRun] = {}
    for run in reversed(TrackingRun.objects.in_use().done().filter(clip__in=order)):
        runs[run.clip_id] = run
    tasks: dict[int, list[TaskStatus]] = {}
    counting = TaskStatus.objects.filter(task__clip__in=order, is_counting=True)
    for task in counting.select_related("task", "annotator").order_by("annotator"):
        tasks.setdefault(task.task.clip_id, []).append(task)
    return [
        ClipRow(
            clip=clips[pk],
            state=CLIP_STATES[status.state],
            run=runs.get(pk),
            tasks=len(its),
            answered=sum(task.version_id is not None for task in its),
            approved=sum(task.verdict == "approved" for task in its),
            annotators=[task.annotator.name for task in its],
            status=status,
        )
        for pk, status, its in ((pk, one, tasks.get(pk, [])) for pk, one in order.items())
        if pk in clips
    ]


@dataclass
class KeyframeConsensus:
    """The consensus at one keyframe."""

    second: int
    boxes: list[ConsensusBox]


@dataclass
class ClipPage:
    """All that the page of one clip shows."""

    clip: Clip
    state: State
    run: TrackingRun | None
    persons: list[PersonInClip]
    keyframes: list[int]
    consensus: list[KeyframeConsensus]
    classes: dict[int, str]  # of persons that are none, by number
    tasks: list[TaskRow]
    previous: str
    next: str
    has_agreement: bool
    runs: list["RunChoice"]
    compared: "RunChoice | None"  # a second run, shown next to the first
    problem: str = ""

    @property
    def choice(self) -> "RunChoice | None":
        """The run that is shown, as the selection lists name it."""
        return next((one for one in self.runs if one.run == self.run), None)

    @property
    def ticks(self) -> list[Tick]:
        """A mark at every whole second; keyframes are highlighted."""
        return [
            Tick(frame, "key" if frame // FRAME_RATE in self.keyframes else "no")
            for frame in range(0, self.clip.frame_count, FRAME_RATE)
        ]


class RunChoice(NamedTuple):
    """A finished tracking run of a clip, with a title."""

    run: TrackingRun
    title: str

    @property
    def key(self) -> str:
        return str(self.run.pk)

    def __str__(self) -> str:
        return f"{self.title}: {self.run.config_key}"


def run_choices(clip: Clip) -> list[RunChoice]:
    """All runs of `clip` that the player can show, oldest first."""
    runs = TrackingRun.objects.done().filter(clip=clip).exclude(tracks="").order_by("pk")
    return [RunChoice(run, run_title(run)) for run in runs.select_related("experiment")]


def run_title(run: TrackingRun) -> str:
    """The title of the configuration that `run` was made with."""
    if run.experiment:
        return _("Experiment %(experiment)s") % {"experiment": run.experiment.pk}
    return _("Imported bundle") if "bundle" in run.made_by else _("Dataset configuration")


def _choice(choices: list[RunChoice], key: str) -> RunChoice | None:
    return next((one for one in choices if str(one.run.pk) == key), None)


def clip_page(
    dataset: Dataset,
    name: str,
    *,
    run_key: str = "",
    compare_key: str = "",
    hide_names: bool = False,
) -> ClipPage | None:
    """The page of the clip `name`; None if there is no such clip.

    Args:
        run_key: Primary key of the run to show; empty for the annotated run.
        compare_key: Primary key of a second run to compare with.
        hide_names: Whether to leave out tasks, and to number the annotators.
    """
    statuses = clip_statuses(dataset)
    status = statuses.filter(name=name).first()
    if status is None:
        return None
    clip = Clip.objects.select_related("video__dataset").get(pk=status.pk)
    choices = run_choices(clip)
    asked = _choice(choices, run_key)
    run = asked.run if asked else default_run(clip)
    shown = run_tracks(run)
    before = statuses.filter(name__lt=name).reverse().values_list("name", flat=True)
    after = statuses.filter(name__gt=name).values_list("name", flat=True)
    return ClipPage(
        clip=clip,
        state=CLIP_STATES[status.state],
        run=run,
        persons=shown.persons,
        keyframes=clip.keyframes(),
        consensus=consensus_by_keyframe(clip, hide_names=hide_names),
        classes=classes_in(clip.video_id),
        tasks=[] if hide_names else _task_rows(dataset, clip),
        previous=before.first() or "",
        next=after.first() or "",
        has_agreement=AgreementReport.objects.done().filter(clip=clip).exists(),
        runs=choices,
        compared=_choice(choices, compare_key),
        problem=shown.problem,
    )


def default_run(clip: Clip) -> TrackingRun | None:
    """The annotated run; else the first run in use with identified persons, or the first."""
    task = AnnotationTask.objects.filter(clip=clip).select_related("run").first()
    if task is not None:
        return task.run
    runs = TrackingRun.objects.in_use().filter(clip=clip, stage="done")
    return runs.annotate(named=Count("persons")).filter(named__gt=0).first() or runs.first()


class RunTracks(NamedTuple):
    """The tracks and scene cuts of a run."""

    persons: list[PersonInClip]  # by number
    cuts: list[int]  # first frames of new scenes
    problem: str  # a sentence if its tracks cannot be read


def run_tracks(run: TrackingRun | None) -> RunTracks:
    """The persons and cuts of `run`; empty without a finished run."""
    if run is None or not run.tracks:
        return RunTracks([], [], "")
    try:
        file = tracks_of(run)
    except TracksFileError as error:
        return RunTracks([], [], _("%(error)s Run the tracking again.") % {"error": error})
    names = dict(Person.objects.filter(run=run).values_list("track_id", "person_id"))
    persons = [PersonInClip(track, names.get(track.track_id)) for track in file.tracks]
    return RunTracks(sorted(persons, key=lambda person: person.number), file.cuts, "")


def _task_rows(dataset: Dataset, clip: Clip) -> list[TaskRow]:
    return task_rows(tasks_of(task_statuses(dataset).filter(task__clip=clip)))


def consensus_by_keyframe(clip: Clip, *, hide_names: bool = False) -> list[KeyframeConsensus]:
    """The newest consensus, keyframe by keyframe; empty if there is none."""
    consensus = Consensus.objects.filter(clip=clip, stage="done").order_by("-pk").first()
    if consensus is None:
        return []
    found: dict[int, list[ConsensusBox]] = {}
    boxes = list(consensus.boxes.prefetch_related("labels"))
    name_annotators(boxes, annotator_names(clip.video.dataset, hidden=hide_names))
    for box in boxes:
        found.setdefault(box.second, []).append(box)
    return [KeyframeConsensus(second, boxes) for second, boxes in sorted(found.items())]
