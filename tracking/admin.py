"""The operators' view of tracking; all of it is written by background work."""

from django.contrib import admin

from datasets.admin import MadeByWorkers
from tracking.models import Bundle, BundleImport, Linking, Person, Proposal, TrackingRun, Trial


@admin.register(TrackingRun)
class TrackingRunAdmin(MadeByWorkers):
    list_display = [
        "clip",
        "recipe",
        "stage",
        "progress",
        "track_count",
        "detection_count",
        "error",
    ]
    list_filter = ["stage", "clip__video__dataset"]
    search_fields = ["clip__name", "recipe"]
    list_select_related = ["clip"]


@admin.register(Linking)
class LinkingAdmin(MadeByWorkers):
    list_display = ["video", "recipe", "stage", "person_count", "error"]
    list_filter = ["stage", "video__dataset"]
    search_fields = ["video__name", "recipe"]
    list_select_related = ["video"]


@admin.register(Person)
class PersonAdmin(MadeByWorkers):
    actions: list[str] = []
    list_display = ["run", "track_id", "person_id"]
    list_filter = ["run__clip__video__dataset"]
    search_fields = ["run__clip__name"]
    list_select_related = ["run__clip"]


@admin.register(Proposal)
class ProposalAdmin(MadeByWorkers):
    actions: list[str] = []
    list_display = ["run", "second", "person_id", "x1", "y1", "x2", "y2", "score"]
    list_filter = ["run__clip__video__dataset"]
    search_fields = ["run__clip__name"]
    list_select_related = ["run__clip"]


@admin.register(Bundle)
class BundleAdmin(MadeByWorkers):
    list_display = ["pk", "dataset", "recipe", "stage", "progress", "created_at", "error"]
    list_filter = ["stage", "dataset"]
    search_fields = ["dataset__name", "recipe"]
    list_select_related = ["dataset"]


@admin.register(BundleImport)
class BundleImportAdmin(MadeByWorkers):
    list_display = ["upload", "stage", "progress", "clip_count", "track_count", "error"]
    list_filter = ["stage", "upload__dataset"]
    search_fields = ["upload__original_name", "upload__dataset__name"]
    list_select_related = ["upload"]


@admin.register(Trial)
class TrialAdmin(MadeByWorkers):
    actions: list[str] = []
    list_display = [
        "dataset",
        "detector",
        "threshold",
        "frame_stride",
        "is_chosen",
        "created_at",
    ]
    list_filter = ["dataset", "is_chosen"]
    search_fields = ["dataset__name", "detector", "weights"]
    list_select_related = ["dataset"]
