"""Assignment plan: the tasks that would be assigned next, as a value, before anything is saved.

Effort is counted in person-seconds: one for every person and second of footage. What a plan
costs and how precise agreement will be is forecast in `annotation.core.plan_forecast`.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, NamedTuple

from annotation.core.assignment import (
    Assignment,
    Team,
    assign_clips,
    blind_assignments,
    check_share,
    gold_assignments,
    shuffled,
)

PACE = 10.0  # seconds of work for each person-second; a pilot gives a better figure
BLIND_EFFORT = 2.0  # of a clip whose boxes must be drawn first, relative to one that has them

Purpose = Literal["work", "gold", "check"]


class PlannedTask(NamedTuple):
    """One clip for one annotator, with what planning needs to know of it."""

    clip: str
    annotator: str
    purpose: Purpose = "work"
    is_blind: bool = False
    is_answered: bool = False
    is_unassigned: bool = False

    @property
    def counts(self) -> bool:
        """Whether its answers count in agreement and consensus, now or later."""
        return self.purpose != "check" and (self.is_answered or not self.is_unassigned)

    @property
    def is_void(self) -> bool:
        return self.is_unassigned and not self.is_answered


@dataclass(frozen=True)
class PlanRequest:
    """How to assign clips.

    Attributes:
        annotators: Who gets new tasks.
        overlap: Share of the clips that several annotators do, 0 to 1.
        per_clip: How many annotators those clips get; all if None.
        seed: Of every random choice.
        blind: Share of each annotator's clips without pre-annotation, 0 to 1.
        gold: Gold clips added, as a share of each annotator's own clips, 0 to 1.
        capacity: Maximum hours of each annotator in this dataset; no limit if not in it.
        pace: Seconds of work for each person-second.
        paces: The same of annotators whose own pace is known.
    """

    annotators: tuple[str, ...]
    overlap: float
    per_clip: int | None = None
    seed: int = 0
    blind: float = 0.0
    gold: float = 0.0
    capacity: Mapping[str, float] = field(default_factory=dict)
    pace: float = PACE
    paces: Mapping[str, float] = field(default_factory=dict)

    def pace_of(self, annotator: str) -> float:
        """The pace of one annotator, or that of all.

        >>> request = PlanRequest(("ann", "bob"), 0, pace=10, paces={"ann": 4})
        >>> request.pace_of("ann"), request.pace_of("bob")
        (4, 10)
        """
        return self.paces.get(annotator, self.pace)


@dataclass(frozen=True)
class DatasetState:
    """What planning needs to know of a dataset.

    Attributes:
        weights: Person-seconds of each clip that is ready or assigned.
        persons: The persons visible in each clip; equal values are the same person.
        tasks: All tasks ever assigned.
        unassigned: Clips with the number of tasks unassigned and not yet replaced.
        gold: Clips that have gold answers.
    """

    weights: Mapping[str, float]
    persons: Mapping[str, Collection[object]]
    tasks: tuple[PlannedTask, ...] = ()
    unassigned: Mapping[str, int] = field(default_factory=dict)
    gold: frozenset[str] = frozenset()


@dataclass(frozen=True)
class AssignmentPlan:
    """New tasks in the order of assignment, and the clips for which nobody has capacity."""

    tasks: tuple[PlannedTask, ...]
    waiting: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of exactly these tasks in this order."""
        return sha256(repr((self.tasks, self.waiting)).encode()).hexdigest()


def plan_assignments(state: DatasetState, request: PlanRequest) -> AssignmentPlan:
    """The tasks to assign next. Raises AssignmentError if the request cannot be met.

    >>> request = PlanRequest(("ann", "bob"), overlap=1)
    >>> plan = plan_assignments(DatasetState({"a": 5}, {}), request)
    >>> sorted(task[:2] for task in plan.tasks)
    [('a', 'ann'), ('a', 'bob')]
    """
    check_share("share of gold clips", request.gold)
    counting = teams_of(task for task in state.tasks if task.counts)
    gold = {task.clip for task in state.tasks if task.purpose == "gold" and task.counts}
    gold_only = {clip for clip in gold if len(counting[clip]) == 1}
    weights = {clip: w for clip, w in state.weights.items() if clip not in gold_only}
    empty = {task.clip: () for task in state.tasks if task.purpose != "check"}
    assigned = empty | counting
    teams = assign_clips(
        weights,
        request.annotators,
        overlap=request.overlap,
        per_clip=request.per_clip,
        seed=request.seed,
        assigned=assigned,
        quota={clip: len(assigned[clip]) + n for clip, n in state.unassigned.items()},
        excluded=teams_of(state.tasks),
        load=effort_of(state, (task for task in state.tasks if not task.is_answered)),
        capacity_left=_capacity_left(state, request),
    )
    new = [
        Assignment(clip, name)
        for clip, team in teams.items()
        for name in team
        if name not in assigned.get(clip, ())
    ]
    checks = _gold_checks(state, request, Counter(one.annotator for one in new))
    ordered = shuffled([*new, *checks], seed=request.seed)
    blind = _blind(state, request, ordered)
    return AssignmentPlan(
        tuple(
            PlannedTask(*one, "check" if one in checks else "work", one in blind)
            for one in ordered
        ),
        tuple(clip for clip, team in teams.items() if not team),
    )


def teams_of(tasks: Iterable[PlannedTask]) -> dict[str, Team]:
    """The annotators of each clip in `tasks`, sorted by name."""
    teams: dict[str, Team] = {}
    for task in sorted(tasks):
        teams[task.clip] = (*teams.get(task.clip, ()), task.annotator)
    return teams


def effort_of(state: DatasetState, tasks: Iterable[PlannedTask]) -> dict[str, float]:
    """Person-seconds of each annotator in `tasks`; blind tasks weigh more."""
    effort: dict[str, float] = {}
    for task in tasks:
        if not task.is_void:
            weight = state.weights.get(task.clip, 1.0)
            weight *= BLIND_EFFORT if task.is_blind else 1.0
            effort[task.annotator] = effort.get(task.annotator, 0.0) + weight
    return effort


def _capacity_left(state: DatasetState, request: PlanRequest) -> dict[str, float]:
    """Person-seconds that each annotator can take beside the gold and blind share of them."""
    taken = effort_of(state, state.tasks)
    extra = (1 + request.gold) * (1 + request.blind * (BLIND_EFFORT - 1))
    return {
        name: (hours * 3600 / request.pace_of(name) - taken.get(name, 0.0)) / extra
        for name, hours in request.capacity.items()
    }


def _gold_checks(
    state: DatasetState, request: PlanRequest, new: Counter[str]
) -> list[Assignment]:
    if not request.gold:
        return []
    had = Counter(task.annotator for task in state.tasks if task.purpose == "check")
    own = new + Counter(
        task.annotator for task in state.tasks if task.purpose == "work" and not task.is_void
    )
    wanted = {
        name: max(math.floor(request.gold * own[name] + 0.5), 1) - had[name]
        for name in request.annotators
        if own[name]
    }
    teams = teams_of(state.tasks)
    return gold_assignments(
        {clip: teams.get(clip, ()) for clip in state.gold}, wanted, seed=request.seed
    )


def _blind(state: DatasetState, request: PlanRequest, new: list[Assignment]) -> set[Assignment]:
    existing = (task for task in state.tasks if not task.is_void)
    return blind_assignments(
        new,
        teams_of((*existing, *(PlannedTask(*one) for one in new))),
        share=request.blind,
        seed=request.seed,
        blind_before=[
            Assignment(task.clip, task.annotator) for task in state.tasks if task.is_blind
        ],
    )
