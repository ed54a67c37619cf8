"""Each figure of agreement explained: formula, source, weakness, a sentence for a paper."""

from typing import NamedTuple

from qc.core.agreement.figures import Figure
from qc.core.agreement.jackknife import MIN_CLUSTERS, MIN_VIDEOS


class FigureExplanation(NamedTuple):
    """What stands beside a figure.

    Attributes:
        title: Its name on pages.
        formula: In words and symbols.
        source: Author and year; empty if it needs none.
        weakness: Where it misleads.
        sentence: For a paper; `{value}` is the figure with its interval.
    """

    title: str
    formula: str
    source: str
    weakness: str
    sentence: str

    def said(self, figure: Figure) -> str:
        """The sentence with the figure in it; an undefined figure says why.

        >>> EXPLANATIONS["f1"].said(Figure(0.5, "", 4))
        'Boxes of two annotators matched with an F1 of 0.50.'
        """
        if figure.value is None:
            return f"{self.title} is undefined: {figure.reason}."
        return self.sentence.format(value=with_interval(figure))


EXPLANATIONS = {
    "alpha": FigureExplanation(
        "Krippendorff's alpha",
        "1 - observed / expected disagreement over all pairs of answers to a unit; two answers "
        "are different or not for a choice of one, and as far apart as MASI says for a choice "
        "of many.",
        "Krippendorff 2013, chapter 12; Passonneau 2006",
        "Low where nearly all answers are the same, however often annotators agree: read raw "
        "agreement and AC1 beside it.",
        "Krippendorff's alpha (Krippendorff, 2013) was {value}.",
    ),
    "kappa": FigureExplanation(
        "Cohen's kappa",
        "1 - observed / expected disagreement of two annotators, each with their own shares of "
        "answers; the mean over pairs.",
        "Cohen 1960",
        "As alpha; and a pair with few units weighs as much as one with many.",
        "Cohen's kappa (Cohen, 1960), averaged over pairs of annotators, was {value}.",
    ),
    "ac1": FigureExplanation(
        "Gwet's AC1",
        "(A - E) / (1 - E) with raw agreement A and chance E = sum p (1 - p) / (q - 1) over q "
        "categories.",
        "Gwet 2008, 2014",
        "High where nearly all answers are the same, whether or not anybody looked.",
        "Gwet's AC1 (Gwet, 2008) was {value}.",
    ),
    "fleiss": FigureExplanation(
        "Fleiss' kappa",
        "(P - sum p²) / (1 - sum p²) with raw agreement P, over units with the most frequent "
        "number of answers, three or more.",
        "Fleiss 1971",
        "Of some of the units only.",
        "Fleiss' kappa (Fleiss, 1971) was {value}.",
    ),
    "percent": FigureExplanation(
        "Raw agreement",
        "The share of pairs of answers to a unit that are the same, averaged over units.",
        "",
        "Not corrected for chance: high for rare actions even if nobody agrees on one.",
        "Annotators gave the same answer in {value} of the comparisons.",
    ),
    "f1": FigureExplanation(
        "Boxes matched, F1",
        "2 matched / boxes of both; boxes match one to one at IoU 0.5 or more.",
        "",
        "Not corrected for chance, and high where pre-drawn boxes are left as they are: "
        "compare with blind work.",
        "Boxes of two annotators matched with an F1 of {value}.",
    ),
    "mean_iou": FigureExplanation(
        "Mean IoU of matched boxes",
        "Intersection over union, averaged over the matched pairs.",
        "",
        "Leaves out boxes that do not match: read F1 beside it.",
        "Matched boxes had a mean IoU of {value}.",
    ),
    "segment_iou": FigureExplanation(
        "Segment IoU",
        "Runs of keyframes of a person with one action, matched one to one between two "
        "annotators; their summed IoU in time over all segments.",
        "",
        "Not corrected for chance: long segments overlap by themselves.",
        "Segments of an action had a mean temporal IoU of {value}.",
    ),
}
INTERVALS = FigureExplanation(
    "95 % intervals",
    "A jackknife over clips, or over source videos from "
    f"{MIN_VIDEOS} on, gives the variance and its degrees of freedom; the interval is Clopper "
    "and Pearson's of as many independent judgements.",
    "Efron & Stein 1981; Korn & Graubard 1998",
    f"Of annotators and videos like these. Not shown where it would not hold, as with fewer "
    f"than {MIN_CLUSTERS} clips.",
    "95 % intervals are from a jackknife over clips (source videos from "
    f"{MIN_VIDEOS} on), with the effective number of judgements and degrees of freedom of Korn "
    "and Graubard (1998).",
)


def with_interval(figure: Figure) -> str:
    """A defined figure as cards and papers print it.

    >>> with_interval(Figure(0.5, "", 4, (0.4, 0.6)))
    '0.50 (0.40 to 0.60)'
    """
    low_high = ""
    if figure.interval:
        low_high = f" ({figure.interval[0]:.2f} to {figure.interval[1]:.2f})"
    return f"{figure.value:.2f}{low_high}"
