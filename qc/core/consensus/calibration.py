"""Calibration of weighted votes on gold clips: how sure they are, how often they are right."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets.core.action_groups import ActionGroupSpec
from qc.core.consensus.clip_consensus import as_vote, majority_vote
from qc.core.consensus.skill_weighting import FittedRates, posterior_label
from qc.core.json_record import JsonRecord

DIGITS = 6


@dataclass(frozen=True)
class Calibration(JsonRecord):
    """Answers to gold clips by three or more annotators, against the known answers.

    Attributes:
        units: Persons at keyframes with a known answer.
        said: Mean probability of the likeliest answer; None without units.
        right: Units at which the likeliest answer is the known one.
        majority_right: Units at which the majority decides on the known one.
    """

    units: int = 0
    said: float | None = None
    right: int = 0
    majority_right: int = 0

    @property
    def is_majority_better(self) -> bool:
        return self.majority_right > self.right

    @property
    def sentence(self) -> str:
        """What the page says of it.

        >>> Calibration().sentence
        'Not known: no gold clip was answered by three annotators.'
        """
        if self.said is None:
            return "Not known: no gold clip was answered by three annotators."
        better = (
            "The majority is the better estimator here."
            if self.is_majority_better
            else "Weighting does at least as well as the majority here."
        )
        return (
            f"On {self.units:,} units of gold clips the weighted votes claim "
            f"{self.said:.1%} and are right in {self.right / self.units:.1%}; the majority is "
            f"right in {self.majority_right / self.units:.1%}. {better}"
        )


def calibrate(
    units: Iterable[tuple[Mapping[str, Any], Any]],
    fits: Sequence[FittedRates],
    group: ActionGroupSpec,
) -> Calibration:
    """Calibration of `fits` on units: answers by annotator, and the known answer.

    Units with fewer than three known annotators are left out.
    """
    count, said, right, majority_right = 0, 0.0, 0, 0
    for answers, known in units:
        truth = as_vote(known, group)
        cast = {who: as_vote(one, group) for who, one in answers.items()}
        votes = {who: vote for who, vote in cast.items() if vote is not None}
        likeliest = posterior_label(fits, votes)
        if truth is None or likeliest is None:
            continue
        count += 1
        said += likeliest.probability
        right += likeliest.answer == truth
        majority_right += majority_vote(list(votes.values()), group) == truth
    mean = round(said / count, DIGITS) if count else None
    return Calibration(count, mean, right, majority_right)
