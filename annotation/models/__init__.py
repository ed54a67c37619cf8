"""Who says what they do, and what CVAT knows of it."""

from annotation.models.cvat import (
    CvatJob,
    CvatProject,
    CvatServer,
    JobStateChange,
    Reconciliation,
    WebhookDelivery,
    check_address,
)
from annotation.models.work import (
    Annotation,
    AnnotationTask,
    Annotator,
    AnswerVersion,
    Plan,
    StoredBox,
    check_user_name,
)

__all__ = [
    "Annotation",
    "AnnotationTask",
    "Annotator",
    "AnswerVersion",
    "CvatJob",
    "CvatProject",
    "CvatServer",
    "JobStateChange",
    "Plan",
    "Reconciliation",
    "StoredBox",
    "WebhookDelivery",
    "check_address",
    "check_user_name",
]
