"""Models of annotators, tasks, answer versions, and their counterparts in CVAT."""

from annotation.models.cvat import (
    CvatJob,
    CvatJobQuerySet,
    CvatProject,
    CvatServer,
    IssueComment,
    JobStateChange,
    JobTimes,
    Reconciliation,
    WebhookDelivery,
    check_address,
)
from annotation.models.guidelines import Guideline, GuidelineImage
from annotation.models.imports import LabelImport
from annotation.models.labelling import AnswerDraft, DraftOperation
from annotation.models.work import (
    Annotation,
    AnnotationTask,
    Annotator,
    AnswerVersion,
    PlanSettings,
    StoredBox,
    check_user_name,
)

__all__ = [
    "Annotation",
    "AnnotationTask",
    "Annotator",
    "AnswerDraft",
    "AnswerVersion",
    "CvatJob",
    "CvatJobQuerySet",
    "CvatProject",
    "CvatServer",
    "DraftOperation",
    "Guideline",
    "GuidelineImage",
    "IssueComment",
    "JobStateChange",
    "JobTimes",
    "LabelImport",
    "PlanSettings",
    "Reconciliation",
    "StoredBox",
    "WebhookDelivery",
    "check_address",
    "check_user_name",
]
