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
    "share_50": FigureExplanation(
        "Pairs with IoU ≥ 0.5",
        "Of the boxes of two annotators that overlap at all, paired for the best summed IoU.",
        "",
        "Leaves out boxes that overlap none.",
        "Of overlapping boxes, {value} had an IoU of 0.5 or more.",
    ),
    "share_75": FigureExplanation(
        "Pairs with IoU ≥ 0.75",
        "As with 0.5.",
        "",
        "As with 0.5; small boxes seldom reach it.",
        "Of overlapping boxes, {value} had an IoU of 0.75 or more.",
    ),
    "alpha_giou": FigureExplanation(
        "Alpha of boxes, GIoU",
        "1 - observed / expected distance of all boxes of a keyframe, paired for the least; "
        "two boxes are (1 - GIoU) / 2 apart, a box left over 1; expected between keyframes "
        "of different clips.",
        "Krippendorff 2013; Rezatofighi et al. 2019",
        "Depends on the scenes: near 0 where people stand in the same places in every clip.",
        "Krippendorff's alpha of the boxes of a keyframe, with GIoU as distance, was {value}.",
    ),
    "alpha_centre": FigureExplanation(
        "Alpha of boxes, centres",
        "As with GIoU; two boxes are as far apart as their centres, over the diagonal of the "
        "smallest box around both.",
        "Krippendorff 2013; Zheng et al. 2020",
        "Does not see a box that is too large or too small around the same centre.",
        "With the distance of centres, alpha of the boxes of a keyframe was {value}.",
    ),
    "sigma_giou": FigureExplanation(
        "Sigma of boxes, GIoU",
        "The share of keyframes at which two annotators are closer than 95 % of pairs of "
        "keyframes of different clips.",
        "Braylan, Alonso & Lease 2022",
        "0.05 by chance, not 0; and it says nothing of how close: read alpha beside it.",
        "In {value} of the comparisons boxes were closer than 95 % of those by chance "
        "(sigma, Braylan et al., 2022, with GIoU).",
    ),
    "sigma_centre": FigureExplanation(
        "Sigma of boxes, centres",
        "The same with the distance of centres.",
        "Braylan, Alonso & Lease 2022",
        "As sigma with GIoU.",
        "With the distance of centres sigma was {value}.",
    ),
    "segment_iou": FigureExplanation(
        "Segment IoU",
        "Runs of keyframes of a person with one action, matched one to one between two "
        "annotators; their summed IoU in time over all segments.",
        "",
        "Not corrected for chance: long segments overlap by themselves.",
        "Segments of an action had a mean temporal IoU of {value}.",
    ),
    "segment_alpha": FigureExplanation(
        "Segment alpha",
        "1 - observed / expected distance; of a person, two annotators are 1 - segment IoU "
        "apart; expected between persons of different clips.",
        "Krippendorff 2013; Braylan, Alonso & Lease 2022",
        "A person with many segments weighs as much as one with a single segment.",
        "Krippendorff's alpha of the segments of a person, with 1 - temporal IoU as distance, "
        "was {value}.",
    ),
    "within": FigureExplanation(
        "Agreement within seconds",
        "(F - E) / (1 - E) with F the share of actions at a keyframe that the other annotator "
        "chose for the person at most 0, 1, 2 or 3 s earlier or later, and E the same between "
        "persons of different clips.",
        "",
        "Rises with the tolerance of itself; a short action next to itself counts as agreed.",
        "Within one second, annotators agreed on an action beyond chance with {value}.",
    ),
    "seconds_per_answer": FigureExplanation(
        "Seconds per answer",
        "Working time on the label page since the operation before, a pause with a minute at "
        "most, averaged over answers set or kept.",
        "",
        "A segment that is kept is one answer, however long it is.",
        "On the label page an answer took {value} s on average.",
    ),
    "seconds_in_cvat": FigureExplanation(
        "Seconds per answer in CVAT",
        "Time from the act before (a box, an answer, undoing, opening the job) to an answer "
        "(change:attribute in CVAT's events), a pause with a minute at most, averaged.",
        "",
        "Only where CVAT tells its events. Answers left as before are no events, so it is "
        "not that of the label page: compare annotators within CVAT.",
        "In CVAT setting an answer took {value} s on average.",
    ),
    "kept_at_once": FigureExplanation(
        "Answers kept within a second",
        "Of the offered answers that an annotator kept on the label page, the share kept while "
        "their keyframes had been on display for less than a second.",
        "",
        "A quick answer need not be a wrong one: read it beside agreement and gold checks. "
        "Work in CVAT and packages has none; drafts of earlier versions count the time since "
        "the operation before.",
        "Of the offered answers that were kept, a share of {value} was kept within one second "
        "of being shown.",
    ),
    "boxes_at_once": FigureExplanation(
        "Pre-drawn boxes accepted within a second",
        "Of the pre-drawn boxes that an annotator left as they were (within 2 pixels) on the "
        "label page, the share whose keyframe was answered or kept while it, or the segment "
        "kept with it, had been on display for less than a second in all.",
        "",
        "A good box needs no more than a glance, so compare annotators with each other and "
        "with anchoring bias. Time before a page was loaded again is not known; blind work, "
        "CVAT and packages have none.",
        "Of the pre-drawn boxes that were left as they were, a share of {value} was accepted "
        "within one second of being shown.",
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
