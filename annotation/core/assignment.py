"""Who annotates which clip: a share of the clips is done by several, the rest by one each.

The draw depends on names and seed alone, never on the order of the input: the same call gives
the same answer on every machine.
"""

import math
from collections.abc import Mapping, Sequence
from hashlib import sha256


class AssignmentError(ValueError):
    """The work cannot be shared out like this."""


def assign(
    weights: Mapping[str, float],
    annotators: Sequence[str],
    *,
    overlap: float,
    per_clip: int | None = None,
    seed: int = 0,
    given: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, tuple[str, ...]]:
    """The annotators of every clip, sorted by name; clips sorted by name.

    Args:
        weights: Work in each clip, at least 0.
        annotators: Names, each once.
        overlap: Share of the clips that `per_clip` annotators do, 0 to 1; rounded to whole
            clips, and one clip at least if it is not 0.
        per_clip: At least 2; all of them if None.
        seed: Another seed draws other clips and other pairs.
        given: What is shared out already; it stays, and counts for share and balance.

    Raises AssignmentError with a sentence if that is impossible.

    >>> assign({"a": 1, "b": 1}, ["ann", "bob"], overlap=0)
    {'a': ('ann',), 'b': ('bob',)}
    >>> assign({"a": 1}, ["ann", "bob"], overlap=1.0)
    {'a': ('ann', 'bob')}
    """
    several = _check(annotators, overlap, per_clip)
    result = {clip: names for clip, names in (given or {}).items() if clip in weights}
    load = {name: 0.0 for name in annotators}
    for clip, names in result.items():
        for name in names:
            load[name] = load.get(name, 0.0) + weights[clip]
    for clip, count in _shares(weights, result, overlap, several, seed):
        ranked = sorted(annotators, key=lambda name: (load[name], _draw(seed, clip, name)))
        result[clip] = tuple(sorted(ranked[:count]))
        for name in result[clip]:
            load[name] += weights[clip]
    return dict(sorted(result.items()))


def _check(annotators: Sequence[str], overlap: float, per_clip: int | None) -> int:
    if not annotators:
        raise AssignmentError("nobody is named who could annotate")
    if len(set(annotators)) < len(annotators):
        raise AssignmentError(f"an annotator is named twice: {', '.join(annotators)}")
    if not 0 <= overlap <= 1:
        raise AssignmentError(f"the overlap is a share from 0 to 1, not {overlap}")
    several = len(annotators) if per_clip is None else per_clip
    if overlap and not 2 <= several <= len(annotators):
        raise AssignmentError(
            f"a clip cannot be done by {several} of {len(annotators)} annotators: an overlap "
            "needs two or more; name more annotators, or set the overlap to 0"
        )
    return several


def _shares(
    weights: Mapping[str, float],
    given: Mapping[str, tuple[str, ...]],
    overlap: float,
    several: int,
    seed: int,
) -> list[tuple[str, int]]:
    """The clips to share out and how many do each: those of several first, then heavy ones."""
    new = sorted((clip for clip in weights if clip not in given), key=lambda c: _draw(seed, c))
    wanted = max(math.floor(overlap * len(weights) + 0.5), 1 if overlap else 0)
    wanted -= sum(1 for names in given.values() if len(names) > 1)
    cut = min(max(wanted, 0), len(new))
    shared = [(clip, several) for clip in new[:cut]]
    single = [(clip, 1) for clip in sorted(new[cut:], key=lambda clip: -weights[clip])]
    return shared + single


def _draw(seed: int, *names: str) -> bytes:
    return sha256("/".join((str(seed), *names)).encode()).digest()
