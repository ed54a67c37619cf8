"""Coefficients of agreement by their definitions, pair by pair: nothing of the product is used.

Ratings are of shape `(raters, units)`, None is missing; None is returned for what is undefined.
"""

from itertools import combinations, permutations
from math import inf

from scipy import stats


def units_of(ratings):
    """The ratings of each unit that two or more raters rated."""
    units = [[one for one in unit if one is not None] for unit in zip(*ratings, strict=True)]
    return [unit for unit in units if len(unit) >= 2]


def masi(a, b):
    if a == b:
        return 0.0
    common, union = len(a & b), len(a | b)
    weight = 2 / 3 if common and (a <= b or b <= a) else 1 / 3
    return 1 - weight * common / union


def nominal(a, b):
    return float(a != b)


def percent(ratings):
    units = units_of(ratings)
    shares = [
        sum(a == b for a, b in combinations(unit, 2)) / (len(unit) * (len(unit) - 1) / 2)
        for unit in units
    ]
    return sum(shares) / len(shares) if shares else None


def alpha(ratings, distance=nominal):
    units = units_of(ratings)
    values = [one for unit in units for one in unit]
    expected = sum(distance(a, b) for a, b in permutations(values, 2))
    if not expected:
        return None
    observed = sum(
        distance(a, b) / (len(unit) - 1) for unit in units for a, b in permutations(unit, 2)
    )
    n = len(values)
    return 1 - (observed / n) / (expected / (n * (n - 1)))


def ac1(ratings, categories=None):
    rated = [[one for one in unit if one is not None] for unit in zip(*ratings, strict=True)]
    rated = [unit for unit in rated if unit]
    used = {one for unit in rated for one in unit}
    agreement = percent(ratings)
    if agreement is None or len(used) < 2:
        return None
    shares = [sum(unit.count(k) / len(unit) for unit in rated) / len(rated) for k in used]
    chance = sum(p * (1 - p) for p in shares) / (len(set(categories or used)) - 1)
    return (agreement - chance) / (1 - chance)


def kappa(a, b):
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    if not pairs:
        return None
    n = len(pairs)
    observed = sum(x == y for x, y in pairs) / n
    expected = sum(
        sum(x == k for x, _ in pairs) * sum(y == k for _, y in pairs) / n**2
        for k in {one for pair in pairs for one in pair}
    )
    return None if expected == 1 else (observed - expected) / (1 - expected)


def fleiss(counts):
    n, raters = len(counts), sum(counts[0])
    shares = [sum(row[k] for row in counts) / (n * raters) for k in range(len(counts[0]))]
    expected = sum(p * p for p in shares)
    pairs = [sum(c * (c - 1) for c in row) / (raters * (raters - 1)) for row in counts]
    return None if expected == 1 else (sum(pairs) / n - expected) / (1 - expected)


def jackknife_interval(value, without, *, is_rate, shared=inf):
    """The interval of a figure from its values without each clip, step by step.

    Korn and Graubard (1998): Clopper and Pearson's interval of as many independent judgements
    as have the jackknife's variance, made fewer for its degrees of freedom: fewer than
    clips in which two annotators `shared` a rare answer.
    """
    clips, scale = len(without), 1 if is_rate else 2
    apart = [(one - sum(without) / clips) ** 2 for one in without]
    variance = (clips - 1) / clips * sum(apart)
    freedom = min(clips - 1, shared - 1, 2 * sum(apart) ** 2 / sum(one**2 for one in apart))
    share = (1 - value) / scale
    judgements = share * (1 - share) / (variance / scale**2)
    judgements *= (stats.norm.ppf(0.975) / stats.t.ppf(0.975, freedom)) ** 2
    wrong = share * judgements
    low = stats.beta.ppf(0.025, wrong, judgements - wrong + 1)
    high = stats.beta.ppf(0.975, wrong + 1, judgements - wrong)
    return 1 - scale * high, 1 - scale * low
