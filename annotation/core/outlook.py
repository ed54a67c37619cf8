"""What a draft of the plan means to people: hours, meetings, and how much it will tell."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from annotation.core.assignment import Team
from annotation.core.draft import Draft, Standing, Wishes, effort_of, teams_of
from annotation.core.forecast import (
    Meeting,
    hours,
    kappa_margin,
    meetings_of,
    shared_persons,
)


class Share(NamedTuple):
    """What one annotator gets, and has."""

    annotator: str
    clips: int  # new
    shared: int  # of those, done by others too
    blind: int
    gold: int
    person_seconds: int  # of the new; one more for each clip
    hours: float  # of the new; blind ones take longer
    hours_open: float  # of what was given out before and is not answered
    hours_in_all: float  # of everything, done and new
    capacity: float | None  # hours

    @property
    def percent_of_capacity(self) -> float | None:
        return 100 * self.hours_in_all / self.capacity if self.capacity else None


class ClipLine(NamedTuple):
    """Who gets a clip."""

    clip: str
    persons: int
    names: tuple[tuple[str, str], ...]  # new annotators, each with "", "blind", "gold"
    has: Team  # those who have it already


@dataclass(frozen=True)
class Outlook:
    """A draft as a page shows it.

    Attributes:
        shares: By name; also of those who have work but get no more.
        meetings: Every pair, before and new together.
        clips: By name.
        persons: Whom two annotators or more will look at.
        margin: How far the interval of kappa will reach; None if nobody is looked at twice.
        hours: Of all that is new.
        shared: How many clips several do, before and new together.
        clips_in_all: How many clips are given out then.
        waiting: Clips that nobody has room for.
        gold_wanting: Whether gold is wished and there is none to be had.
        blind_alone: Blind copies of clips that nobody has with pre-annotation.
    """

    shares: list[Share]
    meetings: list[Meeting]
    clips: list[ClipLine]
    persons: int
    margin: float | None
    hours: float
    shared: int
    clips_in_all: int
    waiting: tuple[str, ...]
    gold_wanting: bool
    blind_alone: int
    digest: str
    task_count: int

    @property
    def names(self) -> list[str]:
        """Who is in `grid`, by name."""
        return sorted({name for pair in self.meetings for name in pair[:2]})

    @property
    def grid(self) -> list[tuple[str, list[Meeting | None]]]:
        """The meetings as a square, by name, None for oneself."""
        of = {pair[:2]: pair for pair in self.meetings}
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
    def strangers(self) -> list[Meeting]:
        """Pairs that never meet."""
        return [pair for pair in self.meetings if not pair.clips]


def outlook(standing: Standing, found: Draft, wishes: Wishes) -> Outlook:
    """What `found` means.

    >>> from annotation.core.draft import draft
    >>> standing, wishes = Standing({"a": 36}, {"a": {1, 2}}), Wishes(("ann", "bob"), 1)
    >>> seen = outlook(standing, draft(standing, wishes), wishes)
    >>> seen.hours, seen.persons, [share.clips for share in seen.shares]
    (0.2, 2, [1, 1])
    """
    everything = (*standing.tasks, *found.tasks)
    teams = teams_of(task for task in everything if task.counts)
    persons = shared_persons(teams, standing.persons)
    fresh = effort_of(standing, found.tasks)
    return Outlook(
        shares=_shares(standing, found, wishes, teams),
        meetings=meetings_of(teams, standing.persons, wishes.annotators),
        clips=_clips(standing, found),
        persons=persons,
        margin=kappa_margin(persons),
        hours=hours(sum(fresh.values()), pace=wishes.pace),
        shared=sum(len(team) > 1 for team in teams.values()),
        clips_in_all=len(teams),
        waiting=found.waiting,
        gold_wanting=bool(wishes.gold) and not standing.gold,
        blind_alone=_blind_alone(found, everything),
        digest=found.digest,
        task_count=len(found.tasks),
    )


def _shares(
    standing: Standing, found: Draft, wishes: Wishes, teams: dict[str, Team]
) -> list[Share]:
    in_all = effort_of(standing, (*standing.tasks, *found.tasks))
    still = effort_of(standing, (task for task in standing.tasks if not task.is_answered))
    fresh = effort_of(standing, found.tasks)
    rows = []
    for name in sorted({*wishes.annotators, *still}):
        mine = [task for task in found.tasks if task.annotator == name]
        work = [task for task in mine if task.purpose == "work"]
        rows.append(
            Share(
                annotator=name,
                clips=len(work),
                shared=sum(len(teams[task.clip]) > 1 for task in work),
                blind=sum(task.is_blind for task in mine),
                gold=len(mine) - len(work),
                person_seconds=round(sum(standing.weights.get(one.clip, 1) for one in mine)),
                hours=hours(fresh.get(name, 0), pace=wishes.pace),
                hours_open=hours(still.get(name, 0), pace=wishes.pace),
                hours_in_all=hours(in_all.get(name, 0), pace=wishes.pace),
                capacity=wishes.capacity.get(name),
            )
        )
    return rows


def _clips(standing: Standing, found: Draft) -> list[ClipLine]:
    has = teams_of(task for task in standing.tasks if task.counts)
    new: dict[str, list[tuple[str, str]]] = {}
    for task in sorted(found.tasks):
        mark = "gold" if task.purpose == "check" else "blind" if task.is_blind else ""
        new.setdefault(task.clip, []).append((task.annotator, mark))
    return [
        ClipLine(clip, len(standing.persons.get(clip, ())), tuple(names), has.get(clip, ()))
        for clip, names in sorted(new.items())
    ]


def _blind_alone(found: Draft, everything: Iterable) -> int:
    seen = {task.clip for task in everything if not task.is_blind and not task.is_gone}
    return sum(task.is_blind and task.clip not in seen for task in found.tasks)
