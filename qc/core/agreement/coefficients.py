"""The registry of agreement coefficients: each with its formula, its label and its help text.

A coefficient is one entry of `COEFFICIENTS` and its test: pages, tables, CSV files, the card of
a release and the help read the registry. Formulas take sums with a row for each clip left out
and give nan where the coefficient is undefined, so that the same code makes the value and its
interval.

Sources: Cohen 1960 (kappa) and 1968 (weighted); Fleiss 1971; Krippendorff, Content Analysis,
3rd ed. 2013, chapter 12 (alpha); Gwet 2008 and 2014 (AC1, missing ratings).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from qc.core.agreement.coefficient_counts import (
    CategorySums,
    Floats,
    PairSums,
    RatingSums,
    ratio,
)
from qc.core.agreement.figures import (
    FEW_RATERS,
    NO_PAIR,
    NOT_BOTH,
    NOTHING,
    ONE_CATEGORY,
    Coefficient,
)

Weights = Literal["linear", "quadratic"]


@dataclass(frozen=True)
class CoefficientSpec:
    """One coefficient.

    Attributes:
        name: Its key in figures and JSON.
        label: Its name in full.
        column: The title of its column.
        help: One sentence for whoever reads the column.
        computed_from: `ratings` of any number of raters, some missing (RatingSums); `pairs` of
            raters, of which the mean is shown (PairSums); or `complete` units that as many
            raters rated (CategorySums).
        formula: Of these sums; nan where it is undefined.
        undefined: Why it is undefined although units were rated by two or more.
        is_chance_corrected: Whether 0 is what chance gives; else it is a rate.
    """

    name: str
    label: str
    column: str
    help: str
    computed_from: Literal["ratings", "pairs", "complete"]
    formula: Callable[[Any], Floats]
    undefined: str = ONE_CATEGORY
    is_chance_corrected: bool = True

    def of(self, sums: Any, *, units: int, unrated: str) -> Coefficient:
        """The coefficient of sums of one row; `unrated` says why there are no units."""
        value = float(np.ravel(self.formula(sums))[0]) if units else np.nan
        return self.defined(value, units=units, unrated=unrated)

    def defined(self, value: float, *, units: int, unrated: str) -> Coefficient:
        """The coefficient of a value that may be nan."""
        if units == 0:
            return Coefficient(None, unrated, 0)
        if np.isnan(value):
            return Coefficient(None, self.undefined, units)
        return Coefficient(value, "", units)


def percent_agreement_rows(sums: RatingSums) -> Floats:
    """The share of the pairs of ratings of a unit that are the same, averaged over units."""
    return ratio(sums.agreement, sums.pairable)


def krippendorff_alpha_rows(sums: RatingSums) -> Floats:
    """`1 - observed / expected disagreement` of all pairs of ratings."""
    expected = ((sums.values @ sums.distances) * sums.values).sum(axis=-1)
    return 1 - ratio(sums.apart * (sums.values.sum(axis=-1) - 1), expected)


def gwet_ac1_rows(sums: RatingSums) -> Floats:
    """`(A - E) / (1 - E)` of the raw agreement A and chance `E = sum p_k (1 - p_k) / (q - 1)`.

    The formula would give 1 where only one of several categories was used; nothing can be told
    from that, so it is undefined.
    """
    shares = ratio(sums.shares, sums.rated[..., None])
    chance = (shares * (1 - shares)).sum(axis=-1) / max(sums.categories - 1, 1)
    several = ((sums.shares > 0).sum(axis=-1) >= 2) & (sums.categories >= 2)
    return np.where(several, 1 - ratio(1 - percent_agreement_rows(sums), 1 - chance), np.nan)


def cohen_kappa_rows(sums: PairSums) -> Floats:
    """`1 - observed / expected disagreement` of two raters."""
    return 1 - ratio(sums.units * sums.apart, sums.expected)


def fleiss_kappa_rows(sums: CategorySums) -> Floats:
    """`(P - sum p_j^2) / (1 - sum p_j^2)` of raw agreement P and the shares of categories."""
    total = sums.ratings.sum(axis=-1)
    observed = 1 - ratio(sums.agreement * sums.raters, total)
    return 1 - ratio(observed * total**2, total**2 - (sums.ratings**2).sum(axis=-1))


ALPHA = CoefficientSpec(
    "alpha", "Krippendorff's alpha", "Alpha",
    "Krippendorff's alpha: agreement of any number of annotators beyond chance",
    "ratings", krippendorff_alpha_rows,
)  # fmt: skip
KAPPA = CoefficientSpec(
    "kappa", "Cohen's kappa, mean over pairs", "Kappa",
    "Cohen's kappa: agreement of two annotators beyond chance, mean over pairs",
    "pairs", cohen_kappa_rows,
)  # fmt: skip
AC1 = CoefficientSpec(
    "ac1", "Gwet's AC1", "AC1",
    "Gwet's AC1: agreement beyond chance, steady where nearly all answers are the same",
    "ratings", gwet_ac1_rows,
)  # fmt: skip
FLEISS = CoefficientSpec(
    "fleiss", "Fleiss' kappa", "Fleiss' kappa",
    "Fleiss' kappa: of the units with the most frequent number of answers, three or more",
    "complete", fleiss_kappa_rows,
)  # fmt: skip
PERCENT = CoefficientSpec(
    "percent", "Raw agreement", "Raw agreement",
    "share of pairs of answers that are the same, not corrected for chance",
    "ratings", percent_agreement_rows, is_chance_corrected=False,
)  # fmt: skip

COEFFICIENTS = (ALPHA, KAPPA, AC1, FLEISS, PERCENT)  # in the order of pages and files
OF_RATINGS = tuple(one for one in COEFFICIENTS if one.computed_from == "ratings")


def kappa_of_table(table: Floats, *, weights: Weights | None = None) -> Coefficient:
    """Cohen's kappa from a confusion matrix.

    >>> round(kappa_of_table(np.array([[45.0, 15], [25, 15]])).value, 4)
    0.1304
    """
    apart = _disagreement(len(table), weights)
    expected = table.sum(axis=1) @ apart @ table.sum(axis=0)
    sums = PairSums(table.sum(), (table * apart).sum(), np.asarray(expected))
    unrated = NOT_BOTH if table.size else NOTHING
    return KAPPA.of(sums, units=int(table.sum()), unrated=unrated)


def fleiss_of_counts(*, agreement: float, ratings: Floats, raters: int) -> Coefficient:
    """Fleiss' kappa from the raw agreement summed over units, and ratings of each category."""
    if raters < 2:
        return Coefficient(None, FEW_RATERS, 0)
    sums = CategorySums(np.array([agreement]), ratings[None], raters)
    return FLEISS.of(sums, units=int(ratings.sum()) // raters, unrated=NO_PAIR)


def _disagreement(size: int, weights: Weights | None) -> Floats:
    if weights not in (None, "linear", "quadratic"):
        raise ValueError(f"weights must be None, 'linear' or 'quadratic', not {weights!r}")
    places = np.arange(size, dtype=np.float64)
    apart = np.abs(places[:, None] - places[None, :])
    if weights is None:
        return (apart > 0).astype(np.float64)
    return apart if weights == "linear" else apart**2
