"""Who annotates which clip: a share of the clips is done by several, the rest by one each.

The draw depends on names and seed alone, never on the order of the input: the same call gives
the same answer on every machine. What is given out stays, so a later call extends the plan.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from typing import NamedTuple

Team = tuple[str, ...]
Given = Mapping[str, Team]


class AssignmentError(ValueError):
    """The work cannot be shared out like this."""


class Copy(NamedTuple):
    """One clip for one annotator."""

    clip: str
    annotator: str


def assign(
    weights: Mapping[str, float],
    annotators: Sequence[str],
    *,
    overlap: float,
    per_clip: int | None = None,
    seed: int = 0,
    given: Given | None = None,
    owed: Mapping[str, int] | None = None,
    barred: Mapping[str, Iterable[str]] | None = None,
    load: Mapping[str, float] | None = None,
    room: Mapping[str, float] | None = None,
) -> dict[str, Team]:
    """The annotators of every clip, sorted by name; clips sorted by name.

    Shared clips go to the pairs that have met least, so that everyone meets everyone; single
    ones, the heaviest first, to whoever has least to do. If the share is not reached by new
    clips, clips that one annotator has already get more.

    Args:
        weights: Work in each clip, at least 0.
        annotators: Names, each once.
        overlap: Share of the clips that `per_clip` annotators do, 0 to 1; rounded to whole
            clips, and one clip at least if it is not 0.
        per_clip: At least 2; all of them if None.
        seed: Another seed draws other clips and other pairs.
        given: What is shared out already; it stays, and counts for share and meetings.
        owed: How many annotators a given clip should have, where some have left.
        barred: Who must not get a clip, though not given it.
        load: What each has still to do; the weight of what is given if None.
        room: The most that each can take on; without a bound for names that are not in it.

    Returns:
        A team for each clip; an empty one if nobody has room for it.

    Raises AssignmentError with a message if the wishes are impossible.

    >>> assign({"a": 1, "b": 1}, ["ann", "bob"], overlap=0)
    {'a': ('ann',), 'b': ('bob',)}
    >>> assign({"a": 1}, ["ann", "bob"], overlap=1.0)
    {'a': ('ann', 'bob')}
    """
    several = _check(annotators, overlap, per_clip)
    before = {clip: names for clip, names in (given or {}).items() if clip in weights}
    balance = _Balance(annotators, weights, before, load=load, room=room, seed=seed)
    sizes = _sizes(weights, before, owed or {}, overlap, several, seed)
    result = dict.fromkeys(weights, ()) | before
    for clip in sorted(
        sizes, key=lambda one: (sizes[one] < 2, -weights[one], _draw(seed, one))
    ):
        barred_here = set((barred or {}).get(clip, ()))
        result[clip] = balance.fill(clip, result[clip], sizes[clip], barred_here)
    return dict(sorted(result.items()))


def meetings(teams: Iterable[Team]) -> Counter[tuple[str, str]]:
    """How many clips each pair of annotators has in common, by sorted names.

    >>> meetings([("ann", "bob"), ("bob", "ann", "cem")])[("ann", "bob")]
    2
    """
    return Counter(pair for team in teams for pair in combinations(sorted(team), 2))


def loads(teams: Given, weights: Mapping[str, float]) -> dict[str, float]:
    """The weight of the clips that each annotator has.

    >>> loads({"a": ("ann", "bob"), "b": ("ann",)}, {"a": 1.5, "b": 2})
    {'ann': 3.5, 'bob': 1.5}
    """
    found: dict[str, float] = {}
    for clip, team in sorted(teams.items()):
        for name in team:
            found[name] = found.get(name, 0.0) + weights[clip]
    return found


def blind_copies(
    new: Iterable[Copy],
    teams: Given,
    *,
    share: float,
    seed: int = 0,
    blind_before: Iterable[Copy] = (),
) -> set[Copy]:
    """Which new copies are given without pre-annotation: `share` of each one's clips.

    A clip that others have with pre-annotation comes first, since there the two can be
    compared; the number of each annotator is rounded, and counts what was blind before.

    Args:
        new: Copies about to be given out.
        teams: Everybody who has each clip, the new ones included.
        share: 0 to 1.
        blind_before: Copies given out blind earlier.

    >>> blind_copies([Copy("a", "ann"), Copy("b", "ann")], {"a": ("ann",), "b": ("ann", "bob")},
    ...              share=0.5)
    {Copy(clip='b', annotator='ann')}
    """
    check_share("blind share", share)
    blind = set(blind_before)
    in_clip = Counter(copy.clip for copy in blind)
    of_whom = Counter(copy.annotator for copy in blind)
    clips_of = Counter(name for team in teams.values() for name in team)
    copies: dict[str, list[str]] = {}
    for clip, name in sorted(new):
        copies.setdefault(name, []).append(clip)
    chosen: set[Copy] = set()
    for name in sorted(copies, key=lambda one: _draw(seed, "blind", one)):
        left = copies[name]
        missing = math.floor(share * clips_of[name] + 0.5) - of_whom[name]
        for _ in range(min(missing, len(left))):
            clip = min(
                left,
                key=lambda one: (
                    in_clip[one] + 1 >= len(teams[one]), in_clip[one],
                    _draw(seed, "blind", one, name),
                ),
            )  # fmt: skip
            left.remove(clip)
            in_clip[clip] += 1
            chosen.add(Copy(clip, name))
    return chosen


def gold_copies(
    known: Mapping[str, Iterable[str]], wanted: Mapping[str, int], *, seed: int = 0
) -> list[Copy]:
    """The gold clips that each annotator is to get; those used least come first.

    Args:
        known: Clips with known answers, each with those who have had it.
        wanted: How many more each annotator should get; fewer if there are no more.

    >>> gold_copies({"a": ["ann"], "b": []}, {"ann": 2})
    [Copy(clip='b', annotator='ann')]
    """
    had = {clip: set(names) for clip, names in known.items()}
    chosen = []
    for name in sorted(wanted, key=lambda one: _draw(seed, "gold", one)):
        for _ in range(wanted[name]):
            free = [clip for clip in had if name not in had[clip]]
            if not free:
                break
            clip = min(
                free, key=lambda one: (len(had[one]), _draw(seed, "gold", one, name), one)
            )
            had[clip].add(name)
            chosen.append(Copy(clip, name))
    return sorted(chosen)


def in_any_order(copies: Iterable[Copy], *, seed: int = 0) -> list[Copy]:
    """Copies in an order that tells nothing, so that gold and blind ones are mixed in.

    >>> sorted(in_any_order([Copy("a", "ann"), Copy("b", "ann")])) == [
    ...     Copy("a", "ann"), Copy("b", "ann")]
    True
    """
    return sorted(copies, key=lambda copy: _draw(seed, "order", *copy))


@dataclass
class _Person:
    load: float
    room: float


class _Balance:
    """Who has how much to do, and who has met whom how often, while clips are given out."""

    def __init__(
        self,
        annotators: Sequence[str],
        weights: Mapping[str, float],
        given: Given,
        *,
        load: Mapping[str, float] | None,
        room: Mapping[str, float] | None,
        seed: int,
    ) -> None:
        if load is None:
            load = loads(given, weights)
        self.people = {
            name: _Person(load.get(name, 0.0), (room or {}).get(name, math.inf))
            for name in sorted(annotators)
        }
        self.weights = weights
        self.met = meetings(given.values())
        self.seed = seed

    def fill(self, clip: str, team: Team, size: int, barred: set[str]) -> Team:
        """`team` and as many more as make `size` of them; `team` if too few have room."""
        weight = self.weights[clip]
        free = {
            name: _draw(self.seed, clip, name)
            for name, person in self.people.items()
            if name not in team and name not in barred and person.room >= weight
        }
        if len(team) + len(free) < size:
            return team
        more: list[str] = []
        if not team and size > 1:
            best = min(combinations(free, 2), key=lambda two: self._pair(two, free))
            more = [*best]
        while len(team) + len(more) < size:
            here = (*team, *more)
            left = [name for name in free if name not in more]
            more.append(min(left, key=lambda name: self._joining(name, here, free)))
        self._take(weight, team, more)
        return tuple(sorted((*team, *more)))

    def _pair(
        self, two: tuple[str, str], free: Mapping[str, bytes]
    ) -> tuple[int, float, bytes, bytes]:
        first, second = two
        load = self.people[first].load + self.people[second].load
        return self.met[two], load, free[first], free[second]

    def _joining(
        self, name: str, team: Team, free: Mapping[str, bytes]
    ) -> tuple[int, int, float, bytes]:
        met = [self.met[min(name, one), max(name, one)] for one in team]
        return max(met, default=0), sum(met), self.people[name].load, free[name]

    def _take(self, weight: float, team: Team, more: Iterable[str]) -> None:
        for name in more:
            self.people[name].load += weight
            self.people[name].room -= weight
        old = set(combinations(sorted(team), 2))
        for pair in combinations(sorted((*team, *more)), 2):
            self.met[pair] += pair not in old


def _check(annotators: Sequence[str], overlap: float, per_clip: int | None) -> int:
    if not annotators:
        raise AssignmentError("nobody is named who could annotate")
    if len(set(annotators)) < len(annotators):
        raise AssignmentError(f"an annotator is named twice: {', '.join(annotators)}")
    check_share("overlap", overlap)
    several = len(annotators) if per_clip is None else per_clip
    if overlap and not 2 <= several <= len(annotators):
        raise AssignmentError(
            f"a clip cannot be done by {several} of {len(annotators)} annotators: an overlap "
            "needs two or more; name more annotators, or set the overlap to 0"
        )
    return several


def check_share(name: str, share: float) -> None:
    """Raise AssignmentError, naming it, if `share` is not from 0 to 1."""
    if not 0 <= share <= 1:
        raise AssignmentError(f"the {name} is a share from 0 to 1, not {share}")


def _sizes(
    weights: Mapping[str, float],
    given: Given,
    owed: Mapping[str, int],
    overlap: float,
    several: int,
    seed: int,
) -> dict[str, int]:
    """How many annotators each clip should have, of those clips that have fewer."""
    has = {clip: max(len(names), owed.get(clip, 0)) for clip, names in given.items()}
    wanted = max(math.floor(overlap * len(weights) + 0.5), 1 if overlap else 0)
    wanted -= sum(1 for size in has.values() if size > 1)
    drawn = sorted(weights, key=lambda clip: (clip in has, _draw(seed, clip)))
    open_to_share = [clip for clip in drawn if has.get(clip, 0) < 2]
    shared = dict.fromkeys(open_to_share[: max(wanted, 0)], several)
    sizes = dict.fromkeys(weights, 1) | has | shared
    return {clip: size for clip, size in sizes.items() if size > len(given.get(clip, ()))}


def _draw(seed: int, *names: str) -> bytes:
    return sha256("/".join((str(seed), *names)).encode()).digest()
