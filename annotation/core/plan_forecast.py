"""Plan forecast: hours of work, shared clips per pair, and the expected interval of kappa."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from annotation.core.assignment import Team, Teams
from annotation.core.assignment_plan import (
    PACE,
    AssignmentPlan,
    DatasetState,
    PlannedTask,
    PlanRequest,
    effort_of,
    teams_of,
)

EXPECTED_KAPPA = 0.7
EXPECTED_CHANCE = 0.5  # agreement by chance of two answers that are equally common
Z_95 = 1.96  # standard errors on each side of a 95 % interval

Persons = Mapping[str, Collection[object]]


class PairOverlap(NamedTuple):
    """What two annotators have in common."""

    first: str
    second: str
    clips: int
    persons: int
    margin: float | None  # see `kappa_margin`


class AnnotatorShare(NamedTuple):
    """What one annotator gets, and has already."""

    annotator: str
    clips: int  # new
    shared: int  # of the new, done by others too
    blind: int
    gold: int
    person_seconds: int  # of the new; one more for each clip
    hours: float  # of the new; blind tasks take longer
    open_hours: float  # assigned before and not answered
    total_hours: float  # of everything, done and new
    pace: float  # seconds for each person-second
    capacity: float | None  # hours

    @property
    def percent_of_capacity(self) -> float | None:
        return 100 * self.total_hours / self.capacity if self.capacity else None


class ClipAssignees(NamedTuple):
    """The annotators of one clip."""

    clip: str
    persons: int
    new: tuple[tuple[str, str], ...]  # each with "", "blind" or "gold"
    existing: Team


@dataclass(frozen=True)
class PlanForecast:
    """An assignment plan as a page shows it.

    Attributes:
        shares: By name; annotators with open work who get nothing new are listed too.
        pairs: Every pair of annotators, existing and new tasks together.
        clips: By name.
        persons: Persons that two annotators or more will annotate.
        margin: Half-width of the expected interval of kappa; None if no persons are shared.
        hours: Of all new tasks.
        shared: Clips with several annotators, existing and new tasks together.
        assigned_clips: Clips with an annotator, existing and new tasks together.
        waiting: Clips for which nobody has capacity left.
        is_gold_missing: Whether gold clips were requested and there are none.
        incomparable_blind: Blind tasks on clips that nobody has with pre-annotation.
    """

    shares: list[AnnotatorShare]
    pairs: list[PairOverlap]
    clips: list[ClipAssignees]
    persons: int
    margin: float | None
    hours: float
    shared: int
    assigned_clips: int
    waiting: tuple[str, ...]
    is_gold_missing: bool
    incomparable_blind: int
    digest: str
    task_count: int

    @property
    def names(self) -> list[str]:
        """The annotators in `matrix`, by name."""
        return sorted({name for pair in self.pairs for name in pair[:2]})

    @property
    def matrix(self) -> list[tuple[str, list[PairOverlap | None]]]:
        """The pairs as a square, by name; None on the diagonal."""
        of = {pair[:2]: pair for pair in self.pairs}
        return [
            (
                one,
                [
                    of.get((min(one, two), max(one, two))) if one != two else None
                    for two in self.names
                ],
            )
            for one in self.names
        ]

    @property
    def unpaired(self) -> list[PairOverlap]:
        """Pairs that share no clip."""
        return [pair for pair in self.pairs if not pair.clips]


def plan_forecast(
    state: DatasetState, plan: AssignmentPlan, request: PlanRequest
) -> PlanForecast:
    """What `plan` costs, and how precisely agreement can be measured after it.

    >>> from annotation.core.assignment_plan import plan_assignments
    >>> state, request = DatasetState({"a": 36}, {"a": {1, 2}}), PlanRequest(("ann", "bob"), 1)
    >>> forecast = plan_forecast(state, plan_assignments(state, request), request)
    >>> forecast.hours, forecast.persons, [share.clips for share in forecast.shares]
    (0.2, 2, [1, 1])
    """
    everything = (*state.tasks, *plan.tasks)
    teams = teams_of(task for task in everything if task.counts)
    persons = shared_persons(teams, state.persons)
    return PlanForecast(
        shares=_shares(state, plan, request, teams),
        pairs=pair_overlaps(teams, state.persons, request.annotators),
        clips=_clips(state, plan),
        persons=persons,
        margin=kappa_margin(persons),
        hours=sum(
            hours(effort, pace=request.pace_of(name))
            for name, effort in effort_of(state, plan.tasks).items()
        ),
        shared=sum(len(team) > 1 for team in teams.values()),
        assigned_clips=len(teams),
        waiting=plan.waiting,
        is_gold_missing=bool(request.gold) and not state.gold,
        incomparable_blind=_incomparable_blind(plan, everything),
        digest=plan.digest,
        task_count=len(plan.tasks),
    )


def hours(weight: float, *, pace: float = PACE) -> float:
    """Hours that work of `weight` person-seconds takes.

    >>> hours(720, pace=10)
    2.0
    """
    return weight * pace / 3600


def kappa_margin(
    persons: int, *, kappa: float = EXPECTED_KAPPA, chance: float = EXPECTED_CHANCE
) -> float | None:
    """Half-width of the 95 % interval of kappa to expect; None for fewer than two persons.

    `1.96 * sqrt(p * (1 - p) / n) / (1 - chance)` with the raw agreement `p` (Cohen 1960). `n`
    is the number of persons, not of keyframes: the keyframes of one person resemble each other,
    and an interval that takes them for independent is several times too narrow.

    Args:
        persons: Persons that two annotators both annotate.
        kappa: Expected kappa.
        chance: Agreement by chance.

    >>> round(kappa_margin(100), 2), kappa_margin(1)
    (0.14, None)
    """
    if persons < 2:
        return None
    agreement = kappa * (1 - chance) + chance
    error = math.sqrt(agreement * (1 - agreement) / persons) / (1 - chance)
    return min(Z_95 * error, 1.0)


def pair_overlaps(
    teams: Teams, persons: Persons, annotators: Iterable[str]
) -> list[PairOverlap]:
    """Every pair of `annotators`, sorted by name, also pairs that share no clip.

    Args:
        teams: The annotators of each clip.
        persons: The persons visible in each clip; a person may be in several.
        annotators: Names.

    >>> pair_overlaps({"a": ("ann", "bob")}, {"a": {1, 2}}, ["ann", "bob", "cem"])[0][:4]
    ('ann', 'bob', 1, 2)
    """
    shared: dict[tuple[str, str], list[str]] = {}
    for clip, team in teams.items():
        for pair in combinations(sorted(team), 2):
            shared.setdefault(pair, []).append(clip)
    found = []
    for pair in combinations(sorted(set(annotators)), 2):
        clips = shared.get(pair, [])
        count = len({person for clip in clips for person in persons.get(clip, ())})
        found.append(PairOverlap(*pair, len(clips), count, kappa_margin(count)))
    return found


def shared_persons(teams: Teams, persons: Persons) -> int:
    """How many persons two annotators or more annotate.

    >>> shared_persons({"a": ("ann", "bob"), "b": ("ann",)}, {"a": {1, 2}, "b": {3}})
    2
    """
    shared = [persons.get(clip, ()) for clip, team in teams.items() if len(team) > 1]
    return len({person for group in shared for person in group})


def _shares(
    state: DatasetState, plan: AssignmentPlan, request: PlanRequest, teams: dict[str, Team]
) -> list[AnnotatorShare]:
    total = effort_of(state, (*state.tasks, *plan.tasks))
    unfinished = effort_of(state, (task for task in state.tasks if not task.is_answered))
    new = effort_of(state, plan.tasks)
    rows = []
    for name in sorted({*request.annotators, *unfinished}):
        pace = request.pace_of(name)
        mine = [task for task in plan.tasks if task.annotator == name]
        work = [task for task in mine if task.purpose == "work"]
        rows.append(
            AnnotatorShare(
                annotator=name,
                clips=len(work),
                shared=sum(len(teams[task.clip]) > 1 for task in work),
                blind=sum(task.is_blind for task in mine),
                gold=len(mine) - len(work),
                person_seconds=round(sum(state.weights.get(one.clip, 1) for one in mine)),
                hours=hours(new.get(name, 0), pace=pace),
                open_hours=hours(unfinished.get(name, 0), pace=pace),
                total_hours=hours(total.get(name, 0), pace=pace),
                pace=pace,
                capacity=request.capacity.get(name),
            )
        )
    return rows


def _clips(state: DatasetState, plan: AssignmentPlan) -> list[ClipAssignees]:
    existing = teams_of(task for task in state.tasks if task.counts)
    new: dict[str, list[tuple[str, str]]] = {}
    for task in sorted(plan.tasks):
        mark = "gold" if task.purpose == "check" else "blind" if task.is_blind else ""
        new.setdefault(task.clip, []).append((task.annotator, mark))
    return [
        ClipAssignees(
            clip, len(state.persons.get(clip, ())), tuple(names), existing.get(clip, ())
        )
        for clip, names in sorted(new.items())
    ]


def _incomparable_blind(plan: AssignmentPlan, everything: Iterable[PlannedTask]) -> int:
    with_boxes = {task.clip for task in everything if not task.is_blind and not task.is_void}
    return sum(task.is_blind and task.clip not in with_boxes for task in plan.tasks)
