"""Admin pages of agreement, consensus, reviews and releases.

Decisions, verdicts and comments are records: the admin shows them, but cannot edit or delete
them. Decisions are undone on the page Decisions.
"""

from django.contrib import admin
from unfold.admin import ModelAdmin

from datasets.admin import BackgroundWorkAdmin, BoxAdmin, PermanentRowAdmin
from qc import models


@admin.display(description="actions")
def action_names(label: models.ConsensusLabel) -> str:
    return ", ".join(label.actions) or "none"


admin.site.register(
    models.AgreementReport, BackgroundWorkAdmin,
    list_display=["clip", "versions", "stage", "finished_at", "error"],
    list_filter=["stage", "clip__video__dataset"],
    search_fields=["clip__name"],
    list_select_related=["clip"],
    hidden_fields=("figures",),
)  # fmt: skip
admin.site.register(
    models.AgreementSummary, BackgroundWorkAdmin,
    list_display=["dataset", "period", "stage", "finished_at", "error"],
    list_filter=["stage", "dataset"],
    list_select_related=["dataset"],
    hidden_fields=("figures",),
)  # fmt: skip
admin.site.register(
    models.AgreementPart, PermanentRowAdmin,
    list_display=["summary", "name"],
    list_filter=["summary__dataset"],
    list_select_related=["summary__dataset"],
    hidden_fields=("groups", "clips", "summary__figures"),
)  # fmt: skip
admin.site.register(
    models.QualityRules, ModelAdmin,
    list_display=["dataset", "vote_rule", "switched_off"],
    list_select_related=["dataset"],
)  # fmt: skip
admin.site.register(
    models.Consensus, BackgroundWorkAdmin,
    list_display=["clip", "versions", "stage", "open_count", "finished_at", "error"],
    list_filter=["stage", "clip__video__dataset"],
    search_fields=["clip__name"],
    list_select_related=["clip"],
)  # fmt: skip
admin.site.register(
    models.ConsensusBox, BoxAdmin,
    clip_of="consensus__clip",
    list_display=["consensus", "second", "person_id", "status", "drawn_by"],
    list_filter=["status", "consensus__clip__video__dataset"],
    list_select_related=["consensus__clip"],
)  # fmt: skip
admin.site.register(
    models.ConsensusLabel, BoxAdmin,
    clip_of="box__consensus__clip",
    list_display=["box", "group", action_names, "rule"],
    list_filter=["rule", "box__consensus__clip__video__dataset"],
    list_select_related=["box__consensus__clip"],
)  # fmt: skip
admin.site.register(
    models.ConsensusAction, BoxAdmin,
    clip_of="consensus__clip",
    list_display=["consensus", "group", "action", "count"],
    list_filter=["group", "consensus__clip__video__dataset"],
    list_select_related=["consensus__clip"],
)  # fmt: skip
admin.site.register(
    models.Adjudication, PermanentRowAdmin,
    list_display=["clip", "second", "video_person", "group", "is_person", "decided_by",
                  "decided_at"],
    list_filter=["clip__video__dataset", "group", "is_person"],
    search_fields=["clip__name", "decided_by__username", "reason"],
    list_select_related=["clip", "video_person__video", "decided_by"],
)  # fmt: skip
admin.site.register(
    models.Review, PermanentRowAdmin,
    list_display=["task", "version", "verdict", "reviewer", "reviewed_at", "reason"],
    list_filter=["verdict", "task__clip__video__dataset", "reviewer"],
    search_fields=["task__clip__name", "task__annotator__name", "reason"],
    list_select_related=["task__clip", "task__annotator", "version__task__clip",
                         "version__task__annotator", "reviewer"],
)  # fmt: skip
admin.site.register(
    models.ClipExport, BackgroundWorkAdmin,
    list_display=["clip", "content_key", "longest_side", "stage", "finished_at", "error"],
    list_filter=["stage", "clip__video__dataset"],
    search_fields=["clip__name"],
    list_select_related=["clip"],
)  # fmt: skip
admin.site.register(
    models.SavedView, PermanentRowAdmin,
    list_display=["name", "page", "dataset", "user", "query"],
    list_filter=["page", "dataset"],
    search_fields=["name", "user__username"],
    list_select_related=["dataset", "user"],
)  # fmt: skip
admin.site.register(
    models.Comment, PermanentRowAdmin,
    list_display=["task", "author", "written_at", "text"],
    list_filter=["task__clip__video__dataset", "author"],
    search_fields=["task__clip__name", "task__annotator__name", "text"],
    list_select_related=["task__clip", "task__annotator", "author"],
)  # fmt: skip
admin.site.register(
    models.ThirdOpinion, BackgroundWorkAdmin,
    list_display=["clip", "annotator", "asked_by", "asked_at", "stage", "error"],
    list_filter=["stage", "clip__video__dataset"],
    search_fields=["clip__name", "annotator__name"],
    list_select_related=["clip", "annotator", "asked_by"],
)  # fmt: skip
admin.site.register(
    models.Release, BackgroundWorkAdmin,
    list_display=["number", "dataset", "stage", "progress", "created_by", "created_at",
                  "error"],
    list_filter=["stage", "dataset"],
    search_fields=["dataset__name"],
    list_select_related=["dataset", "created_by"],
    hidden_fields=("counts", "options"),
)  # fmt: skip
admin.site.register(
    models.ReleaseSync, BackgroundWorkAdmin,
    list_display=["release", "prefix", "stage", "progress", "requested_by", "error"],
    list_filter=["stage", "release__dataset"],
    search_fields=["prefix", "release__dataset__name"],
    list_select_related=["release__dataset", "requested_by"],
)  # fmt: skip
admin.site.register(
    models.ReleaseEvaluation, PermanentRowAdmin,
    list_display=["release", "model", "split", "mean_ap", "recorded_by", "recorded_at"],
    list_filter=["release__dataset", "split"],
    search_fields=["model", "release__dataset__name"],
    list_select_related=["release__dataset", "recorded_by"],
)  # fmt: skip
admin.site.register(
    models.Datasheet, PermanentRowAdmin,
    list_display=["dataset", "changed_at", "changed_by"],
    list_select_related=["dataset", "changed_by"],
)  # fmt: skip
admin.site.register(
    models.TakenOut, PermanentRowAdmin,
    list_display=["video", "clip", "person_id", "dataset", "taken_out_at", "taken_out_by"],
    list_filter=["dataset"],
    search_fields=["video", "clip"],
    list_select_related=["dataset", "taken_out_by"],
)  # fmt: skip
admin.site.register(
    models.Score, BackgroundWorkAdmin,
    list_display=["version", "key", "stage", "finished_at", "error"],
    list_filter=["stage", "version__task__clip__video__dataset"],
    search_fields=["version__task__clip__name", "version__task__annotator__name"],
    list_select_related=[
        "version__task__clip", "version__task__annotator", "key__task__clip",
        "key__task__annotator",
    ],
)  # fmt: skip
admin.site.register(
    models.ClipStatus, PermanentRowAdmin,
    list_display=["name", "dataset", "state", "task_count", "open_items", "is_releasable"],
    list_filter=["state", "dataset"],
    search_fields=["name"],
    list_select_related=["dataset"],
)  # fmt: skip
admin.site.register(
    models.TaskStatus, PermanentRowAdmin,
    list_display=["name", "annotator", "dataset", "state", "is_pending", "verdict"],
    list_filter=["state", "dataset"],
    search_fields=["name", "annotator__name"],
    list_select_related=["dataset", "annotator"],
)  # fmt: skip
admin.site.register(models.StatusClock, PermanentRowAdmin, list_display=["as_of", "checked_at"])
