"""Admin of annotators, tasks, answer versions, and CVAT rows."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from annotation.models import (
    Annotation,
    AnnotationTask,
    Annotator,
    AnswerDraft,
    AnswerVersion,
    CvatJob,
    CvatProject,
    CvatServer,
    DraftOperation,
    Guideline,
    GuidelineImage,
    IssueComment,
    JobStateChange,
    JobTimes,
    LabelImport,
    PlanSettings,
    Reconciliation,
    StoredBox,
    WebhookDelivery,
)
from datasets.admin import (
    BackgroundWorkAdmin,
    BoxAdmin,
    CountedDeletionAdmin,
    OwnPageDeletionAdmin,
    PermanentRowAdmin,
    ReadOnlyAdmin,
)


@admin.register(Annotator)
class AnnotatorAdmin(CountedDeletionAdmin):
    list_display = ["name", "dataset", "is_active", "capacity", "is_simulated"]
    list_filter = ["dataset", "is_active", "is_simulated"]
    search_fields = ["name", "dataset__name"]
    list_select_related = ["dataset"]
    autocomplete_fields = ["dataset"]


@admin.register(PlanSettings)
class PlanSettingsAdmin(CountedDeletionAdmin):
    list_display = ["dataset", "overlap", "per_clip", "blind", "gold", "seed", "pace"]
    search_fields = ["dataset__name"]
    list_select_related = ["dataset"]
    autocomplete_fields = ["dataset"]


class RecordAdmin(OwnPageDeletionAdmin, BackgroundWorkAdmin):
    """Tasks and versions can't be deleted here: reports and consensuses refer to them."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "to_delete"]

    @admin.display(description="To delete it")
    def to_delete(self, row: Any) -> SafeString:
        return format_html(
            "{} {}", "Answers are kept as a record. They are deleted only with their video.",
            super().to_delete(row),
        )  # fmt: skip

    def deletion_page(self, row: AnnotationTask | AnswerVersion) -> str:
        video = (row if isinstance(row, AnnotationTask) else row.task).clip.video
        return reverse("datasets:delete-video", args=[video.dataset.name, video.name])


@admin.register(AnnotationTask)
class AnnotationTaskAdmin(RecordAdmin):
    list_display = ["clip", "annotator", "purpose", "is_blind", "stage", "created_at", "error"]
    list_filter = ["stage", "purpose", "is_blind", "clip__video__dataset", "annotator"]
    search_fields = ["clip__name", "annotator__name"]
    list_select_related = ["clip", "annotator"]


@admin.register(AnswerVersion)
class AnswerVersionAdmin(RecordAdmin):
    list_display = [
        "task",
        "number",
        "stage",
        "person_count",
        "unfinished",
        "created_at",
        "error",
    ]
    list_filter = ["stage", "task__clip__video__dataset"]
    search_fields = ["task__clip__name", "task__annotator__name", "sha256"]
    list_select_related = ["task__clip", "task__annotator"]


@admin.register(LabelImport)
class LabelImportAdmin(BackgroundWorkAdmin):
    list_display = ["original_name", "dataset", "source_name", "format", "stage", "undone_at"]
    list_filter = ["stage", "format", "dataset"]
    search_fields = ["original_name", "source_name", "dataset__name"]
    list_select_related = ["dataset", "source"]


@admin.register(AnswerDraft)
class AnswerDraftAdmin(ReadOnlyAdmin):
    """The label page writes drafts and their operations; they go with their task."""

    list_display = ["task", "revision", "done", "total", "saved_at", "version"]
    search_fields = ["task__clip__name", "task__annotator__name"]
    list_select_related = [
        "task__clip", "task__annotator", "version__task__clip", "version__task__annotator",
    ]  # fmt: skip
    exclude = ["start"]


@admin.register(DraftOperation)
class DraftOperationAdmin(ReadOnlyAdmin):
    list_display = ["draft", "number", "active_ms", "received_at", "discarded_at"]
    search_fields = ["draft__task__clip__name"]
    list_select_related = ["draft__task__clip", "draft__task__annotator"]


