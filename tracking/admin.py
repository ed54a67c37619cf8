"""Admin of tracking; all rows are written by background work."""

from django.contrib import admin

from datasets.admin import BackgroundWorkAdmin, BoxAdmin, PermanentRowAdmin
from tracking.models import (
    Bundle,
    Experiment,
    IdentityRun,
    Person,
    PersonCorrection,
    Proposal,
    TrackImport,
    TrackingConfig,
    TrackingRun,
    VideoPerson,
)


@admin.register(TrackingConfig)
class TrackingConfigAdmin(PermanentRowAdmin):
    list_display = ["dataset", "config_key", "weights_sha256", "is_planned"]
    list_filter = ["dataset", "is_planned"]
    search_fields = ["dataset__name", "config_key"]
    list_select_related = ["dataset"]


@admin.register(VideoPerson)
class VideoPersonAdmin(PermanentRowAdmin):
    list_display = ["video", "person_id", "label", "name", "is_drawn", "clip"]
    list_filter = ["label", "is_drawn", "video__dataset"]
    search_fields = ["video__name", "clip__name"]
    list_select_related = ["video", "clip"]
    hidden_fields = ("boxes", "look")


@admin.register(PersonCorrection)
class PersonCorrectionAdmin(PermanentRowAdmin):
    list_display = ["video", "kind", "person", "other", "clip", "frame", "made_by", "undone_at"]
    list_filter = ["kind", "video__dataset"]
    search_fields = ["video__name"]
    list_select_related = ["video", "person__video", "other__video", "clip", "made_by"]


@admin.register(TrackingRun)
class TrackingRunAdmin(BackgroundWorkAdmin):
    list_display = [
        "clip",
        "config_key",
        "stage",
        "progress",
        "track_count",
        "detection_count",
        "error",
    ]
    list_filter = ["stage", "clip__video__dataset"]
    search_fields = ["clip__name", "config_key"]
    list_select_related = ["clip"]


@admin.register(IdentityRun)
class IdentityRunAdmin(BackgroundWorkAdmin):
    list_display = ["video", "config_key", "stage", "person_count", "error"]
    list_filter = ["stage", "video__dataset"]
    search_fields = ["video__name", "config_key"]
    list_select_related = ["video"]


@admin.register(Person)
class PersonAdmin(BoxAdmin):
    clip_of = "run__clip"
    list_display = ["run", "track_id", "person_id"]
    list_filter = ["run__clip__video__dataset"]
    list_select_related = ["run__clip"]


@admin.register(Proposal)
class ProposalAdmin(BoxAdmin):
    clip_of = "run__clip"
    list_display = ["run", "second", "person_id", "x1", "y1", "x2", "y2", "score"]
    list_filter = ["run__clip__video__dataset"]
    list_select_related = ["run__clip"]


@admin.register(Bundle)
class BundleAdmin(BackgroundWorkAdmin):
    list_display = ["pk", "dataset", "config_key", "stage", "progress", "created_at", "error"]
    list_filter = ["stage", "dataset"]
    search_fields = ["dataset__name", "config_key"]
    list_select_related = ["dataset"]


@admin.register(TrackImport)
class TrackImportAdmin(BackgroundWorkAdmin):
    list_display = ["bundle_import", "stage", "progress", "track_count", "error"]
    list_filter = ["stage", "bundle_import__upload__dataset"]
    search_fields = ["bundle_import__upload__original_name"]
    list_select_related = ["bundle_import__upload"]


@admin.register(Experiment)
class ExperimentAdmin(BackgroundWorkAdmin):
    actions: list[str] = []
    list_display = [
        "dataset",
        "detector",
        "threshold",
        "frame_stride",
        "keep_ids",
        "is_active",
        "created_at",
    ]
    list_filter = ["dataset", "is_active"]
    search_fields = ["dataset__name", "detector", "weights"]
    list_select_related = ["dataset"]
