"""Tables of agreement, consensus, quality, review and releases."""

from qc.models.agreement import AgreementPart, AgreementReport, AgreementSummary
from qc.models.consensus import (
    Adjudication,
    Consensus,
    ConsensusAction,
    ConsensusBox,
    ConsensusLabel,
    ThirdOpinion,
)
from qc.models.datasheet import Datasheet, TakenOut
from qc.models.evaluation import ReleaseEvaluation
from qc.models.quality import QualityRules, Score
from qc.models.release import ClipExport, Release, ReleaseSync, checksum_name
from qc.models.review import Comment, Review
from qc.models.saved_view import SavedView
from qc.models.status import ClipStatus, StatusClock, TaskStatus

__all__ = [
    "Adjudication",
    "AgreementPart",
    "AgreementReport",
    "AgreementSummary",
    "ClipExport",
    "ClipStatus",
    "Comment",
    "Consensus",
    "ConsensusAction",
    "ConsensusBox",
    "ConsensusLabel",
    "Datasheet",
    "QualityRules",
    "Release",
    "ReleaseEvaluation",
    "ReleaseSync",
    "Review",
    "SavedView",
    "Score",
    "StatusClock",
    "TakenOut",
    "TaskStatus",
    "ThirdOpinion",
    "checksum_name",
]
