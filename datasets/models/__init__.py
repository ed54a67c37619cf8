"""Datasets, members, vocabularies, uploads, videos and clips."""

from datasets.models.dataset import Action, ActionGroup, Dataset, PendingDeletion
from datasets.models.members import Invitation, Member
from datasets.models.recordings import Fingerprint, SharedFootage
from datasets.models.team import (
    AccessToken,
    ActivityRecord,
    Notification,
    NotificationSettings,
    OutgoingMessage,
    OutgoingWebhook,
)
from datasets.models.videos import (
    BundleImport,
    Clip,
    ClipQuerySet,
    Transfer,
    Upload,
    Video,
    VideoName,
)

__all__ = [
    "AccessToken",
    "Action",
    "ActionGroup",
    "ActivityRecord",
    "BundleImport",
    "Clip",
    "ClipQuerySet",
    "Dataset",
    "Fingerprint",
    "Invitation",
    "Member",
    "Notification",
    "NotificationSettings",
    "OutgoingMessage",
    "OutgoingWebhook",
    "PendingDeletion",
    "SharedFootage",
    "Transfer",
    "Upload",
    "Video",
    "VideoName",
]
