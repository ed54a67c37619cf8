"""The operators' view of agreement, consensus, reviews and releases.

Decisions of people are records: they are shown and never edited or deleted here.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from datasets.admin import MadeByWorkers
from qc.models import (
    Adjudication,
    AgreementReport,
    AgreementSummary,
    ClipExport,
    Comment,
    Consensus,
    ConsensusBox,
    ConsensusLabel,
    HouseRules,
    Release,
    ReleaseSync,
    Review,
    Score,
    ThirdOpinion,
)


class SaidByPeople(MadeByWorkers):
    """Decisions, verdicts and comments; a decision is taken back on its page."""

    actions: list[str] = []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(AgreementReport)
class AgreementReportAdmin(MadeByWorkers):
    list_display = ["clip", "versions", "stage", "finished_at", "error"]
    list_filter = ["stage", "clip__video__dataset"]
    search_fields = ["clip__name"]
    list_select_related = ["clip"]
    unshown = ("figures",)


@admin.register(AgreementSummary)
class AgreementSummaryAdmin(MadeByWorkers):
    unshown = ("figures",)
    list_display = ["dataset", "period", "stage", "finished_at", "error"]
    list_filter = ["stage", "dataset"]
    list_select_related = ["dataset"]


@admin.register(HouseRules)
class HouseRulesAdmin(ModelAdmin):
    list_display = ["dataset", "decides", "switched_off"]
    list_select_related = ["dataset"]


@admin.register(Consensus)
class ConsensusAdmin(MadeByWorkers):
    list_display = ["clip", "versions", "stage", "open_count", "finished_at", "error"]
    list_filter = ["stage", "clip__video__dataset"]
    search_fields = ["clip__name"]
    list_select_related = ["clip"]


@admin.register(ConsensusBox)
class ConsensusBoxAdmin(MadeByWorkers):
    actions: list[str] = []
    list_display = ["consensus", "second", "person_id", "status", "drawn_by"]
    list_filter = ["status", "consensus__clip__video__dataset"]
    search_fields = ["consensus__clip__name"]
    list_select_related = ["consensus__clip"]


@admin.register(ConsensusLabel)
class ConsensusLabelAdmin(MadeByWorkers):
    actions: list[str] = []
    list_display = ["box", "group", "actions_believed", "rule"]
    list_filter = ["rule", "group", "box__consensus__clip__video__dataset"]
    search_fields = ["box__consensus__clip__name", "group"]
    list_select_related = ["box__consensus__clip"]

    @admin.display(description="actions")
    def actions_believed(self, label: ConsensusLabel) -> str:
        return ", ".join(label.actions) or "none"


@admin.register(Adjudication)
class AdjudicationAdmin(SaidByPeople):
    list_display = [
        "clip",
        "second",
        "person_id",
        "group",
        "is_person",
        "decided_by",
        "decided_at",
    ]
    list_filter = ["clip__video__dataset", "group", "is_person"]
    search_fields = ["clip__name", "decided_by__username", "reason"]
    list_select_related = ["clip", "decided_by"]


@admin.register(Review)
class ReviewAdmin(SaidByPeople):
    list_display = ["task", "pull", "verdict", "reviewer", "reviewed_at", "reason"]
    list_filter = ["verdict", "task__clip__video__dataset", "reviewer"]
    search_fields = ["task__clip__name", "task__annotator__name", "reason"]
    list_select_related = [
        "task__clip", "task__annotator", "pull__task__clip", "pull__task__annotator",
        "reviewer",
    ]  # fmt: skip


@admin.register(ClipExport)
class ClipExportAdmin(MadeByWorkers):
    list_display = ["clip", "recipe", "longest_side", "stage", "finished_at", "error"]
    list_filter = ["stage", "clip__video__dataset"]
    search_fields = ["clip__name"]
    list_select_related = ["clip"]


@admin.register(Comment)
class CommentAdmin(SaidByPeople):
    list_display = ["task", "author", "written_at", "text"]
    list_filter = ["task__clip__video__dataset", "author"]
    search_fields = ["task__clip__name", "task__annotator__name", "text"]
    list_select_related = ["task__clip", "task__annotator", "author"]


@admin.register(ThirdOpinion)
class ThirdOpinionAdmin(MadeByWorkers):
    list_display = ["clip", "annotator", "asked_by", "asked_at", "stage", "error"]
    list_filter = ["stage", "clip__video__dataset"]
    search_fields = ["clip__name", "annotator__name"]
    list_select_related = ["clip", "annotator", "asked_by"]


@admin.register(Release)
class ReleaseAdmin(MadeByWorkers):
    list_display = [
        "number",
        "dataset",
        "stage",
        "progress",
        "created_by",
        "created_at",
        "error",
    ]
    list_filter = ["stage", "dataset"]
    search_fields = ["dataset__name"]
    list_select_related = ["dataset", "created_by"]


@admin.register(ReleaseSync)
class ReleaseSyncAdmin(MadeByWorkers):
    list_display = ["release", "prefix", "stage", "progress", "ordered_by", "error"]
    list_filter = ["stage", "release__dataset"]
    search_fields = ["prefix", "release__dataset__name"]
    list_select_related = ["release__dataset", "ordered_by"]


@admin.register(Score)
class ScoreAdmin(MadeByWorkers):
    list_display = ["pull", "key", "stage", "finished_at", "error"]
    list_filter = ["stage", "pull__task__clip__video__dataset"]
    search_fields = ["pull__task__clip__name", "pull__task__annotator__name"]
    list_select_related = ["pull__task__clip", "pull__task__annotator", "key__task__clip"]
