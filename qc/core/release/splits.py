"""Which source videos train and which measure: splits by video, never by clip.

Clips of one video share people, places and (in their padding) frames; a split between them
would measure memory. So would one between the videos of a recording group. The best of many
seeded shuffles is taken, so the same videos, counts and seed always give the same splits, in
whatever order they come.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "test")
SHARES = (0.7, 0.15, 0.15)
SHARES_WITHOUT_TEST = (0.8, 0.2, 0.0)
MIN_VIDEOS_FOR_TEST = 10
SHUFFLES = 300


class Splits(NamedTuple):
    split_of: dict[str, str]  # video -> train, val or test
    warnings: tuple[str, ...]  # sentences; empty if the splits are good to measure with


def split_videos(
    videos: Mapping[str, Mapping[int, int]],
    *,
    seed: int = 0,
    kept: Mapping[str, str] | None = None,
    groups: Mapping[str, str] | None = None,
) -> Splits:
    """Share out source videos so that every action is met in every split where it can be.

    With ten videos or more 70 % train, 15 % val and 15 % test; with fewer 80 % train and 20 %
    val. From two videos on neither train nor val is empty. Among `SHUFFLES` shuffles the one
    wins that leaves the fewest actions out of train, then out of val, and whose action counts
    are nearest to these shares.

    Args:
        videos: Source video -> how often each action id is seen in it; may be empty.
        seed: Another seed gives other, equally good splits.
        kept: Splits that videos already have from an earlier release; they never move, so what
            once measured never trains.
        groups: Recording group of each video; those of one group get one split. Where earlier
            releases have shared out a group, each video keeps its split, and a new one gets
            that of most of them.

    >>> split_videos({"a": {1: 5}, "b": {1: 5}, "c": {1: 5, 2: 1}}).split_of
    {'a': 'val', 'b': 'train', 'c': 'train'}
    """
    names = sorted(videos)
    members = _members(names, groups or {})
    fixed, torn = _fixed_splits(members, kept or {}, groups or {})
    free = [group for group in members if members[group][0] not in fixed]
    held = {group: fixed[each[0]] for group, each in members.items() if each[0] in fixed}
    quota = _quotas(len(members), held)
    counts, actions = _count_table(names, videos)
    row_of = {name: row for row, name in enumerate(names)}
    best: tuple[tuple[float, ...], dict[str, str]] | None = None
    seen: set[tuple[str, ...]] = set()
    for shuffle in range(SHUFFLES if free else 1):
        order = sorted(free, key=lambda name: _rank(name, seed=seed, shuffle=shuffle))
        given = zip(order, quota, strict=True)
        split_of = fixed | {name: split for group, split in given for name in members[group]}
        if (way := tuple(split_of[name] for name in names)) in seen:
            continue
        seen.add(way)
        rows = [[row_of[n] for n in names if split_of[n] == split] for split in SPLITS]
        score = _score(counts, rows)
        if best is None or score < best[0]:
            best = (score, split_of)
    chosen = {name: best[1][name] for name in names} if best else {}
    return Splits(chosen, (*_warnings(chosen, videos, actions), *map(torn_sentence, torn)))


def torn_sentence(group: Mapping[str, str]) -> str:
    """The warning about a recording group whose videos have had several splits.

    >>> torn_sentence({"a": "train", "b": "val"})[-62:]
    'a (train), b (val). What is measured on them is partly memory.'
    """
    named = ", ".join(f"{name} ({split})" for name, split in sorted(group.items()))
    count = {2: "two", 3: "three"}[len(set(group.values()))]
    return (
        f"Videos of one recording group are in {count} splits, as an earlier release or the "
        f"split list has it: {named}. What is measured on them is partly memory."
    )


def _members(names: list[str], groups: Mapping[str, str]) -> dict[str, list[str]]:
    """The videos of each group, by name; a video without a group is one of its own."""
    members: dict[str, list[str]] = {}
    for name in names:
        members.setdefault(groups.get(name, name), []).append(name)
    return dict(sorted(members.items()))


def _fixed_splits(
    members: Mapping[str, list[str]], kept: Mapping[str, str], groups: Mapping[str, str]
) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Splits that are given already, to all of a group; and the groups that have several.

    A video of an earlier release that is not in this one still decides for its group.
    """
    of_group: dict[str, Counter[str]] = {}
    for name, split in kept.items():
        of_group.setdefault(groups.get(name, name), Counter())[split] += 1
    fixed: dict[str, str] = {}
    torn: list[dict[str, str]] = []
    for group, names in members.items():
        own = {name: kept[name] for name in names if name in kept}
        if len(set(own.values())) > 1:
            torn.append(own)
        if count := of_group.get(group):
            common = max(SPLITS, key=lambda split: count[split])
            fixed |= dict.fromkeys(names, common) | own
    return fixed, torn


