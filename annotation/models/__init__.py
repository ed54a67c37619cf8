"""Who says what they do, and what CVAT knows of it."""

from annotation.models.cvat import (
    CvatJob,
    CvatProject,
    CvatServer,
    Delivery,
    JobMove,
    PatientModel,
    PatientQuerySet,
    Reconciliation,
    check_address,
)
from annotation.models.work import (
    Annotation,
    AnnotationTask,
    Annotator,
    Plan,
    Pull,
    StoredBox,
    check_user_name,
)

__all__ = [
    "Annotation",
    "AnnotationTask",
    "Annotator",
    "CvatJob",
    "CvatProject",
    "CvatServer",
    "Delivery",
    "JobMove",
    "PatientModel",
    "PatientQuerySet",
    "Plan",
    "Pull",
    "Reconciliation",
    "StoredBox",
    "check_address",
    "check_user_name",
]
