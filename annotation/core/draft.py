"""What would be given out next, and what it means, before anything is: the plan as a value.

Effort is counted in person-seconds: people to be seen at a keyframe, one for every second of
footage. What a draft means to people is said in `annotation.core.outlook`.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, NamedTuple

from annotation.core.assignment import (
    Copy,
    Team,
    assign,
    blind_copies,
    check_share,
    gold_copies,
    in_any_order,
)
from annotation.core.forecast import BLIND_EFFORT, PACE

Purpose = Literal["work", "key", "check"]


class Task(NamedTuple):
    """A copy with all that planning has to know of it."""

    clip: str
    annotator: str
    purpose: Purpose = "work"
    is_blind: bool = False
    is_answered: bool = False
    is_unassigned: bool = False

    @property
    def counts(self) -> bool:
        """Whether it is somebody's opinion on the clip, or going to be one."""
        return self.purpose != "check" and (self.is_answered or not self.is_unassigned)

    @property
    def is_gone(self) -> bool:
        return self.is_unassigned and not self.is_answered


@dataclass(frozen=True)
class Wishes:
    """How clips are to be shared out.

    Attributes:
        annotators: Who gets new work.
        overlap: Share of the clips that several do, 0 to 1.
        per_clip: How many those are; all if None.
        seed: Of every draw.
        blind: Share of each one's clips without pre-annotation, 0 to 1.
        gold: Gold clips mixed in, as a share of each one's own, 0 to 1.
        capacity: Hours that each will work at most in this dataset; no bound if not in it.
        pace: Seconds of work for each person-second.
    """

    annotators: tuple[str, ...]
    overlap: float
    per_clip: int | None = None
    seed: int = 0
    blind: float = 0.0
    gold: float = 0.0
    capacity: Mapping[str, float] = field(default_factory=dict)
    pace: float = PACE


@dataclass(frozen=True)
class Standing:
    """Where a dataset stands.

    Attributes:
        weights: Person-seconds of each clip that is ready or given out.
        persons: Who is to be seen in each clip; the same value is the same person.
        tasks: All that was ever given out.
        lost: Clips with how many tasks were taken back and not given to others yet.
        gold: Clips whose known answers are there.
    """

    weights: Mapping[str, float]
    persons: Mapping[str, Collection[object]]
    tasks: tuple[Task, ...] = ()
    lost: Mapping[str, int] = field(default_factory=dict)
    gold: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Draft:
    """New tasks in the order they are given out, and the clips that nobody has room for."""

    tasks: tuple[Task, ...]
    waiting: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Stands for exactly these tasks in this order."""
        return sha256(repr((self.tasks, self.waiting)).encode()).hexdigest()


def draft(standing: Standing, wishes: Wishes) -> Draft:
    """What to give out next. Raises AssignmentError if the wishes are impossible.

    >>> found = draft(Standing({"a": 5}, {}), Wishes(("ann", "bob"), overlap=1))
    >>> sorted(task[:2] for task in found.tasks)
    [('a', 'ann'), ('a', 'bob')]
    """
    check_share("share of gold clips", wishes.gold)
    given = teams_of(task for task in standing.tasks if task.counts)
    keys = {task.clip for task in standing.tasks if task.purpose == "key" and task.counts}
    only_keys = {clip for clip in keys if len(given[clip]) == 1}
    weights = {clip: w for clip, w in standing.weights.items() if clip not in only_keys}
    touched = {task.clip: () for task in standing.tasks if task.purpose != "check"}
    before = touched | given
    plan = assign(
        weights,
        wishes.annotators,
        overlap=wishes.overlap,
        per_clip=wishes.per_clip,
        seed=wishes.seed,
        given=before,
        owed={clip: len(before[clip]) + n for clip, n in standing.lost.items()},
        barred=teams_of(standing.tasks),
        load=effort_of(standing, (task for task in standing.tasks if not task.is_answered)),
        room=_room(standing, wishes),
    )
    new = [
        Copy(clip, name)
        for clip, team in plan.items()
        for name in team
        if name not in before.get(clip, ())
    ]
    gold = _gold(standing, wishes, Counter(copy.annotator for copy in new))
    copies = in_any_order([*new, *gold], seed=wishes.seed)
    blind = _blind(standing, wishes, copies)
    checks = set(gold)
    return Draft(
        tuple(
            Task(*copy, "check" if copy in checks else "work", copy in blind) for copy in copies
        ),
        tuple(clip for clip, team in plan.items() if not team),
    )


def teams_of(tasks: Iterable[Task]) -> dict[str, Team]:
    """Who has each clip, by the tasks given, sorted by name."""
    teams: dict[str, Team] = {}
    for task in sorted(tasks):
        teams[task.clip] = (*teams.get(task.clip, ()), task.annotator)
    return teams


def effort_of(standing: Standing, tasks: Iterable[Task]) -> dict[str, float]:
    """Person-seconds of each annotator in `tasks`; blind ones weigh more."""
    effort: dict[str, float] = {}
    for task in tasks:
        if not task.is_gone:
            weight = standing.weights.get(task.clip, 1.0)
            weight *= BLIND_EFFORT if task.is_blind else 1.0
            effort[task.annotator] = effort.get(task.annotator, 0.0) + weight
    return effort


def _room(standing: Standing, wishes: Wishes) -> dict[str, float]:
    """Person-seconds of ordinary work that fit beside the gold and the blind of it."""
    done = effort_of(standing, standing.tasks)
    extra = (1 + wishes.gold) * (1 + wishes.blind * (BLIND_EFFORT - 1))
    return {
        name: (limit * 3600 / wishes.pace - done.get(name, 0.0)) / extra
        for name, limit in wishes.capacity.items()
    }


def _gold(standing: Standing, wishes: Wishes, new: Counter[str]) -> list[Copy]:
    if not wishes.gold:
        return []
    had = Counter(task.annotator for task in standing.tasks if task.purpose == "check")
    own = new + Counter(
        task.annotator for task in standing.tasks if task.purpose == "work" and not task.is_gone
    )
    wanted = {
        name: max(math.floor(wishes.gold * own[name] + 0.5), 1) - had[name]
        for name in wishes.annotators
        if own[name]
    }
    teams = teams_of(standing.tasks)
    return gold_copies(
        {clip: teams.get(clip, ()) for clip in standing.gold}, wanted, seed=wishes.seed
    )


def _blind(standing: Standing, wishes: Wishes, copies: list[Copy]) -> set[Copy]:
    there = (task for task in standing.tasks if not task.is_gone)
    return blind_copies(
        copies,
        teams_of((*there, *(Task(*copy) for copy in copies))),
        share=wishes.blind,
        seed=wishes.seed,
        blind_before=[
            Copy(task.clip, task.annotator) for task in standing.tasks if task.is_blind
        ],
    )