def shares_for(video_count: int) -> tuple[float, float, float]:
    """The shares of train, val and test wanted for so many source videos or groups."""
    return SHARES if video_count >= MIN_VIDEOS_FOR_TEST else SHARES_WITHOUT_TEST


def _quotas(video_count: int, fixed: Mapping[str, str]) -> list[str]:
    """The splits to give to the videos that have none yet, one each."""
    held = {split: list(fixed.values()).count(split) for split in SPLITS}
    wanted = dict(zip(SPLITS, shares_for(video_count), strict=True))
    quota: list[str] = []
    for _ in range(video_count - len(fixed)):
        empty = [split for split in ("train", "val") if not held[split]]
        behind = max(SPLITS, key=lambda split: wanted[split] * video_count - held[split])
        split = empty[0] if empty else behind
        held[split] += 1
        quota.append(split)
    return quota


def _rank(name: str, *, seed: int, shuffle: int) -> bytes:
    # A hash in place of a random generator: the same in every version of every library.
    return hashlib.sha256(f"{seed}/{shuffle}/{name}".encode()).digest()


def _count_table(
    names: list[str], videos: Mapping[str, Mapping[int, int]]
) -> tuple[NDArray[np.float64], list[int]]:
    """Shape `(videos, actions)`, and the ids of the actions."""
    actions = sorted({action for counts in videos.values() for action in counts})
    table = [[videos[name].get(action, 0) for action in actions] for name in names]
    return np.array(table, dtype=np.float64).reshape(len(names), len(actions)), actions


def _score(counts: NDArray[np.float64], rows: list[list[int]]) -> tuple[float, ...]:
    """Smaller is better; compared from left to right."""
    in_split = np.array([counts[row].sum(axis=0) for row in rows])
    total = np.maximum(in_split.sum(axis=0), 1)
    wanted = np.array(shares_for(len(counts)))[:, None]
    missing = [float(((in_split[split] == 0) & (total > 0)).sum()) for split in range(3)]
    size = counts.sum(axis=1)
    sizes = np.array([size[row].sum() for row in rows]) / max(size.sum(), 1)
    uneven = np.abs(in_split / total - wanted).sum() + np.abs(sizes - wanted[:, 0]).sum()
    return (missing[0], missing[1], missing[2] if rows[2] else 0.0, round(float(uneven), 9))


def _warnings(
    split_of: Mapping[str, str], videos: Mapping[str, Mapping[int, int]], actions: list[int]
) -> tuple[str, ...]:
    if not split_of:
        return ("There is no source video to split.",)
    if "val" not in split_of.values():
        return (
            f"val is empty, because there is nothing but {', '.join(sorted(split_of))}: "
            "nothing can be measured on this release. Approve clips of another source video.",
        )
    seen = {
        split: {
            action
            for name in split_of
            if split_of[name] == split
            for action, count in videos[name].items()
            if count
        }
        for split in SPLITS
    }
    used = [action for action in actions if any(action in seen[split] for split in SPLITS)]
    splits = [split for split in SPLITS if split in split_of.values()]
    return tuple(
        f"{split} shows nothing of {len(absent)} of {len(used)} actions in use "
        f"(ids {', '.join(map(str, absent))}): more source videos would help."
        for split in splits
        if (absent := [action for action in used if action not in seen[split]])
    )
