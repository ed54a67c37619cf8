"""Datasets, members, vocabularies, uploads, videos and clips."""

from datasets.models.dataset import Action, ActionGroup, Dataset, PendingDeletion
from datasets.models.members import Invitation, Member
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
    "Action",
    "ActionGroup",
    "BundleImport",
    "Clip",
    "ClipQuerySet",
    "Dataset",
    "Invitation",
    "Member",
    "PendingDeletion",
    "Transfer",
    "Upload",
    "Video",
    "VideoName",
]
