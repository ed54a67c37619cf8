"""The operators' view of annotators, tasks and answers."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from annotation.models import Annotation, AnnotationTask, Annotator, Plan, Pull
from datasets.admin import MadeByWorkers


@admin.register(Annotator)
class AnnotatorAdmin(ModelAdmin):
    list_display = ["name", "dataset", "is_active", "capacity", "is_simulated"]
    list_filter = ["dataset", "is_active", "is_simulated"]
    search_fields = ["name", "dataset__name"]
    list_select_related = ["dataset"]
    autocomplete_fields = ["dataset"]


@admin.register(Plan)
class PlanAdmin(ModelAdmin):
    list_display = ["dataset", "overlap", "per_clip", "blind", "gold", "seed", "pace"]
    search_fields = ["dataset__name"]
    list_select_related = ["dataset"]
    autocomplete_fields = ["dataset"]


@admin.register(AnnotationTask)
class AnnotationTaskAdmin(MadeByWorkers):
    list_display = ["clip", "annotator", "purpose", "is_blind", "stage", "created_at", "error"]
    list_filter = ["stage", "purpose", "is_blind", "clip__video__dataset", "annotator"]
    search_fields = ["clip__name", "annotator__name"]
    list_select_related = ["clip", "annotator"]


@admin.register(Pull)
class PullAdmin(MadeByWorkers):
    list_display = [
        "task",
        "version",
        "stage",
        "person_count",
        "unfinished",
        "created_at",
        "error",
    ]
    list_filter = ["stage", "task__clip__video__dataset"]
    search_fields = ["task__clip__name", "task__annotator__name", "sha256"]
    list_select_related = ["task__clip", "task__annotator"]


@admin.register(Annotation)
class AnnotationAdmin(MadeByWorkers):
    actions: list[str] = []
    list_display = ["pull", "second", "track", "person_id", "answers"]
    list_filter = ["pull__task__clip__video__dataset"]
    search_fields = ["pull__task__clip__name", "pull__task__annotator__name"]
    list_select_related = ["pull__task__clip", "pull__task__annotator"]