@admin.register(Guideline)
class GuidelineAdmin(ReadOnlyAdmin):
    list_display = ["dataset", "action", "changed_at"]
    list_select_related = ["dataset", "action"]


@admin.register(GuidelineImage)
class GuidelineImageAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "guideline", "kind", "caption", "clip", "second", "person_id"]
    list_select_related = ["guideline__dataset", "guideline__action", "clip"]


class VersionRowAdmin(PermanentRowAdmin, BoxAdmin):
    """Rows of one answer version, deleted only with it."""


@admin.register(Annotation)
class AnnotationAdmin(VersionRowAdmin):
    clip_of = "version__task__clip"
    list_display = ["version", "second", "track", "person_id", "label", "answers"]
    list_filter = ["version__task__clip__video__dataset"]
    list_select_related = ["version__task__clip", "version__task__annotator"]


@admin.register(StoredBox)
class StoredBoxAdmin(VersionRowAdmin):
    clip_of = "task__clip"
    list_display = [
        "task", "job", "track", "frame", "xtl", "ytl", "xbr", "ybr", "outside", "answers",
        "annotator",
    ]  # fmt: skip
    list_filter = ["outside", "task__clip__video__dataset"]
    list_select_related = ["task__clip", "task__annotator"]

    @admin.display(description="attributes")
    def answers(self, box: StoredBox) -> str:
        return ", ".join(f"{name}: {value}" for name, value in sorted(box.attributes.items()))


@admin.register(CvatServer)
class CvatServerAdmin(BackgroundWorkAdmin):
    """Servers are added on their own page, which encrypts the secrets."""

    list_display = ["name", "url", "organisation", "version", "stage", "error"]
    search_fields = ["name", "url"]
    hidden_fields = ("encrypted_token", "encrypted_password", "encrypted_secret")


@admin.register(CvatProject)
class CvatProjectAdmin(BackgroundWorkAdmin):
    list_display = ["dataset", "server", "project_id", "stage", "is_paused", "error"]
    list_filter = ["server", "stage"]
    search_fields = ["dataset__name", "server__name"]
    list_select_related = ["dataset", "server"]


@admin.register(CvatJob)
class CvatJobAdmin(BackgroundWorkAdmin):
    list_display = ["task", "job_id", "assignee", "cvat_stage", "cvat_state", "stage", "error"]
    list_filter = ["stage", "cvat_state", "is_deleted", "project__dataset"]
    search_fields = ["task__clip__name", "task__annotator__name"]
    list_select_related = ["task__clip", "task__annotator"]


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(BackgroundWorkAdmin):
    list_display = ["received_at", "server", "event", "job_id", "copies", "stage", "outcome"]
    list_filter = ["server", "event", "stage"]
    search_fields = ["event", "outcome"]
    list_select_related = ["server"]


@admin.register(Reconciliation)
class ReconciliationAdmin(BackgroundWorkAdmin):
    list_display = ["project", "created_at", "is_full", "stage", "summary", "error"]
    list_filter = ["project__dataset", "stage", "is_full"]
    search_fields = ["project__dataset__name"]
    list_select_related = ["project__dataset", "project__server"]


@admin.register(JobStateChange)
class JobStateChangeAdmin(BackgroundWorkAdmin):
    list_display = ["job", "verdict", "stage", "applied_at", "error"]
    list_filter = ["verdict", "stage"]
    search_fields = ["job__task__clip__name", "reason"]
    list_select_related = ["job__task__clip", "job__task__annotator"]


@admin.register(JobTimes)
class JobTimesAdmin(ReadOnlyAdmin):
    list_display = ["version", "finished_at", "asked_at", "working_ms", "answers", "answer_ms"]
    list_filter = ["asked_at"]
    search_fields = ["version__task__clip__name", "version__author__name"]
    list_select_related = ["version__task__clip", "version__task__annotator"]


@admin.register(IssueComment)
class IssueCommentAdmin(BackgroundWorkAdmin):
    list_display = ["job", "frame", "author", "text", "is_resolved", "stage", "error"]
    list_filter = ["stage", "is_resolved", "job__project__dataset"]
    search_fields = ["job__task__clip__name", "author", "text"]
    list_select_related = ["job__task__clip", "job__task__annotator"]
