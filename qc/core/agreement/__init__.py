"""Coefficients of agreement between annotators, with their names in the literature."""

from qc.core.agreement.coefficients_of_ratings import (
    cohen_kappa,
    fleiss_kappa,
    gwet_ac1,
    jaccard_distance,
    krippendorff_alpha,
    masi_distance,
    per_action_kappa,
    percent_agreement,
)
from qc.core.agreement.figures import Coefficient
from qc.core.agreement.labels_over_time import interval_iou

__all__ = [
    "Coefficient",
    "cohen_kappa",
    "fleiss_kappa",
    "gwet_ac1",
    "interval_iou",
    "jaccard_distance",
    "krippendorff_alpha",
    "masi_distance",
    "per_action_kappa",
    "percent_agreement",
]
