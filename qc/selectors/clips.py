"""The list of clips, and one clip with everything that its page shows."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count

from annotation.models import AnnotationTask
from datasets.core.clipping import FRAME_RATE
from datasets.models import Clip, Dataset
from qc.models import AgreementReport, Consensus, ConsensusBox
from qc.selectors.clip_and_task_states import CLIP_STATES, State, clips_with_state, judged
from qc.selectors.review.task_list import TaskRow, task_rows, tasks_with_state
from tracking.core.trackfile import Track, TrackFileError
from tracking.models import Person, TrackingRun
from tracking.selectors import tracks_of


class Stretch(NamedTuple):
    """Frames of a clip without a break."""

    start: int
    length: int


class Tick(NamedTuple):
    frame: int
    css: str


@dataclass
class PersonInClip:
    """A person of the tracking run, with his or her boxes.

    `person_id` is None until the persons of the video are named; the track has its number then.
    """

    track: Track
    person_id: int | None

    @property
    def number(self) -> int:
        return self.track.track_id if self.person_id is None else self.person_id

    @property
    def label(self) -> str:
        return f"T{self.number}" if self.person_id is None else f"P{self.number}"

    @property
    def stretches(self) -> list[Stretch]:
        return stretches(self.track.frames)

    @property
    def from_second(self) -> float:
        return float(self.track.frames[0]) / FRAME_RATE

    @property
    def to_second(self) -> float:
        return float(self.track.frames[-1] + 1) / FRAME_RATE


def stretches(frames: Any) -> list[Stretch]:
    """Ascending frame numbers as stretches without a break.

    >>> stretches(np.array([3, 4, 5, 9]))
    [Stretch(start=3, length=3), Stretch(start=9, length=1)]
    """
    parts = np.split(frames, np.flatnonzero(np.diff(frames) != 1) + 1)
    return [Stretch(int(part[0]), len(part)) for part in parts if len(part)]


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

    @property
    def percent(self) -> float:
        return 100 * self.answered / self.tasks if self.tasks else 0.0


def clip_rows(clips: list[Clip]) -> list[ClipRow]:
    """Lines for `clips`, which come from `clips_with_state`; three queries."""
    runs: dict[int, TrackingRun] = {}
    for run in reversed(TrackingRun.objects.in_use().done().filter(clip__in=clips)):
        runs[run.clip_id] = run
    tasks: dict[int, list[Any]] = {}
    counting = AnnotationTask.objects.filter(clip__in=clips).counting()
    for task in judged(counting).select_related("annotator"):
        tasks.setdefault(task.clip_id, []).append(task)
    return [_clip_row(clip, runs.get(clip.pk), tasks.get(clip.pk, [])) for clip in clips]


def _clip_row(clip: Any, run: TrackingRun | None, tasks: list[Any]) -> ClipRow:
    return ClipRow(
        clip=clip,
        state=CLIP_STATES[clip.state],
        run=run,
        tasks=len(tasks),
        answered=sum(task.latest_pull_id is not None for task in tasks),
        approved=sum(task.verdict == "approved" for task in tasks),
        annotators=[task.annotator.name for task in tasks],
    )


@dataclass
class Belief:
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
    beliefs: list[Belief]
    tasks: list[TaskRow]
    previous: str
    next: str
    is_compared: bool  # its annotators, with each other
    runs: list["RunChoice"]
    beside: "RunChoice | None"
    problem: str = ""

    @property
    def choice(self) -> "RunChoice | None":
        """The run that is shown, as the lists name it."""
        return next((one for one in self.runs if one.run == self.run), None)

    @property
    def ticks(self) -> list[Tick]:
        """A mark at every whole second, set off where it is a keyframe."""
        return [
            Tick(frame, "key" if frame // FRAME_RATE in self.keyframes else "no")
            for frame in range(0, self.clip.frame_count, FRAME_RATE)
        ]


class RunChoice(NamedTuple):
    """A finished run of a clip, and what it is called."""

    run: TrackingRun
    title: str

    @property
    def key(self) -> str:
        return str(self.run.pk)

    def __str__(self) -> str:
        return f"{self.title}: {self.run.recipe}"


def run_choices(clip: Clip) -> list[RunChoice]:
    """All runs of `clip` that can be looked at, oldest first."""
    runs = TrackingRun.objects.done().filter(clip=clip).exclude(tracks="").order_by("pk")
    return [RunChoice(run, title_of(run)) for run in runs.select_related("trial")]


def title_of(run: TrackingRun) -> str:
    """What pages call the way in which `run` was made."""
    if run.trial:
        return f"Trial {run.trial.pk}"
    return "Brought in" if "bundle" in run.made_by else "The dataset's settings"


def _asked(choices: list[RunChoice], key: str) -> RunChoice | None:
    return next((one for one in choices if str(one.run.pk) == key), None)


def clip_page(
    dataset: Dataset,
    user: User | AnonymousUser,
    name: str,
    *,
    run_key: str = "",
    beside_key: str = "",
) -> ClipPage | None:
    """The page of the clip `name`; None if there is no such clip that `user` may see.

    Args:
        run_key: Of the run to show, if not that which is annotated.
        beside_key: Of a second run.
    """
    clips = clips_with_state(dataset, user).select_related("video__dataset")
    clip: Any = clips.filter(name=name).first()
    if clip is None:
        return None
    choices = run_choices(clip)
    asked = _asked(choices, run_key)
    run = asked.run if asked else shown_run(clip)
    shown = shown_of(run)
    before = clips.filter(name__lt=name).order_by("-name").values_list("name", flat=True)
    after = clips.filter(name__gt=name).order_by("name").values_list("name", flat=True)
    return ClipPage(
        clip=clip,
        state=CLIP_STATES[clip.state],
        run=run,
        persons=shown.persons,
        keyframes=clip.keyframes(),
        beliefs=beliefs_of(clip),
        tasks=task_rows(list(tasks_with_state(dataset).filter(clip=clip))),
        previous=before.first() or "",
        next=after.first() or "",
        is_compared=AgreementReport.objects.done().filter(clip=clip).exists(),
        runs=choices,
        beside=_asked(choices, beside_key),
        problem=shown.problem,
    )


def shown_run(clip: Clip) -> TrackingRun | None:
    """The run that was annotated; else of those in use the first with names, or the first."""
    task = AnnotationTask.objects.filter(clip=clip).select_related("run").first()
    if task is not None:
        return task.run
    runs = TrackingRun.objects.in_use().filter(clip=clip, stage="done")
    return runs.annotate(named=Count("persons")).filter(named__gt=0).first() or runs.first()


class Shown(NamedTuple):
    """What a run says of its clip."""

    persons: list[PersonInClip]  # by number
    cuts: list[int]  # frames with which another scene begins
    problem: str  # a sentence if its tracks cannot be read


def shown_of(run: TrackingRun | None) -> Shown:
    """The persons and cuts of `run`; nothing if there is none, or none that is done."""
    if run is None or not run.tracks:
        return Shown([], [], "")
    try:
        file = tracks_of(run)
    except TrackFileError as error:
        return Shown([], [], f"{error} Track it again.")
    names = dict(Person.objects.filter(run=run).values_list("track_id", "person_id"))
    persons = [PersonInClip(track, names.get(track.track_id)) for track in file.tracks]
    return Shown(sorted(persons, key=lambda person: person.number), file.cuts, "")


def beliefs_of(clip: Clip) -> list[Belief]:
    """The newest consensus, keyframe by keyframe; empty if there is none."""
    consensus = Consensus.objects.filter(clip=clip, stage="done").order_by("-pk").first()
    if consensus is None:
        return []
    found: dict[int, list[ConsensusBox]] = {}
    for box in consensus.boxes.prefetch_related("labels"):
        found.setdefault(box.second, []).append(box)
    return [Belief(second, boxes) for second, boxes in sorted(found.items())]
