"""Assignment of clips to annotators: a share of the clips gets several, the rest one each.

Random choices depend on names and seed alone, never on the order of the input, so the same call
gives the same result on every machine. Existing assignments stay: a later call adds to them.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from typing import NamedTuple

from datasets.core.translation import gettext

Team = tuple[str, ...]
Teams = Mapping[str, Team]


class AssignmentError(ValueError):
    """The clips cannot be assigned as requested."""


class Assignment(NamedTuple):
    """One clip for one annotator."""

    clip: str
    annotator: str


def assign_clips(
    weights: Mapping[str, float],
    annotators: Sequence[str],
    *,
    overlap: float,
    per_clip: int | None = None,
    seed: int = 0,
    assigned: Teams | None = None,
    quota: Mapping[str, int] | None = None,
    excluded: Mapping[str, Iterable[str]] | None = None,
    load: Mapping[str, float] | None = None,
    capacity_left: Mapping[str, float] | None = None,
) -> dict[str, Team]:
    """The annotators of every clip, sorted by name; clips sorted by name.

    A shared clip goes to the pair with the fewest shared clips, so that every pair gets some; a
    single one, the heaviest first, to whoever has the least work. If new clips do not suffice
    for the overlap, clips that one annotator has already get more.

    Args:
        weights: Work in each clip, at least 0.
        annotators: Names, each once.
        overlap: Share of the clips that `per_clip` annotators do, 0 to 1; rounded to whole
            clips, and one clip at least if it is not 0.
        per_clip: At least 2; all annotators if None.
        seed: Another seed chooses other clips and other pairs.
        assigned: Existing assignments; they stay, and count for overlap and pairs.
        quota: How many annotators an assigned clip should have, where some have left.
        excluded: Who must not get a clip, though it is not assigned to them.
        load: Open work of each annotator; the weight of `assigned` if None.
        capacity_left: The most that each can take on; no limit for names that are not in it.

    Returns:
        A team for each clip; an empty one if nobody has capacity for it.

    Raises AssignmentError with a message if the request cannot be met.

    >>> assign_clips({"a": 1, "b": 1}, ["ann", "bob"], overlap=0)
    {'a': ('ann',), 'b': ('bob',)}
    >>> assign_clips({"a": 1}, ["ann", "bob"], overlap=1.0)
    {'a': ('ann', 'bob')}
    """
    several = _check(annotators, overlap, per_clip)
    before = {clip: names for clip, names in (assigned or {}).items() if clip in weights}
    balancer = _Balancer(
        annotators, weights, before, load=load, capacity_left=capacity_left, seed=seed
    )
    sizes = _sizes(weights, before, quota or {}, overlap, several, seed)
    result = dict.fromkeys(weights, ()) | before
    for clip in sorted(
        sizes, key=lambda one: (sizes[one] < 2, -weights[one], _draw(seed, one))
    ):
        excluded_here = set((excluded or {}).get(clip, ()))
        result[clip] = balancer.fill(clip, result[clip], sizes[clip], excluded_here)
    return dict(sorted(result.items()))


def shared_clip_counts(teams: Iterable[Team]) -> Counter[tuple[str, str]]:
    """How many clips each pair of annotators has in common, by sorted names.

    >>> shared_clip_counts([("ann", "bob"), ("bob", "ann", "cem")])[("ann", "bob")]
    2
    """
    return Counter(pair for team in teams for pair in combinations(sorted(team), 2))


def loads(teams: Teams, weights: Mapping[str, float]) -> dict[str, float]:
    """The weight of the clips that each annotator has.

    >>> loads({"a": ("ann", "bob"), "b": ("ann",)}, {"a": 1.5, "b": 2})
    {'ann': 3.5, 'bob': 1.5}
    """
    found: dict[str, float] = {}
    for clip, team in sorted(teams.items()):
        for name in team:
            found[name] = found.get(name, 0.0) + weights[clip]
    return found


def blind_assignments(
    new: Iterable[Assignment],
    teams: Teams,
    *,
    share: float,
    seed: int = 0,
    blind_before: Iterable[Assignment] = (),
) -> set[Assignment]:
    """Which new assignments go without pre-annotation: `share` of each annotator's clips.

    A clip that others have with pre-annotation comes first, since there the two can be
    compared; the number of each annotator is rounded, and counts what was blind before.

    Args:
        new: The new assignments.
        teams: The annotators of each clip, the new ones included.
        share: 0 to 1.
        blind_before: Existing blind assignments.

    >>> new = [Assignment("a", "ann"), Assignment("b", "ann")]
    >>> blind_assignments(new, {"a": ("ann",), "b": ("ann", "bob")}, share=0.5)
    {Assignment(clip='b', annotator='ann')}
    """
    check_share("blind share", share)
    blind = set(blind_before)
    in_clip = Counter(one.clip for one in blind)
    of_annotator = Counter(one.annotator for one in blind)
    clip_count = Counter(name for team in teams.values() for name in team)
    new_clips: dict[str, list[str]] = {}
    for clip, name in sorted(new):
        new_clips.setdefault(name, []).append(clip)
    chosen: set[Assignment] = set()
    for name in sorted(new_clips, key=lambda one: _draw(seed, "blind", one)):
        left = new_clips[name]
        missing = math.floor(share * clip_count[name] + 0.5) - of_annotator[name]
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
            chosen.add(Assignment(clip, name))
    return chosen


def gold_assignments(
    gold: Mapping[str, Iterable[str]], wanted: Mapping[str, int], *, seed: int = 0
) -> list[Assignment]:
    """The gold clips that each annotator gets; clips with the fewest annotators come first.

    Args:
        gold: The gold clips, each with the annotators who have had it.
        wanted: How many more each annotator should get; fewer if there are no more.

    >>> gold_assignments({"a": ["ann"], "b": []}, {"ann": 2})
    [Assignment(clip='b', annotator='ann')]
    """
    had = {clip: set(names) for clip, names in gold.items()}
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
            chosen.append(Assignment(clip, name))
    return sorted(chosen)


def shuffled(assignments: Iterable[Assignment], *, seed: int = 0) -> list[Assignment]:
    """In random order, so that gold and blind assignments cannot be recognised by position.

    >>> assignments = [Assignment("a", "ann"), Assignment("b", "ann")]
    >>> sorted(shuffled(assignments)) == assignments
    True
    """
    return sorted(assignments, key=lambda one: _draw(seed, "order", *one))


@dataclass
class _Workload:
    load: float
    capacity_left: float


class _Balancer:
    """Keeps each annotator's load and each pair's shared clips while clips are assigned."""

    def __init__(
        self,
        annotators: Sequence[str],
        weights: Mapping[str, float],
        assigned: Teams,
        *,
        load: Mapping[str, float] | None,
        capacity_left: Mapping[str, float] | None,
        seed: int,
    ) -> None:
        if load is None:
            load = loads(assigned, weights)
        self.workloads = {
            name: _Workload(load.get(name, 0.0), (capacity_left or {}).get(name, math.inf))
            for name in sorted(annotators)
        }
        self.weights = weights
        self.shared = shared_clip_counts(assigned.values())
        self.seed = seed

    def fill(self, clip: str, team: Team, size: int, excluded: set[str]) -> Team:
        """`team` with as many more as make `size`; `team` alone if too few have capacity."""
        weight = self.weights[clip]
        free = {
            name: _draw(self.seed, clip, name)
            for name, workload in self.workloads.items()
            if name not in team and name not in excluded and workload.capacity_left >= weight
        }
        if len(team) + len(free) < size:
            return team
        more: list[str] = []
        if not team and size > 1:
            best = min(combinations(free, 2), key=lambda two: self._pair_rank(two, free))
            more = [*best]
        while len(team) + len(more) < size:
            here = (*team, *more)
            left = [name for name in free if name not in more]
            more.append(min(left, key=lambda name: self._member_rank(name, here, free)))
        self._add(weight, team, more)
        return tuple(sorted((*team, *more)))

    def _pair_rank(
        self, two: tuple[str, str], free: Mapping[str, bytes]
    ) -> tuple[int, float, bytes, bytes]:
        first, second = two
        load = self.workloads[first].load + self.workloads[second].load
        return self.shared[two], load, free[first], free[second]

    def _member_rank(
        self, name: str, team: Team, free: Mapping[str, bytes]
    ) -> tuple[int, int, float, bytes]:
        shared = [self.shared[min(name, one), max(name, one)] for one in team]
        return max(shared, default=0), sum(shared), self.workloads[name].load, free[name]

    def _add(self, weight: float, team: Team, more: Iterable[str]) -> None:
        for name in more:
            self.workloads[name].load += weight
            self.workloads[name].capacity_left -= weight
        old = set(combinations(sorted(team), 2))
        for pair in combinations(sorted((*team, *more)), 2):
            self.shared[pair] += pair not in old


def _check(annotators: Sequence[str], overlap: float, per_clip: int | None) -> int:
    if not annotators:
        raise AssignmentError(gettext("name at least one annotator"))
    if len(set(annotators)) < len(annotators):
        raise AssignmentError(
            gettext("an annotator is named twice: %(annotators)s")
            % {"annotators": ", ".join(annotators)}
        )
    check_share("overlap", overlap)
    several = len(annotators) if per_clip is None else per_clip
    if overlap and not 2 <= several <= len(annotators):
        raise AssignmentError(
            gettext(
                "%(several)s of %(count)s annotators cannot share a clip: an overlap needs "
                "two or more. Name more annotators, or set the overlap to 0"
            )
            % {"several": several, "count": len(annotators)}
        )
    return several


def check_share(name: str, share: float) -> None:
    """Raise AssignmentError, naming it, if `share` is not from 0 to 1."""
    if not 0 <= share <= 1:
        raise AssignmentError(
            gettext("the %(name)s is a share from 0 to 1, not %(share)s")
            % {"name": name, "share": share}
        )


def _sizes(
    weights: Mapping[str, float],
    assigned: Teams,
    quota: Mapping[str, int],
    overlap: float,
    several: int,
    seed: int,
) -> dict[str, int]:
    """How many annotators each clip should have, of those clips that have fewer."""
    has = {clip: max(len(names), quota.get(clip, 0)) for clip, names in assigned.items()}
    wanted = max(math.floor(overlap * len(weights) + 0.5), 1 if overlap else 0)
    wanted -= sum(1 for size in has.values() if size > 1)
    drawn = sorted(weights, key=lambda clip: (clip in has, _draw(seed, clip)))
    open_to_share = [clip for clip in drawn if has.get(clip, 0) < 2]
    shared = dict.fromkeys(open_to_share[: max(wanted, 0)], several)
    sizes = dict.fromkeys(weights, 1) | has | shared
    return {clip: size for clip, size in sizes.items() if size > len(assigned.get(clip, ()))}


def _draw(seed: int, *names: str) -> bytes:
    return sha256("/".join((str(seed), *names)).encode()).digest()
